"""Coloured gates found in a picture and its depth: where the opening is, how wide and high, and which way it faces.

A gate is an upright frame of one colour. Depth gives its plane; its edges are then where the rays of the outermost
coloured pixels meet that plane, which is far more exact than the depth of the edges themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from saccade.geometry import F64
from saccade.types import Image
from vla_node.planner import Observation
from vla_node.reasoners.embedded.grounding import View, blobs, fitted

WIDTH_M, HEIGHT_M = (0.8, 3.5), (0.8, 3.5)
"""Of the frame, outer edges."""
RANGE_M = 8.0
_LEAST_POINTS = 60
_ACROSS_M = 2.5
"""Coloured points farther than this from most others, level, are of something else."""
_OFF_M = (0.15, 0.03)
"""How far a point may be off the gate's plane: metres, and metres a square metre of range."""
_HOLLOW = 0.15
"""Share of the opening's middle that may be coloured."""
_EDGE_ON = math.cos(math.radians(75))
SAME_M = 1.2
"""Two sightings with their middles no farther apart are of one gate."""


@dataclass(frozen=True, slots=True, eq=False)
class GateSeen:
    """One gate in the odometry's frame: the opening's middle (3,), a level unit normal (3,), outer size in metres.

    `whole`: nothing of it was beyond the picture's edge. `weight` grows with what is known of it, 1 / m^4.
    """

    centre: F64
    normal: F64
    width_m: float
    height_m: float
    range_m: float
    whole: bool
    weight: float


def find_gate(obs: Observation, colour: str) -> GateSeen | None:
    """The gate of a colour in an observation with picture and depth; None where nothing there looks like one."""
    image, depth_m, camera, T = obs.image, obs.depth_m, obs.camera, obs.T_odom_from_cam
    if not isinstance(image, Image) or depth_m is None or camera is None or T is None or image.data.ndim != 3:
        return None
    mask = np.zeros(depth_m.shape, np.uint8)
    for blob, x, y in blobs(fitted(View(image.data, depth_m, camera, T, 0.0)), colour):
        mask[y : y + blob.shape[0], x : x + blob.shape[1]] |= blob
    v, u = np.nonzero(mask > 0)
    uv, z = np.stack([u, v], axis=-1).astype(np.float64), depth_m[v, u].astype(np.float64)
    known = np.isfinite(z) & (z > 0) & (z < RANGE_M)
    if known.sum() < _LEAST_POINTS:
        return None
    points = T.apply(camera.unproject(uv[known], z[known]))
    plane = _plane(points, T.t)
    if plane is None:
        return None
    rays = camera.unproject(uv, np.ones(len(uv))) @ T.R.T
    placed = _on_plane(T.t, rays, *plane)
    if placed is None:
        return None
    centre, width_m, height_m, kept = placed
    if not (WIDTH_M[0] < width_m < WIDTH_M[1] and HEIGHT_M[0] < height_m < HEIGHT_M[1]):
        return None
    rows, columns = depth_m.shape
    whole = bool(u[kept].min() > 1 and u[kept].max() < columns - 2 and v[kept].min() > 1 and v[kept].max() < rows - 2)
    range_m = float(np.linalg.norm(centre - T.t))
    return GateSeen(centre, plane[1], width_m, height_m, range_m, whole, 1.0 / range_m**4)


def _plane(points: F64, eye: F64) -> tuple[F64, F64] | None:
    """A point (3,) and the level normal (3,) of the upright plane through most points; None where they lie on none."""
    near = points
    for _ in range(2):
        middle = np.median(near, axis=0)
        near = points[np.hypot(*(points - middle)[:, :2].T) < _ACROSS_M / 2]
        if len(near) < _LEAST_POINTS:
            return None
    for _ in range(4):
        middle = near.mean(axis=0)
        off = (near - middle)[:, :2]
        _, axes = np.linalg.eigh(off.T @ off)
        normal = np.array([*axes[:, 0], 0.0])
        most = _OFF_M[0] + _OFF_M[1] * float((middle - eye) @ (middle - eye))
        kept = np.abs((near - middle) @ normal) < most
        if kept.sum() < _LEAST_POINTS:
            return None
        near = near[kept]
    return middle, normal


