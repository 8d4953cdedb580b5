"""Episodes in the yard, driven by the expert and the learner by turns; the expert says what it would have done.

The robot's real nodes drive, on virtual time. What comes of an episode are examples: what the graph was shown, and what
the expert knew of the people there and of each manoeuvre.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saccade import params
from saccade.cli.episodes.nav import Nav
from saccade.cli.mission import MissionWatch
from saccade.cli.session import modelled_latency, seeing_nodes
from saccade.clock import MS, SEC, nanoseconds, seconds
from saccade.geometry import F32, F64
from saccade.node import Sample, run
from saccade.robots import robot_file
from saccade.wire.convert import encode_text
from saccade.wire.virtual import VirtualBus
from safety_node.node import SafetyNode
from safety_node.params import SafetyParams
from sim.bus import make_world, world_kind
from sim.world import World
from training.policy.expert import Expert, Judged, Truth
from vla_node.bodies import body_of
from vla_node.node import VlaNode
from vla_node.params import VlaParams
from vla_node.policies.base import FastPolicy, Look, PolicySpec
from vla_node.policies.default import default_policy
from vla_node.policies.embedded import EmbeddedPolicy
from vla_node.policies.learned.manoeuvres import EVERY, ahead
from vla_node.policies.learned.open import open_learned
from vla_node.policies.learned.policy import LearnedPolicy, Shown
from vla_node.policies.learned.scan import FAR_M
from vla_node.rollout import Motion

ROBOT = "yard"
_TURN_NS = SEC
"""Expert and learner take turns of this length."""
_ASKED_NS = 90 * MS
"""The expert is asked so often, and in between goes on with what it said: more labels a second are much alike."""
PEOPLE, RGBD = (4, 13), 0.5
"""How many people walk about, and the share of episodes that are seen with true depth; others with the stereo pair."""
Examples = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Drive:
    """One episode. `beta`: the share of turns that the expert takes (DAgger, Ross et al. 2011).

    `card` is the learner's. `seed` is the yard's; the people in it and the errand follow from it.
    """

    seed: int
    beta: float
    card: Path
    limit_s: float = 0.0


class Taught:
    """Policy of an episode: learner and expert by turns; what was shown, and what the expert knew, is kept."""

    def __init__(self, learner: LearnedPolicy, classical: EmbeddedPolicy, world: World, drive: Drive) -> None:
        yard: Any = world.simulation
        self._learner, self._own, self._world, self._drive = learner, classical, world, drive
        self._truth = Truth.of(yard.layout.things, yard.layout.walkers)
        self._expert = Expert(self._truth, classical.limits, classical.style, classical.margin_m)
        self._rng = np.random.default_rng((drive.seed, 7))
        self._turn, self._expert_drives = -1, True
        self._way: list[Motion] = []
        self._asked_ns = self._plan_id = -1
        self.examples: list[dict[str, F32]] = []

    @property
    def spec(self) -> PolicySpec:
        """See `FastPolicy.spec`."""
        return self._learner.spec

    def begin(self, epoch: int) -> None:
        """See `FastPolicy.begin`."""
        self._learner.begin(epoch)

    def act(self, look: Look, timeout_ns: int) -> F64:
        """See `FastPolicy.act`."""
        shown = self._learner.shown(look)
        if shown is None:
            return self._own.act(look, timeout_ns)
        turn = (look.stamp_ns - self._world.start_ns) // _TURN_NS
        if turn != self._turn:
            self._turn, self._expert_drives = turn, bool(self._rng.uniform() < self._drive.beta)
        expected = self._told(look, shown)
        return expected if self._expert_drives else self._learner.answer(shown)

    def _told(self, look: Look, shown: Shown) -> F64:
        """The expert's rows; what it knew is kept with what was shown."""
        since = (look.stamp_ns - self._asked_ns) // self._own.dt_ns
        if look.stamp_ns - self._asked_ns >= _ASKED_NS or look.plan.id != self._plan_id:
            elapsed_s, T = seconds(look.stamp_ns - self._world.start_ns), self._world.truth()
            judged = self._expert.judge(shown.motion, shown.track, shown.grid, shown.left_s, T, elapsed_s)
            self._way = judged.ways[judged.best]
            self._asked_ns, self._plan_id, since = look.stamp_ns, look.plan.id, 0
            self.examples.append(example(shown, judged, *self._truth.seen(shown.inputs, T, elapsed_s)))
        return np.array([(m.v, m.w) for m in self._way[since : since + self._own.horizon]])

    def close(self) -> None:
        """See `FastPolicy.close`."""
        self._learner.close()


def example(shown: Shown, judged: Judged, who: F64, going: F64) -> dict[str, F32]:
    """One example: the graph's inputs, what was true of the people seen, and what the manoeuvres would have cost."""
    arrays = {
        **{name: array[0] for name, array in shown.inputs.items()}, "ways": ahead(shown.motion, judged.x, judged.y),
        "people_m": np.minimum(judged.people_m, FAR_M)[:, EVERY - 1 :: EVERY], "who": who, "going": going,
        "things": judged.things, "people": judged.people, "mapped": judged.mapped, "course": judged.course,
    }  # fmt: skip
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def collect(drive: Drive) -> tuple[Examples, dict[str, Any]]:
    """The examples of one episode, float32 arrays (n, ...) by name, and what became of it and how long it took."""
    begun = time.monotonic()
    cv2.setNumThreads(1)
    rng, path = np.random.default_rng((drive.seed, 8)), robot_file(ROBOT)
    people, errand = int(rng.integers(*PEOPLE)), Nav(back=bool(rng.uniform() < 0.3))
    eyes = "&eyes=rgbd" if rng.uniform() < RGBD else ""
    vla = params.load(VlaParams, path, "vla_node")
    vla = replace(vla, planner=replace(vla.planner, worker="modelled"), policy=replace(vla.policy, latency_s=0.0))
    kind, options = world_kind(f"yard?seed={drive.seed}{eyes}&people={people}")
    seeing, gate = seeing_nodes(ROBOT, points=False), SafetyNode(params.load(SafetyParams, path, "safety_node"))
    reads = gate.reads.union(*(node.reads for node in seeing), VlaNode(vla).reads)
    world = make_world(kind, replace(options, seconds=1e6), reads)
    taught = _taught(vla, world, drive)
    nodes = [*seeing, VlaNode(vla, policy=taught), gate]
    verdict, mission = world.judge(), MissionWatch()
    limit_ns = nanoseconds(drive.limit_s or errand.limit_s(verdict))
    bus = VirtualBus(world, latency_ns=modelled_latency(ROBOT, nodes))
    bus.push(Sample("instruction", world.start_ns + SEC // 2, encode_text(errand.words(verdict))))
    try:
        run([*nodes, mission], bus, lambda: mission.over or bus.now_ns() - world.start_ns >= limit_ns)
    finally:
        bus.close()
    said_done = mission.last is not None and mission.last.final and mission.last.progress >= 1.0
    outcome = {"seed": drive.seed, "beta": drive.beta, **errand.figures(world.judge(), said_done)}
    return _examples(taught), {**outcome, "seconds": round(time.monotonic() - begun, 1)}


def _taught(vla: VlaParams, world: World, drive: Drive) -> Taught:
    classical: FastPolicy = default_policy(replace(vla, policy=replace(vla.policy, travel="classical")), body_of(vla))
    assert isinstance(classical, EmbeddedPolicy)
    return Taught(open_learned(classical, drive.card), classical, world, drive)


def _examples(taught: Taught) -> Examples:
    made = taught.examples
    return {name: np.stack([one[name] for one in made]) for name in made[0]} if made else {}
