"""Intrinsics of cameras. Pictures are in saccade/wire/images.py."""

from __future__ import annotations

import numpy as np

from saccade.types import CameraModel
from saccade.wire.codec import codec
from saccade.wire.convert.basic import Cdr, header, stamp_ns


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
