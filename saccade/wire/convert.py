"""Saccade's own types to CDR bytes and back, each pair side by side. Pictures are in images.py."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from saccade.clock import SEC
from saccade.errors import DataError
from saccade.geometry import F64, SE3
from saccade.topics import topic
from saccade.types import (
    I8,
    ActionChunk,
    CameraModel,
    Command,
    Decision,
    LocalMap,
    Plan,
    PlanKind,
    RobotState,
    Verdict,
)
from saccade.wire.codec import codec

Cdr = bytes | memoryview
_UNKNOWN: F64 = np.zeros((6, 6))
_TWIST_AXES = ("vx", "vy", "vz", "wx", "wy", "wz")


def stamp_ns(stamp: Any) -> int:
    """builtin_interfaces/Time or Duration to integer nanoseconds."""
    return int(stamp.sec) * SEC + int(stamp.nanosec)


def time_msg(ns: int) -> Any:
    """Nanoseconds since the epoch to builtin_interfaces/Time."""
    return codec().new("builtin_interfaces/msg/Time", sec=ns // SEC, nanosec=ns % SEC)


def duration_msg(ns: int) -> Any:
    """Nanoseconds to builtin_interfaces/Duration."""
    return codec().new("builtin_interfaces/msg/Duration", sec=ns // SEC, nanosec=ns % SEC)


def header(ns: int, frame_id: str) -> Any:
    """std_msgs/Header."""
    return codec().new("std_msgs/msg/Header", stamp=time_msg(ns), frame_id=frame_id)


def _vector3(v: Any) -> Any:
    return codec().new("geometry_msgs/msg/Vector3", x=float(v[0]), y=float(v[1]), z=float(v[2]))


def _point(p: Any) -> Any:
    return codec().new("geometry_msgs/msg/Point", x=float(p[0]), y=float(p[1]), z=float(p[2]))


def pose_msg(T: SE3) -> Any:
    """geometry_msgs/Pose of a transform."""
    x, y, z, w = T.quaternion()
    orientation = codec().new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
    return codec().new("geometry_msgs/msg/Pose", position=_point(T.t), orientation=orientation)


def se3(translation: Any, rotation: Any) -> SE3:
    """SE3 of a message's position and orientation; DataError when not finite or the quaternion has no direction."""
    t = (translation.x, translation.y, translation.z)
    if not all(math.isfinite(v) for v in t):
        raise DataError(f"pose with position {t}; expected finite metres")
    try:
        return SE3.from_quaternion((rotation.x, rotation.y, rotation.z, rotation.w), t)
    except ValueError as error:
        raise DataError(f"pose with {error}") from error


def decode(name: str, cdr: Cdr) -> Any:
    """The raw message of a canonical topic."""
    return codec().decode(topic(name).type, cdr)


def encode_clock(ns: int) -> Cdr:
    """rosgraph_msgs/Clock."""
    return codec().encode(codec().new("rosgraph_msgs/msg/Clock", clock=time_msg(ns)))


def encode_text(text: str) -> Cdr:
    """std_msgs/String."""
    return codec().encode(codec().new("std_msgs/msg/String", data=text))


def encode_bool(value: bool) -> Cdr:
    """std_msgs/Bool."""
    return codec().encode(codec().new("std_msgs/msg/Bool", data=value))


def encode_camera(stamp: int, camera: CameraModel) -> Cdr:
    """sensor_msgs/CameraInfo."""
    new = codec().new
    roi = new("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    msg = new(
        "sensor_msgs/msg/CameraInfo", header=header(stamp, camera.frame_id), height=camera.height, width=camera.width,
        distortion_model=camera.distortion_model, d=np.asarray(camera.D, np.float64), k=camera.K.reshape(9),
        r=camera.R.reshape(9), p=camera.P.reshape(12), binning_x=0, binning_y=0, roi=roi,
    )  # fmt: skip
    return codec().encode(msg)


