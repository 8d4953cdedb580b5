"""A multirotor in a room of boxes: what its camera sees, how it obeys late and tilts, and everything it sends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from saccade.clock import MS, SEC, TickGrid, seconds
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3, Pinhole
from saccade.node import NEVER_NS, Node, Out, Sample
from saccade.stages import Stages
from saccade.types import ActionChunk, CameraModel, RobotState, Verdict
from saccade.wire.convert import (
    decode_command,
    decode_verdict,
    encode_camera,
    encode_chunk,
    encode_odom,
    encode_transforms,
)
from saccade.wire.images import encode_depth, encode_mono8

CAMERA = Pinhole(57.0, 57.0, 47.5, 35.5, 96, 72)
"""80 degrees by 64: no more than a usual stereo camera has."""
T_BASE_FROM_CAM = SE3(R_BODY_FROM_OPTICAL, np.array([0.12, 0.0, 0.0]))
AXES = ("vx", "vy", "vz", "wz")
START = 1_000 * SEC
STANDING_M = 0.15
"""Height of the vehicle's middle above its feet."""
Action = Callable[["Quad", float], Iterable[float]]


class Room:
    """The inside of a box with boxes in it, each (low, high) in metres."""

    def __init__(self, low: tuple[float, ...], high: tuple[float, ...]) -> None:
        self.low, self.high = np.array(low, float), np.array(high, float)
        self.boxes: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, low: tuple[float, ...], high: tuple[float, ...]) -> None:
        self.boxes.append((np.array(low, float), np.array(high, float)))

    def depth(self, T: SE3) -> np.ndarray:
        """Depth (H, W) float32 along the optical axis."""
        v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
        rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones(u.shape)], -1) @ T.R.T
        with np.errstate(divide="ignore"):
            one = 1 / rays
        depth = np.maximum((self.low - T.t) * one, (self.high - T.t) * one).min(-1)
        for low, high in self.boxes:
            a, b = (low - T.t) * one, (high - T.t) * one
            into, out = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
            depth = np.where((into < out) & (into > 0), np.minimum(depth, into), depth)
        return depth.astype(np.float32)

    def distance(self, at: np.ndarray) -> float:
        """Metres from a point to the nearest wall or box."""
        gaps = [np.linalg.norm(np.maximum(np.maximum(low - at, at - high), 0)) for low, high in self.boxes]
        return float(min(*(at - self.low), *(self.high - at), *gaps, np.inf))


class Quad:
    """Follows velocities, level with the ground, 80 ms late and within accelerations; tilts as it must for that."""

    accel, delay_ns = np.array([1.5, 1.5, 1.0, 2.0]), 80 * MS

    def __init__(self) -> None:
        self.at, self.yaw, self.v, self.tilt = np.array([0.0, 0.0, STANDING_M]), 0.0, np.zeros(4), np.zeros(2)
        self._sent: list[tuple[int, np.ndarray]] = []

    def obey(self, now_ns: int, values: np.ndarray) -> None:
        self._sent = [*self._sent[-20:], (now_ns + self.delay_ns, values[[0, 1, 2, 5]])]

    def step(self, now_ns: int, dt: float) -> None:
        due = [values for at_ns, values in self._sent if at_ns <= now_ns]
        change = np.clip((due[-1] if due else np.zeros(4)) - self.v, -self.accel * dt, self.accel * dt)
        self.v, self.tilt = self.v + change, 0.8 * self.tilt + 0.2 * change[:2] / dt / 9.81
        self.yaw += self.v[3] * dt
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        self.at = self.at + np.array([c * self.v[0] - s * self.v[1], s * self.v[0] + c * self.v[1], self.v[2]]) * dt
        if self.at[2] < STANDING_M:
            self.at[2], self.v[2] = STANDING_M, 0.0

    @property
    def pose(self) -> SE3:
        return SE3.from_rpy(-self.tilt[1], self.tilt[0], self.yaw, self.at)

    def state(self, stamp_ns: int) -> RobotState:
        body = self.pose.R.T @ SE3.from_rpy(0, 0, self.yaw).R
        twist = np.concatenate([body @ self.v[:3], body @ (0.0, 0.0, self.v[3])])
        T = SE3(self.pose.R, self.at - (0.0, 0.0, STANDING_M))  # odometry begins where the vehicle stands
        return RobotState(stamp_ns, "odom", T, twist)


class Flight:
    """The vehicle, its camera and who tells it what to do, as one node; keeps every verdict and distance."""

    name, reads, writes = "flight", frozenset({"cmd_vel", "verdict"}), frozenset({"odom", "chunk"})

    def __init__(self, room: Room, action: Action) -> None:
        self.room, self.action, self.quad = room, action, Quad()
        self.stages, self._grid = Stages(), TickGrid(10 * MS)
        self.verdicts: list[Verdict] = []
        self.track: list[np.ndarray] = []
        self.nearest_m = math.inf
        self._told = False

    def next_ns(self, now_ns: int) -> int:
        return self._grid.next_ns or self._grid.start(now_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        if sample.topic == "cmd_vel":
            self.quad.obey(now_ns, decode_command(sample.cdr).values)
        else:
            self.verdicts.append(decode_verdict(sample.cdr))
        return ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        self._grid.advance(now_ns)
        self.quad.step(now_ns, 0.01)
        self.track.append(self.quad.at)
        self.nearest_m = min(self.nearest_m, self.room.distance(self.quad.at))
        if not self._told:
            self._told = True
            yield Out("tf_static", encode_transforms(now_ns, [("base_link", "camera", T_BASE_FROM_CAM)]))
        if now_ns % (20 * MS) == 0:
            yield Out("odom", encode_odom(self.quad.state(now_ns)))
        if now_ns % (50 * MS) == 0:
            action = np.tile(np.array(self.action(self.quad, seconds(now_ns - START)), float), (10, 1))
            yield Out("chunk", encode_chunk(ActionChunk(now_ns, now_ns, 50 * MS, AXES, action, 1, 1)))
        if now_ns % (100 * MS) == 0:
            yield from self._seen(now_ns)

    def _seen(self, now_ns: int) -> Iterable[Out]:
        depth_m = self.room.depth(self.quad.pose @ T_BASE_FROM_CAM)
        K = np.array([[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]])
        model = CameraModel(
            "camera", CAMERA.width, CAMERA.height, "plumb_bob", np.zeros(5), K, np.eye(3), np.c_[K, np.zeros(3)]
        )
        yield Out("depth/camera_info", encode_camera(now_ns, model))
        yield Out("depth/image_rect", encode_depth(now_ns, "camera", depth_m))
        yield Out("depth/confidence", encode_mono8(now_ns, "camera", np.full(depth_m.shape, 255, np.uint8)))

    def close(self) -> Iterable[Out]:
        return ()


class Mortal:
    """A node that is silent from an instant on, as one that was killed."""

    def __init__(self, node: Node, until_ns: int = NEVER_NS) -> None:
        self.node, self.until_ns = node, until_ns
        self.name, self.reads, self.writes, self.stages = node.name, node.reads, node.writes, node.stages

    def next_ns(self, now_ns: int) -> int:
        return self.node.next_ns(now_ns) if now_ns < self.until_ns else NEVER_NS

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        return self.node.on_sample(sample, now_ns) if now_ns < self.until_ns else ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        return self.node.on_tick(now_ns) if now_ns < self.until_ns else ()

    def close(self) -> Iterable[Out]:
        return self.node.close()
