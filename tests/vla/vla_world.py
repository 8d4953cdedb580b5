"""A toy world for the VLA node's tests: a unicycle, boxes and balls on a floor, a pinhole camera, a perfect map."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from saccade.clock import MS, SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3, Pinhole
from saccade.node import NEVER_NS, Out, Sample
from saccade.stages import Stages
from saccade.types import CameraModel, Image, LocalMap, RobotState
from saccade.wire.codec import codec
from saccade.wire.convert import (
    decode_chunk,
    decode_plan,
    encode_camera,
    encode_map,
    encode_odom,
    encode_text,
    header,
    pose_msg,
)  # fmt: skip
from saccade.wire.images import encode_depth, encode_image
from saccade.wire.virtual import VirtualBus

START_NS = 1_000 * SEC
CAMERA = Pinhole(100.0, 100.0, 79.5, 59.5, 160, 120)
T_BODY_FROM_CAM = SE3(R_BODY_FROM_OPTICAL, np.array([0.10, 0.0, 0.35]))
RED, BLUE, GREEN = (200, 30, 25), (30, 60, 210), (30, 170, 40)
SENSED_LATE_NS = 37 * MS
_ODOM_NS, _FRAME_NS = 20 * MS, 100 * MS


@dataclass(frozen=True)
class Box:
    """An upright box: centre, half sizes and height of its top in metres, colour; `base` is where it begins."""

    x: float
    y: float
    half_x: float
    half_y: float
    height: float
    rgb: tuple[int, int, int]
    base: float = 0.0


_V, _U = np.mgrid[0 : CAMERA.height, 0 : CAMERA.width]
_RAYS = np.moveaxis(CAMERA.unproject(np.stack([_U, _V], -1), np.ones(_U.shape)), -1, 0).reshape(3, -1)
_SHADE = np.array([1.0, 0.7, 0.9])


def render(T_odom_from_cam: SE3, boxes: Iterable[Box]):
    """(rgb (H, W, 3) uint8, depth (H, W) float32) of shaded boxes on a grey floor, by intersecting rays; read-only."""
    return _rendered(T_odom_from_cam.R.tobytes(), T_odom_from_cam.t.tobytes(), tuple(boxes))


@lru_cache(maxsize=64)
def _rendered(R: bytes, t: bytes, boxes: tuple[Box, ...]):
    """A robot that stands, as in most of these worlds most of the time, sees the same picture again."""
    rays = (np.frombuffer(R).reshape(3, 3) @ _RAYS).astype(np.float32)
    eye = np.frombuffer(t).astype(np.float32)
    depth = np.full(rays.shape[1], np.inf, np.float32)
    rgb = np.full((rays.shape[1], 3), 150, np.uint8)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1.0 / rays
        floor = -eye[2] * inverse[2]
        hit = (floor > 0) & (floor < 12)
        depth[hit], rgb[hit] = floor[hit], (110, 108, 105)
        for box in boxes:
            low = np.array([box.x - box.half_x, box.y - box.half_y, box.base], np.float32) - eye
            high = np.array([box.x + box.half_x, box.y + box.half_y, box.height], np.float32) - eye
            a, b = low[:, None] * inverse, high[:, None] * inverse
            enter, leave = np.minimum(a, b), np.maximum(a, b)
            near = np.maximum(np.maximum(enter[0], enter[1]), enter[2])
            far = np.minimum(np.minimum(leave[0], leave[1]), leave[2])
            hit = np.flatnonzero((near < far) & (near > 0.05) & (near < depth))
            depth[hit] = near[hit]
            rgb[hit] = np.array(box.rgb) * _SHADE[enter[:, hit].argmax(0)][:, None]
    depth[np.isinf(depth)] = np.nan
    rgb.flags.writeable = depth.flags.writeable = False
    return rgb.reshape(CAMERA.height, CAMERA.width, 3), depth.reshape(CAMERA.height, CAMERA.width)


def chart(stamp_ns: int, x: float, y: float, boxes: Iterable[Box], size_m: float = 8.0, cell_m: float = 0.05):
    """The local map around (x, y): everything known, boxes occupied; its arrays are read-only."""
    origin = (math.floor((x - size_m / 2) / cell_m) * cell_m, math.floor((y - size_m / 2) / cell_m) * cell_m)
    return LocalMap(stamp_ns, "odom", cell_m, origin, *_charted(origin, tuple(boxes), round(size_m / cell_m), cell_m))


@lru_cache(maxsize=64)
def _charted(origin: tuple[float, float], boxes: tuple[Box, ...], n: int, cell_m: float):
    """(occupancy, clearance), each (n, n), of cells from `origin`."""
    centre_x = origin[0] + (np.arange(n) + 0.5) * cell_m
    centre_y = origin[1] + (np.arange(n) + 0.5) * cell_m
    occupancy = np.zeros((n, n), np.int8)
    for box in (b for b in boxes if b.base == 0.0):
        inside_x, inside_y = np.abs(centre_x - box.x) <= box.half_x, np.abs(centre_y - box.y) <= box.half_y
        occupancy[np.ix_(inside_y, inside_x)] = 100
    clear_m = clearance(occupancy, cell_m)
    occupancy.flags.writeable = clear_m.flags.writeable = False
    return occupancy, clear_m


def clearance(occupancy, cell_m: float):
    """Distance to the nearest cell that is not known to be free, the map's outside included."""
    free = np.pad((occupancy >= 0) & (occupancy < 50), 1).astype(np.uint8)
    return (cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1] * cell_m).astype(np.float32)


