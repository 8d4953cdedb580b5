"""The hall as a source of samples: physics steps only while virtual time passes, and the judge sees the truth.

The same options and the same commands give the same bytes, on one machine with one version of MuJoCo.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from saccade.clock import MS, SEC, nanoseconds
from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.wire.commands import decode_twist
from saccade.wire.convert import Cdr, decode_command, encode_camera, encode_odom, encode_text
from sim import sensors
from sim.judge import Judge
from sim.layout import furnish
from sim.mjcf import STEP_S
from sim.physics import Physics
from sim.render import Renderer, open_renderer

START_NS = 1_700_000_000 * SEC
TICK_NS = 10 * MS
"""The base's controller, its gyro and its encoders run at 100 Hz; every sensor's rate divides that."""
WATCHDOG_NS = 500 * MS
_STEPS = round(TICK_NS / SEC / STEP_S)
_LATENCY_NS = {"camera": 12 * MS, "odom": 2 * MS, "imu": 1 * MS}
Messages = Iterable[tuple[str, Callable[[], Cdr]]]


@dataclass(frozen=True, slots=True)
class HallOptions:
    """What a URL may ask of the hall; `say` is a script of (second, instruction), after `instruction` at 0.5 s."""

    seed: int = 0
    renderer: str = "auto"
    seconds: float = 120.0
    instruction: str = ""
    say: tuple[tuple[float, str], ...] = ()
    camera_hz: int = 10
    odom_hz: int = 50
    imu_hz: int = 100
    right: str = "mono"


@dataclass(frozen=True, slots=True)
class _Stream:
    """A sensor: every so many ticks it captures, and `latency_ns` later its messages arrive."""

    every: int
    latency_ns: int
    capture: Callable[[int], Messages]


class HallSource:
    """See `saccade.wire.virtual.Source`. Topics that nobody reads are not made; empty `reads` means all are read."""

    def __init__(self, options: HallOptions, reads: frozenset[str] = frozenset(), start_ns: int = START_NS) -> None:
        self.start_ns = start_ns
        self.layout = furnish(options.seed)
        self._options, self._reads = options, reads
        self._end_ns = start_ns + nanoseconds(options.seconds)
        self._physics = Physics(self.layout)
        self._judge = Judge(self.layout)
        left, right, odometer, imu = (np.random.default_rng((options.seed, 2, i)) for i in range(4))
        self._imagers = {
            "left": sensors.Imager("left", False, left),
            "right": sensors.Imager("right", options.right == "mono", right),
        }
        self._odometer, self._imu = sensors.Odometer(odometer), sensors.Imu(imu)
        self._streams = self._wanted_streams()
        self._pending: list[tuple[int, int, str, Callable[[], Cdr]]] = []
        self._count = self._ticks = 0
        self._command = (0.0, 0.0)
        self._command_until_ns = start_ns
        mounting = partial(sensors.encode_transforms, start_ns, "base_link", sensors.T_BASE_FROM)
        self._push("tf_static", start_ns, mounting)
        first = ((0.5, options.instruction),) if options.instruction else ()
        for second, text in (*first, *options.say):
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
        while self.start_ns + (self._ticks + 1) * TICK_NS <= to_ns:
            self._tick()

    def heard(self, topic: str, cdr: bytes | memoryview, now_ns: int) -> None:
        """Obey cmd_vel at the next tick, for half a second; what cannot be decoded is not a command."""
        if topic not in ("cmd_vel", "cmd_vel_unstamped"):
            return
        try:
            values = (decode_command(cdr) if topic == "cmd_vel" else decode_twist(cdr, now_ns)).values
        except DataError:
            return
        self._command = (float(values[0]), float(values[5]))
        self._command_until_ns = now_ns + WATCHDOG_NS

    def close(self) -> None:
        """See `Source.close`."""
        if "_renderer" in self.__dict__:
            self._renderer.close()

    def truth(self) -> SE3:
        """`T_hall_from_base` now, for judges and pictures; nodes never see it."""
        return self._physics.pose()

    @property
    def collisions(self) -> int:
        """How often the robot ran into something."""
        return len(self._physics.bumps)

    def judge(self) -> dict[str, Any]:
        """Verdict on the episode so far: see Judge.verdict; and how often and into what the robot ran."""
        return {**self._judge.verdict(), "collisions": self.collisions, "hit": list(self._physics.bumps)}

    def _tick(self) -> None:
        now_ns = self.start_ns + self._ticks * TICK_NS
        self._physics.drive(*(self._command if now_ns < self._command_until_ns else (0.0, 0.0)))
        for _ in range(_STEPS):
            self._physics.step()
        self._ticks += 1
        self._odometer.update(self._physics.wheel_speeds(), float(self._physics.inertial()[0][2]), TICK_NS / SEC)
        self._judge.see(self._physics.pose(), now_ns + TICK_NS - self.start_ns)
        self._capture()

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

    def _wanted_streams(self) -> list[_Stream]:
        """The sensors of which somebody reads something."""
        hz = (("camera", self._options.camera_hz, self._see), ("odom", self._options.odom_hz, self._feel),
              ("imu", self._options.imu_hz, self._sense))  # fmt: skip
        streams = [_Stream(SEC // (rate * TICK_NS), _LATENCY_NS[name], capture) for name, rate, capture in hz]
        return [s for s in streams if not self._reads or self._reads & {topic for topic, _ in s.capture(self.start_ns)}]

    def _see(self, stamp_ns: int) -> Messages:
        pose = self._physics.pose()
        for side in ("left", "right"):
            yield f"{side}/camera_info", partial(encode_camera, stamp_ns, sensors.camera_model(side))
            yield f"{side}/image_rect", partial(self._picture, side, stamp_ns, pose)

    def _picture(self, side: str, stamp_ns: int, T_hall_from_base: SE3) -> Cdr:
        rgb, _ = self._renderer.render(T_hall_from_base @ sensors.T_BASE_FROM[f"{side}_optical"])
        return self._imagers[side].message(stamp_ns, rgb)

    def _feel(self, stamp_ns: int) -> Messages:
        state = self._odometer.state(stamp_ns)
        yield "odom", partial(encode_odom, state)
        yield "tf", partial(sensors.encode_transforms, stamp_ns, "odom", {"base_link": state.T_odom_from_body})

    def _sense(self, stamp_ns: int) -> Messages:
        yield "imu", partial(self._imu.message, stamp_ns, *self._physics.inertial())

    @cached_property
    def _renderer(self) -> Renderer:
        return open_renderer(self._options.renderer, self.layout, sensors.CAMERA)
