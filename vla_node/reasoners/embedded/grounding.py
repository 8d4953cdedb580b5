"""Colour and shape words grounded in a picture and its depth: where the named object is, how big, how surely."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.types import U8

_HUE = {
    "red": (-8, 8), "orange": (9, 21), "yellow": (22, 34), "green": (35, 82), "cyan": (83, 97), "blue": (98, 128),
    "purple": (129, 145), "magenta": (146, 171),
}  # fmt: skip
"""Hue in OpenCV's half degrees, inclusive."""

_MIN_SATURATION, _MIN_VALUE = 90, 40
_GREY_SATURATION = 45
_GREY_VALUE = {"black": (0, 50), "grey": (70, 170), "white": (190, 255)}

COLOUR_NAMES = (*_HUE, *_GREY_VALUE)

MIN_PIXELS = 40
EXTENT_M = (0.05, 1.8)
"""Smallest and largest width of a thing that can be driven up to; walls and floors are larger."""
MIN_HEIGHT_M = 0.08


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One object: centre (3,) metres in odom, width and height in metres, confidence 0..1, how its range was had.

    `radius_m` is from its centre to its surface; `whole`: the picture's edge does not cut it.
    """

    centre: F64
    width_m: float
    height_m: float
    confidence: float
    ranged_by: str
    range_m: float
    radius_m: float
    whole: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture (H, W, 3) RGB, its depth (h, w) metres or None, and the camera of the depth image's size.

    `floor_z_m` is the height of the floor in odom.
    """

    rgb: U8
    depth_m: F32 | None
    camera: Pinhole
    T_odom_from_cam: SE3
    floor_z_m: float


def colour_mask(rgb: U8, colour: str) -> U8:
    """Pixels of a named colour, (H, W) uint8 0 or 255, from hue alone so that shading does not matter."""
    return _opened(_mask(_hsv(rgb), colour))


def _hsv(rgb: U8) -> U8:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV).astype(np.uint8, copy=False)


def _mask(hsv: U8, colour: str) -> U8:
    """As `colour_mask`, with single pixels and thin lines."""
    if colour in _GREY_VALUE:
        low, high = _GREY_VALUE[colour]
        mask = cv2.inRange(hsv, np.array((0, 0, low)), np.array((179, _GREY_SATURATION, high)))
    else:
        low, high = _HUE[colour]
        mask = cv2.inRange(hsv, np.array((max(0, low), _MIN_SATURATION, _MIN_VALUE)), np.array((high, 255, 255)))
        if low < 0:
            wrapped = cv2.inRange(hsv, np.array((180 + low, _MIN_SATURATION, _MIN_VALUE)), np.array((179, 255, 255)))
            mask = cv2.bitwise_or(mask, wrapped)
    return mask.astype(np.uint8, copy=False)


def _opened(mask: U8) -> U8:
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(np.uint8, copy=False)


def find(view: View, colour: str, shape: str | None) -> list[Sighting]:
    """Objects of a colour, the most confident first, then the nearest; `shape` only moves the confidence.

    A picture's silhouette tells a ball from an upright thing; it does not tell a box from a cylinder, so those two
    share their confidence.
    """
    found = (_locate(view, blob, x, y, shape) for blob, x, y in blobs(fitted(view), colour))
    return sorted((s for s in found if s is not None), key=lambda s: (-round(s.confidence, 1), s.range_m))


def fitted(view: View) -> U8:
    """The picture (h, w, 3) in the size of its depth."""
    height, width = view.camera.height, view.camera.width
    if view.rgb.shape[:2] == (height, width):
        return view.rgb
    return cv2.resize(view.rgb, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def blobs(rgb: U8, *colours: str) -> Iterator[tuple[U8, int, int]]:
    """Connected regions of each colour: silhouette (h, w) of 0 and 1, and column and row of its upper left pixel."""
    hsv = _hsv(rgb)
    for colour in colours:
        mask = _mask(hsv, colour)
        if cv2.countNonZero(mask) < MIN_PIXELS:  # so it is with most colours, and to tell regions takes far longer
            continue
        _, labels, stats, _ = cv2.connectedComponentsWithStats(_opened(mask), connectivity=8)
        for i in np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= MIN_PIXELS) + 1:
            x, y, w, h = (int(v) for v in stats[i, :4])
            yield (labels[y : y + h, x : x + w] == i).astype(np.uint8), x, y


