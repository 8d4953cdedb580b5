"""An arm of joints with a gripper that is one more of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from saccade.clock import MS
from saccade.geometry import SE3
from saccade.params import param
from saccade.types import ActionChunk
from vla_node.embodiments.base import AxisLimits

_UR5E = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")


@dataclass(frozen=True, slots=True)
class GripperParams:
    """One joint that opens and closes; an empty name for an arm without."""

    joint: str = param("gripper", 'name of its joint; "" for none')
    open: float = param(0.0, "its position when open, rad or m")
    closed: float = param(0.04, "its position when closed on nothing")


@dataclass(frozen=True, slots=True)
class GraspParams:
    """How an object is approached and taken hold of."""

    approach: Literal["down", "forward"] = param("down", "the way of the gripper to the object: down, or level ahead")
    standoff_m: float = param(0.10, "how far before the object the straight way to it begins", low=0, high=10.0)
    turn_rad: float = param(
        1.5708, "turn of the tool about its own z; at 0 its x points away from the base, or up where it goes ahead"
    )
    depth_m: float = param(0.02, "how far the tool goes beyond the surface that is seen", low=-1.0, high=1.0)
    pace: float = param(0.5, "share of the limits of speed that the arm moves with", low=0, high=1)
    lift: bool = param(False, "whether what was taken hold of is lifted again, by standoff_m")
    mover: str = param("", "card of a network that moves the tool from place to place; empty: inverse kinematics")

    def __post_init__(self) -> None:
        for name, low, high in (
            ("standoff_m", 0, 10),
            ("turn_rad", -10, 10),
            ("depth_m", -1, 1),
            ("pace", 0, 1 + 1e-9),
        ):
            value = getattr(self, name)
            if not low < value < high:
                raise ValueError(f"grasp.{name} is {value}; expected a number above {low} and below {high:g}")


@dataclass(frozen=True, slots=True)
class ArmParams:
    """An arm, by the file of its kinematics and the names in it; the defaults are config/arms/ur5e.xml's.

    Lists of numbers go by `axes`: the joints, then the gripper. The limits are the gate's, or less.
    `mount` is where the file's origin is on the robot: x y z m, roll pitch yaw rad, in base_link.
    """

    model: str = param("ur5e.xml", "MJCF or URDF: a path, or a name in config/arms")
    joints: tuple[str, ...] = param(_UR5E, "its joints, from the base on, as in the file")
    tool: str = param("tool", "site or body that is moved to a target; its z axis is the gripper's direction")
    gripper: GripperParams = field(default_factory=GripperParams)
    max_speed: tuple[float, ...] = param((1.0, 1.0, 1.0, 1.5, 1.5, 1.5, 0.1), "speed by axis, rad/s or m/s")
    max_accel: tuple[float, ...] = param((2.0, 2.0, 2.0, 4.0, 4.0, 4.0, 0.5), "acceleration by axis")
    position_min: tuple[float, ...] = param((-3.1, -3.1, -2.8, -6.2, -6.2, -6.2, 0.0), "lowest position by axis")
    position_max: tuple[float, ...] = param((3.1, 0.3, 2.8, 6.2, 6.2, 6.2, 0.04), "highest position by axis")
    home: tuple[float, ...] = param((0.0, -1.8, 1.9, -1.67, -1.5708, 0.0), "posture that is preferred, by joint")
    mount: tuple[float, ...] = param((0.0,) * 6, "origin of the file's frame in base_link: x y z m, roll pitch yaw rad")
    fixed: bool = param(False, "base_link never moves: no odometry is needed, and base_link takes its frame's place")
    grasp: GraspParams = field(default_factory=GraspParams)

    @property
    def axes(self) -> tuple[str, ...]:
        """What one action is made of: the joints, then the gripper where there is one."""
        return (*self.joints, self.gripper.joint) if self.gripper.joint else self.joints

    @property
    def T_body_from_arm(self) -> SE3:
        """The mount as a transform."""
        x, y, z, roll, pitch, yaw = self.mount
        return SE3.from_rpy(roll, pitch, yaw, (x, y, z))

    def by_axis(self) -> AxisLimits:
        """The limits in the order of the axes."""
        return AxisLimits(
            self.axes, np.array(self.max_speed), np.array(self.max_accel),
            np.array(self.position_min), np.array(self.position_max),
        )  # fmt: skip

    def __post_init__(self) -> None:
        if len(set(self.axes)) != len(self.axes) or not self.joints:
            raise ValueError(f"arm.joints and arm.gripper.joint name {list(self.axes)}; expected each joint once")
        sizes = {"home": len(self.joints), "mount": 6}
        for name in ("max_speed", "max_accel", "position_min", "position_max", "home", "mount"):
            values, size = getattr(self, name), sizes.get(name, len(self.axes))
            if len(values) != size or not all(map(math.isfinite, values)):
                raise ValueError(f"arm.{name} is {list(values)}; expected {size} finite numbers")
        self._check_ranges()

    def _check_ranges(self) -> None:
        for i, axis in enumerate(self.axes):
            low, high = self.position_min[i], self.position_max[i]
            if not (self.max_speed[i] > 0 and self.max_accel[i] > 0 and low < high):
                raise ValueError(
                    f"arm: {axis} needs a speed and an acceleration above 0, and a range, not {low} to {high}"
                )
            if i < len(self.joints) and not low <= self.home[i] <= high:
                raise ValueError(f"arm.home of {axis} is {self.home[i]}, outside its range of {low} to {high}")
        ends = (self.gripper.open, self.gripper.closed)
        if self.gripper.joint and not all(self.position_min[-1] <= end <= self.position_max[-1] for end in ends):
            raise ValueError(f"arm.gripper opens to {ends[0]} and closes to {ends[1]}, outside its joint's range")


def example(params: ArmParams) -> ActionChunk:
    """Speeds of the first joint alone, as a chunk for this arm."""
    actions = np.zeros((2, len(params.axes)))
    actions[:, 0] = [0.1, 0.2]
    return ActionChunk(0, 0, 50 * MS, params.axes, actions, plan_id=1, epoch=1)
