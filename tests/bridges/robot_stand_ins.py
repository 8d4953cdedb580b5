"""Robots for the bridges' tests, on virtual time: each obeys as documented, and speaks in its real messages."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
from robot_types import (
    IMUState_,
    OffboardControlMode_,
    Request_,
    SportModeState_,
    State_,
    TimeSpec_,
    TrajectorySetpoint_,
    VehicleCommand_,
    VehicleOdometry_,
)

from saccade.clock import MS, SEC, TickGrid
from saccade.geometry import SE3
from saccade.node import NEVER_NS, Out, run
from saccade.stages import Stages
from saccade.types import Command, Decision, RobotState, Verdict
from saccade.wire.commands import decode_joint_trajectory
from saccade.wire.convert import decode_command, encode_command, encode_odom, encode_verdict
from saccade.wire.virtual import LocalBus

STEP_NS = 10 * MS
T0 = 1_700_000_000 * SEC


class Part:
    """A node that ticks every `step_ns`."""

    step_ns = STEP_NS

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.name, self.stages, self._grid = type(self).__name__, Stages(), TickGrid(self.step_ns)

    def next_ns(self, now_ns):
        return self._grid.next_ns or self._grid.start(now_ns)

    def on_sample(self, sample, now_ns):
        return ()

    def on_tick(self, now_ns):
        self._grid.advance(now_ns)
        return self.step(now_ns)

    def step(self, now_ns):
        return ()

    def close(self):
        return ()


class Gate(Part):
    """What the gate sends: `plan` is [(until s, command (6,))], then silence; `grants` is whether verdicts come too."""

    def __init__(self, plan, grants=True):
        super().__init__()
        self._plan, self._grants = plan, grants

    def step(self, now_ns):
        axes = ("vx", "vy", "vz", "wx", "wy", "wz")
        for until_s, values in self._plan:
            if now_ns < T0 + until_s * SEC:
                values = np.asarray(values, float)
                verdict = Verdict(
                    now_ns, Decision.PASS, "", axes, values, values, 1.0, math.nan, now_ns, 1, 1
                )  # fmt: skip
                outs = [Out("cmd_vel", encode_command(Command(now_ns, axes, values)))]
                return [*outs, Out("verdict", encode_verdict(verdict))] if self._grants else outs
        return ()


class Robot(Part):
    """Moves by `body`, its velocity (4,) forward, left, up and counter-clockwise; keeps what it did at each step."""

    step_ns = 2 * STEP_NS

    def __init__(self):
        super().__init__()
        self.position, self.yaw, self.body = np.zeros(3), 0.0, np.zeros(4)
        self.moved, self.frozen = [], False

    def step(self, now_ns):
        self.decide(now_ns)
        turn = SE3.from_rpy(0, 0, self.yaw)
        self.position = self.position + turn.apply(self.body[:3]) * self.step_ns / SEC
        self.yaw += float(self.body[3]) * self.step_ns / SEC
        self.moved.append(((now_ns - T0) / SEC, self.body.copy()))
        return self.say(now_ns)

    def still_from(self):
        """When it last moved, s."""
        return max((t for t, body in self.moved if np.abs(body).max() > 1e-6), default=0.0)

    def decide(self, now_ns): ...

    def say(self, now_ns):
        return ()


class Dog(Robot):
    """A Go2's sport service: a Move holds for a second."""

    reads = frozenset({"api/sport/request"})

    def __init__(self):
        super().__init__()
        self._until_ns, self.asked = 0, []

    def on_sample(self, sample, now_ns):
        request = Request_.deserialize(bytes(sample.cdr))
        self.asked.append(((now_ns - T0) / SEC, request.header.identity.api_id))
        if request.header.identity.api_id == 1008:
            p = json.loads(request.parameter)
            self.body, self._until_ns = np.array([p["x"], p["y"], 0.0, p["z"]]), now_ns + SEC
        elif request.header.identity.api_id == 1003:
            self.body = np.zeros(4)
        return ()

    def decide(self, now_ns):
        if now_ns >= self._until_ns:
            self.body = np.zeros(4)

    def say(self, now_ns):
        stamp = 77 if self.frozen else now_ns - T0  # its own clock, since it was switched on
        half = self.yaw / 2
        velocity = SE3.from_rpy(0, 0, self.yaw).apply(self.body[:3])
        state = SportModeState_(
            stamp=TimeSpec_(stamp // SEC, stamp % SEC), position=self.position.tolist(), velocity=velocity.tolist(),
            imu_state=IMUState_([math.cos(half), 0, 0, math.sin(half)], [0, 0, float(self.body[3])], [0, 0, 9.8]),
        )  # fmt: skip
        return (Out("sportmodestate", state.serialize()),)


class Copter(Robot):
    """PX4's offboard mode: a heartbeat of more than 2 Hz for a second before it, and all the time in it."""

    reads = frozenset({"fmu/in/offboard_control_mode", "fmu/in/trajectory_setpoint", "fmu/in/vehicle_command"})

    def __init__(self, mode="POSCTL", armed=True):
        super().__init__()
        self.mode, self.armed = mode, armed
        self._beats, self.commands, self.setpoints = [], [], []
        self.yaw = math.pi / 2  # it looks north

    def on_sample(self, sample, now_ns):
        cdr = bytes(sample.cdr)
        if sample.topic.endswith("control_mode"):
            beat = OffboardControlMode_.deserialize(cdr)
            assert beat.velocity
            assert not any((beat.position, beat.acceleration, beat.attitude, beat.body_rate))
            assert beat.timestamp == now_ns // 1000
            self._beats.append(now_ns)
        elif sample.topic.endswith("setpoint"):
            self.setpoints.append(TrajectorySetpoint_.deserialize(cdr))
            assert all(math.isnan(v) for v in (*self.setpoints[-1].position, self.setpoints[-1].yaw))
        else:
            command = VehicleCommand_.deserialize(cdr)
            self.commands.append(((now_ns - T0) / SEC, command))
            if command.command == 176 and (command.param1, command.param2) == (1.0, 6.0):
                self.switch("OFFBOARD", now_ns)
            if command.command == 400 and self.mode == "OFFBOARD":
                self.armed = command.param1 == 1.0
        return ()

    def switch(self, mode, now_ns):
        """What the pilot's switch does."""
        recent = [t for t in self._beats if now_ns - t <= SEC]
        fast = all(b - a < SEC / 2 for a, b in pairwise(recent))
        ready = bool(self._beats) and now_ns - self._beats[0] > SEC and len(recent) > 2 and fast
        self.mode = mode if mode != "OFFBOARD" or ready else self.mode

    def decide(self, now_ns):
        if self.mode == "OFFBOARD" and now_ns - self._beats[-1] > SEC:  # COM_OF_LOSS_T
            self.mode = "AUTO.RTL"
        self.body = np.zeros(4)
        if self.mode == "OFFBOARD" and self.armed:
            north, east, down = self.setpoints[-1].velocity
            level = SE3.from_rpy(0, 0, self.yaw).inverse().apply(np.array([east, north, -down]))
            self.body = np.array([*level, -self.setpoints[-1].yawspeed])

    def say(self, now_ns):
        if self.frozen:
            return ()
        half = (math.pi / 2 - self.yaw) / 2  # clockwise from north, about down
        world = SE3.from_rpy(0, 0, self.yaw).apply(self.body[:3])
        (e, n, u), (ve, vn, vu) = self.position, world
        state = VehicleOdometry_(
            timestamp=now_ns // 1000, timestamp_sample=now_ns // 1000, position=[n, e, -u], velocity=[vn, ve, -vu],
            q=[math.cos(half), 0, 0, math.sin(half)], angular_velocity=[0, 0, -float(self.body[3])],
        )  # fmt: skip
        return (Out("fmu/out/vehicle_odometry", state.serialize()),)


class Mav(Robot):
    """A vehicle behind MAVROS, with `mav_frame` LOCAL_NED; it obeys while setpoints come."""

    reads = frozenset({"mavros/setpoint_velocity/cmd_vel"})

    def __init__(self):
        super().__init__()
        self._heard_ns, self._world, self.setpoints = 0, np.zeros(4), 0
        self.yaw = 2.0

    def on_sample(self, sample, now_ns):
        twist = decode_command(sample.cdr).values
        self._world, self._heard_ns = twist[[0, 1, 2, 5]], now_ns
        self.setpoints += 1
        return ()

    def decide(self, now_ns):
        alive = now_ns - self._heard_ns < SEC
        level = SE3.from_rpy(0, 0, self.yaw).inverse().apply(self._world[:3])
        self.body = np.array([*level, self._world[3]]) * alive

    def say(self, now_ns):
        T = SE3.from_rpy(0, 0, self.yaw, self.position)
        twist = np.array([*self.body[:3], 0, 0, self.body[3]])
        outs = [] if self.frozen else [Out("odom", encode_odom(RobotState(now_ns, "map", T, twist)))]
        return [*outs, Out("mavros/state", State_().serialize())]


class Controllers(Part):
    """Two joint_trajectory_controllers: they refuse what is not of just their joints, and hold the last point."""

    reads = frozenset({"arm_controller/joint_trajectory", "gripper_controller/joint_trajectory"})
    joints = {"arm_controller": ("shoulder", "elbow"), "gripper_controller": ("gripper",)}

    def __init__(self):
        super().__init__()
        self.positions = dict.fromkeys(("shoulder", "elbow", "gripper"), 0.0)
        self._goals, self.refused, self.moved = {}, 0, []

    def on_sample(self, sample, now_ns):
        names, positions, reach_ns = decode_joint_trajectory(sample.cdr)
        if set(names) != set(self.joints[sample.topic.partition("/")[0]]):
            self.refused += 1
            return ()
        for joint, position in zip(names, positions, strict=True):
            self._goals[joint] = (position, now_ns + reach_ns)
        return ()

    def step(self, now_ns):
        before = dict(self.positions)
        for joint, (goal, due_ns) in self._goals.items():
            if now_ns >= due_ns:
                self.positions[joint] = goal
        self.moved.append(((now_ns - T0) / SEC, before != self.positions))
        return ()


class End(Part):
    """Ends the scene."""

    def __init__(self, after_s):
        super().__init__()
        self._at_ns, self.over = T0 + round(after_s * SEC), False

    def step(self, now_ns):
        self.over = now_ns >= self._at_ns
        return ()


def act(*parts, seconds):
    """Run these nodes together on virtual time."""
    end, bus = End(seconds), LocalBus(start_ns=T0)
    run([*parts, end], bus, lambda: end.over)
    return bus


class Ear(Part):
    """Keeps what is said on some topics."""

    def __init__(self, *topics):
        super().__init__()
        self.reads, self.heard = frozenset(topics), []

    def next_ns(self, now_ns):
        return NEVER_NS

    def on_sample(self, sample, now_ns):
        self.heard.append(sample)
        return ()
