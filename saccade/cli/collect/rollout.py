"""One errand played through all nodes in a world on virtual time, with everything that it is judged and learned by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2

from saccade import params
from saccade.cli.collect.film import Film
from saccade.cli.mission import MissionWatch
from saccade.cli.session import modelled_latency, seeing_nodes
from saccade.clock import SEC, nanoseconds
from saccade.node import Node, Sample, run
from saccade.robots import robot_file
from saccade.types import Plan
from saccade.wire.convert import encode_text
from saccade.wire.inject import InjectSource, parse_faults
from saccade.wire.virtual import Source, VirtualBus
from safety_node.node import SafetyNode
from safety_node.params import SafetyParams
from sim.things import Thing
from vla_node.embodiments.arm import ArmParams
from vla_node.node import VlaNode
from vla_node.params import VlaParams
from vla_node.planner import Answer, Observation, Reasoner
from vla_node.reasoners.open import reasoner_of

LIMIT_S = {"table": 75.0, "hall": 120.0, "gates": 150.0}
_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is to be done where: an instruction about `goal` in a world of this seed.

    `options` are added to the world's address; `faults` are what breaks, as in `saccade replay --inject`.
    """

    world: str
    seed: int
    goal: str
    instruction: str
    options: str = ""
    faults: str = ""


class Thought(NamedTuple):
    """A plan, and what it was made from."""

    observation: Observation
    plan: Plan


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """An errand as it went. `things` stand in the world, `people` among them; `arm` is None for a body that travels."""

    errand: Assignment
    start_ns: int
    end_ns: int
    film: Film
    thoughts: Sequence[Thought]
    said: str
    done: bool
    things: tuple[Thing, ...]
    arm: ArmParams | None

    def thoughts_in(self, begin_ns: int, end_ns: int) -> list[Thought]:
        """What was thought from one instant to another, both included."""
        return [t for t in self.thoughts if begin_ns <= t.observation.stamp_ns <= end_ns]


class Overheard:
    """A reasoner that thinks as another does; what it saw and said is kept, as of plans that come `takes_ns` later."""

    def __init__(self, inner: Reasoner, takes_ns: int = 0) -> None:
        self._inner, self._takes_ns = inner, takes_ns
        self.thoughts: list[Thought] = []

    def refuses(self, instruction: str) -> str:
        """See `Reasoner.refuses`."""
        return self._inner.refuses(instruction)

    def plan(self, observation: Observation) -> Answer:
        """See `Reasoner.plan`."""
        answer = self._inner.plan(observation)
        self.thoughts.append(Thought(observation, replace(answer.plan, inference_ns=self._takes_ns)))
        return answer

    def cancel(self) -> None:
        """See `Reasoner.cancel`."""
        self._inner.cancel()

    def close(self) -> None:
        """See `Reasoner.close`."""
        self._inner.close()


def play(errand: Assignment, limit_s: float | None = None, progress: Callable[[int], None] = lambda _: None) -> Rollout:
    """Play an errand to its end, or for `limit_s`. SaccadeError."""
    from sim.bus import make_world, world_kind

    cv2.setNumThreads(1)
    limit_ns = nanoseconds(limit_s or LIMIT_S.get(errand.world, _LIMIT_S))
    nodes, reasoner, arm = overheard_nodes(errand.world)
    kind, options = world_kind(f"{errand.world}?seed={errand.seed}{errand.options}")
    reads = frozenset[str]().union(*(node.reads for node in nodes))
    world = make_world(kind, replace(options, seconds=1e6), reads)
    film, mission = Film(world, arm.axes if arm else ()), MissionWatch()
    faults = parse_faults(errand.faults)
    source: Source = InjectSource(world, faults, errand.seed) if faults else world
    bus = VirtualBus(source, latency_ns=modelled_latency(errand.world, nodes))
    bus.push(Sample("instruction", world.start_ns + SEC // 2, encode_text(errand.instruction)))

    def over() -> bool:
        progress(bus.now_ns())
        return mission.over or bus.now_ns() - world.start_ns >= limit_ns

    try:
        run([*nodes, film, mission], bus, over)
        end_ns = bus.now_ns()
    finally:
        bus.close()
    scene = world.simulation.scene
    things, said, done = scene.things if scene else (), mission.outcome, mission.done
    return Rollout(errand, world.start_ns, end_ns, film, reasoner.thoughts, said, done, things, arm)


def overheard_nodes(robot: str, points: bool = False) -> tuple[list[Node], Overheard, ArmParams | None]:
    """The robot's nodes as on virtual time, and the reasoner that is listened to; `points`: with clouds of points."""
    path = robot_file(robot)
    vla = params.load(VlaParams, path, "vla_node")
    vla = replace(vla, planner=replace(vla.planner, worker="modelled"))
    arm = vla.arm if vla.embodiment == "arm" else None
    reasoner = Overheard(reasoner_of(vla), nanoseconds(vla.planner.latency_s))
    gate = SafetyNode(params.load(SafetyParams, path, "safety_node"))
    return [*seeing_nodes(robot, points=points), VlaNode(vla, reasoner), gate], reasoner, arm
