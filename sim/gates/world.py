"""The flying ground: a quadrotor with a stereo pair that tilts with it among gates, trees and wind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from saccade.clock import MS, seconds
from saccade.geometry import SE3
from saccade.wire.convert import encode_odom
from sim import commands, sensors
from sim.cameras import Rgbd, Stereo, eyes
from sim.gates.decor import GroundDecor
from sim.gates.judge import Judge
from sim.gates.layout import GROUND_M, furnish
from sim.gates.nature import draw
from sim.gates.odometer import Odometer
from sim.gates.quad import RIG, Quad
from sim.options import WorldOptions, choice, rate
from sim.scene import Scene
from sim.world import TICK_NS, Kind, Messages, Stream


@dataclass(frozen=True, slots=True)
class GatesOptions(WorldOptions):
    """What a URL may ask of the flying ground; `gates`: of the errand, 0 = two or three as the seed has it."""

    camera_hz: int = rate(10)
    odom_hz: int = rate(50)
    imu_hz: int = rate(100)
    right: str = choice("mono", "mono", "rgb")
    eyes: str = choice("stereo", "stereo", "rgbd")
    gates: int = choice(0, 0, 1, 2, 3)


class Gates:
    """See `sim.world.Simulation`."""

    mounting = RIG.T_base_from

    def __init__(self, options: GatesOptions, start_ns: int) -> None:
        self.layout, self.nature = furnish(options.seed, options.gates), draw(options.seed)
        self.scene = Scene(options.seed, GROUND_M, self.layout.things, GroundDecor(self.nature, self.layout.gates))
        self._options, self._start_ns = options, start_ns
        left, right, drift, imu, wind = (np.random.default_rng((options.seed, 2, i)) for i in range(5))
        self._quad, self._judge = Quad(self.layout, self.nature, wind), Judge(self.layout)
        self._eyes = eyes(RIG, self.nature, options.eyes, options.right, self.scene, options.renderer, left, right)
        self._odometer = Odometer(self.nature, drift, self.layout.start)
        self._imu = sensors.Imu(imu)
        self._command = commands.Standing(np.zeros(4))

    def streams(self) -> Sequence[Stream]:
        """See `Simulation.streams`."""
        hz, nature = self._options, self.nature
        return (
            Stream(self._eyes.topics, hz.camera_hz, nature.camera_latency_ns, self._see),
            Stream(frozenset({"odom", "tf"}), hz.odom_hz, nature.odom_latency_ns, self._feel),
            Stream(frozenset({"imu"}), hz.imu_hz, 1 * MS, self._sense),
        )

    def obey(self, topic: str, cdr: bytes | memoryview, now_ns: int) -> None:
        """See `Simulation.obey`: velocities forward, sideways, up and about the vertical."""
        if (values := commands.twist(topic, cdr, now_ns)) is not None:
            self._command.put(values[[0, 1, 2, 5]], now_ns)

    def tick(self, now_ns: int) -> None:
        """See `Simulation.tick`."""
        told = self._command.at(now_ns)
        self._quad.tick(told)
        self._odometer.update(*self._quad.motion(), seconds(TICK_NS))
        told_m_s = math.hypot(*(float(v) for v in told[:3]))
        self._judge.see(self._quad.pose(), self._quad.lost, told_m_s, now_ns + TICK_NS - self._start_ns)

    def pose(self) -> SE3:
        """See `Simulation.pose`."""
        return self._quad.pose()

    def judge(self) -> dict[str, Any]:
        """See `Simulation.judge` and `Judge.verdict`."""
        return self._judge.verdict(self._quad.hits)

    def close(self) -> None:
        """See `Simulation.close`."""
        self._eyes.close()

    def _see(self, stamp_ns: int) -> Messages:
        return self._eyes.capture(stamp_ns, self._quad.pose())

    def _feel(self, stamp_ns: int) -> Messages:
        state = self._odometer.state(stamp_ns, self._quad.pose())
        yield "odom", partial(encode_odom, state)
        yield "tf", partial(sensors.encode_transforms, stamp_ns, "odom", {"base_link": state.T_odom_from_body})

    def _sense(self, stamp_ns: int) -> Messages:
        yield "imu", partial(self._imu.message, stamp_ns, *self._quad.inertial())


SAYS = Stereo.topics | Rgbd.topics | {"odom", "imu", "tf", "tf_static", "instruction"}
KIND = Kind(GatesOptions, commands.TWISTS, SAYS, Gates)
