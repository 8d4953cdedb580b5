"""The contract of a bus as one function: run it on every bus, also on one of your own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from saccade.clock import MS, SEC
from saccade.errors import SaccadeError
from saccade.geometry import SE3
from saccade.node import Bus, Sample
from saccade.types import RobotState
from saccade.wire.convert import Cdr, encode_odom, encode_text
from saccade.wire.images import encode_mono8

_TICK_NS = 20 * MS
_DELIVERY_NS = 5 * SEC
"""How long a message may take, in the time of the bus; far more than any needs."""


class ContractError(SaccadeError):
    """A bus that does not do what `saccade.node.Bus` promises."""


def payloads() -> dict[str, list[Cdr]]:
    """Valid messages by topic, from nearly empty to larger than any socket buffer; no two are equal."""
    pose = RobotState(0, "odom", SE3.identity(), np.zeros(6))
    sizes = ((1, 1), (7, 3), (480, 640), (1080, 1920))
    return {
        "instruction": [encode_text(text) for text in ("", "a", "go to the red box", "ä" * 5000)],
        "left/image_raw": [encode_mono8(i, "", np.full(size, i, np.uint8)) for i, size in enumerate(sizes)],
        "odom": [encode_odom(pose, child_frame_id=f"body_{i}") for i in range(8)],
    }


def check_bus(
    writer: Bus,
    reader: Bus,
    messages: Mapping[str, Sequence[Cdr]] | None = None,
    *,
    live: bool = False,
    settle_ns: int = 0,
) -> None:
    """Raise ContractError where a bus breaks its contract; closes both ends.

    `writer` and `reader` may be the same bus. On a `live` bus time passes by itself and a slow reader may lose all but
    the newest message of a topic; otherwise time stands still between calls and nothing is lost. `settle_ns` is how
    long the ends may take to find each other. What else is on the bus is ignored.
    """
    messages = payloads() if messages is None else messages
    watch = _Watched(reader, live)
    watch.until(reader.now_ns() + settle_ns)
    _check_deadlines(watch)
    for topic, cdrs in messages.items():
        for cdr in cdrs:
            _check_delivery(writer, watch, [(topic, cdr)])
        _check_delivery(writer, watch, [(topic, cdr) for cdr in cdrs])
    everything = [(topic, cdr) for topic, cdrs in messages.items() for cdr in cdrs]
    _check_delivery(writer, watch, everything[::-1])
    _check_close(writer, reader, *everything[0])


class _Watched:
    """The reading end, with time and stamps watched at every step."""

    def __init__(self, bus: Bus, live: bool) -> None:
        self.bus, self.live = bus, live
        self._now_ns = bus.now_ns()

    def now_ns(self) -> int:
        """The bus' time, which must not go back, and stands still unless the bus is live."""
        now_ns = self.bus.now_ns()
        _require(now_ns >= self._now_ns, f"time went back from {self._now_ns} to {now_ns} ns")
        self._now_ns = now_ns
        if not self.live:
            _require(self.bus.now_ns() == now_ns, "time passed outside of recv")
        return now_ns

    def recv(self, deadline_ns: int) -> Sample | None:
        """One `recv`: None not before the deadline, a sample not after it and not from the future."""
        before_ns = self.now_ns()
        sample = self.bus.recv(deadline_ns)
        now_ns = self.now_ns()
        if sample is None:
            _require(now_ns >= deadline_ns, f"recv gave up {deadline_ns - now_ns} ns before the deadline")
        else:
            _require(sample.stamp_ns <= now_ns, f"{sample.topic} arrived {sample.stamp_ns - now_ns} ns early")
        if not self.live:
            latest_ns = max(before_ns, deadline_ns)
            _require(now_ns <= latest_ns, f"recv returned {now_ns - latest_ns} ns after the deadline")
        return sample

    def until(self, deadline_ns: int) -> list[Sample]:
        """All that comes until the deadline."""
        samples = []
        while (sample := self.recv(deadline_ns)) is not None:
            samples.append(sample)
        return samples


def _check_deadlines(watch: _Watched) -> None:
    for deadline_ns in (watch.now_ns() + _TICK_NS, watch.now_ns() + 2 * _TICK_NS, watch.now_ns() - SEC, 0):
        before_ns = watch.now_ns()
        watch.until(deadline_ns)
        if deadline_ns < before_ns and not watch.live:
            _require(watch.now_ns() == before_ns, "recv with a deadline in the past let time pass")


def _check_delivery(writer: Bus, watch: _Watched, sent: Sequence[tuple[str, Cdr]]) -> None:
    """Bytes arrive as they were, each topic in order; all of them, or on a live bus at least the last of each topic."""
    expected: dict[str, list[bytes]] = {}
    for topic, cdr in sent:
        expected.setdefault(topic, []).append(bytes(cdr))
        writer.send(topic, cdr)
    arrived: dict[str, list[bytes]] = {topic: [] for topic in expected}
    deadline_ns = watch.now_ns() + _DELIVERY_NS

    def complete() -> bool:
        if watch.live:
            return all(arrived[topic][-1:] == cdrs[-1:] for topic, cdrs in expected.items())
        return all(len(arrived[topic]) == len(cdrs) for topic, cdrs in expected.items())

    while not complete():
        sample = watch.recv(deadline_ns)
        if sample is None:
            break
        cdr = bytes(sample.cdr)
        if cdr in expected.get(sample.topic, ()):
            arrived[sample.topic].append(cdr)
    for topic, cdrs in expected.items():
        sizes = f"sent {[len(cdr) for cdr in cdrs]} bytes, received {[len(cdr) for cdr in arrived[topic]]}"
        order = [cdrs.index(cdr) for cdr in arrived[topic]]
        _require(order == sorted(order), f"{topic}: arrived in the order {order}; {sizes}")
        _require(arrived[topic][-1:] == cdrs[-1:], f"{topic}: the last message did not arrive as it was sent; {sizes}")
        _require(watch.live or len(order) == len(cdrs), f"{topic}: messages were lost; {sizes}")


def _check_close(writer: Bus, reader: Bus, topic: str, cdr: Cdr) -> None:
    for bus in (writer, reader, writer, reader):
        bus.close()
    try:
        writer.send(topic, cdr)
    except Exception:
        return
    raise ContractError("send after close must be an error, but was accepted")


def _require(kept: bool, text: str) -> None:
    if not kept:
        raise ContractError(f"the bus breaks its contract: {text}")
