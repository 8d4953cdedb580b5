"""The frames of an RGB-D recording with poses, for the benches of the map: decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from perception_node.calibration import depth_camera
from saccade.errors import DataError
from saccade.geometry import SE3, Pinhole
from saccade.node import Sample
from saccade.tf import TfBuffer, TransformError
from saccade.types import U8, Depth
from saccade.wire.bag import open_recording
from saccade.wire.convert import decode_camera, decode_odom, decode_transforms
from saccade.wire.images import decode_depth, decode_image

_COLOURS = {"rgbd_7scenes": (Pinhole(525.0, 525.0, 320.0, 240.0, 640, 480), (-0.025, 0.0, 0.0))}
"""Colour cameras that a recording says nothing of: intrinsics, and where the depth camera is as they see it. Those of
7-Scenes are a Kinect's nominal ones; its depth is not registered to its colours."""


class Shot(NamedTuple):
    """An undecoded frame and its pose."""

    depth: Sample
    colour: Sample
    T_odom_from_depth: SE3


class Recording(NamedTuple):
    """The frames of a recording, its depth camera, its colour camera, and where the depth camera is in that one."""

    shots: list[Shot]
    depth_camera: Pinhole
    camera: Pinhole
    T_cam_from_depth: SE3

    def seen(self, shot: Shot) -> tuple[Depth, U8, SE3]:
        """Depth, picture, and the pose of the colour camera."""
        stamp_ns, frame_id, depth_m = decode_depth(shot.depth.topic, shot.depth.cdr)
        rgb = decode_image(shot.colour.topic, shot.colour.cdr).data
        sure = np.full(depth_m.shape, 255, np.uint8)
        depth = Depth(stamp_ns, frame_id, depth_m, sure, self.depth_camera)
        return depth, rgb, shot.T_odom_from_depth @ self.T_cam_from_depth.inverse()

    def registered(self, depth: Depth, rgb: U8) -> U8:
        """The colours of the depth image's pixels."""
        v, u = np.mgrid[: depth.camera.height, : depth.camera.width].astype(np.float64)
        points = depth.camera.unproject(np.stack([u, v], axis=-1), depth.depth_m.astype(np.float64))
        uv = np.nan_to_num(self.camera.project(self.T_cam_from_depth.apply(points)), nan=-9).astype(np.float32)
        return np.asarray(cv2.remap(rgb, uv[..., 0], uv[..., 1], cv2.INTER_LINEAR), np.uint8)


def read(path: Path) -> Recording:
    """The frames of an RGB-D recording that have a pose. DataError where there are none."""
    tf, odom, model = TfBuffer(keep_ns=10**15), "", None
    held: dict[str, list[Sample]] = {}
    source = open_recording(path).source()
    try:
        while source.next_ns() is not None:
            sample = source.take()
            if sample.topic == "tf_static":
                for _, parent, child, T in decode_transforms(sample.cdr):
                    tf.set_static(parent, child, T)
            elif sample.topic == "odom":
                state, child = decode_odom(sample.cdr)
                tf.add(state.frame_id, child, state.stamp_ns, state.T_odom_from_body)
                odom = state.frame_id
            elif sample.topic == "rgbd/depth/camera_info":
                model = decode_camera(sample.cdr)[1]
            elif "/image" in sample.topic:
                held.setdefault(sample.topic.split("/image", 1)[0], []).append(sample._replace(cdr=bytes(sample.cdr)))
    finally:
        source.close()
    if model is None or not odom:
        raise DataError(f"{path} is no RGB-D recording with poses; expected rgbd/depth with camera_info, and odom")
    lens = depth_camera("rgbd/depth/camera_info", model)
    camera, at = _COLOURS.get(path.stem, (lens, (0.0, 0.0, 0.0)))
    shots = list(_posed(tf, odom, held.get("rgbd/depth", []), held.get("rgbd/color", [])))
    if not shots:
        raise DataError(f"{path} has no frame with depth, colours and a pose")
    return Recording(shots, lens, camera, SE3(np.eye(3), np.array(at)))


def _posed(tf: TfBuffer, odom: str, depths: Sequence[Sample], colours: Sequence[Sample]) -> Iterator[Shot]:
    """Depth and colours of one stamp, with their pose, where there is one."""
    by_stamp = {decode_image(sample.topic, sample.cdr).stamp_ns: sample for sample in colours}
    for sample in depths:
        stamp_ns, frame_id, _ = decode_depth(sample.topic, sample.cdr)
        if stamp_ns in by_stamp:
            try:
                yield Shot(sample, by_stamp[stamp_ns], tf.lookup(odom, frame_id, stamp_ns))
            except TransformError:
                continue
