"""A real RGB-D recording as what a map is made of: depth, colours and poses in a level frame."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from saccade.errors import DataError
from saccade.geometry import SE3, Pinhole
from saccade.poses import Poses
from saccade.tf import TransformError
from saccade.types import U8, Depth
from saccade.wire.bag import open_recording
from saccade.wire.convert import decode_camera, decode_odom, decode_transforms
from saccade.wire.images import decode_depth, decode_image

_WAITING = 8
"""Depth images that may wait for their colours and odometry."""


class Shot(NamedTuple):
    """One depth image, the colours (H, W, 3) of its pixels, and where its camera was."""

    depth: Depth
    rgb: U8
    T_odom_from_cam: SE3


def shots(path: Path) -> list[Shot]:
    """All instants of an RGB-D recording with odometry that have depth, colour and a pose; DataError where none has."""
    recording, poses, found = open_recording(path), Poses("base_link", 0.0), []
    source = recording.source()
    camera: Pinhole | None = None
    colours: dict[int, U8] = {}
    depths: list[Depth] = []
    while source.next_ns() is not None:
        topic, _, cdr = source.take()
        if topic == "odom":
            poses.put(*decode_odom(cdr))
        elif topic == "tf_static":
            for _, parent, child, T in decode_transforms(cdr):
                poses.tf.set_static(parent, child, T)
        elif topic == "rgbd/depth/camera_info":
            model = decode_camera(cdr)[1]
            camera = Pinhole(model.P[0, 0], model.P[1, 1], model.P[0, 2], model.P[1, 2], model.width, model.height)
        elif topic.startswith("rgbd/color"):
            picture = decode_image(topic, cdr)
            colours[picture.stamp_ns] = picture.data
        elif topic.startswith("rgbd/depth") and camera is not None:
            stamp_ns, frame_id, depth_m = decode_depth(topic, cdr)
            depths.append(Depth(stamp_ns, frame_id, depth_m, np.full(depth_m.shape, 255, np.uint8), camera))
        depths = depths[-_WAITING:]
        while depths and depths[0].stamp_ns in colours and poses.reach(depths[0].stamp_ns):
            depth = depths.pop(0)
            try:
                _, T_odom_from_base, T_base_from_cam = poses.at(depth.stamp_ns, depth.frame_id)
            except TransformError:
                continue
            found.append(Shot(depth, colours.pop(depth.stamp_ns), T_odom_from_base @ T_base_from_cam))
    source.close()
    recording.close()
    if not found:
        raise DataError(f"{path}: no instant with depth, colour and a pose; expected an RGB-D recording with odometry")
    return found
