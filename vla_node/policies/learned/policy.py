"""The learned policy: of fifteen manoeuvres the one that costs least, by the map and by a graph that knows people.

The graph was trained to imitate somebody who sees where people will walk. What is no way to drive along, turns on the
spot, speeds, and the last steps to the end, is left to the embedded policy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.engine import Engine, EngineError
from saccade.clock import seconds
from saccade.errors import ConfigError
from saccade.geometry import F64
from saccade.types import LocalMap, PlanKind
from vla_node.policies.base import ActionKind, Look, PolicyError, PolicySpec
from vla_node.policies.embedded import EmbeddedPolicy
from vla_node.policies.learned.card import LearnedCard
from vla_node.policies.learned.manoeuvres import (
    PER_PERSON,
    PLACES,
    STEP_S,
    STEPS,
    WAYS,
    Way,
    ahead,
    by_map,
    course,
    others,
    places,
)  # fmt: skip
from vla_node.policies.learned.scan import BEARINGS, FAR_M
from vla_node.policies.learned.sight import SCANS, Inputs, Sight
from vla_node.policies.stub import check_look
from vla_node.rollout import Motion, follow
from vla_node.track import Track

NEAR_M = 0.4
"""So near to the end of its way the embedded policy takes over, which stops to the centimetre."""
SURE_M = 0.03
"""So little too near is nothing: a network is never quite at zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A look that is the graph's to answer: where the robot is, its way, how long its plan lasts, and what it sees."""

    motion: Motion
    track: Track
    grid: LocalMap
    left_s: float
    inputs: Inputs


