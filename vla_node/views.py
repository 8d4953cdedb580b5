"""What the slow half thinks about and what the fast half looks at, made of the newest that was heard.

All of it is fixed when it is asked for; pictures are decoded later, in the worker, when what is returned is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from saccade.clearance import ClearanceField
from saccade.clock import MS
from saccade.errors import DataError
from saccade.geometry import F64, SE3, Pinhole
from saccade.inbox import Reading
from saccade.node import Sample
from saccade.tf import TransformError
from saccade.types import Image, LocalMap, RobotState
from saccade.wire.images import decode_depth, decode_image
from vla_node.cameras import CAMERAS
from vla_node.history import History, Kept
from vla_node.planner import Keyframe, Observation
from vla_node.policies.base import Look
from vla_node.rollout import moved
from vla_node.senses import BIRDSEYE, BODY, Senses, named, peek_header

_SAME_NS = 50 * MS
"""A picture and a depth image this close together are taken for one moment."""


def observation(
    senses: Senses, now_ns: int, blank: Callable[..., Observation], history: History
) -> Callable[[], Observation] | None:
    """How to make the newest observation; None without odometry.

    It is dated by the depth image if there is a fresh one, else by the odometry. `blank` is Observation with all that
    is not seen.
    """
    odom, depth = senses.odom(now_ns), senses.inbox.get("depth/image_rect", now_ns)
    if not odom.fresh:
        return None
    grid, space = _grid(senses, now_ns), _space(senses, now_ns)

    def bare(state: RobotState, blind: str) -> Observation:
        return blank(
            stamp_ns=state.stamp_ns, state=state, image=None, depth_m=None, camera=None, T_odom_from_cam=None,
            grid=grid, space=space, blind=blind,
        )  # fmt: skip

    if not depth.fresh:
        return partial(bare, odom.value, depth.why())
    try:
        T_odom_from_body = senses.tf.lookup(odom.value.frame_id, BODY, depth.stamp_ns)
    except TransformError as error:
        return partial(bare, odom.value, str(error))
    state = RobotState(depth.stamp_ns, odom.value.frame_id, T_odom_from_body, odom.value.twist)
    try:
        camera, picture, T_body_from_cam = _camera(senses, now_ns, depth.value)
    except DataError as error:
        return partial(bare, state, str(error))
    T_odom_from_cam, earlier = T_odom_from_body @ T_body_from_cam, history.before(depth.stamp_ns)
    above = senses.inbox.get(BIRDSEYE, now_ns)
    shown = above.value if above.fresh else None
    return partial(_seen, bare(state, ""), picture, depth.value, camera, T_odom_from_cam, earlier, shown)


def look(
    senses: Senses, now_ns: int, t0_ns: int, cameras: Mapping[str, str], depth: bool, blank: Callable[..., Look]
) -> Callable[[], Look]:
    """How to make the newest look; odometry is fresh.

    It is dated by the newest of the pictures of `cameras` (the robot's own name of each, by the policy's), else it is
    the odometry moved on to `t0_ns`. `blank` is Look with all that is not seen. DataError, when called, where a camera
    shows nothing fresh, or `depth` is wanted and not there.
    """
    odom = senses.odom(now_ns).value
    pictures = {name: _newest(senses, own, now_ns) for name, own in cameras.items()}
    stamp_ns = look_stamp(senses, now_ns, t0_ns, cameras)
    state = moved(odom, t0_ns) if stamp_ns == t0_ns else _state_at(senses, odom, stamp_ns)
    seen = partial(
        blank, stamp_ns=state.stamp_ns, state=state, joints=senses.joints(now_ns),
        grid=_grid(senses, now_ns), space=_space(senses, now_ns),
    )  # fmt: skip
    deep = partial(_deep, senses.inbox.get("depth/image_rect", now_ns), senses, now_ns) if depth else dict

    def looking() -> Look:
        made: Look = seen(images={name: _decoded(name, pictures[name]) for name in pictures}, **deep())
        return made

    return looking


def look_stamp(senses: Senses, now_ns: int, t0_ns: int, cameras: Mapping[str, str]) -> int:
    """The date that `look` will have."""
    shown = (_newest(senses, own, now_ns) for own in cameras.values())
    return max((reading.stamp_ns for reading in shown if reading.fresh), default=t0_ns)


def newest_picture(senses: Senses) -> tuple[int, Sample, SE3] | None:
    """Stamp, message and pose of the robot of the newest picture that odometry reaches to; None without one."""
    for stamp in reversed(senses.pictures):
        try:
            return stamp, senses.pictures[stamp], senses.tf.lookup(senses.odom_frame, BODY, stamp)
        except TransformError:
            continue
    return None


def sent_positions(senses: Senses, now_ns: int, axes: tuple[str, ...]) -> F64:
    """Where the gate sent the joints last (d,), or where they are if it has not yet; NaN for those not heard of."""
    sent = senses.inbox.get("joint_trajectory", now_ns)
    known = senses.joints(now_ns) | (sent.value if sent.fresh else {})
    return np.array([known.get(axis, np.nan) for axis in axes])


def _grid(senses: Senses, now_ns: int) -> LocalMap | None:
    """The local map, where it is fresh and in the odometry's frame."""
    grid: Reading = senses.grid(now_ns)
    return grid.value if grid.fresh and grid.value.frame_id == senses.odom_frame else None


