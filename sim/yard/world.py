"""The yard: a model of a dog with a stereo pair among walls, doors, crates, pillars and people who walk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from saccade.clock import MS, SEC, seconds
from saccade.geometry import SE3
from saccade.types import RobotState
from saccade.wire.convert import encode_odom
from sim import commands, sensors
from sim.cameras import Rgbd, Rig, Stereo, eyes
from sim.options import WorldOptions, choice, rate
from sim.scene import Place, Scene
from sim.world import TICK_NS, Kind, Messages, Stream
from sim.yard.decor import YardDecor
from sim.yard.dog import Dog
from sim.yard.gait import Gait
from sim.yard.judge import Judge
from sim.yard.layout import YARD_M, furnish
from sim.yard.nature import Nature, draw
from sim.yard.rigs import FLANKS, HEADS, MOUNTING

ATTITUDE_SIGMA_RAD = math.radians(0.15)


@dataclass(frozen=True, slots=True)
class YardOptions(WorldOptions):
    """What a URL may ask of the yard.

    `eyes=rgbd` shows true depth instead of second pictures; `lens` is how wide the pair on the head sees, and `flanks`
    how many more there are.
    """

    camera_hz: int = rate(10)
    odom_hz: int = rate(50)
    imu_hz: int = rate(100)
    right: str = choice("mono", "mono", "rgb")
    eyes: str = choice("stereo", "stereo", "rgbd")
    lens: str = choice("wide", "wide", "narrow")
    flanks: int = choice(2, 0, 2)
    people: int = 2


class Yard:
    """See `sim.world.Simulation`."""

    mounting = MOUNTING

    def __init__(self, options: YardOptions, start_ns: int) -> None:
        self.layout, self.nature = furnish(options.seed, options.people), draw(options.seed)
        self.scene = Scene(options.seed, YARD_M, self.layout.things, YardDecor(self.nature), len(self.layout.walkers))
        self._options, self._start_ns = options, start_ns
        self._dog, self._judge = Dog(self.layout, self.nature), Judge(self.layout)
        *_, legs, imu, gait = (np.random.default_rng((options.seed, 2, i)) for i in range(5))
        rigs = HEADS[options.lens], *FLANKS[: options.flanks]
        self._eyes = [self._eyes_of(rig, 2 * i) for i, rig in enumerate(rigs)]
        self._odometer, self._imu = LegOdometer(self.nature, legs), sensors.Imu(imu)
        self._gait = Gait(float(gait.uniform(0.0, math.tau)))
        self._command = commands.Standing(np.zeros(3))
        self._people = self._people_at(start_ns)

    def streams(self) -> Sequence[Stream]:
        """See `Simulation.streams`."""
        hz, nature = self._options, self.nature
        return (
            *(
                Stream(eyes.topics, hz.camera_hz, nature.camera_latency_ns, partial(self._see, eyes))
                for eyes in reversed(self._eyes)  # the head's last: with it a map is sent
            ),
            Stream(frozenset({"odom", "tf"}), hz.odom_hz, nature.odom_latency_ns, self._feel),
            Stream(frozenset({"imu"}), hz.imu_hz, 1 * MS, self._sense),
        )

    def obey(self, topic: str, cdr: bytes | memoryview, now_ns: int) -> None:
        """See `Simulation.obey`: velocities forward, sideways and about the vertical."""
        if (values := commands.twist(topic, cdr, now_ns)) is not None:
            self._command.put(values[[0, 1, 5]], now_ns)

    def tick(self, now_ns: int) -> None:
        """See `Simulation.tick`."""
        then_ns, dt_s = now_ns + TICK_NS, seconds(TICK_NS)
        self._people = self._people_at(then_ns)
        self._dog.place(self._people)
        told = self._command.at(now_ns)
        self._dog.tick(told)
        vx, vy, wz = (float(v) for v in self._dog.velocity())
        self._gait.advance(math.hypot(vx, vy), wz, dt_s)
        self._odometer.update(self._dog.steps(), dt_s)
        told_m_s = math.hypot(float(told[0]), float(told[1]))
        self._judge.see(self._dog.pose(), self._people, self._dog.fallen, told_m_s, then_ns - self._start_ns)

    def pose(self) -> SE3:
        """See `Simulation.pose`."""
        return self._dog.pose()

    def judge(self) -> dict[str, Any]:
        """See `Simulation.judge` and `Judge.verdict`."""
        return self._judge.verdict(self._dog.hits)

    def close(self) -> None:
        """See `Simulation.close`."""
        for pair in self._eyes:
            pair.close()

    def _people_at(self, now_ns: int) -> tuple[Place, ...]:
        return tuple(walker.at((now_ns - self._start_ns) / SEC) for walker in self.layout.walkers)

    def _eyes_of(self, rig: Rig, first: int) -> Stereo | Rgbd:
        """The cameras of a rig, with the streams of random numbers `first` and the next."""
        o = self._options
        left, right = (np.random.default_rng((o.seed, 2 if i < 2 else 3, i)) for i in (first, first + 1))
        return eyes(rig, self.nature, o.eyes, o.right, self.scene, o.renderer, left, right)

    def _see(self, eyes: Stereo | Rgbd, stamp_ns: int) -> Messages:
        return eyes.capture(stamp_ns, self._dog.pose() @ self._gait.trunk, self._people)

    def _feel(self, stamp_ns: int) -> Messages:
        roll, pitch = self._gait.attitude
        state = self._odometer.state(stamp_ns, self._dog.pose(), roll, pitch)
        yield "odom", partial(encode_odom, state)
        yield "tf", partial(sensors.encode_transforms, stamp_ns, "odom", {"base_link": state.T_odom_from_body})

    def _sense(self, stamp_ns: int) -> Messages:
        (gyro, accel), (turning, shaking) = self._dog.inertial(), self._gait.inertial
        yield "imu", partial(self._imu.message, stamp_ns, gyro + turning, accel + shaking)


class LegOdometer:
    """Steps counted by the legs and a gyro for heading: slipping and a wrong stride length make the pose drift.

    Attitude comes from an inertial estimator, a little noisy; height is not estimated.
    """

    def __init__(self, nature: Nature, rng: np.random.Generator) -> None:
        self._nature, self._rng = nature, rng
        self._x = self._y = self._yaw = 0.0
        self._twist = np.zeros(3)

    def update(self, steps: np.ndarray[Any, np.dtype[np.float64]], dt_s: float) -> None:
        """Integrate one interval of (vx, vy, wz) as the legs and the gyro feel it."""
        felt = steps * np.array((1.0 + self._nature.drift, 1.0 + self._nature.drift, 1.0))
        self._twist = felt + self._rng.normal(0.0, (0.01, 0.01, 0.002)) + (0.0, 0.0, self._nature.gyro_bias)
        vx, vy, wz = (float(v) for v in self._twist)
        heading = self._yaw + wz * dt_s / 2
        self._x += (vx * math.cos(heading) - vy * math.sin(heading)) * dt_s
        self._y += (vx * math.sin(heading) + vy * math.cos(heading)) * dt_s
        self._yaw += wz * dt_s

    def state(self, stamp_ns: int, T_world_from_base: SE3, roll: float, pitch: float) -> RobotState:
        """Pose since the start, in frame "odom", and body twist; true roll and pitch of the gait are added to."""
        R = T_world_from_base.R
        roll += math.atan2(R[2, 1], R[2, 2])
        pitch += math.asin(max(-1.0, min(1.0, -float(R[2, 0]))))
        noise = self._rng.normal(0.0, ATTITUDE_SIGMA_RAD, 2)
        pose = SE3.from_rpy(roll + float(noise[0]), pitch + float(noise[1]), self._yaw, (self._x, self._y, 0.0))
        vx, vy, wz = (float(v) for v in self._twist)
        return RobotState(stamp_ns, "odom", pose, np.array([vx, vy, 0.0, 0.0, 0.0, wz]))


SEES = Stereo.topics | Rgbd.topics
SAYS = SEES | {rig.topic(name) for rig in FLANKS for name in SEES} | {"odom", "imu", "tf", "tf_static", "instruction"}
KIND = Kind(YardOptions, commands.TWISTS, SAYS, Yard)
