"""Pictures and depth images to CDR bytes and back: sensor_msgs/Image, CompressedImage and compressedDepth.

Views of the CDR bytes wherever the encoding allows it (mono8, rgb8, 32FC1 without padding); such arrays are read-only.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saccade.errors import DataError, choices
from saccade.geometry import F32
from saccade.topics import topic
from saccade.types import U8, Image
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, header, stamp_ns

_COMPRESSED = "sensor_msgs/msg/CompressedImage"
_LAYOUTS = {
    "mono8": (np.uint8, 1), "8UC1": (np.uint8, 1), "mono16": (np.uint16, 1), "16UC1": (np.uint16, 1),
    "32FC1": (np.float32, 1), "rgb8": (np.uint8, 3), "bgr8": (np.uint8, 3), "8UC3": (np.uint8, 3),
    "rgba8": (np.uint8, 4), "bgra8": (np.uint8, 4),
    **{f"bayer_{order}8": (np.uint8, 1) for order in ("rggb", "bggr", "gbrg", "grbg")},
}  # fmt: skip
"""Encoding -> (dtype, channels)."""
_AS_IT_IS = ("mono8", "8UC1", "rgb8")
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB, "8UC3": cv2.COLOR_BGR2RGB, "rgba8": cv2.COLOR_RGBA2RGB, "bgra8": cv2.COLOR_BGRA2RGB,
    "bayer_rggb8": cv2.COLOR_BayerRGGB2RGB, "bayer_bggr8": cv2.COLOR_BayerBGGR2RGB,
    "bayer_gbrg8": cv2.COLOR_BayerGBRG2RGB, "bayer_grbg8": cv2.COLOR_BayerGRBG2RGB,
}  # fmt: skip
_PICTURES = (*_AS_IT_IS, *_TO_RGB, "mono16")
_AS_STORED = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
_DEPTH_MAGICS = (b"\x89PNG", b"II*\0")
"""PNG, and the uncompressed TIFF that `DecodeAhead` makes of it."""
_DEPTH_HEADER = struct.Struct("<iff")
"""compressedDepth: format, depthQuantA, depthQuantB (compressed_depth_image_transport)."""
_METRES_FROM_MM: F32 = np.arange(2**16, dtype=np.float32) * np.float32(1e-3)
_METRES_FROM_MM[0] = np.nan


def decode_image(name: str, cdr: Cdr) -> Image:
    """The picture on a canonical topic, grey (H, W) or RGB (H, W, 3) uint8; DataError when it is corrupt."""
    msg = codec().decode(topic(name).type, cdr)
    data = _decompressed(name, msg) if topic(name).type == _COMPRESSED else _picture(name, msg)
    return Image(stamp_ns(msg.header.stamp), msg.header.frame_id, data)


def unshifted(name: str, cdr: Cdr) -> bool:
    """Whether a picture is mono16 with its upper four bits unused: of a 10- or 12-bit camera, or of the dark."""
    msg = codec().decode(topic(name).type, cdr)
    return topic(name).type != _COMPRESSED and msg.encoding == "mono16" and int(_pixels(name, msg).max()) < 2**12


def decode_depth(name: str, cdr: Cdr) -> tuple[int, str, F32]:
    """(stamp, frame, depth along the optical axis) of a canonical topic.

    Depth is (H, W) float32 in metres, NaN where there is none (REP 118); DataError when it is corrupt.
    """
    msg = codec().decode(topic(name).type, cdr)
    if topic(name).type == _COMPRESSED:
        depth_m = _compressed_depth(name, msg)
    elif msg.encoding == "32FC1":
        depth_m = _only_positive(_pixels(name, msg))
    elif msg.encoding in ("16UC1", "mono16"):
        depth_m = _looked_up(_pixels(name, msg), _METRES_FROM_MM)
    else:
        raise DataError(f"{name}: depth with encoding {msg.encoding!r}; {choices(msg.encoding, ('32FC1', '16UC1'))}")
    return stamp_ns(msg.header.stamp), msg.header.frame_id, depth_m


def encode_image(image: Image) -> Cdr:
    """sensor_msgs/Image, mono8 or rgb8."""
    encoding = "rgb8" if image.data.ndim == 3 else "mono8"
    return _encode(image.stamp_ns, image.frame_id, encoding, image.data)


def encode_mono8(stamp: int, frame_id: str, data: U8) -> Cdr:
    """sensor_msgs/Image of (H, W) uint8."""
    return _encode(stamp, frame_id, "mono8", data)


def encode_depth(stamp: int, frame_id: str, depth_m: F32) -> Cdr:
    """sensor_msgs/Image, 32FC1, of (H, W) float32 metres, NaN = none."""
    return _encode(stamp, frame_id, "32FC1", depth_m)


def _encode(stamp: int, frame_id: str, encoding: str, data: npt.NDArray[Any]) -> Cdr:
    height, width = data.shape[:2]
    flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    msg = codec().new(
        "sensor_msgs/msg/Image", header=header(stamp, frame_id), height=height, width=width, encoding=encoding,
        is_bigendian=0, step=flat.size // height if height else 0, data=flat,
    )  # fmt: skip
    return codec().encode(msg)


def _picture(name: str, msg: Any) -> U8:
    if msg.encoding not in _PICTURES:
        raise DataError(f"{name}: picture with encoding {msg.encoding!r}; {choices(msg.encoding, _PICTURES)}")
    pixels = _pixels(name, msg)
    if msg.encoding in _AS_IT_IS:
        return pixels
    if msg.encoding == "mono16":
        return np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 256), np.uint8)
    return np.asarray(cv2.cvtColor(pixels, _TO_RGB[msg.encoding]), np.uint8)


def _pixels(name: str, msg: Any) -> npt.NDArray[Any]:
    """(H, W) or (H, W, C) in native byte order; a view of the message unless its rows are padded or swapped."""
    dtype, channels = _LAYOUTS[msg.encoding]
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    row = width * channels * np.dtype(dtype).itemsize
    if not row or not height or step < row or msg.data.size < step * (height - 1) + row:
        raise DataError(
            f"{name}: {width}x{height} {msg.encoding} with step {step} carries {msg.data.size} bytes; "
            f"expected a step of at least {row} and {height} rows of it"
        )
    order = np.dtype(dtype).newbyteorder(">" if msg.is_bigendian else "<")
    shape = (height, width) if channels == 1 else (height, width, channels)
    strides = (step, order.itemsize) if channels == 1 else (step, channels * order.itemsize, order.itemsize)
    view: npt.NDArray[Any] = np.ndarray(shape, order, msg.data.data, strides=strides)
    return np.ascontiguousarray(view, dtype)


def _decompressed(name: str, msg: Any) -> U8:
    data = _imdecode(name, msg.format, msg.data, _AS_STORED)
    return np.asarray(data if data.ndim == 2 else cv2.cvtColor(data, cv2.COLOR_BGR2RGB, dst=data), np.uint8)


def _compressed_depth(name: str, msg: Any) -> F32:
    raw = msg.data
    headed = bytes(raw[:4]) not in _DEPTH_MAGICS
    if headed and bytes(raw[_DEPTH_HEADER.size :][:4]) not in _DEPTH_MAGICS:
        raise DataError(
            f"{name}: compressedDepth of format {msg.format!r} holds no PNG after its 12-byte header "
            f"({raw.size} bytes); record it with the transport parameter format: png"
        )
    png = raw[_DEPTH_HEADER.size :] if headed else raw
    depth = _imdecode(name, msg.format, png, cv2.IMREAD_UNCHANGED)
    if depth.dtype != np.uint16 or depth.ndim != 2:
        raise DataError(f"{name}: compressedDepth holds {depth.dtype} {depth.shape}; expected (H, W) of 16 bit")
    if not msg.format.startswith("32FC1"):
        return _looked_up(depth, _METRES_FROM_MM)
    if not headed:
        raise DataError(f"{name}: compressedDepth of format {msg.format!r} lacks the 12-byte header that scales it")
    _, a, b = _DEPTH_HEADER.unpack(bytes(raw[: _DEPTH_HEADER.size]))
    with np.errstate(divide="ignore", invalid="ignore"):
        metres = np.float32(a) / (np.arange(2**16, dtype=np.float32) - np.float32(b))
    metres[0] = np.nan
    return _looked_up(depth, _only_positive(metres))


def _imdecode(name: str, format_: str, data: U8, flags: int) -> npt.NDArray[Any]:
    try:
        decoded = cv2.imdecode(data, flags) if data.size else None
    except cv2.error:
        decoded = None
    if decoded is None:
        raise DataError(f"{name}: {data.size} bytes of format {format_!r} are not a readable JPEG or PNG")
    return np.asarray(decoded)


def _looked_up(depth: npt.NDArray[Any], metres: F32) -> F32:
    return np.asarray(cv2.LUT(depth, metres), np.float32)


def _only_positive(depth_m: F32) -> F32:
    """The same depths with everything that is not a finite positive number as NaN; copies only if it must."""
    if np.fmin.reduce(depth_m, axis=None) > 0 and np.fmax.reduce(depth_m, axis=None) < np.inf:
        return depth_m
    return np.where((depth_m > 0) & (depth_m < np.inf), depth_m, np.float32(np.nan))
