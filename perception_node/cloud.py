"""The depth image as an organised, coloured point cloud: sensor_msgs/PointCloud2 in the camera's optical frame."""

from __future__ import annotations

import numpy as np

from perception_node.depth import thinned
from perception_node.params import PointsParams
from saccade.clock import nanoseconds
from saccade.geometry import F32, Pinhole
from saccade.node import Out
from saccade.types import U8, Depth
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, header

_FLOAT32 = 7
_POINT_BYTES = 16
_GREY = 0x808080


class Clouds:
    """Makes clouds at a bounded rate; buffers are made once per size."""

    def __init__(self, params: PointsParams) -> None:
        self._params = params
        self._period_ns = nanoseconds(1 / params.rate_hz)
        self._sent_ns: int | None = None
        self._camera: Pinhole | None = None

    def due(self, now_ns: int) -> bool:
        """Whether a cloud is wanted now."""
        waited = self._sent_ns is None or not 0 <= now_ns - self._sent_ns < self._period_ns
        return self._params.publish and waited

    def out(self, depth: Depth, picture: U8 | None, now_ns: int) -> Out:
        """The cloud of a depth image and the picture (H, W) or (H, W, 3) RGB that it was seen in, if there is one."""
        self._sent_ns = now_ns
        step = self._params.step
        sent = thinned(depth, step)
        if self._camera != sent.camera:
            self._prepare(sent.camera)
        xyz = self._points[..., :3]
        xyz[..., 2] = sent.depth_m
        np.multiply(sent.depth_m, self._right, out=xyz[..., 0])
        np.multiply(sent.depth_m, self._down, out=xyz[..., 1])
        self._paint(picture if picture is None else picture[step // 2 :: step, step // 2 :: step])
        return Out("points", encode_cloud(sent.stamp_ns, sent.frame_id, self._points))

    def _prepare(self, camera: Pinhole) -> None:
        self._camera = camera
        self._points: F32 = np.zeros((camera.height, camera.width, 4), np.float32)
        self._right = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)
        self._down = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)[:, None]

    def _paint(self, picture: U8 | None) -> None:
        """Colours as ROS packs them: the bytes b, g, r, 0 of a float32."""
        if picture is None:
            self._points.view("<u4")[..., 3] = _GREY
            return
        bgr = self._points.view(np.uint8)[..., 12:15]
        bgr[...] = picture[..., None] if picture.ndim == 2 else picture[..., ::-1]


def encode_cloud(stamp_ns: int, frame_id: str, points: F32) -> Cdr:
    """sensor_msgs/PointCloud2 of points (H, W, 4) float32: x y z in metres, NaN = none, and rgb packed as in PCL."""
    new = codec().new
    height, width = points.shape[:2]
    fields = [
        new(
            "sensor_msgs/msg/PointField", INT8=1, UINT8=2, INT16=3, UINT16=4, INT32=5, UINT32=6, FLOAT32=7, FLOAT64=8,
            name=name, offset=4 * i, datatype=_FLOAT32, count=1,
        )
        for i, name in enumerate(("x", "y", "z", "rgb"))
    ]  # fmt: skip
    msg = new(
        "sensor_msgs/msg/PointCloud2", header=header(stamp_ns, frame_id), height=height, width=width, fields=fields,
        is_bigendian=False, point_step=_POINT_BYTES, row_step=_POINT_BYTES * width,
        data=points.reshape(-1).view(np.uint8), is_dense=False,
    )  # fmt: skip
    return codec().encode(msg)
