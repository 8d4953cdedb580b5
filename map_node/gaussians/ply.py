"""Gaussians as the PLY file of 3D Gaussian splatting (Kerbl et al. 2023), which the usual viewers and editors open.

Binary little-endian, one `vertex` a Gaussian, all float: x y z, nx ny nz (the normal), f_dc_0..2 (colour as the
constant spherical harmonic: (rgb - 0.5) / C0), opacity (its logit), scale_0..2 (logarithms of metres), rot_0..3 (unit
quaternion w x y z). There are no f_rest: no colour depends on where it is seen from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from map_node.gaussians.base import Gaussians
from saccade.errors import DataError
from saccade.geometry import F32

C0 = 0.5 / np.sqrt(np.pi)
"""The constant spherical harmonic."""
_VECTORS = {"f_dc": 3, "scale": 3, "rot": 4}
_NAMES = {name: [f"{name}_{i}" for i in range(n)] for name, n in _VECTORS.items()}
_WRITTEN = [*"xyz", "nx", "ny", "nz", *_NAMES["f_dc"], "opacity", *_NAMES["scale"], *_NAMES["rot"]]
_READ = [name for name in _WRITTEN if not name.startswith("n")]
_SURE = 1e-4
"""Opacities are kept this far from 0 and 1, where there is no logit."""
_MOST_BYTES = 2**31
_LONGEST_HEADER = 65_536


def write_ply(gaussians: Gaussians, path: Path) -> None:
    """Write Gaussians for any viewer of 3D Gaussian splatting."""
    w, x, y, z = gaussians.wxyz.T
    normal = np.stack([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)], axis=1)
    sure = gaussians.opacity.astype(np.float64).clip(_SURE, 1 - _SURE)
    rows = np.hstack([
        gaussians.at, normal, (gaussians.rgb - 0.5) / C0, np.log(sure / (1 - sure))[:, None],
        np.log(gaussians.scale_m), gaussians.wxyz,
    ])  # fmt: skip
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n"
    header += "".join(f"property float {name}\n" for name in _WRITTEN) + "end_header\n"
    path.write_bytes(header.encode() + rows.astype("<f4").tobytes())


def read_ply(path: Path) -> Gaussians:
    """Gaussians of a file as `write_ply` and other tools write it; of view-dependent colour the constant part.

    DataError for one that is something else, damaged, larger than 2 GiB, or has values that are not finite.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} has more than {_MOST_BYTES} bytes; expected a smaller scene")
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    names, count, begin = _header(path, raw)
    if len(raw) - begin != 4 * len(names) * count:
        raise DataError(f"{path} has {len(raw) - begin} bytes of {count} Gaussians; expected {4 * len(names) * count}")
    rows = np.frombuffer(raw, "<f4", offset=begin).reshape(count, len(names))
    column = {name: rows[:, i] for i, name in enumerate(names)}

    def of(*wanted: str) -> F32:
        return np.stack([column[name] for name in wanted], axis=1).astype(np.float32)

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        wxyz, scale_m, opacity = of(*_NAMES["rot"]), np.exp(of(*_NAMES["scale"])), 1 / (1 + np.exp(-of("opacity")))
        wxyz = (wxyz / np.linalg.norm(wxyz, axis=1, keepdims=True)).astype(np.float32)
        rgb = (of(*_NAMES["f_dc"]) * C0 + 0.5).astype(np.float32)
    made = Gaussians(of(*"xyz"), scale_m, wxyz, rgb, opacity[:, 0].astype(np.float32))
    if not all(np.isfinite(values).all() for values in made):
        raise DataError(f"{path} has values that are not numbers; expected finite ones")
    return made


def _header(path: Path, raw: bytes) -> tuple[list[str], int, int]:
    """Names of the properties, number of Gaussians, and where their bytes begin."""
    end = raw.find(b"end_header\n", 0, _LONGEST_HEADER)
    lines = raw[: max(end, 0)].decode("ascii", "replace").split("\n")
    words = [line.split() for line in lines if line and not line.startswith(("comment", "obj_info"))]
    names = [word[-1] for word in words if word[0] == "property"]
    elements = [word for word in words if word[0] == "element"]
    if end < 0 or words[:2] != [["ply"], ["format", "binary_little_endian", "1.0"]]:
        raise DataError(f"{path} is no binary little-endian PLY file")
    if [word[:2] for word in elements] != [["element", "vertex"]] or not elements[0][-1].isdigit():
        raise DataError(f"{path} has elements {elements}; expected vertices alone")
    missing = [name for name in _READ if name not in names]
    if missing or any(word[:2] != ["property", "float"] for word in words if word[0] == "property"):
        raise DataError(f"{path} lacks {missing or 'plain floats'}; expected the properties {' '.join(_READ)}")
    return names, int(elements[0][-1]), end + len(b"end_header\n")