def _on_plane(eye: F64, rays: F64, middle: F64, normal: F64) -> tuple[F64, float, float, F64] | None:
    """Middle (3,), width and height of what rays (n, 3) meet on a plane, and which do; None unless it is hollow."""
    facing = rays @ normal
    sight = (middle - eye) / np.linalg.norm(middle - eye)
    if abs(float(sight @ normal)) < _EDGE_ON:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        t = ((middle - eye) @ normal) / facing
        met = eye + t[:, None] * rays
    across = np.array([-normal[1], normal[0], 0.0])
    s, z = (met - middle) @ across, met[:, 2]
    kept = np.isfinite(s) & (t > 0) & (np.abs(s) < _ACROSS_M / 2) & (np.abs(z - middle[2]) < _ACROSS_M / 2)
    if kept.sum() < _LEAST_POINTS:
        return None
    (left, right), (low, high) = np.percentile(s[kept], (0.5, 99.5)), np.percentile(z[kept], (0.5, 99.5))
    centre = middle + 0.5 * (left + right) * across
    centre[2] = 0.5 * (low + high)
    inside = (np.abs(s - 0.5 * (left + right)) < 0.25 * (right - left)) & (np.abs(z - centre[2]) < 0.25 * (high - low))
    # A full disc of this size would have a quarter of its pixels there.
    if float((inside & kept).sum()) > _HOLLOW * 0.25 * float(kept.sum()):
        return None
    return centre, float(right - left), float(high - low), kept


@dataclass(slots=True)
class _Place:
    """A place where a gate was seen, put together, and how much speaks for it."""

    gate: GateSeen
    odds: float


class GateMemory:
    """What has been seen of each colour's gate, put together: the nearer it was seen, the more a sighting weighs.

    A gate that is seen through another can borrow the nearer one's depth, and be seen where none is. So all places are
    kept, and each loses half of what speaks for it whenever the gate is seen elsewhere in a picture that shows it.
    """

    def __init__(self) -> None:
        self._known: dict[str, list[_Place]] = {}

    def look(self, obs: Observation, colours: list[str]) -> None:
        """Search an observation for the gates of these colours."""
        for colour in colours:
            seen = find_gate(obs, colour)
            if seen is None:
                continue
            places = self._known.setdefault(colour, [])
            apart_m = [float(np.linalg.norm(place.gate.centre - seen.centre)) for place in places]
            same = int(np.argmin(apart_m)) if places and min(apart_m) <= SAME_M else None
            for i, place in enumerate(places):
                place.odds *= 0.5 if i != same and _shows(obs, place.gate.centre) else 1.0
            if same is None:
                places.append(_Place(seen, seen.weight))
            else:
                places[same].gate = joined(places[same].gate, seen)
                places[same].odds += seen.weight

    def recall(self, colour: str) -> GateSeen | None:
        """The gate of a colour as far as it is known."""
        places = self._known.get(colour)
        return max(places, key=lambda place: (place.gate.whole, place.odds)).gate if places else None


def _shows(obs: Observation, centre: F64) -> bool:
    """Whether a place (3,) in odom is within the picture, near enough for a gate to be found there."""
    assert obs.camera is not None
    assert obs.T_odom_from_cam is not None
    x, y, z = (float(value) for value in obs.T_odom_from_cam.inverse().apply(centre))
    if not 0.0 < z < RANGE_M:
        return False
    u, v = (float(value) for value in obs.camera.project(np.array([x, y, z])))
    return 0.0 <= u < obs.camera.width and 0.0 <= v < obs.camera.height


def joined(known: GateSeen, seen: GateSeen) -> GateSeen:
    """Both sightings in one, by their weights; the better one alone where they do not agree or one was cut."""
    if np.linalg.norm(known.centre - seen.centre) > SAME_M or not (known.whole and seen.whole):
        return max(known, seen, key=lambda gate: (gate.whole, gate.weight))
    share = seen.weight / (known.weight + seen.weight)
    turned = seen.normal * math.copysign(1.0, float(seen.normal @ known.normal))
    normal = (1 - share) * known.normal + share * turned
    return replace(
        seen, centre=(1 - share) * known.centre + share * seen.centre, normal=normal / np.linalg.norm(normal),
        width_m=(1 - share) * known.width_m + share * seen.width_m,
        height_m=(1 - share) * known.height_m + share * seen.height_m, range_m=min(known.range_m, seen.range_m),
        weight=known.weight + seen.weight,
    )  # fmt: skip