def _locate(view: View, blob: U8, x: int, y: int, shape: str | None) -> Sighting | None:
    """Position and size of one blob whose upper left pixel is (x, y); None if it is no thing to drive up to."""
    camera, (h, w) = view.camera, blob.shape
    cut = x == 0 or y == 0 or x + w >= camera.width or y + h >= camera.height
    depth = _depth_of(view, blob, x, y)
    ranged_by, trust = "depth", 1.0
    if depth is None:
        ranged_by, trust = "its foot on the floor", 0.6
        depth = _depth_from_floor(view, x + (w - 1) / 2, y + h - 0.5) if y + h < camera.height else None
    if depth is None:
        return None
    width_m, height_m = w * depth / camera.fx, h * depth / camera.fy
    if not (EXTENT_M[0] <= width_m <= EXTENT_M[1] and height_m >= MIN_HEIGHT_M):
        return None
    uv = np.array([x + (w - 1) / 2, y + (h - 1) / 2])
    # The surface faces the camera; the middle of the thing is half its width behind it.
    centre = view.T_odom_from_cam.apply(camera.unproject(uv, np.float64(depth + width_m / 2)))
    if centre[2] + height_m / 2 < view.floor_z_m + MIN_HEIGHT_M:
        return None  # flat on the floor: a mark, a line, a reflection
    confidence = trust * (0.8 if cut else 1.0) * shape_fit(blob, shape, cut, camera, (x, y))
    return Sighting(centre, width_m, height_m, confidence, ranged_by, depth, width_m / 2, whole=not cut)


def _depth_of(view: View, blob: U8, x: int, y: int) -> float | None:
    """Median depth of a blob's inside, metres; None when too little of it is known."""
    if view.depth_m is None:
        return None
    h, w = blob.shape
    patch = view.depth_m[y : y + h, x : x + w]
    inside = cv2.erode(blob, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    values = patch[(inside > 0) & np.isfinite(patch) & (patch > 0)]
    if values.size < max(8, 0.03 * float(blob.sum())):
        return None
    return float(np.median(values))


def _depth_from_floor(view: View, u: float, v: float) -> float | None:
    """Depth at which the ray of pixel (u, v) meets the floor, metres; None when it does not within 10 m."""
    ray = view.T_odom_from_cam.R @ view.camera.unproject(np.array([u, v]), np.float64(1.0))
    drop = float(view.T_odom_from_cam.t[2]) - view.floor_z_m
    if ray[2] > -1e-3 or drop <= 0:
        return None
    depth = drop / -float(ray[2])
    return depth if depth < 10.0 else None


def shape_fit(
    blob: U8, shape: str | None, cut: bool = False, camera: Pinhole | None = None, corner: tuple[int, int] = (0, 0)
) -> float:
    """How well a silhouette (h, w) of 0 and 1 agrees with a shape word, 0..1; 0.5 means it cannot be judged.

    Judged as a camera would see it that faces it, where it is told which `camera` sees it, and its upper left `corner`.
    """
    if shape is None:
        return 1.0
    h, w = blob.shape
    if cut or min(h, w) < 8:
        return 0.5
    contours, _ = cv2.findContours(blob, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline: F32 = np.asarray(max(contours, key=cv2.contourArea), np.float32)
    if camera is not None:
        outline = _faced(outline + np.array(corner, np.float32), camera)
    area = cv2.contourArea(cv2.convexHull(outline))
    _, radius = cv2.minEnclosingCircle(outline)
    # A disc fills its circle; a square fills 0.64 of it, a hexagon (a cube seen on its corner) 0.83.
    roundness = float(np.clip((area / (math.pi * radius * radius) - 0.80) / 0.10, 0.0, 1.0))
    if shape == "ball":
        return 0.1 + 0.9 * roundness
    return 0.1 + 0.6 * (1.0 - roundness)


def _faced(outline: F32, camera: Pinhole) -> F32:
    """An outline (n, 1, 2) in pixels as the same camera sees it when it is turned to its middle.

    A ball 35 degrees beside the middle of a picture looks wider than it is high by a fifth, at 50 degrees by half.
    """
    rays = camera.unproject(outline[:, 0].astype(np.float64), np.ones(len(outline)))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    ahead = rays.mean(axis=0) / np.linalg.norm(rays.mean(axis=0))
    right = np.cross((0.0, 1.0, 0.0), ahead)
    right /= np.linalg.norm(right)
    seen = rays @ np.column_stack([right, np.cross(ahead, right), ahead])
    focal = math.sqrt(camera.fx * camera.fy)
    return np.asarray(focal * seen[:, None, :2] / seen[:, None, 2:], np.float32)
