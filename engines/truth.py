"""Files of stereo data sets: pictures, and true disparities in px with NaN where they are not known."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.npyio import NpzFile

from saccade.errors import DataError
from saccade.geometry import F32
from saccade.types import U8

_KITTI_SCALE = 256.0


def picture(path: Path) -> U8:
    """A picture (H, W) grey or (H, W, 3) RGB uint8. DataError where it cannot be read."""
    found = _decoded(path, cv2.IMREAD_ANYCOLOR)
    if found.ndim == 3:
        return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)
    return np.asarray(found, np.uint8)


def kitti(path: Path) -> F32:
    """16 bit PNG, 1/256 px, 0 = not known (KITTI 2012 and 2015)."""
    found = _decoded(path, cv2.IMREAD_UNCHANGED)
    if found.dtype != np.uint16 or found.ndim != 2:
        raise DataError(f"{path} is {found.dtype} {found.shape}; KITTI's disparities are 16 bit, one channel")
    return known(found.astype(np.float32) / _KITTI_SCALE)


def grey(path: Path, full_width: int = 0, exactly: bool = False) -> F32:
    """8 bit picture, 0 = not known, in px of a picture of about `full_width` columns (0: of this one).

    Middlebury's files of scenes at half, third and quarter size still hold disparities of the full size. DataError for
    a width that is no such part of the full one, if it is `exactly` known, and for pictures of more than 8 bits.
    """
    found = _decoded(path, cv2.IMREAD_ANYDEPTH)  # in grey; IMREAD_GRAYSCALE would divide 16 bits by 256
    if found.dtype != np.uint8:
        raise DataError(f"{path} is {found.dtype}; expected disparities of 8 bits, as Middlebury has them")
    if exactly and full_width % found.shape[1]:
        raise DataError(
            f"{path} has {found.shape[1]} columns, no whole part of the {full_width} of Middlebury 2003 at full size; "
            "the scenes of 2001, whose files are named alike, hold 8 or 16 times the disparity and are not read"
        )
    scale = max(1, round(full_width / found.shape[1])) if full_width else 1
    return known(found.astype(np.float32) / scale)


def pfm(path: Path) -> F32:
    """Portable float map, px, infinite = not known (Middlebury since 2014, ETH3D).

    The number in its third line tells the byte order only: Middlebury writes 1/255 there and means pixels all the same,
    which OpenCV would divide by.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    header = re.match(rb"Pf\s+(\d{1,9})\s+(\d{1,9})\s+(-?[\d.eE+-]+)(?:\r?\n|\s)", content)
    if header is None:
        raise DataError(f"{path} is no portable float map of one channel")
    width, height = int(header[1]), int(header[2])
    data = content[header.end() :]
    if len(data) != 4 * width * height:
        raise DataError(f"{path} holds {len(data)} bytes of values; expected 4 x {width} x {height}")
    values = np.frombuffer(data, "<f4" if header[3].startswith(b"-") else ">f4")
    return known(values.reshape(height, width)[::-1].astype(np.float32))


def archive(path: Path) -> F32:
    """The only array of an .npz, px, NaN or infinite = not known (scikit-image)."""
    try:
        with path.open("rb") as file, NpzFile(file) as arrays:  # np.load would open an .npy of that name too
            (found,) = map(np.asarray, arrays.values())  # bytes where it is no array
    except Exception as error:  # zipfile, its codecs and numpy's parser of headers share no base class
        raise DataError(f"cannot read one array from {path}: {error}") from error
    if found.ndim != 2 or found.dtype.kind not in "fiu":
        raise DataError(f"{path} holds {found.dtype} {found.shape}; expected a disparity (H, W)")
    return known(found.astype(np.float32))


def known(disparity: F32) -> F32:
    """The same with NaN for everything that is no finite, positive number."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(disparity) & (disparity > 0), disparity, np.float32(np.nan)).astype(np.float32)


def mask(path: Path) -> U8:
    """Middlebury's and ETH3D's mask: 255 = both cameras see it, 128 = only the left one, 0 = not known."""
    return np.asarray(_decoded(path, cv2.IMREAD_GRAYSCALE), np.uint8)


def _decoded(path: Path, how: int) -> U8:
    try:
        if not path.is_file():
            raise DataError(f"no file {path}")
    except OSError as error:  # a folder on the way that may not be looked into
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    try:
        found = cv2.imread(str(path), how)
    except cv2.error:  # of a size that it does not read
        found = None
    if found is None:
        raise DataError(f"{path} is no picture that OpenCV can read")
    return np.asarray(found)
