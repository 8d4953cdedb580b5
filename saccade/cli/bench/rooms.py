"""A drive through generated rooms of which every depth is known, as long as one likes: for what must not grow."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from saccade.clock import MS, SEC
from saccade.geometry import F32, F64, R_BODY_FROM_OPTICAL, SE3, Pinhole
from saccade.types import Depth

CAMERA = Pinhole(140.0, 140.0, 79.5, 59.5, 160, 120)
_ROOM_M, _WIDE_M, _HIGH_M, _CAMERA_M = 5.0, 6.0, 2.6, 0.6
"""Each room's length along x and width along y, and how high the ceiling and the camera are."""
_DOOR_M, _BOX_M = 1.2, 0.8
STEP_M, _LOOP_M, _FRAME_NS = 0.2, 50.0, 100 * MS


def drive(metres: float) -> Iterator[tuple[Depth, SE3]]:
    """Depth images (160x120) and T_odom_from_camera every 0.2 m: 25 m through rooms and back, again and again."""
    confidence = np.full((CAMERA.height, CAMERA.width), 255, np.uint8)
    for n in range(round(metres / STEP_M)):
        gone = n * STEP_M
        on = gone % _LOOP_M
        x, heading = (on, 0.0) if on < _LOOP_M / 2 else (_LOOP_M - on, math.pi)
        heading += 0.5 * math.sin(0.7 * on)
        T = SE3.from_rpy(0.0, 0.0, heading, (x, 0.3 * math.sin(0.4 * on), _CAMERA_M))
        depth_m = _seen(float(T.t[0]), float(T.t[1]), heading)
        yield Depth(SEC + n * _FRAME_NS, "camera", depth_m, confidence, CAMERA), SE3(T.R @ R_BODY_FROM_OPTICAL, T.t)


def _walls(x: float) -> tuple[F64, F64]:
    """Segments of the rooms around x: along y at (k,) x from y to y, and along x at (m,) y from x to x."""
    room = math.floor(x / _ROOM_M)
    across, along = [], []
    for i in range(room - 2, room + 4):
        at, side = i * _ROOM_M, _WIDE_M / 2
        across += [(at, -side, -_DOOR_M / 2), (at, _DOOR_M / 2, side)]
        along += [(-side, at, at + _ROOM_M), (side, at, at + _ROOM_M)]
        box_x, box_y = at + 1.5 + 0.3 * (i % 3), side - 1.2 if i % 2 else -side + 0.4  # furniture, another in each room
        across += [(box_x, box_y, box_y + _BOX_M), (box_x + _BOX_M, box_y, box_y + _BOX_M)]
        along += [(box_y, box_x, box_x + _BOX_M), (box_y + _BOX_M, box_x, box_x + _BOX_M)]
    return np.array(across), np.array(along)


def _seen(x: float, y: float, heading: float) -> F32:
    """Depth (H, W) of a level camera: the nearest wall of each column, or the floor or ceiling before it."""
    u: F64 = (np.arange(CAMERA.width, dtype=np.float64) - CAMERA.cx) / CAMERA.fx
    v: F64 = (np.arange(CAMERA.height, dtype=np.float64) - CAMERA.cy) / CAMERA.fy
    dx: F64 = math.cos(heading) + u * math.sin(heading)
    dy: F64 = math.sin(heading) - u * math.cos(heading)
    across, along = _walls(x)
    walls = np.minimum(_hits(across, x, y, dx, dy), _hits(along, y, x, dy, dx))
    with np.errstate(divide="ignore"):
        flat = np.where(v > 0, _CAMERA_M / v, (_CAMERA_M - _HIGH_M) / v)
    depth_m = np.minimum(walls[None], flat[:, None])
    return np.where(depth_m < 10.0, depth_m, np.nan).astype(np.float32)


def _hits(segments: F64, a: float, b: float, da: F64, db: F64) -> F64:
    """Depth (W,) at which rays from (a, b) meet the nearest segment at constant first coordinate."""
    at, low, high = segments.T[:, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (at - a) / da
        where = b + z * db
    nearest: F64 = np.where((z > 0.05) & (where >= low) & (where <= high), z, np.inf).min(axis=0)
    return nearest
