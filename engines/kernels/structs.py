"""The kernels' parameters as numpy sees them: field by field those of the structs in the .cu files."""

from __future__ import annotations

import numpy as np

CAMERA = np.dtype([(name, np.int32) for name in ("raw_height", "raw_width", "channels", "height", "width", "rectify")])
PREPARATION = np.dtype([
    ("camera", CAMERA), ("fitted_height", np.int32), ("fitted_width", np.int32), ("row_taps", np.int32),
    ("column_taps", np.int32), ("order", np.int32), ("planar", np.int32), ("kind", np.int32), ("scale", np.float32),
    ("mean", np.float32, 3), ("std", np.float32, 3),
])  # fmt: skip
TRIANGULATION = np.dtype([
    ("camera", CAMERA), ("raw_width", np.int32), ("raw_kind", np.int32), ("sure_width", np.int32),
    ("sure_kind", np.int32), ("factor", np.float32), ("offset_px", np.float32), ("most_px", np.float32),
    ("zoom", np.float32), ("cx_offset_px", np.float32), ("fB", np.float32), ("min_m", np.float32),
    ("max_m", np.float32), ("min_confidence", np.int32), ("step", np.int32), ("points_height", np.int32),
    ("points_width", np.int32),
])  # fmt: skip
KINDS = {"uint8": 0, "float16": 1, "float32": 2}
ORDERS = {"grey": 0, "rgb": 1, "bgr": 2}
