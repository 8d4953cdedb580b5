"""What it means for a robot that a model points to something in its picture: a base drives there, an arm takes hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from saccade.types import Plan
from vla_node.arms.target import grasp_plan, of_box, of_pixel
from vla_node.dialects.base import DialectError
from vla_node.dialects.plans import to_pixels
from vla_node.embodiments.arm import ArmParams
from vla_node.planner import Observation

Pixel = tuple[float, float]
"""(u, v) of the observation's picture: u right, v down, centres at integers."""


class Pointing(Protocol):
    """Turns pixels and boxes into plans. DialectError or LiftError where there is no plan for them."""

    @property
    def drives(self) -> bool:
        """Whether the robot goes to what is pointed to; else it takes hold of it."""

    def to_pixels(self, observation: Observation, pixels: Sequence[Pixel], text: str) -> Plan:
        """For one pixel, or a path of them in order."""

    def to_box(self, observation: Observation, low: Pixel, high: Pixel, text: str) -> Plan:
        """For a box from its upper left pixel to its lower right one."""


@dataclass(frozen=True, slots=True)
class Driving:
    """A base: along the pixels on the floor, and to `standoff_m` before a thing."""

    standoff_m: float
    drives = True

    def to_pixels(self, observation: Observation, pixels: Sequence[Pixel], text: str) -> Plan:
        """See `vla_node.dialects.plans.to_pixels`."""
        return to_pixels(observation, pixels, self.standoff_m, text)

    def to_box(self, observation: Observation, low: Pixel, high: Pixel, text: str) -> Plan:
        """To what the middle of the box shows."""
        return self.to_pixels(observation, [(0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]))], text)


@dataclass(frozen=True, slots=True)
class Grasping:
    """An arm: plans of one waypoint, the point to take hold of; the way to it is the arm's own."""

    arm: ArmParams
    drives = False

    def to_pixels(self, observation: Observation, pixels: Sequence[Pixel], text: str) -> Plan:
        """See `vla_node.arms.target.of_pixel`; paths are refused, since the arm would not go along them."""
        if len(pixels) > 1:
            raise DialectError(
                f"a path of {len(pixels)} points, which an arm does not follow: ask for a box, or for one point"
            )
        return grasp_plan(observation, of_pixel(observation, *pixels[0]), f"take hold of {text}")

    def to_box(self, observation: Observation, low: Pixel, high: Pixel, text: str) -> Plan:
        """See `vla_node.arms.target.of_box`, with the way on which the gripper comes: down, or level from the arm."""
        T = observation.state.T_odom_from_body @ self.arm.T_body_from_arm
        if self.arm.grasp.approach == "down":
            point = of_box(observation, low, high, -T.R[:, 2])
        else:
            x, y, _ = T.inverse().apply(of_box(observation, low, high, T.R[:, 0]))
            point = of_box(observation, low, high, T.R @ (np.array([x, y, 0.0]) / np.hypot(x, y)))
        return grasp_plan(observation, point, f"take hold of {text}")
