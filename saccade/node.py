"""What a node is: a function from events to events with time as an input; and `run`, the only loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from saccade.stages import Stages

NEVER_NS = 2**63 - 1
"""A deadline that never comes."""


class Sample(NamedTuple):
    """One message on a bus: canonical topic, time of arrival on the bus' clock, CDR bytes."""

    topic: str
    stamp_ns: int
    cdr: bytes | memoryview


class Out(NamedTuple):
    """One message to send: canonical topic and CDR bytes."""

    topic: str
    cdr: bytes | memoryview


class BusEnd(Exception):
    """Raised by `recv` when nothing more can come: the end of a recording or of an episode."""


class Bus(Protocol):
    """Bytes and time. Time only passes inside `recv`."""

    def now_ns(self) -> int:
        """The bus' time, ns since the Unix epoch."""

    def recv(self, deadline_ns: int) -> Sample | None:
        """The next message, or None once `deadline_ns` is reached; raises BusEnd when nothing more can come."""

    def send(self, topic: str, cdr: bytes | memoryview) -> None:
        """Send one message. Nodes on the same bus receive it in a later `recv`, in the order sent."""

    def close(self) -> None:
        """Release what the bus holds; closing twice is allowed."""


class Node(Protocol):
    """A node of the graph. It never blocks on the bus and never asks for the time."""

    name: str
    reads: frozenset[str]
    writes: frozenset[str]
    stages: Stages

    def next_ns(self, now_ns: int) -> int:
        """The instant of the next wanted tick, or NEVER_NS."""

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """React to a message on one of `reads`; errors in the data are the node's to diagnose, not to raise."""

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        """React to a tick; called once per wanted instant, late ones merged into one."""

    def close(self) -> Iterable[Out]:
        """The last words, such as a stop command, and release of what the node holds."""


@runtime_checkable
class Tunable(Protocol):
    """A node that takes changed parameters while it runs."""

    def retune(self, params: Any) -> None:
        """Go by these from now on; only those that are `live` differ (see `saccade.params.param`)."""


def run(nodes: Sequence[Node], bus: Bus, stop: Callable[[], bool] = lambda: False) -> None:
    """Drive nodes on one bus until it ends or `stop()` says so; then let every node say its last words.

    Several nodes share one loop exactly as they would run apart: a message goes to every node that reads its topic,
    what a node sends comes back through `recv`, and a tick is served when its deadline is reached and no message is
    due before it. At the end the nodes are closed in their order, and those further down still hear the last words of
    those before them: a recorder at the end misses nothing.
    """
    try:
        while not stop():
            now = bus.now_ns()
            deadline = min(node.next_ns(now) for node in nodes)
            try:
                sample = bus.recv(deadline)
            except BusEnd:
                break
            now = bus.now_ns()
            if sample is not None:
                _deliver(sample, nodes, bus, now)
            else:
                for node in nodes:
                    if node.next_ns(now) <= now:
                        _send(node.on_tick(now), bus)
    finally:
        for i, node in enumerate(nodes):
            _send(node.close(), bus)
            if later := nodes[i + 1 :]:
                _drain(later, bus)


def _deliver(sample: Sample, nodes: Sequence[Node], bus: Bus, now_ns: int) -> None:
    for node in nodes:
        if sample.topic in node.reads:
            _send(node.on_sample(sample, now_ns), bus)


def _drain(nodes: Sequence[Node], bus: Bus) -> None:
    """Deliver what has been sent and is due by now; time does not pass."""
    now = bus.now_ns()
    try:
        while (sample := bus.recv(now)) is not None:
            _deliver(sample, nodes, bus, now)
    except BusEnd:
        return


def _send(outs: Iterable[Out], bus: Bus) -> None:
    for out in outs:
        bus.send(out.topic, out.cdr)