def _space(senses: Senses, now_ns: int) -> ClearanceField | None:
    """The clearance in space, where it is fresh and in the odometry's frame."""
    space: Reading = senses.space(now_ns)
    return space.value if space.fresh and space.value.frame_id == senses.odom_frame else None


def _state_at(senses: Senses, newest: RobotState, stamp_ns: int) -> RobotState:
    """The odometry at an instant, interpolated, or moved on from the newest where the instant is after that."""
    try:
        pose = senses.tf.lookup(newest.frame_id, BODY, stamp_ns)
    except TransformError:
        return moved(newest, stamp_ns)
    return replace(newest, stamp_ns=stamp_ns, T_odom_from_body=pose)


def _newest(senses: Senses, camera: str, now_ns: int) -> Reading:
    """The newest picture of a camera, on whichever of its topics."""
    readings = [senses.inbox.get(name, now_ns) for name in CAMERAS[camera]]
    return max(readings, key=lambda reading: (reading.fresh, reading.stamp_ns))


def _deep(depth: Reading, senses: Senses, now_ns: int) -> dict[str, object]:
    """Depth, its camera and place, for a Look; DataError where any of it is missing."""
    if not depth.fresh:
        raise DataError(f"the policy wants depth: {depth.why()}")
    camera, _, T_body_from_cam = _camera(senses, now_ns, depth.value)
    try:
        T_odom_from_body = senses.tf.lookup(senses.odom_frame, BODY, depth.stamp_ns)
    except TransformError as error:
        raise DataError(f"the policy wants depth: {error}") from error
    _, _, depth_m = decode_depth(depth.name, depth.value.cdr)
    return {"depth_m": depth_m, "camera": camera, "T_odom_from_cam": T_odom_from_body @ T_body_from_cam}


def _decoded(camera: str, reading: Reading) -> Image:
    if not reading.fresh:
        raise DataError(f"the policy wants to be shown camera {camera!r}: {reading.why()}")
    return decode_image(reading.name, reading.value.cdr)


def _camera(senses: Senses, now_ns: int, depth: Sample) -> tuple[Pinhole, Sample, SE3]:
    """Intrinsics, picture and place on the robot that belong to a depth image; DataError if one is missing."""
    stamp, frame_id = peek_header(depth)
    info = senses.inbox.get("depth/camera_info", now_ns)
    if not info.fresh:
        raise DataError(info.why())
    near = min(senses.pictures, key=lambda s: (abs(s - stamp), s), default=None)
    if near is None or abs(near - stamp) > _SAME_NS:
        raise DataError("no picture of the depth image's moment")
    return info.value, senses.pictures[near], senses.tf.lookup(BODY, frame_id, stamp)


def _seen(
    bare: Observation, picture: Sample, depth: Sample, camera: Pinhole, T_odom_from_cam: SE3,
    earlier: tuple[Kept, ...], above: Sample | None,
) -> Observation:  # fmt: skip
    """The observation with its pictures decoded, or blind if they are corrupt."""
    try:
        topic = picture.topic
        image = decode_image(topic, picture.cdr)
        topic = depth.topic
        _, _, depth_m = decode_depth(topic, depth.cdr)
        history = tuple(Keyframe(decode_image(k.picture.topic, k.picture.cdr), k.T_odom_from_body) for k in earlier)
        topic = BIRDSEYE
        birdseye = decode_image(topic, above.cdr) if above else None
    except DataError as error:
        return replace(bare, blind=named(topic, error))
    if depth_m.shape != (camera.height, camera.width):
        size = f"{camera.width}x{camera.height}"
        return replace(bare, blind=f"depth of shape {depth_m.shape} but its camera_info says {size}")
    return replace(
        bare, image=image, depth_m=depth_m, camera=camera, T_odom_from_cam=T_odom_from_cam, history=history,
        birdseye=birdseye,
    )  # fmt: skip
