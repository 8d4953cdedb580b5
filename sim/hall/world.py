"""The hall: a wheeled base with a stereo pair among furniture, in a room of 8 by 6 m."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.wire.convert import encode_odom
from sim import commands, sensors
from sim.cameras import Stereo
from sim.hall.decor import HallDecor
from sim.hall.judge import Judge
from sim.hall.layout import HALL_M, furnish
from sim.hall.mjcf import RIG, STEP_S, WHEEL_RADIUS_M
from sim.hall.physics import Physics
from sim.options import WorldOptions, choice, rate
from sim.scene import Scene
from sim.world import TICK_NS, Kind, Messages, Stream

_STEPS = round(TICK_NS / SEC / STEP_S)


@dataclass(frozen=True, slots=True)
class HallOptions(WorldOptions):
    """What a URL may ask of the hall."""

    camera_hz: int = rate(10)
    odom_hz: int = rate(50)
    imu_hz: int = rate(100)
    right: str = choice("mono", "mono", "rgb")


class Hall:
    """See `sim.world.Simulation`."""

    mounting = RIG.T_base_from

    def __init__(self, options: HallOptions, start_ns: int) -> None:
        self.layout = furnish(options.seed)
        self.scene = Scene(options.seed, HALL_M, self.layout.things, HallDecor())
        self._options, self._start_ns = options, start_ns
        self._physics = Physics(self.layout)
        self._judge = Judge(self.layout)
        left, right, odometer, imu = (np.random.default_rng((options.seed, 2, i)) for i in range(4))
        gain = float(right.uniform(0.96, 1.04))
        size = (RIG.camera.height, RIG.camera.width)
        imagers = {
            "left": sensors.Imager(size, False, left),
            "right": sensors.Imager(size, options.right == "mono", right, gain),
        }
        self._stereo = Stereo(RIG, imagers, self.scene, options.renderer)
        self._odometer, self._imu = sensors.Odometer(odometer), sensors.Imu(imu)
        self._command = commands.Standing((0.0, 0.0))

    def streams(self) -> Sequence[Stream]:
        """See `Simulation.streams`."""
        hz = self._options
        return (
            Stream(self._stereo.topics, hz.camera_hz, 12 * MS, self._see),
            Stream(frozenset({"odom", "tf"}), hz.odom_hz, 2 * MS, self._feel),
            Stream(frozenset({"imu"}), hz.imu_hz, 1 * MS, self._sense),
        )

    def obey(self, topic: str, cdr: bytes | memoryview, now_ns: int) -> None:
        """See `Simulation.obey`: velocities forward and about the vertical."""
        if (values := commands.twist(topic, cdr, now_ns)) is not None:
            self._command.put((float(values[0]), float(values[5])), now_ns)

    def tick(self, now_ns: int) -> None:
        """See `Simulation.tick`."""
        self._physics.drive(*self._command.at(now_ns))
        for _ in range(_STEPS):
            self._physics.step()
        left, right = self._physics.wheel_speeds()
        speed, turn = (left + right) / 2 * WHEEL_RADIUS_M, float(self._physics.inertial()[0][2])
        self._odometer.update(speed, turn, TICK_NS / SEC)
        self._judge.see(self._physics.pose(), now_ns + TICK_NS - self._start_ns)

    def pose(self) -> SE3:
        """See `Simulation.pose`."""
        return self._physics.pose()

    def judge(self) -> dict[str, Any]:
        """See `Simulation.judge` and `Judge.verdict`; `hit` is what the robot ran into."""
        hit = list(self._physics.bumps)
        return {**self._judge.verdict(), "collisions": len(hit), "hit": hit}

    def close(self) -> None:
        """See `Simulation.close`."""
        self._stereo.close()

    def _see(self, stamp_ns: int) -> Messages:
        return self._stereo.capture(stamp_ns, self._physics.pose())

    def _feel(self, stamp_ns: int) -> Messages:
        state = self._odometer.state(stamp_ns)
        yield "odom", partial(encode_odom, state)
        yield "tf", partial(sensors.encode_transforms, stamp_ns, "odom", {"base_link": state.T_odom_from_body})

    def _sense(self, stamp_ns: int) -> Messages:
        yield "imu", partial(self._imu.message, stamp_ns, *self._physics.inertial())


HEARS = commands.TWISTS
SAYS = Stereo.topics | {"odom", "imu", "tf", "tf_static", "instruction"}
KIND = Kind(HallOptions, HEARS, SAYS, Hall)
