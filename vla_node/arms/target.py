"""What to take hold of: a box or a pixel of the picture as a point in the odometry frame, and a plan that says so."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64
from saccade.types import Plan, PlanKind
from vla_node.lift import LiftError, surface_at
from vla_node.planner import NO_VALUES, VALID_FOR_NS, Observation, make_plan

LEAST_SHARE = 0.25
"""At least this share of a box must have a depth."""
_FACE_M = 0.01
"""So much of the way of the gripper holds a face, and so far above what it stands on a thing begins."""
_FACE_SHARE = 0.05
"""At least this share of a box is a thing, and of a thing's points a face; fewer are stray values."""
_AROUND = 0.25
"""So much wider on each side is looked at for what the thing stands on."""
_NEAR = 0.15
"""So much of the picture's width to each side of a pixel is looked at for that."""
_STRAY = 2.0
"""Per cent of the points that may be anywhere, as at edges."""


def of_pixel(observation: Observation, u: float, v: float) -> F64:
    """The surface point (3,) that a pixel shows, metres in the odometry frame.

    LiftError as `vla_node.lift.surface_at`, or where it does not stand out from what is around it.
    """
    point, _ = surface_at(observation, u, v)
    assert observation.depth_m is not None
    more, where = _NEAR * observation.depth_m.shape[1], f"pixel ({u:.0f}, {v:.0f})"
    around, _ = _points(observation, (u - more, v - more), (u + more, v + more), where)
    if point[2] <= np.percentile(around[:, 2], _STRAY) + _FACE_M:
        raise LiftError(f"{where} shows nothing that stands out from what is around it by {_FACE_M:g} m")
    return point


def of_box(observation: Observation, low: tuple[float, float], high: tuple[float, float], way: F64) -> F64:
    """The middle (3,) of the face that a gripper moving along `way` (3,) meets first in a box of the picture.

    The box goes from pixel `low` to `high`, (u, v); `way` and the point are in the odometry frame, metres. What the
    thing stands on is the lowest that is seen in the box and a little around it, and does not count. LiftError where
    too little has a depth, or nothing stands out: a gripper must not be sent into a table.
    """
    where = f"the box from ({low[0]:.0f}, {low[1]:.0f}) to ({high[0]:.0f}, {high[1]:.0f})"
    points, share = _points(observation, low, high, where)
    if share < LEAST_SHARE:
        raise LiftError(f"{where}: {share:.0%} of its pixels have a depth, too few to say")
    more = [_AROUND * (high[i] - low[i]) + 4.0 for i in (0, 1)]
    around, _ = _points(
        observation, (low[0] - more[0], low[1] - more[1]), (high[0] + more[0], high[1] + more[1]), where
    )
    above = points[:, 2] > np.percentile(around[:, 2], _STRAY) + _FACE_M
    if above.mean() < _FACE_SHARE:
        raise LiftError(f"{where} shows nothing that stands out from what it lies on by {_FACE_M:g} m")
    points = points[above]
    along = points @ way
    ordered = np.sort(along)
    full = np.searchsorted(ordered, ordered + _FACE_M, "right") - np.arange(len(ordered)) >= _FACE_SHARE * len(ordered)
    if not full.any():
        raise LiftError(f"{where} shows nothing that a gripper could meet: its depth is all noise")
    first = float(ordered[int(np.argmax(full))])
    face = points[(along >= first) & (along <= first + _FACE_M)]
    middle = 0.5 * np.percentile(face, (_STRAY, 100 - _STRAY), axis=0).sum(axis=0)
    onto: F64 = middle + (float(np.median(face @ way)) - float(middle @ way)) * way
    return onto


def _points(
    observation: Observation, low: tuple[float, float], high: tuple[float, float], where: str
) -> tuple[F64, float]:
    """Points (n, 3) of a window of the depth image in the odometry frame, and the share of its pixels that have one."""
    camera, T, depth = observation.camera, observation.T_odom_from_cam, observation.depth_m
    if camera is None or T is None or depth is None:
        raise LiftError(f"{where} has no depth: {observation.blind or 'no depth image came'}")
    height, width = depth.shape
    if not all(map(math.isfinite, (*low, *high))) or not (low[0] < high[0] and low[1] < high[1]):
        raise LiftError(f"{where} is empty")
    sides = [(max(0, math.ceil(low[i])), min(size, math.floor(high[i]) + 1)) for i, size in ((1, height), (0, width))]
    v, u = np.meshgrid(*(np.arange(begin, end) for begin, end in sides), indexing="ij")
    if not v.size:
        raise LiftError(f"{where} is outside the picture of {width}x{height}")
    z = depth[v, u].astype(np.float64)
    known = np.isfinite(z) & (z > 0)
    uv = np.stack([u[known], v[known]], axis=-1).astype(np.float64)
    return T.apply(camera.unproject(uv, z[known])), float(known.mean())


def grasp_plan(
    observation: Observation, point: F64, text: str, valid_for_ns: int = VALID_FOR_NS, values: F64 = NO_VALUES
) -> Plan:
    """A plan of one waypoint: the point (3,) in the odometry frame that an arm is to take hold of.

    `values` (k,): the first, where it is 0, says that what is held is to be put there instead; any that differ from
    those of the plan before make the arm begin anew, though the point is the same.
    """
    return make_plan(
        observation, PlanKind.WAYPOINTS, text, waypoints=np.asarray(point, np.float64)[None], values=values,
        valid_for_ns=valid_for_ns,
    )  # fmt: skip


def puts(plan: Plan) -> bool:
    """Whether an arm is to put down what it holds, and not to take hold."""
    return bool(len(plan.values)) and float(plan.values[0]) == 0.0
