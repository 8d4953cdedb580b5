"""Maps on the floor."""

from __future__ import annotations

import math

import numpy as np

from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.types import I8, LocalMap
from saccade.wire.codec import codec
from saccade.wire.convert.basic import Cdr, header, pose_msg, stamp_ns, time_msg


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
