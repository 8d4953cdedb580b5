"""Examples that are drawn instead of driven: a floor plan, people on it, and what a camera would see, in the plane.

An errand takes ten seconds to drive and meets few people; a hundred encounters are drawn in as long. The robot stands
near a person, has come there along an arc, and looks about where the person is; sight is a fan of rays on the true map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from saccade.clock import seconds
from saccade.geometry import F32, F64, SE3
from sim.ways import CELL_M
from sim.yard.layout import YARD_M, furnish
from sim.yard.rigs import HEADS
from sim.yard.walkers import PERSON_RADIUS_M
from training.policy.expert import Truth
from vla_node.bodies import body_of
from vla_node.params import VlaParams
from vla_node.policies.default import default_policy
from vla_node.policies.embedded import EmbeddedPolicy
from vla_node.policies.learned.manoeuvres import EVERY, STEP_S, STEPS, ahead, others, places
from vla_node.policies.learned.scan import FAR_M, in_view, of_points
from vla_node.policies.learned.sight import AGES_NS, Inputs, stacked
from vla_node.rollout import Motion, follow
from vla_node.track import Track

CROWD = 10
_RIG = HEADS["wide"]
_SETS, _RAYS = 60, 120
_ROOM_M, _NEAR_M = 0.45, (0.7, 5.0)
_GRAZE_M = 0.03
"""So near to a thing a ray has met it."""
_ALONG = np.arange(CELL_M, FAR_M + 0.5, CELL_M)
_FAR_M = 9.0
"""Whoever is further away comes near in no manoeuvre."""
_ALONE = 0.15
"""The share of examples in which the robot stands anywhere."""
_AGES_S = [seconds(age) for age in AGES_NS]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Pencil:
    """Draws examples in one yard: `sets` of manoeuvres, x and y (WAYS, STEPS) in the robot's frame, and its speeds."""

    sets: list[tuple[F64, F64, Motion]]
    truth: Truth
    rng: Rng

    def example(self) -> dict[str, F32]:
        """One example, as `collect.example` makes them, without costs."""
        rng = self.rng
        x, y, m = self.sets[int(rng.integers(len(self.sets)))]
        elapsed_s = float(rng.uniform(2.0, 60.0))
        now = self._somewhere(elapsed_s)
        near = [w for w in self.truth.walkers if math.dist(w.at(elapsed_s)[:2], now.t[:2]) < _FAR_M]
        truth = Truth(self.truth.floor, near)
        arc = [now @ _moved(m, -age) for age in _AGES_S]
        scans = [_scan(truth, T, elapsed_s - age) for T, age in zip(arc, _AGES_S, strict=True)]
        view = in_view(_RIG.camera, _RIG.T_base_from["left_optical"])
        inputs: Inputs = stacked(now, arc, scans, [view] * len(arc), _AGES_S)
        who, going = truth.seen(inputs, now, elapsed_s)
        world = now.apply(np.stack([x, y, np.zeros_like(x)], axis=-1))
        people_m = truth.people_m(world[..., 0], world[..., 1], elapsed_s)
        arrays = {
            **{name: array[0] for name, array in inputs.items()}, "ways": ahead(Motion(0.0, 0.0, 0.0, 0.0, 0.0), x, y),
            "people_m": np.minimum(people_m, FAR_M)[:, EVERY - 1 :: EVERY], "who": who, "going": going,
        }  # fmt: skip
        return {name: np.asarray(array, np.float32) for name, array in arrays.items()}

    def _somewhere(self, elapsed_s: float) -> SE3:
        """A pose where there is room, most often near a person and about in its direction."""
        rng, walker = self.rng, self.truth.walkers[int(self.rng.integers(len(self.truth.walkers)))]
        person = walker.at(elapsed_s)
        while True:
            far, bearing, yaw = rng.uniform(*_NEAR_M), rng.uniform(-math.pi, math.pi), rng.uniform(-math.pi, math.pi)
            x, y = person.x + far * math.cos(bearing), person.y + far * math.sin(bearing)
            if rng.uniform() < _ALONE:
                x, y = rng.uniform(-YARD_M[0] / 2, YARD_M[0] / 2), rng.uniform(-YARD_M[1] / 2, YARD_M[1] / 2)
            else:
                yaw = math.atan2(person.y - y, person.x - x) + rng.normal(0.0, 0.7)
            if self.truth.room_m(np.array([x]), np.array([y]))[0] > _ROOM_M:
                return SE3.from_rpy(0.0, 0.0, yaw, (x, y, 0.0))


