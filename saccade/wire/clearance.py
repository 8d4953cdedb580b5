"""saccade_msgs/ClearanceField: the room to move in three dimensions, from the map to the gate."""

from __future__ import annotations

import math

import numpy as np

from saccade.clearance import ClearanceField
from saccade.errors import DataError
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, header, stamp_ns

MOST_BYTES = 1 << 20
"""Longer messages are refused before they are decoded: 5 m x 5 m x 3 m at 10 cm are 75 kB."""


def encode_clearance(field: ClearanceField) -> Cdr:
    """saccade_msgs/ClearanceField."""
    x, y, z = field.clearance.shape
    msg = codec().new(
        "saccade_msgs/msg/ClearanceField", header=header(field.stamp_ns, field.frame_id),
        resolution_m=field.resolution_m, origin_x_m=field.origin_m[0], origin_y_m=field.origin_m[1],
        origin_z_m=field.origin_m[2], size_x=x, size_y=y, size_z=z, memory_s=field.memory_s, unit_m=field.unit_m,
        clearance=np.ascontiguousarray(field.clearance).reshape(-1),
    )  # fmt: skip
    return codec().encode(msg)


def decode_clearance(cdr: Cdr) -> ClearanceField:
    """saccade_msgs/ClearanceField; DataError when it is too long, its sizes disagree or a number is no measure."""
    if len(cdr) > MOST_BYTES:
        raise DataError(f"clearance of {len(cdr)} bytes; at most {MOST_BYTES} are read: a smaller box, or larger cells")
    msg = codec().decode("saccade_msgs/msg/ClearanceField", cdr)
    shape = (int(msg.size_x), int(msg.size_y), int(msg.size_z))
    if msg.clearance.size != math.prod(shape):
        raise DataError(f"clearance of {' x '.join(map(str, shape))} cells carries {msg.clearance.size} values")
    origin_m = (float(msg.origin_x_m), float(msg.origin_y_m), float(msg.origin_z_m))
    measures = {"resolution_m": msg.resolution_m, "unit_m": msg.unit_m, "memory_s": msg.memory_s}
    for name, value in measures.items():
        if not 0 < value < math.inf:
            raise DataError(f"clearance with {name} {value}; expected a positive, finite number")
    if not all(map(math.isfinite, origin_m)):
        raise DataError(f"clearance with its origin at {origin_m}; expected finite metres")
    return ClearanceField(
        stamp_ns(msg.header.stamp), msg.header.frame_id, float(msg.resolution_m), origin_m, float(msg.memory_s),
        float(msg.unit_m), msg.clearance.reshape(shape),
    )  # fmt: skip
