"""A further rig, at a flank or at the back: what it sees is in the map, and its faults stop nobody."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from perception_node.frames import Frame
from perception_node.inputs import Message
from perception_node.mapping import Mapping
from perception_node.params import MonoParams, PerceptionParams
from perception_node.source import Source
from saccade.clock import MS, nanoseconds, perf_ns
from saccade.inbox import Arrival
from saccade.node import Out
from saccade.stages import Stages
from saccade.wire.health import Health, Refused


class Flank:
    """A rig by its name in `saccade.topics.RIGS`, which is also that of its stage in the diagnostics.

    Without it the robot sees as much as one that never had it: what is not looked at fades from the map, and is not
    free then. So its faults are told, and nothing more.
    """

    def __init__(
        self, rig: str, params: PerceptionParams, mapping: Mapping, health: Health, stages: Stages
    ) -> None:  # fmt: skip
        self._rig, self._mapping, self._health, self._stages = rig, mapping, health, stages
        self._stale_ns = nanoseconds(params.monitor.stale_ms / 1e3)
        # Times of its own: the stages of the node tell those of the first rig.
        self._source = Source(_beside(params), mapping.place, Stages())

    def take(self, message: Message, now_ns: int) -> Iterator[Out]:
        """Put what a message completes into the map; what comes of frames that waited is said on the way."""
        begin_ns = perf_ns()
        frame = self._frame(message, now_ns)
        if frame is None:
            return
        self._stages.add(self._rig, begin_ns, perf_ns())
        self._health.ok(self._rig)
        self._health.made(self._rig, frame.depth.stamp_ns, now_ns, f"{self._rig}/{self._source.heard}")
        if frame.doubt:
            self._health.refuse(self._as_own(frame.doubt))
        yield from self._mapping.put(frame.depth, frame.reach, now_ns, sent=False)

    def _frame(self, message: Message, now_ns: int) -> Frame | None:
        try:
            frame = self._source.take(message, now_ns, self._mapping.poses.moving())
            if frame:
                age_ns = now_ns - frame.depth.stamp_ns
                if age_ns > self._stale_ns:
                    why = f"{age_ns / MS:.0f} ms old on arrival, expected at most {self._stale_ns / MS:g}; not used"
                    raise Refused(self._rig, "late", why)
                self._mapping.check(frame.depth, self._rig)
            return frame
        except Refused as fault:
            if fault.name == Arrival.CLOCK_BACK.value:
                self._source.forget()
            raise self._as_own(fault) from fault

    def look_for_silence(self, now_ns: int) -> None:
        """Tell when nothing has come for a while."""
        if why := self._source.why_none(now_ns):
            self._health.refuse(Refused(self._rig, *why))

    def retune(self, params: PerceptionParams) -> None:
        """See `Tunable.retune`."""
        self._stale_ns = nanoseconds(params.monitor.stale_ms / 1e3)
        self._source.retune(_beside(params))

    def forget(self) -> None:
        """See `Source.forget`."""
        self._source.forget()

    def close(self) -> None:
        """See `Source.close`."""
        self._source.close()

    def _as_own(self, fault: Refused) -> Refused:
        return Refused(self._rig, fault.name, str(fault), fault.level)


def _beside(params: PerceptionParams) -> PerceptionParams:
    """Parameters for eyes that may see a plain wall and nothing else.

    Such a wall is as veiled as fog; but fog is all around, and the first rig, which looks where there is room, tells.
    """
    return replace(params, mono=MonoParams(), sight=replace(params.sight, veil=math.inf))