def _scan(truth: Truth, T: SE3, elapsed_s: float) -> F32:
    """What the camera of a robot there would see standing."""
    camera, eye = _RIG.camera, _RIG.T_base_from["left_optical"]
    u = np.stack([np.linspace(0.0, camera.width - 1.0, _RAYS), np.full(_RAYS, camera.cy)], axis=-1)
    a = np.arctan2(*(camera.unproject(u, np.ones(_RAYS)) @ eye.R.T)[:, 1::-1].T)
    way = np.stack([np.cos(a), np.sin(a), np.zeros(_RAYS)], axis=-1)
    begin = T.apply(eye.t)
    world = begin + _ALONG[:, None] * (way @ T.R.T)[:, None]
    met = truth.room_m(world[..., 0], world[..., 1]) < _GRAZE_M
    far = np.where(met.any(axis=1), _ALONG[np.argmax(met, axis=1)], math.inf)
    for walker in truth.walkers:
        person = walker.at(elapsed_s)
        to = (np.array([person.x - begin[0], person.y - begin[1], 0.0]) @ T.R)[:2]
        along = way[:, :2] @ to
        inside = PERSON_RADIUS_M**2 - (to @ to - along**2)
        hit = (inside > 0.0) & (along > 0.0)
        far = np.where(hit, np.minimum(far, along - np.sqrt(np.maximum(0.0, inside))), far)
    seen = np.isfinite(far)
    return of_points((eye.t + far[seen, None] * way[seen])[:, :2], 1)


def _moved(m: Motion, after_s: float) -> SE3:
    """Where a robot with these speeds is after so long, seen from where it is now."""
    yaw = m.w * after_s
    step = m.v * after_s
    return SE3.from_rpy(0.0, 0.0, yaw, (step * math.cos(yaw / 2), step * math.sin(yaw / 2), 0.0))


def manoeuvres(robot: VlaParams, count: int, rng: Rng) -> list[tuple[F64, F64, Motion]]:
    """So many sets of manoeuvres, at speeds and along ways that are drawn."""
    own = default_policy(robot, body_of(robot))
    assert isinstance(own, EmbeddedPolicy)
    out = []
    for _ in range(count):
        m = Motion(0.0, 0.0, 0.0, max(0.0, rng.uniform(-0.2, 0.75)), rng.choice((0.0, 1.0)) * rng.normal(0.0, 0.4))
        heading = rng.normal(0.0, 0.4) + np.cumsum(np.append(0.0, rng.normal(0.0, 0.3, 5)))
        points = np.cumsum(0.8 * np.stack([np.cos(heading), np.sin(heading), np.zeros(6)], axis=-1), axis=0)
        track = Track(np.concatenate([[[0.0, 0.0, 0.0]], points]))
        ways = [follow(m, track, own.style, own.limits, STEP_S, STEPS, 9.0)]
        out.append((*places(ways + others(m, track, own.style, own.limits, 9.0)), m))
    return out


def draw(robot: VlaParams, seeds: list[int], each: int, seed: int) -> dict[str, F32]:
    """So many examples in each of the yards, float32 arrays (n, ...) by name."""
    rng = np.random.default_rng((seed, 9))
    sets, made = manoeuvres(robot, _SETS, rng), []
    for yard in seeds:
        layout = furnish(yard, CROWD)
        pencil = Pencil(sets, Truth.of(layout.things, layout.walkers), rng)
        made += [pencil.example() for _ in range(each)]
    return {name: np.stack([one[name] for one in made]) for name in made[0]}
