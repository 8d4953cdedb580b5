"""The depth image as an organised, coloured point cloud: sensor_msgs/PointCloud2 in the camera's optical frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from perception_node.depth import thinned, within
from perception_node.params import PointsParams
from saccade.clock import nanoseconds
from saccade.geometry import F32, Pinhole
from saccade.kernel import array, buffer, f32, i32, i64, kernel, u8, void
from saccade.node import Out
from saccade.types import U8, Depth
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, header

_FLOAT32 = 7
_POINT_BYTES = 16
_GREY = 0x808080
_NO_PICTURE: U8 = np.empty((0, 0, 1), np.uint8)


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
        step = within(self._params.step, depth)
        sent = thinned(depth, step)
        if self._camera != sent.camera:
            self._prepare(sent.camera)
        pixels = _NO_PICTURE if picture is None else np.ascontiguousarray(picture).reshape(*picture.shape[:2], -1)
        _fill(
            np.ascontiguousarray(depth.depth_m), pixels, step, self._right, self._down,
            self._points, self._points.view(np.int32),
        )  # fmt: skip
        return Out("points", encode_cloud(sent.stamp_ns, sent.frame_id, self._points))

    def _prepare(self, camera: Pinhole) -> None:
        self._camera = camera
        self._points: F32 = np.zeros((camera.height, camera.width, 4), np.float32)
        self._right = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)
        self._down = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)


@kernel(void, array(f32, 2), array(u8, 3), i64, array(f32, 1), array(f32, 1), buffer(f32, 3), buffer(i32, 3))
def _fill(
    depth_m: F32, picture: U8, step: int, right: F32, down: F32, points: F32, packed: npt.NDArray[np.int32]
) -> None:
    """Points x y z, and in their fourth number colours as ROS packs them: the bytes b, g, r, 0 of a float32.

    right (w,), down (h,): x and y of a point one metre ahead. `packed` is the same memory as `points` (h, w, 4).
    """
    first = step // 2
    for i in range(points.shape[0]):
        v = first + i * step
        for j in range(points.shape[1]):
            u = first + j * step
            z = depth_m[v, u]
            points[i, j, 0], points[i, j, 1], points[i, j, 2] = z * right[j], z * down[i], z
            if picture.size == 0:
                packed[i, j, 3] = _GREY
            else:
                k = picture.shape[2] - 1
                packed[i, j, 3] = i64(picture[v, u, 0]) << 16 | i64(picture[v, u, k // 2]) << 8 | i64(picture[v, u, k])


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
