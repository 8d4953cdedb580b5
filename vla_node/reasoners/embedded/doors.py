"""Doors grounded in depth: flat upright panels of a door's size that stand on the floor, wholly in sight.

A door leaf is told from a wall by its colour, its outline and its plane. One depth image cannot tell it from a cupboard
with a front of that size; so without a colour word there must also be a wall beside it on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from saccade.geometry import F64
from saccade.types import U8
from vla_node.reasoners.embedded.grounding import COLOUR_NAMES, Sighting, View, blobs, fitted

WIDTH_M, HEIGHT_M = (0.6, 1.2), (1.8, 2.3)
FOOT_M = 0.12
"""A door's foot is this near to the floor."""
MAX_RANGE_M = 6.0
"""Depth from stereo is too poor beyond."""
MIN_COLUMNS, MIN_ROWS = 6, 20
FLAT_M, FLAT_SHARE = 0.05, 0.02
"""How far the middles of nine tenths of its columns and rows may lie off its plane: metres, or share of the range."""
STRAIGHT_M, STRAIGHT_SHARE = 0.10, 0.85
"""How far this share of each edge may lie off a straight line: metres, or a pixel and a half if that is more."""
BESIDE_PX = (2, 3)
REVEAL_M, PROUD_M = 0.25, 0.10
"""The wall around a door is at most this far before, and behind, the plane of its leaf."""


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """An upright plane in odom: a point, the horizontal direction along it and its normal towards the camera, (2,)."""

    point: F64
    along: F64
    normal: F64


def find_doors(view: View, colour: str | None) -> list[Sighting]:
    """Doors of a colour, or of any when None, the nearest first; none without depth.

    Not found are doors that are cut by the picture's edge or partly hidden, of less than 6 columns or 20 rows, beyond
    6 m, and those that have the colour of the wall beside them.
    """
    if view.depth_m is None:
        return []
    names = COLOUR_NAMES if colour is None else (colour,)
    found = (_panel(view, blob, x, y, walled=colour is None) for blob, x, y in blobs(fitted(view), *names))
    return sorted((s for s in found if s is not None), key=lambda s: s.range_m)


def _panel(view: View, blob: U8, x: int, y: int, *, walled: bool) -> Sighting | None:
    """The door whose silhouette is a blob with its upper left pixel at (x, y); None if it is none, or not surely."""
    camera, (h, w) = view.camera, blob.shape
    cut = x == 0 or y == 0 or x + w >= camera.width or y + h >= camera.height
    if cut or w < MIN_COLUMNS or h < MIN_ROWS:
        return None
    plane, range_m = _plane(view, blob, x, y)
    if plane is None or range_m > MAX_RANGE_M:
        return None
    outline = _outline(view, blob, x, y, plane)
    if outline is None:
        return None
    left_m, right_m, foot_m, top_m = outline
    width_m, height_m = abs(right_m - left_m), top_m - foot_m
    sized = WIDTH_M[0] <= width_m <= WIDTH_M[1] and HEIGHT_M[0] <= height_m <= HEIGHT_M[1] and abs(foot_m) <= FOOT_M
    if not sized or not _bounded(view, blob, x, y, plane, walled=walled):
        return None
    middle = plane.point + 0.5 * (left_m + right_m) * plane.along
    centre = np.array([*middle, view.floor_z_m + 0.5 * (foot_m + top_m)])
    told_by = f"depth, a flat panel {width_m:.2f} m wide and {height_m:.2f} m high, seen from {range_m:.1f} m"
    return Sighting(centre, width_m, height_m, 1.0, told_by, range_m, radius_m=0.0)


