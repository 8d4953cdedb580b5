"""Arms behind ros2_control: the gate's trajectory, divided between the controllers of the arm and of its gripper.

An arm without a gripper, or one controller for both, needs no bridge: `joint_trajectory` of the robot file is remapped
to `/joint_trajectory_controller/joint_trajectory`. But a joint_trajectory_controller refuses a trajectory that names a
joint it does not have, and, unless `allow_partial_joints_goal`, one that lacks a joint it has; so a gripper with a
controller of its own needs this. Names are the controllers'; the gate's axes must be called the same.

Each trajectory is one point, to be reached within a tick of the gate: a controller that hears no more holds that point.
Silence of the gate stops the arm without being told.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge_node.params import BridgeParams
from saccade.clock import MS, SEC, TickGrid
from saccade.errors import ConfigError, DataError
from saccade.node import Out, Sample
from saccade.stages import Stages
from saccade.wire.commands import decode_joint_trajectory, encode_joint_trajectory
from saccade.wire.diagnostics import Level, encode_diagnostics

ARM, GRIPPER = "arm_controller/joint_trajectory", "gripper_controller/joint_trajectory"


class JointsBridge:
    """Passes each trajectory on at once, in parts."""

    name = "bridge_node"
    reads = frozenset({"joint_trajectory"})

    def __init__(self, params: BridgeParams) -> None:
        parts = {ARM: params.ros2_control.arm, GRIPPER: params.ros2_control.gripper}
        self._parts = {name: joints for name, joints in parts.items() if joints}
        joints = [joint for part in self._parts.values() for joint in part]
        if not joints or len(set(joints)) != len(joints):
            raise ConfigError(f"ros2_control: joints are {joints}; expected arm and gripper to name each of them once")
        self._joints = set(joints)
        self.writes = frozenset({*self._parts, "diagnostics"})
        self.stages = Stages()
        self._silence_ns = round(params.silence_ms * MS)
        self._grid = TickGrid(SEC)
        self._heard_ns: int | None = None
        self._wrong = ""

    def next_ns(self, now_ns: int) -> int:
        """Once a second, for diagnostics."""
        return self._grid.due(now_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> Iterator[Out]:
        """One trajectory a controller; none at all of a command that is not of just these joints."""
        try:
            names, positions, reach_ns = decode_joint_trajectory(sample.cdr)
            if set(names) != self._joints or len(names) != len(self._joints):
                raise DataError(
                    f"joint_trajectory is of {', '.join(names)}; expected {', '.join(sorted(self._joints))}"
                )
        except DataError as error:
            self._wrong = str(error)
            return
        self._wrong, self._heard_ns = "", now_ns
        for topic, joints in self._parts.items():
            part = positions[[names.index(joint) for joint in joints]]
            yield Out(topic, encode_joint_trajectory(joints, part, reach_ns))

    def on_tick(self, now_ns: int) -> Iterator[Out]:
        """How it is."""
        self._grid.advance(now_ns)
        silent = self._heard_ns is None or not 0 <= now_ns - self._heard_ns <= self._silence_ns
        level = Level.ERROR if self._wrong else Level.STALE if silent else Level.OK
        text = self._wrong or ("no command of the gate: the controllers hold" if silent else "following the gate")
        yield Out("diagnostics", encode_diagnostics(now_ns, "bridge_node/ros2_control", level, text))

    def close(self) -> tuple[Out, ...]:
        """Nothing: the controllers hold."""
        return ()
