"""Brings a recording's odometry and fixed transforms to the frames that algorithms know: odom, base_link, cameras.

base_link is on the ground under the robot, x forward, y left, z up (REP 103, 105). Recordings of a hand-held camera,
a drone or a car often give the pose of a camera or an IMU in some world instead.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from saccade.clock import MS, seconds
from saccade.geometry import F64, R_BODY_FROM_OPTICAL, SE3
from saccade.tf import FixedTree
from saccade.types import RobotState
from saccade.wire.convert import Cdr, decode_odom, encode_odom, time_msg
from saccade.wire.ground import Ground
from saccade.wire.mapping import MappingFile

Link = tuple[str, str, SE3]
"""(parent, child, T_parent_from_child)."""
CAMERA_HEIGHT_M = 0.5
"""Assumed where neither the recording nor a mapping file tells."""
_BASES = ("base_footprint", "base_link")
_AGREES, _UPRIGHT = math.cos(math.radians(10)), math.cos(math.radians(45))
_BASELINE_NS = 50 * MS
"""Poses that come faster are differenced over at least this long: shorter amplifies their noise."""

_STAMP, _POSE, _TWIST = struct.Struct("<iI"), struct.Struct("<7d"), struct.Struct("<6d")
_TWIST_FROM_END = (6 + 36) * 8
_POSE_FROM_END = (7 + 36) * 8 + _TWIST_FROM_END
"""Bytes; after its two strings a nav_msgs/Odometry is all doubles: pose, covariance, twist, covariance."""


@dataclass
class Frames:
    """What to do with a recording: pose in odom = `T_odom_from_world` @ recorded pose @ `T_child_from_base`.

    With `keeps_odom`, odometry is played as recorded. `links` are the fixed transforms to play.
    """

    T_odom_from_world: SE3 = field(default_factory=SE3.identity)
    T_child_from_base: SE3 = field(default_factory=SE3.identity)
    keeps_odom: bool = True
    has_twist: bool = True
    links: list[Link] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    ground: Ground | None = None


def arrange(
    odom: Sequence[tuple[RobotState, str]], cameras: Sequence[str], links: list[Link], mount: MappingFile,
    ground: Ground | None = None,
) -> Frames:  # fmt: skip
    """Work it out from the first odometry messages with their child frames, the camera frames and fixed transforms.

    Where the child is a robot's body it is kept, and the camera found through the fixed transforms; else the body is
    put under the camera, and odom begins at its first pose. `cameras` are ordered, the one to rely on first; `ground`,
    what that one sees below it at the start, stands in for what nobody tells of its mounting.
    """
    tf, frames = FixedTree(links), Frames(ground=ground)
    state, child = odom[0] if odom else (None, next((b for b in _BASES if b in tf.frames()), "base_link"))
    linked = [c for c in cameras if tf.link(child, c)]
    camera = child if child in cameras else next(iter([*linked, *cameras]), None)
    if state is None or _is_body(state, child, cameras):
        frames.has_twist = any(s.twist.any() for s, _ in odom)
        T_base_from_camera = _keep_body(frames, tf, child, camera, mount)
    else:
        frames.has_twist = False
        T_base_from_camera = _body_under_camera(frames, tf, state, child, camera, mount)
    moved = not (_is_identity(frames.T_odom_from_world) and _is_identity(frames.T_child_from_base))
    if moved or child != "base_link":
        T_base_from_child = frames.T_child_from_base.inverse()
        to_child = ((f, tf.link(child, f)) for f in tf.frames() if f != "base_link")
        frames.links = [("base_link", f, T_base_from_child @ T) for f, T in to_child if T]
    else:
        frames.links = list(links)
    _tie(frames, cameras, camera, T_base_from_camera)
    if state is not None:
        frames.keeps_odom = not moved and (state.frame_id, child) == ("odom", "base_link") and frames.has_twist
        _say_what_becomes_of_odometry(frames, state.frame_id, child)
    return frames


def _tie(frames: Frames, cameras: Sequence[str], camera: str | None, T_base_from_camera: SE3 | None) -> None:
    """Add links to the cameras that no fixed transform ties to base_link; they are taken to be where `camera` is."""
    tf = FixedTree(frames.links)
    for other in dict.fromkeys(cameras):
        if T_base_from_camera is not None and tf.link("base_link", other) is None:
            top = tf.top(other)
            frames.links.append(("base_link", top, T_base_from_camera @ (tf.link(other, top) or SE3.identity())))
            tf.set_static(*frames.links[-1])
            if other != camera:
                frames.assumptions.append(f"camera {other!r} is where {camera!r} is")


def _say_what_becomes_of_odometry(frames: Frames, world: str, child: str) -> None:
    if not frames.keeps_odom:
        frames.assumptions.append(f"odometry of {child!r} in {world!r} is played as that of base_link in odom")
    if not frames.has_twist:
        frames.assumptions.append("velocity is differenced from poses, as none is recorded for the body")


def _is_body(state: RobotState, child: str, cameras: Sequence[str]) -> bool:
    """Whether odometry is of something that stands upright, as bodies do and cameras and many IMUs do not."""
    if child in _BASES:
        return True
    upright = bool(state.T_odom_from_body.R[2, 2] > _UPRIGHT)
    return upright and child not in cameras and not child.endswith("_optical")


def _keep_body(frames: Frames, tf: FixedTree, child: str, camera: str | None, mount: MappingFile) -> SE3 | None:
    """Keep the body that odometry is of, down to its footprint where there is one; returns T_base_from_camera."""
    base = next((b for b in _BASES if tf.link(child, b)), child)
    frames.T_child_from_base = tf.link(child, base) or SE3.identity()
    if camera is None:
        return None
    T_base_from_camera = tf.link(base, camera)
    if T_base_from_camera is None:
        T_base_from_camera = _mounted(frames, camera, mount)
    elif mount.camera_height_m is not None:
        ground = SE3(np.eye(3), np.array([0.0, 0.0, T_base_from_camera.t[2] - mount.camera_height_m]))
        frames.T_child_from_base = frames.T_child_from_base @ ground
        frames.T_odom_from_world = ground.inverse()
        T_base_from_camera = ground.inverse() @ T_base_from_camera
    return T_base_from_camera


def _body_under_camera(
    frames: Frames, tf: FixedTree, first: RobotState, child: str, camera: str | None, mount: MappingFile
) -> SE3:
    """Put a body on the ground under the camera, heading where it looks; returns T_base_from_camera."""
    T_child_from_camera = tf.link(child, camera) if camera else SE3.identity()
    if T_child_from_camera is None:
        frames.assumptions.append(f"{child!r}, which odometry is of, is the camera {camera!r}")
        T_child_from_camera = SE3.identity()
    T_world_from_camera = first.T_odom_from_body @ T_child_from_camera
    upright = -T_world_from_camera.R[2, 1] > _UPRIGHT
    if upright and mount.camera_pitch_deg is None:
        seen = frames.ground and frames.ground.up @ T_world_from_camera.R[2] > _AGREES and frames.ground.height_m
        height_m = mount.camera_height_m or seen or CAMERA_HEIGHT_M
        T_base_from_camera = _levelled(T_world_from_camera, height_m)
        frames.assumptions.append(
            f"z of {first.frame_id!r} is up, and the ground {T_base_from_camera.t[2]:.2f} m below"
        )
    else:
        T_base_from_camera = _mounted(frames, camera or child, mount)
    frames.T_child_from_base = T_child_from_camera @ T_base_from_camera.inverse()
    frames.T_odom_from_world = (first.T_odom_from_body @ frames.T_child_from_base).inverse()
    return T_base_from_camera


def _mounted(frames: Frames, camera: str, mount: MappingFile) -> SE3:
    """T_base_from_camera as the mapping file says, as the ground shows, or of a level camera that looks forward."""
    ground = frames.ground
    if ground is not None and mount.camera_pitch_deg is None:
        height_m = ground.height_m if mount.camera_height_m is None else mount.camera_height_m
        frames.assumptions.append(f"camera {camera!r} is {height_m:.2f} m above the ground and at the start {ground}")
        return SE3(ground.R_base_from_camera, np.array([0.0, 0.0, height_m]))
    height_m = CAMERA_HEIGHT_M if mount.camera_height_m is None else mount.camera_height_m
    pitch_deg = mount.camera_pitch_deg or 0.0
    frames.assumptions.append(
        f"camera {camera!r} is {height_m:.2f} m above the ground (camera_height_m), looks forward and at the start "
        f"{pitch_deg:.0f} degrees down (camera_pitch_deg), without roll"
    )
    tilt = SE3.from_rpy(0.0, math.radians(pitch_deg), 0.0)
    return SE3(tilt.R @ R_BODY_FROM_OPTICAL, np.array([0.0, 0.0, height_m]))


def _levelled(T_world_from_camera: SE3, height_m: float) -> SE3:
    """T_base_from_camera such that base_link is level in a world whose z is up."""
    forward = T_world_from_camera.R[:, 2]
    heading = math.atan2(float(forward[1]), float(forward[0]))
    R_base_from_world = SE3.from_rpy(0.0, 0.0, -heading).R
    return SE3(R_base_from_world @ T_world_from_camera.R, np.array([0.0, 0.0, height_m]))


def _is_identity(T: SE3) -> bool:
    return bool(np.allclose(T.R, np.eye(3), atol=1e-9) and np.allclose(T.t, 0.0, atol=1e-9))


class OdomRewriter:
    """Odometry messages brought to base_link in odom, one after the other."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._template = bytes(encode_odom(RobotState(0, "odom", SE3.identity(), np.zeros(6))))
        self._past: deque[tuple[int, SE3]] = deque()
        self._twist: F64 = np.zeros(6)

    def __call__(self, cdr: Cdr) -> Cdr:
        """One message; its stamp is kept, its covariance becomes unknown (zero). DataError when it is corrupt."""
        state, _ = decode_odom(cdr)
        T = self._frames.T_odom_from_world @ state.T_odom_from_body @ self._frames.T_child_from_base
        twist = self._moved(state.twist) if self._frames.has_twist else self._differenced(state.stamp_ns, T)
        return self._encode(state.stamp_ns, T, twist)

    def _encode(self, stamp: int, T: SE3, twist: F64) -> bytes:
        """As `encode_odom`, but only what changes is written: a tenth of the time."""
        out = bytearray(self._template)
        time = time_msg(stamp)  # also of a stamp beyond the end of time
        _STAMP.pack_into(out, 4, time.sec, time.nanosec)
        _POSE.pack_into(out, len(out) - _POSE_FROM_END, *T.t, *T.quaternion())
        _TWIST.pack_into(out, len(out) - _TWIST_FROM_END, *twist)
        return bytes(out)

    def _moved(self, twist: F64) -> F64:
        """The twist of the child frame as felt at base_link: v + w x r, in base_link's axes."""
        T = self._frames.T_child_from_base
        linear, angular = twist[:3] + np.cross(twist[3:], T.t), twist[3:]
        return np.concatenate([T.R.T @ linear, T.R.T @ angular])

    def _differenced(self, stamp: int, T: SE3) -> F64:
        past = self._past
        if past and stamp < past[-1][0]:
            past.clear()
        while len(past) > 1 and stamp - past[1][0] >= _BASELINE_NS:
            past.popleft()
        if past and stamp > past[0][0]:
            dt = seconds(stamp - past[0][0])
            step = past[0][1].inverse() @ T
            self._twist = np.concatenate([step.t, _rotation_vector(step.R)]) / dt
        past.append((stamp, T))
        return self._twist


def _rotation_vector(R: F64) -> F64:
    """Axis times angle in radians, for angles below pi."""
    axis = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]) / 2
    sine = float(np.linalg.norm(axis))
    angle = math.atan2(sine, (float(np.trace(R)) - 1) / 2)
    return axis * (angle / sine) if sine > 1e-12 else axis
