"""Pairs left and right by stamp: the newest of either side waits for its partner, everything else is dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from saccade.clock import MS, SEC
from saccade.inbox import Arrival

Message = TypeVar("Message")
Side = Literal["left", "right"]
_CLOCK_BACK_NS = SEC


class Stamps:
    """The header stamps of one stream, each judged against the newest before it."""

    def __init__(self) -> None:
        self.newest_ns: int | None = None
        self._moved_ns = 0
        self._heard_ns = 0

    def judge(self, stamp_ns: int, now_ns: int) -> Arrival:
        """What this message is. More than a second back means that the clock was set back: the stream begins anew."""
        newest_ns, self._heard_ns = self.newest_ns, now_ns
        if newest_ns is None or stamp_ns > newest_ns:
            self.newest_ns, self._moved_ns = stamp_ns, now_ns
            return Arrival.ACCEPTED
        if stamp_ns == newest_ns:
            return Arrival.DUPLICATE
        if newest_ns - stamp_ns > _CLOCK_BACK_NS:
            self.newest_ns = None
            return Arrival.CLOCK_BACK
        return Arrival.LATE

    def silent_ns(self, now_ns: int) -> int:
        """How long no message has come, whatever its stamp."""
        return now_ns - self._heard_ns

    def frozen(self, now_ns: int, stale_ns: int) -> bool:
        """Whether messages keep coming while their stamp stands still."""
        return self.silent_ns(now_ns) <= stale_ns < now_ns - self._moved_ns


@dataclass(frozen=True, slots=True)
class Pair(Generic[Message]):
    """Two messages of one instant; `stamp_ns` is the left one's."""

    stamp_ns: int
    left: Message
    right: Message


class StereoSync(Generic[Message]):
    """Keeps at most one message a side. Never queues: what has no partner when its side's next comes is dropped."""

    def __init__(self, tolerance_ns: int) -> None:
        self._tolerance_ns = tolerance_ns
        self._waiting: dict[Side, tuple[int, Message]] = {}
        self.stamps: dict[Side, Stamps] = {"left": Stamps(), "right": Stamps()}
        self.paired = 0
        self.unpaired = 0
        self._gap_ns: int | None = None

    def put(self, side: Side, stamp_ns: int, now_ns: int, message: Message) -> tuple[Arrival, Pair[Message] | None]:
        """Offer a message; what became of it, and the pair that it completes."""
        arrival = self.stamps[side].judge(stamp_ns, now_ns)
        if arrival is Arrival.CLOCK_BACK:
            self.forget()
        if arrival is not Arrival.ACCEPTED:
            return arrival, None
        self.unpaired += side in self._waiting
        self._waiting[side] = stamp_ns, message
        if len(self._waiting) < 2:
            return arrival, None
        (left_ns, left), (right_ns, right) = self._waiting["left"], self._waiting["right"]
        self._gap_ns = right_ns - left_ns
        if abs(self._gap_ns) <= self._tolerance_ns:
            self._waiting.clear()
            self.paired += 1
            return arrival, Pair(left_ns, left, right)
        del self._waiting["left" if self._gap_ns > 0 else "right"]  # the older one: its partner can no longer come
        self.unpaired += 1
        return arrival, None

    def alone(self, side: Side, after_ns: int) -> bool:
        """Whether the other side was heard once, and its newest is older than this side's by more than `after_ns`."""
        other: Side = "right" if side == "left" else "left"
        newest_ns, others_ns = self.stamps[side].newest_ns, self.stamps[other].newest_ns
        return newest_ns is not None and others_ns is not None and newest_ns - others_ns > after_ns

    def forget(self) -> None:
        """Begin anew, as after a jump of the clock."""
        self._waiting.clear()
        for stamps in self.stamps.values():
            stamps.newest_ns = None

    def counts(self) -> dict[str, str]:
        """How many found a partner and how many did not, within which tolerance, for people."""
        tolerance_ms = f"{self._tolerance_ns / MS:g}"
        return {"paired": str(self.paired), "unpaired": str(self.unpaired), "tolerance ms": tolerance_ms}

    def why_none(self, now_ns: int, stale_ns: int) -> tuple[str, str]:
        """What keeps pairs from coming: a short name, and the words for people."""
        missing = [side for side, stamps in self.stamps.items() if stamps.newest_ns is None]
        if missing:
            return "missing pictures", f"no pictures from {' and '.join(missing)}; is the camera running?"
        frozen = [side for side, stamps in self.stamps.items() if stamps.frozen(now_ns, stale_ns)]
        if frozen:
            return "frozen stamps", f"stamps of {' and '.join(frozen)} stand still while messages keep coming"
        if silent := self._silent(now_ns, stale_ns):  # before the gap, which is of when both came
            return "pictures stopped", silent
        if self._gap_ns is not None and abs(self._gap_ns) > self._tolerance_ns:
            return "stamps apart", (
                f"right is {self._gap_ns / MS:+.1f} ms from left; expected at most {self._tolerance_ns / MS:g} ms: "
                "trigger the cameras together or raise sync.tolerance_ms"
            )
        return "pictures stopped", "no new pair of pictures; is the camera still running?"

    def _silent(self, now_ns: int, stale_ns: int) -> str:
        """Which side has been silent for too long, for people; "" where neither has."""
        silent_ns = {side: stamps.silent_ns(now_ns) for side, stamps in self.stamps.items()}
        silent = [f"{side} for {ns / SEC:.1f} s" for side, ns in silent_ns.items() if ns > stale_ns]
        coming = [f" ({side} comes)" for side, ns in silent_ns.items() if ns <= stale_ns]
        if not silent:
            return ""
        return f"no pictures from {' and '.join(silent)}{''.join(coming)}; is that camera still running?"