class LearnedPolicy:
    """A `FastPolicy` by a card and its open graph, which it closes; `classical` does what it was not trained for.

    It remembers half a second of what the camera saw. ConfigError where the robot, the card and the graph do not go
    together.
    """

    def __init__(self, card: LearnedCard, engine: Engine, classical: EmbeddedPolicy) -> None:
        self._card, self._engine, self._classical = card, engine, classical
        self._sight = Sight()
        self._epoch: int | None = None
        self._closed = False
        try:
            _check_robot(card, classical)
            self._infer(blank())
        except (ConfigError, PolicyError) as error:
            engine.close()
            raise ConfigError(f"{card.name}: {error}") from error

    @property
    def spec(self) -> PolicySpec:
        """See `FastPolicy.spec`."""
        own = self._classical
        return PolicySpec(
            f"learned {self._card.name}", ActionKind.VELOCITY, own.embodiment.axes, own.dt_ns, own.horizon, depth=True
        )

    def begin(self, epoch: int) -> None:
        """See `FastPolicy.begin`."""
        self._epoch = epoch
        self._sight.forget()

    def act(self, look: Look, timeout_ns: int) -> F64:
        """See `FastPolicy.act`; it takes 6 ms, and 22 where the plain pursuit will not do."""
        check_look(self.spec, look, look.epoch if self._epoch is None else self._epoch, self._closed)
        shown = self.shown(look)
        if shown is None:
            return self._classical.act(look, timeout_ns)
        return self.answer(shown)

    def shown(self, look: Look) -> Shown | None:
        """What the graph is shown of a look; None for one that is the embedded policy's. PolicyError without depth."""
        plan, own = look.plan, self._classical
        if plan.kind is not PlanKind.WAYPOINTS or not len(plan.waypoints) or look.grid is None:
            return None
        motion, track = own.motion(look), Track(plan.waypoints)
        if track.length_m - track.nearest(motion.x, motion.y) < NEAR_M:
            return None
        left_s = seconds(plan.obs_stamp_ns + plan.valid_for_ns - look.stamp_ns)
        return Shown(motion, track, look.grid, left_s, self._sight.see(look))

    def answer(self, shown: Shown) -> F64:
        """Rows (k, d): the plain pursuit where nothing is said against it, else the manoeuvre that costs least."""
        own, m, track = self._classical, shown.motion, shown.track
        ways = [follow(m, track, own.style, own.limits, STEP_S, STEPS, shown.left_s)]
        if self._danger(shown, ways)[0] > 0.0:
            ways += others(m, track, own.style, own.limits, shown.left_s)
            cost = self._danger(shown, ways) + [course(m, way, track, own.style) for way in ways]
            ways = [ways[int(np.argmin(cost))]]
        return self._bounded(np.array([(s.v, s.w) for s in ways[0][: own.horizon]]), shown.left_s)

    def close(self) -> None:
        """See `FastPolicy.close`."""
        self._closed = True
        self._engine.close()

    def _danger(self, shown: Shown, ways: list[Way]) -> F64:
        """What ways (k,) cost by the map, which says what stands, and by the graph, which says who comes."""
        own, (x, y) = self._classical, places(ways)
        shaped = np.zeros((1, WAYS, PLACES, 2), np.float32)
        shaped[0, : len(ways)] = ahead(shown.motion, x, y)
        near = self._infer({**shown.inputs, "ways": shaped})[: len(ways)]
        people = PER_PERSON * np.maximum(0.0, near - SURE_M)
        return people + by_map(shown.motion, x, y, shown.grid, own.limits.radius_m + own.margin_m)

    def _infer(self, inputs: Inputs) -> F64:
        """By how many metres each way (WAYS,) comes too near to people."""
        try:
            near: F64 = np.asarray(self._engine.infer(inputs)["near"][0], np.float64)
        except (EngineError, KeyError) as error:
            raise PolicyError(f"the graph has not answered: {error}") from error
        if near.shape != (WAYS,) or not np.isfinite(near).all():
            raise PolicyError(f"the graph answered {near.shape} with {near.tolist()[:2]}; expected {WAYS} finite ones")
        return near

    def _bounded(self, speeds: F64, left_s: float) -> F64:
        """Rows of the robot's axes that come to rest before the plan ends."""
        own, limits = self._classical, self._classical.limits
        until_end = np.maximum(0.0, left_s - seconds(own.dt_ns) * np.arange(1, len(speeds) + 1))
        most = np.stack(
            [np.minimum(limits.v_m_s, limits.a_m_s2 * until_end),
             np.minimum(limits.w_rad_s, limits.aw_rad_s2 * until_end)], axis=1
        )  # fmt: skip
        out = np.zeros((len(speeds), len(own.embodiment.axes)))
        out[:, [own.embodiment.forward, own.embodiment.turn]] = np.clip(speeds, -most, most)
        return out


def blank() -> Inputs:
    """Inputs of the right shapes, to try a graph with."""
    return {
        "scan": np.full((1, SCANS, BEARINGS), FAR_M, np.float32),
        "view": np.ones((1, SCANS, BEARINGS), np.float32),
        "age": np.zeros((1, SCANS), np.float32),
        "ways": np.zeros((1, WAYS, PLACES, 2), np.float32),
    }


def _check_robot(card: LearnedCard, own: EmbeddedPolicy) -> None:
    """ConfigError for a robot that is not the one that the policy was trained for."""
    pairs = (
        ("limits.radius_m", own.limits.radius_m, card.radius_m), ("limits.v_m_s", own.limits.v_m_s, card.v_m_s),
        ("limits.w_rad_s", own.limits.w_rad_s, card.w_rad_s), ("policy.horizon", own.horizon, card.horizon),
        ("1 / policy.rate_hz", own.dt_ns, card.dt_ns),
    )  # fmt: skip
    for what, is_, trained in pairs:
        if abs(is_ - trained) > 1e-9:
            raise ConfigError(
                f"trained for a robot with {what} of {trained:g}, and this one's is {is_:g}; "
                "train one for it (python -m training.policy --help), or leave policy.travel: classical"
            )
    if "vz" in own.embodiment.axes:
        raise ConfigError("trained for a base on the floor, and this one flies; leave policy.travel: classical")
