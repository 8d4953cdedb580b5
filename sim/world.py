"""A world as a source of samples: physics steps only while virtual time passes, and the judge sees the truth.

The same options and the same commands give the same bytes, on one machine with one version of MuJoCo. What is in a
world is a `Simulation`; what all worlds share is here: when sensors capture and when their messages arrive.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from saccade.clock import MS, SEC, nanoseconds
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.wire.convert import Cdr, encode_clock, encode_text
from sim.options import WorldOptions
from sim.scene import Scene
from sim.sensors import encode_transforms

START_NS = 1_700_000_000 * SEC
TICK_NS = 10 * MS
"""Controllers, gyros and encoders run at 100 Hz; every sensor's rate divides that."""
Messages = Iterable[tuple[str, Callable[[], Cdr]]]
O_contra = TypeVar("O_contra", bound=WorldOptions, contravariant=True)


@dataclass(frozen=True, slots=True)
class Stream:
    """A sensor: `hz` times a second it captures, and `latency_ns` later its messages, on `topics`, arrive.

    `capture(stamp_ns)` yields topics and what makes their bytes; that is called on arrival and rests on what was true
    at the capture.
    """

    topics: frozenset[str]
    hz: int
    latency_ns: int
    capture: Callable[[int], Messages]

    @property
    def every(self) -> int:
        """Ticks between two captures."""
        return SEC // (self.hz * TICK_NS)


class Simulation(Protocol):
    """What is in a world: a body that obeys, sensors that capture, and a judge; time passes in ticks of 10 ms."""

    @property
    def scene(self) -> Scene | None:
        """What its cameras see, at the beginning; None where that is no room with upright things."""

    @property
    def mounting(self) -> Mapping[str, SE3]:
        """`T_base_link_from_<frame>` of the sensors, sent once on tf_static."""

    def streams(self) -> Sequence[Stream]:
        """The sensors, in the order in which they capture."""

    def obey(self, topic: str, cdr: bytes | memoryview, now_ns: int) -> None:
        """A message that was sent in this world; what is not a command is ignored."""

    def tick(self, now_ns: int) -> None:
        """Let 10 ms pass from `now_ns` on."""

    def pose(self) -> SE3:
        """True `T_world_from_base` now."""

    def judge(self) -> dict[str, Any]:
        """Verdict on the episode so far, by the truth; `collisions` is how often the robot ran into something."""

    def close(self) -> None:
        """Release what it holds."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[O_contra]):
    """A sort of world: its options, what it listens to and says, and `make(options, start_ns)`."""

    options: type[O_contra]
    hears: frozenset[str]
    says: frozenset[str]
    make: Callable[[O_contra, int], Simulation]


class World:
    """See `saccade.wire.virtual.Source`. Topics that nobody reads are not made; empty `reads` means all are read.

    With `clock_hz` it tells its time on `clock`, for those that cannot ask the bus.
    """

    def __init__(
        self,
        simulation: Simulation,
        options: WorldOptions,
        reads: frozenset[str] = frozenset(),
        start_ns: int = START_NS,
        clock_hz: int = 0,
    ) -> None:
        self.start_ns, self.simulation = start_ns, simulation
        self._reads = reads
        self._end_ns = start_ns + nanoseconds(options.seconds)
        self._streams = [s for s in simulation.streams() if not reads or reads & s.topics]
        if clock_hz:
            self._streams.append(Stream(frozenset({"clock"}), clock_hz, 0, _tell_time))
        self._pending: list[tuple[int, int, str, Callable[[], Cdr]]] = []
        self._count = self._ticks = 0
        self._push("tf_static", start_ns, partial(encode_transforms, start_ns, "base_link", simulation.mounting))
        for second, text in options.script:
            self._push("instruction", start_ns + nanoseconds(second), partial(encode_text, text))
        self._capture()

    def next_ns(self) -> int | None:
        """See `Source.next_ns`."""
        due = [self.start_ns + (self._ticks // s.every + 1) * s.every * TICK_NS + s.latency_ns for s in self._streams]
        due.extend(entry[0] for entry in self._pending[:1])
        first = min(due, default=None)
        return first if first is not None and first <= self._end_ns else None

    def take(self) -> Sample:
        """See `Source.take`; pictures are rendered here, from the pose at their capture."""
        arrival_ns, _, topic, make = heapq.heappop(self._pending)
        return Sample(topic, arrival_ns, make())

    def skip_pictures(self, before_ns: int) -> None:
        """Forget pictures that were due before an instant: a camera does not wait for a slow reader."""
        self._pending = [due for due in self._pending if due[0] >= before_ns or not due[2].endswith("/image_rect")]
        heapq.heapify(self._pending)

    def advance(self, to_ns: int) -> None:
        """See `Source.advance`."""
        while (now_ns := self.start_ns + self._ticks * TICK_NS) + TICK_NS <= to_ns:
            self.simulation.tick(now_ns)
            self._ticks += 1
            self._capture()

    def heard(self, topic: str, cdr: bytes | memoryview, now_ns: int) -> None:
        """See `Source.heard`."""
        self.simulation.obey(topic, cdr, now_ns)

    def close(self) -> None:
        """See `Source.close`."""
        self.simulation.close()

    def truth(self) -> SE3:
        """`T_world_from_base` now, for judges and pictures; nodes never see it."""
        return self.simulation.pose()

    def judge(self) -> dict[str, Any]:
        """Verdict on the episode so far: see `Simulation.judge`."""
        return self.simulation.judge()

    def _capture(self) -> None:
        stamp_ns = self.start_ns + self._ticks * TICK_NS
        for stream in self._streams:
            if self._ticks % stream.every == 0:
                for topic, make in stream.capture(stamp_ns):
                    self._push(topic, stamp_ns + stream.latency_ns, make)

    def _push(self, topic: str, arrival_ns: int, make: Callable[[], Cdr]) -> None:
        if not self._reads or topic in self._reads:
            heapq.heappush(self._pending, (arrival_ns, self._count, topic, make))
            self._count += 1


def _tell_time(stamp_ns: int) -> Messages:
    yield "clock", partial(encode_clock, stamp_ns)
