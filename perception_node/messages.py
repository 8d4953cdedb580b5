"""What the node sends besides what the wire room already encodes: disparity, depth intrinsics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from perception_node.depth import thinned
from perception_node.params import DepthParams
from saccade.geometry import F32, Pinhole
from saccade.node import Out
from saccade.types import CameraModel, Depth, StereoPair
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, encode_camera, header
from saccade.wire.images import encode_depth, encode_mono8


def depth_outs(depth: Depth, params: DepthParams) -> Iterator[Out]:
    """Depth, its intrinsics and its confidence, as far as the parameters ask for them."""
    sent = thinned(depth, params.publish_stride)
    if params.publish_depth:
        yield Out("depth/camera_info", encode_camera(sent.stamp_ns, _model(sent.frame_id, sent.camera)))
        yield Out("depth/image_rect", encode_depth(sent.stamp_ns, sent.frame_id, sent.depth_m))
    if params.publish_confidence:
        yield Out("depth/confidence", encode_mono8(sent.stamp_ns, sent.frame_id, sent.confidence))


def encode_disparity(pair: StereoPair, disparity: F32, params: DepthParams) -> Cdr:
    """stereo_msgs/DisparityImage; its disparity is relative to infinity, so that depth is f T / d in every rig."""
    new, offset = codec().new, pair.cx_right - pair.camera.cx
    fT = pair.camera.fx * pair.baseline_m
    values = disparity if offset == 0 else disparity + np.float32(offset)
    image = codec().decode("sensor_msgs/msg/Image", encode_depth(pair.stamp_ns, pair.frame_id, values))
    window = new(
        "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0,
        height=pair.camera.height, width=pair.camera.width, do_rectify=False,
    )  # fmt: skip
    msg = new(
        "stereo_msgs/msg/DisparityImage", header=header(pair.stamp_ns, pair.frame_id), image=image,
        f=pair.camera.fx, t=pair.baseline_m, valid_window=window,
        min_disparity=fT / params.max_m, max_disparity=fT / params.min_m, delta_d=1 / 16,
    )  # fmt: skip
    return codec().encode(msg)


def _model(frame_id: str, camera: Pinhole) -> CameraModel:
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    P = np.hstack([K, np.zeros((3, 1))])
    return CameraModel(frame_id, camera.width, camera.height, "plumb_bob", np.zeros(5), K, np.eye(3), P)