def _plane(view: View, blob: U8, x: int, y: int) -> tuple[_Plane | None, float]:
    """The upright plane in which a blob's surface lies, None if it does not lie in one, and its range in metres."""
    assert view.depth_m is not None
    inside = cv2.erode(blob, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    depth_m = view.depth_m[y : y + blob.shape[0], x : x + blob.shape[1]]
    known = inside & np.isfinite(depth_m) & (depth_m > 0)
    rows, cols = np.nonzero(known)
    if len(rows) < max(MIN_ROWS, 0.5 * np.count_nonzero(inside)):
        return None, np.inf
    points = view.camera.unproject(np.stack([cols + x, rows + y], axis=-1), depth_m[known].astype(np.float64))
    # Not by BLAS, whose threads take longer over so thin a product than they save.
    flat = np.einsum("ij,nj->ni", view.T_odom_from_cam.R[:2], points) + view.T_odom_from_cam.t[:2]
    middle = flat.mean(axis=0)
    centred = flat - middle
    axes = np.linalg.eigh(np.einsum("ni,nj->ij", centred, centred))[1].T[::-1]  # the longer one first
    eye = view.T_odom_from_cam.t[:2] - middle
    range_m = float(np.hypot(*eye))
    off = np.full(blob.shape, np.nan)
    off[known] = centred @ axes[1]
    allowed = max(FLAT_M, FLAT_SHARE * range_m)
    if any(np.percentile(_middles(lines), 90) > allowed for lines in (off, off.T)):
        return None, range_m
    normal = axes[1] if float(axes[1] @ eye) > 0 else -axes[1]
    return _Plane(middle, axes[0], normal), range_m


def _middles(off: F64) -> F64:
    """How far the median of each row with a number lies off: noise of single pixels does not matter, curves do.

    Of a transposed image, of each column.
    """
    counts = np.isfinite(off).sum(axis=1)
    ranked, counts = np.sort(off[counts > 0], axis=1), counts[counts > 0]  # NaN comes last
    at = np.arange(len(counts))
    middles: F64 = np.abs(0.5 * (ranked[at, (counts - 1) // 2] + ranked[at, counts // 2]))
    return middles


def _on_plane(view: View, plane: _Plane, u: F64, v: F64) -> tuple[F64, F64]:
    """Where the rays of pixels meet a plane: metres along it from its point, and metres above the floor."""
    eye = view.T_odom_from_cam.t
    rays = view.camera.unproject(np.stack([u, v], axis=-1), np.ones(len(u))) @ view.T_odom_from_cam.R.T
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = (plane.normal @ (plane.point - eye[:2])) / (rays[:, :2] @ plane.normal)
        points = eye + depth[:, None] * rays
    return (points[:, :2] - plane.point) @ plane.along, points[:, 2] - view.floor_z_m


def _outline(view: View, blob: U8, x: int, y: int, plane: _Plane) -> tuple[float, float, float, float] | None:
    """Left and right edge along the plane, foot and top above the floor, metres; None if it is no upright rectangle."""
    h, w = blob.shape
    u, v = x + np.arange(w, dtype=np.float64), y + np.arange(h, dtype=np.float64)
    _, top = _on_plane(view, plane, u, y + blob.argmax(axis=0) - 0.5)
    _, foot = _on_plane(view, plane, u, y + h - blob[::-1].argmax(axis=0) - 0.5)
    foot_m, top_m = float(np.median(foot)), float(np.median(top))
    sides = []
    for outer, edge in ((x - 0.5, x + blob.argmax(axis=1) - 0.5), (x + w - 0.5, x + w - blob[:, ::-1].argmax(1) - 0.5)):
        _, level = _on_plane(view, plane, np.full(h, outer), v)
        # Seen from aside, the farther edge is the lower one in the picture: only rows between its ends tell of it.
        reach = (level > foot_m + STRAIGHT_M) & (level < top_m - STRAIGHT_M)
        if reach.sum() < MIN_ROWS // 2:
            return None
        sides.append(_on_plane(view, plane, edge[reach], v[reach])[0])
    left, right = sides
    left_m, right_m = float(np.median(left)), float(np.median(right))
    column_m, row_m = abs(right_m - left_m) / w, (top_m - foot_m) / h
    straight = (_straight(left, column_m), _straight(right, column_m), _straight(foot, row_m), _straight(top, row_m))
    return (left_m, right_m, foot_m, top_m) if all(straight) else None


def _straight(edge: F64, pixel_m: float) -> bool:
    """Whether nearly all of an edge lies on a line across its direction."""
    return bool(np.mean(np.abs(edge - np.median(edge)) <= max(STRAIGHT_M, 1.5 * pixel_m)) >= STRAIGHT_SHARE)


def _bounded(view: View, blob: U8, x: int, y: int, plane: _Plane, *, walled: bool) -> bool:
    """Whether nothing before the plane hides an edge, and, if `walled`, whether a wall is beside both."""
    rows = y + np.arange(blob.shape[0] // 5, 4 * blob.shape[0] // 5)
    for edge, outward in ((x, -1), (x + blob.shape[1] - 1, +1)):
        off = np.concatenate([_off_plane(view, plane, edge + outward * k, rows) for k in BESIDE_PX])
        if np.mean(off > REVEAL_M) > 0.2:
            return False
        if walled and np.mean((off >= -PROUD_M) & (off <= REVEAL_M)) < 0.7:
            return False
    return True


def _off_plane(view: View, plane: _Plane, u: int, rows: npt.NDArray[np.intp]) -> F64:
    """How far before a plane the surface in column `u` lies, metres; NaN where it is not known."""
    assert view.depth_m is not None
    if not 0 <= u < view.camera.width:
        return np.full(len(rows), np.nan)
    depth = view.depth_m[rows, u].astype(np.float64)
    uv = np.stack([np.full(len(rows), u), rows], axis=-1).astype(np.float64)
    points = view.camera.unproject(uv, np.where(depth > 0, depth, np.nan)) @ view.T_odom_from_cam.R.T
    off: F64 = (points[:, :2] + view.T_odom_from_cam.t[:2] - plane.point) @ plane.normal
    return off
