"""A world as a node: the source that runs on virtual time elsewhere, here pulled along by a live bus' clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from saccade.clock import MS
from saccade.node import NEVER_NS, Out, Sample
from saccade.params import param
from saccade.stages import Stages
from sim.bus import make_world, world_kind
from sim.world import World

CLOCK_HZ = 100
"""As often as the gate ticks: between two messages of `/clock` time stands still for who lives by it."""
_FOREVER_S = 1e9
_LATE_NS = 100 * MS
"""Pictures that should have gone out longer ago are not rendered any more."""


@dataclass(frozen=True, slots=True)
class WorldParams:
    """Which world. The `seconds` of its address do not count: a live world goes on."""

    world: str = param("hall", "world and its options, as in a sim: address: hall?seed=7")

    def __post_init__(self) -> None:
        world_kind(self.world)


class WorldNode:
    """A robot's body and senses: sends what the sensors see when its time comes, obeys what it is told.

    The world begins with the first question for its next instant. On a machine that is too slow for it, pictures are
    left out.
    """

    name = "world_node"

    def __init__(self, params: WorldParams | None = None) -> None:
        self._kind, options = world_kind((params or WorldParams()).world)
        self.reads, self.writes = self._kind.hears, self._kind.says | {"clock"}
        self._options = replace(options, seconds=_FOREVER_S)
        self._source: World | None = None
        self.stages = Stages()

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        if self._source is None:
            self._source = make_world(self._kind, self._options, start_ns=now_ns, clock_hz=CLOCK_HZ)
        due_ns = self._source.next_ns()
        return NEVER_NS if due_ns is None else due_ns

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """See `Node.on_sample`."""
        if self._source is not None:
            self._source.heard(sample.topic, sample.cdr, now_ns)
        return ()

    def on_tick(self, now_ns: int) -> Iterator[Out]:
        """See `Node.on_tick`."""
        assert self._source is not None
        self._source.advance(now_ns)
        self._source.skip_pictures(now_ns - _LATE_NS)
        while self.next_ns(now_ns) <= now_ns:
            sample = self._source.take()
            yield Out(sample.topic, sample.cdr)

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        if self._source is not None:
            self._source.close()
        return ()

    def judge(self) -> dict[str, Any]:
        """What became of the errand, by the truth: see `World.judge`; empty before the world began."""
        return {} if self._source is None else self._source.judge()