def decode_camera(cdr: Cdr) -> tuple[int, CameraModel]:
    """(stamp, model) of a sensor_msgs/CameraInfo; not judged here, see perception_node."""
    msg = codec().decode("sensor_msgs/msg/CameraInfo", cdr)
    model = CameraModel(
        msg.header.frame_id, int(msg.width), int(msg.height), msg.distortion_model, np.array(msg.d, np.float64),
        np.array(msg.k, np.float64).reshape(3, 3), np.array(msg.r, np.float64).reshape(3, 3),
        np.array(msg.p, np.float64).reshape(3, 4),
    )  # fmt: skip
    return stamp_ns(msg.header.stamp), model


def encode_odom(
    state: RobotState,
    child_frame_id: str = "base_link",
    pose_covariance: F64 = _UNKNOWN,
    twist_covariance: F64 = _UNKNOWN,
) -> Cdr:
    """nav_msgs/Odometry; covariances (6, 6) that are not given are zero, which ROS reads as unknown."""
    new = codec().new
    twist = new("geometry_msgs/msg/Twist", linear=_vector3(state.twist[:3]), angular=_vector3(state.twist[3:]))
    pose = pose_msg(state.T_odom_from_body)
    msg = new(
        "nav_msgs/msg/Odometry", header=header(state.stamp_ns, state.frame_id), child_frame_id=child_frame_id,
        pose=new("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=pose_covariance.reshape(36)),
        twist=new("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=twist_covariance.reshape(36)),
    )  # fmt: skip
    return codec().encode(msg)


def decode_odom(cdr: Cdr) -> tuple[RobotState, str]:
    """(state, child frame) of a nav_msgs/Odometry, in whatever axes the child frame has."""
    msg = codec().decode("nav_msgs/msg/Odometry", cdr)
    T = se3(msg.pose.pose.position, msg.pose.pose.orientation)
    lin, ang = msg.twist.twist.linear, msg.twist.twist.angular
    twist = np.array([lin.x, lin.y, lin.z, ang.x, ang.y, ang.z])
    return RobotState(stamp_ns(msg.header.stamp), msg.header.frame_id, T, twist), msg.child_frame_id


def encode_command(command: Command, frame_id: str = "base_link") -> Cdr:
    """geometry_msgs/TwistStamped; axes that the command does not name are zero."""
    twist = twist_msg(command)
    msg = codec().new("geometry_msgs/msg/TwistStamped", header=header(command.stamp_ns, frame_id), twist=twist)
    return codec().encode(msg)


def decode_command(cdr: Cdr) -> Command:
    """All six axes of a geometry_msgs/TwistStamped."""
    msg = codec().decode("geometry_msgs/msg/TwistStamped", cdr)
    return twist_command(stamp_ns(msg.header.stamp), msg.twist)


def twist_msg(command: Command) -> Any:
    """geometry_msgs/Twist of a command; axes that it does not name are zero."""
    twist = np.zeros(6)
    for axis, value in zip(command.axes, command.values, strict=True):
        twist[_TWIST_AXES.index(axis)] = value
    return codec().new("geometry_msgs/msg/Twist", linear=_vector3(twist[:3]), angular=_vector3(twist[3:]))


def twist_command(stamp: int, twist: Any) -> Command:
    """The command, all six axes, that a geometry_msgs/Twist is."""
    lin, ang = twist.linear, twist.angular
    return Command(stamp, _TWIST_AXES, np.array([lin.x, lin.y, lin.z, ang.x, ang.y, ang.z]))


def encode_map(grid: LocalMap) -> Cdr:
    """saccade_msgs/LocalMap."""
    height, width = grid.occupancy.shape
    msg = codec().new(
        "saccade_msgs/msg/LocalMap", header=header(grid.stamp_ns, grid.frame_id), resolution_m=grid.resolution_m,
        origin_x_m=grid.origin_m[0], origin_y_m=grid.origin_m[1], width=width, height=height,
        occupancy=grid.occupancy.reshape(-1), clearance_m=grid.clearance_m.reshape(-1),
    )  # fmt: skip
    return codec().encode(msg)


def decode_map(cdr: Cdr) -> LocalMap:
    """saccade_msgs/LocalMap; DataError when sizes disagree or the resolution is not positive."""
    msg = codec().decode("saccade_msgs/msg/LocalMap", cdr)
    shape = (int(msg.height), int(msg.width))
    if msg.occupancy.size != shape[0] * shape[1] or msg.clearance_m.size != msg.occupancy.size:
        raise DataError(
            f"local_map of {shape[0]}x{shape[1]} cells carries {msg.occupancy.size} and {msg.clearance_m.size} values"
        )
    if not (math.isfinite(msg.resolution_m) and msg.resolution_m > 0):
        raise DataError(f"local_map with resolution {msg.resolution_m} m; expected a positive number")
    return LocalMap(
        stamp_ns(msg.header.stamp), msg.header.frame_id, float(msg.resolution_m),
        (float(msg.origin_x_m), float(msg.origin_y_m)),
        msg.occupancy.reshape(shape), msg.clearance_m.reshape(shape),
    )  # fmt: skip


def encode_occupancy(
    stamp: int, frame_id: str, resolution_m: float, origin_m: tuple[float, float, float], occupancy: I8
) -> Cdr:
    """nav_msgs/OccupancyGrid, for RViz and Nav2.

    occupancy (H, W) int8: -1 unknown, 0..100 %; rows grow with y, columns with x; `origin_m` is the outer corner of
    cell [0, 0].
    """
    new, (height, width) = codec().new, occupancy.shape
    info = new(
        "nav_msgs/msg/MapMetaData", map_load_time=time_msg(stamp), resolution=resolution_m, width=width,
        height=height, origin=pose_msg(SE3(np.eye(3), np.array(origin_m))),
    )  # fmt: skip
    msg = new(
        "nav_msgs/msg/OccupancyGrid", header=header(stamp, frame_id), info=info, data=occupancy.reshape(-1),
    )  # fmt: skip
    return codec().encode(msg)


def encode_plan(plan: Plan) -> Cdr:
    """saccade_msgs/Plan."""
    msg = codec().new(
        "saccade_msgs/msg/Plan", TEXT=0, WAYPOINTS=1, PIXEL_GOAL=2, LATENT=3, VELOCITY=4, STOP=5,
        header=header(plan.obs_stamp_ns, plan.frame_id), id=plan.id, epoch=plan.epoch, instruction=plan.instruction,
        kind=int(plan.kind), obs_pose=pose_msg(plan.obs_pose), inference=duration_msg(plan.inference_ns),
        valid_for=duration_msg(plan.valid_for_ns), waypoints=[_point(p) for p in plan.waypoints],
        values=np.asarray(plan.values, np.float64), confidence=plan.confidence, final=plan.final, text=plan.text,
        progress=plan.progress,
    )  # fmt: skip
    return codec().encode(msg)


def decode_plan(cdr: Cdr) -> Plan:
    """saccade_msgs/Plan; DataError on an unknown kind."""
    msg = codec().decode("saccade_msgs/msg/Plan", cdr)
    if msg.kind not in set(PlanKind):
        raise DataError(
            f"plan {msg.id} has kind {msg.kind}; valid: {', '.join(f'{k.value} {k.name}' for k in PlanKind)}"
        )
    return Plan(
        id=int(msg.id), epoch=int(msg.epoch), instruction=msg.instruction, kind=PlanKind(msg.kind),
        obs_stamp_ns=stamp_ns(msg.header.stamp), obs_pose=se3(msg.obs_pose.position, msg.obs_pose.orientation),
        inference_ns=stamp_ns(msg.inference), valid_for_ns=stamp_ns(msg.valid_for), frame_id=msg.header.frame_id,
        waypoints=np.array([(p.x, p.y, p.z) for p in msg.waypoints], np.float64).reshape(-1, 3),
        values=np.array(msg.values, np.float64), confidence=float(msg.confidence), final=bool(msg.final), text=msg.text,
        progress=float(msg.progress),
    )  # fmt: skip


def encode_path(plan: Plan) -> Cdr:
    """nav_msgs/Path of a plan's waypoints, for RViz; empty when the plan has none."""
    new = codec().new
    head = header(plan.obs_stamp_ns, plan.frame_id)
    poses = [
        new("geometry_msgs/msg/PoseStamped", header=head, pose=pose_msg(SE3(np.eye(3), p))) for p in plan.waypoints
    ]
    return codec().encode(new("nav_msgs/msg/Path", header=head, poses=poses))


def encode_chunk(chunk: ActionChunk, frame_id: str = "base_link") -> Cdr:
    """saccade_msgs/ActionChunk."""
    msg = codec().new(
        "saccade_msgs/msg/ActionChunk", header=header(chunk.obs_stamp_ns, frame_id), t0=time_msg(chunk.t0_ns),
        dt=duration_msg(chunk.dt_ns), plan_id=chunk.plan_id, epoch=chunk.epoch, axes=list(chunk.axes),
        actions=np.ascontiguousarray(chunk.actions, np.float64).reshape(-1),
    )  # fmt: skip
    return codec().encode(msg)


def decode_chunk(cdr: Cdr) -> ActionChunk:
    """saccade_msgs/ActionChunk; DataError when its numbers do not form whole actions or dt is not positive."""
    msg = codec().decode("saccade_msgs/msg/ActionChunk", cdr)
    d, dt = len(msg.axes), stamp_ns(msg.dt)
    if d == 0 or len(msg.actions) % d or dt <= 0:
        raise DataError(
            f"chunk with {len(msg.actions)} numbers for {d} axes and dt {dt} ns; expected whole actions and dt > 0"
        )
    return ActionChunk(
        obs_stamp_ns=stamp_ns(msg.header.stamp), t0_ns=stamp_ns(msg.t0), dt_ns=dt, axes=tuple(msg.axes),
        actions=np.array(msg.actions, np.float64).reshape(-1, d), plan_id=int(msg.plan_id), epoch=int(msg.epoch),
    )  # fmt: skip


def encode_verdict(verdict: Verdict, frame_id: str = "base_link") -> Cdr:
    """saccade_msgs/Verdict."""
    msg = codec().new(
        "saccade_msgs/msg/Verdict", PASS=0, LIMITED=1, STOP=2, header=header(verdict.stamp_ns, frame_id),
        decision=int(verdict.decision), reason=verdict.reason, axes=list(verdict.axes),
        requested=np.asarray(verdict.requested, np.float64), granted=np.asarray(verdict.granted, np.float64),
        ratio=verdict.ratio, clearance_m=verdict.clearance_m, obs_stamp=time_msg(verdict.obs_stamp_ns),
        plan_id=verdict.plan_id, epoch=verdict.epoch,
    )  # fmt: skip
    return codec().encode(msg)


def decode_verdict(cdr: Cdr) -> Verdict:
    """saccade_msgs/Verdict."""
    msg = codec().decode("saccade_msgs/msg/Verdict", cdr)
    return Verdict(
        stamp_ns=stamp_ns(msg.header.stamp), decision=Decision(msg.decision), reason=msg.reason, axes=tuple(msg.axes),
        requested=np.array(msg.requested), granted=np.array(msg.granted), ratio=float(msg.ratio),
        clearance_m=float(msg.clearance_m), obs_stamp_ns=stamp_ns(msg.obs_stamp), plan_id=int(msg.plan_id),
        epoch=int(msg.epoch),
    )  # fmt: skip


def encode_transforms(stamp: int, links: Iterable[tuple[str, str, SE3]]) -> Cdr:
    """tf2_msgs/TFMessage of (parent, child, T_parent_from_child), all with one stamp."""
    new = codec().new
    transforms = []
    for parent, child, T in links:
        x, y, z, w = T.quaternion()
        rotation = new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
        transform = new("geometry_msgs/msg/Transform", translation=_vector3(T.t), rotation=rotation)
        transforms.append(
            new(
                "geometry_msgs/msg/TransformStamped", header=header(stamp, parent), child_frame_id=child,
                transform=transform,
            )
        )  # fmt: skip
    return codec().encode(new("tf2_msgs/msg/TFMessage", transforms=transforms))


def decode_transforms(cdr: Cdr) -> list[tuple[int, str, str, SE3]]:
    """(stamp, parent, child, T_parent_from_child) of each transform in a tf2_msgs/TFMessage."""
    return [
        (
            stamp_ns(t.header.stamp),
            t.header.frame_id,
            t.child_frame_id,
            se3(t.transform.translation, t.transform.rotation),
        )
        for t in codec().decode("tf2_msgs/msg/TFMessage", cdr).transforms
    ]