def static_tf():
    """tf_static with the camera's place on the robot."""
    pose, new = pose_msg(T_BODY_FROM_CAM), codec().new
    transform = new(
        "geometry_msgs/msg/Transform",
        translation=new("geometry_msgs/msg/Vector3", x=pose.position.x, y=pose.position.y, z=pose.position.z),
        rotation=pose.orientation,
    )
    link = new(
        "geometry_msgs/msg/TransformStamped", header=header(0, "base_link"), child_frame_id="left_optical",
        transform=transform,
    )  # fmt: skip
    return codec().encode(new("tf2_msgs/msg/TFMessage", transforms=[link]))


class World:
    """A `Source`: obeys the newest chunk as a robot that carries out every request exactly."""

    def __init__(self, boxes=(), until_s: float = 60.0, grey: bool = False, script=(), mute=frozenset()):
        self.start_ns = START_NS
        self.boxes, self.grey, self.mute = tuple(boxes), grey, mute
        self.x = self.y = self.yaw = self.v = self.w = 0.0
        self.trail: list[tuple[int, float, float, float, float, float]] = []
        self._end_ns = START_NS + round(until_s * SEC)
        self._now_ns = START_NS
        self.chunk = None
        self._queue = sorted(
            [Sample("tf_static", START_NS, static_tf()), *script], key=lambda s: s.stamp_ns
        )  # fmt: skip
        self._odom_ns, self._frame_ns = START_NS, START_NS

    def next_ns(self):
        due = min(self._odom_ns, self._frame_ns, self._queue[0].stamp_ns if self._queue else NEVER_NS)
        return due if due <= self._end_ns else None

    def take(self):
        if self._queue and self._queue[0].stamp_ns <= min(self._odom_ns, self._frame_ns):
            return self._queue.pop(0)
        if self._odom_ns <= self._frame_ns:
            self._odom_ns += _ODOM_NS
            twist = np.array([self.v, 0, 0, 0, 0, self.w])
            return Sample("odom", self._now_ns, encode_odom(RobotState(self._now_ns, "odom", self.pose(), twist)))
        self._frame_ns += _FRAME_NS
        self._frames()
        return self._queue.pop(0)

    def _frames(self):
        now, late = self._now_ns, self._now_ns + SENSED_LATE_NS
        rgb, depth_m = render(self.pose() @ T_BODY_FROM_CAM, self.boxes)
        picture = rgb.mean(-1).astype(np.uint8) if self.grey else rgb
        P = np.array([[100.0, 0, 79.5, 0], [0, 100.0, 59.5, 0], [0, 0, 1, 0]])
        model = CameraModel("left_optical", 160, 120, "plumb_bob", np.zeros(5), P[:, :3], np.eye(3), P)
        samples = [
            Sample("left/image_rect", now, encode_image(Image(now, "left_optical", picture))),
            Sample("depth/camera_info", late, encode_camera(now, model)),
            Sample("depth/image_rect", late, encode_depth(now, "left_optical", depth_m)),
            Sample("local_map", late, encode_map(chart(now, self.x, self.y, self.boxes))),
        ]
        self._queue.extend(s for s in samples if s.topic not in self.mute or s.topic == "left/image_rect")
        self._queue.sort(key=lambda s: s.stamp_ns)

    def pose(self):
        return SE3.from_rpy(0, 0, self.yaw, (self.x, self.y, 0.0))

    def advance(self, to_ns):
        while self._now_ns < to_ns:
            until = min(to_ns, self._now_ns + 10 * MS)
            dt = (until - self._now_ns) / SEC
            action = self.chunk.at(self._now_ns) if self.chunk else None
            self.v, self.w = (float(action[0]), float(action[1])) if action is not None else (0.0, 0.0)
            self.yaw += self.w * dt
            self.x += self.v * dt * math.cos(self.yaw)
            self.y += self.v * dt * math.sin(self.yaw)
            self._now_ns = until
            self.trail.append((until, self.x, self.y, self.yaw, self.v, self.w))

    def heard(self, topic, cdr, now_ns):
        if topic == "chunk":
            self.chunk = decode_chunk(cdr)

    def close(self):
        pass


class Ear:
    """A node that writes down what it hears."""

    name = "ear"
    reads = frozenset({"plan", "plan/exchange", "chunk", "diagnostics", "plan/path"})
    writes = frozenset()

    def __init__(self):
        self.stages = Stages()
        self.samples: list[Sample] = []

    def next_ns(self, now_ns):
        return NEVER_NS

    def on_sample(self, sample, now_ns) -> Iterable[Out]:
        self.samples.append(Sample(sample.topic, sample.stamp_ns, bytes(sample.cdr)))
        return ()

    def on_tick(self, now_ns):
        return ()

    def close(self):
        return ()

    def plans(self):
        return [decode_plan(s.cdr) for s in self.samples if s.topic == "plan"]

    def chunks(self):
        return [(s.stamp_ns, decode_chunk(s.cdr)) for s in self.samples if s.topic == "chunk"]


def told(text: str, at_s: float) -> Sample:
    """An instruction at a time after the start."""
    return Sample("instruction", START_NS + round(at_s * SEC), encode_text(text))


def drive(world: World, node, stop=lambda: False):
    """Run a node in a world; what it said."""
    from saccade.node import run

    ear = Ear()
    run([node, ear], VirtualBus(world), stop)
    return ear
