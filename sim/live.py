"""A world as a node: the source that runs on virtual time elsewhere, here pulled along by a live bus' clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from saccade.clock import LiveClock
from saccade.node import NEVER_NS, Out, Sample
from saccade.stages import Stages
from sim.bus import world_options
from sim.hall import HallSource

_FOREVER_S = 1e9


class WorldNode:
    """The robot's body and senses: sends what the sensors see as its time comes, obeys `cmd_vel`.

    `address` is that of `sim:`, such as `hall?seed=7`; its `seconds` do not count, a live world goes on. Stamps are of
    the system's clock. A machine that is too slow for the world sends late, and stale data stop the robot.
    """

    name = "world"
    reads = frozenset({"cmd_vel", "cmd_vel_unstamped"})
    writes = frozenset(
        {*(f"{side}/{name}" for side in ("left", "right") for name in ("image_rect", "camera_info"))}
        | {"odom", "imu", "tf", "tf_static", "instruction"}
    )

    def __init__(self, address: str, start_ns: int | None = None) -> None:
        options = replace(world_options(address), seconds=_FOREVER_S)
        self._source = HallSource(options, start_ns=LiveClock().now_ns() if start_ns is None else start_ns)
        self.stages = Stages()

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        due_ns = self._source.next_ns()
        return NEVER_NS if due_ns is None else due_ns

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """See `Node.on_sample`."""
        self._source.heard(sample.topic, sample.cdr, now_ns)
        return ()

    def on_tick(self, now_ns: int) -> Iterator[Out]:
        """See `Node.on_tick`."""
        while (due_ns := self.next_ns(now_ns)) <= now_ns:
            self._source.advance(due_ns)
            sample = self._source.take()
            yield Out(sample.topic, sample.cdr)
        self._source.advance(now_ns)

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        self._source.close()
        return ()

    def judge(self) -> dict[str, Any]:
        """What became of the errand, by the truth: see `HallSource.judge`."""
        return self._source.judge()
