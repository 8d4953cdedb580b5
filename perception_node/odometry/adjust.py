"""Bundle adjustment of a few cameras and the points they see, on pixels and disparity, with its covariance."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from perception_node.odometry.schur import eliminated
from saccade.geometry import F64, SE3, Pinhole
from saccade.kernel import array, buffer, f64, i64, kernel, void

Indices = npt.NDArray[np.int64]
SIGMA_PX = np.array([0.5, 0.5, 0.5])
"""Standard deviations that columns, rows and disparities are taken to have; covariances grow where residuals do."""
_HUBER = 1.5
_BEHIND = 100.0
"""The whitened residual that a point behind the camera counts for."""
INLIER = 3.37
"""Of whitened residuals: the 99 % point of chi-square with three degrees of freedom, its root."""


class Sightings(NamedTuple):
    """Who saw what where: camera (m,) and point (m,) indices, seen (m, 3) column, row, disparity (may be NaN)."""

    camera: Indices
    point: Indices
    seen: F64


class Adjusted(NamedTuple):
    """Poses T_world_from_camera, points (n, 3), whitened residuals (m,) and the last pose's covariance (6, 6).

    The covariance is relative to the first camera, in world axes: translation m², rotation rad².
    """

    poses: list[SE3]
    points: F64
    residuals: F64
    covariance: F64


class _Equations(NamedTuple):
    """Huber's cost, whitened residuals (m,), their variance, and the weighted blocks of the normal equations.

    cameras (k, 6, 6) and points (n, 3, 3) on the diagonal, mixed (k, n, 6, 3) between them, and the right-hand sides.
    """

    cost: float
    norms: F64
    spare: float
    cameras: F64
    points: F64
    mixed: F64
    right_cameras: F64
    right_points: F64


def adjust(poses: list[SE3], points: F64, sightings: Sightings, lens: Pinhole, fB: float, rounds: int = 6) -> Adjusted:
    """Least squares over all poses but the first, and all points; Huber's loss, Levenberg and Marquardt's damping.

    Points are eliminated from the normal equations first (the Schur complement; Triggs et al., "Bundle adjustment: a
    modern synthesis", 2000), so that what is solved has six unknowns a camera.
    """
    damping, best = 1e-4, _linearised(poses, points, sightings, lens, fB)
    for _ in range(rounds):
        step, steps = _solved(best, damping)
        moved = [poses[0], *(_moved(T, d) for T, d in zip(poses[1:], step, strict=True))]
        tried = _linearised(moved, points + steps, sightings, lens, fB)
        if tried.cost < best.cost:
            done = best.cost - tried.cost < 1e-4 * best.cost
            poses, points, best, damping = moved, points + steps, tried, damping / 10
            if done:
                break
        else:
            damping *= 10
    covariance = np.asarray(
        np.linalg.inv(eliminated(*best[3:], 0.0).matrix)[-6:, -6:] * max(1.0, best.spare), np.float64
    )
    return Adjusted(poses, points, best.norms, covariance)


def _linearised(poses: list[SE3], points: F64, sightings: Sightings, lens: Pinhole, fB: float) -> _Equations:
    """The equations of motions of cameras (translation, then rotation, in world axes) and points."""
    k, n = len(poses), len(points)
    R, t = np.stack([T.R for T in poses]), np.stack([T.t for T in poses])
    norms, sums = np.empty(len(sightings.seen)), np.zeros(3)
    blocks = np.zeros((k, 6, 6)), np.zeros((n, 3, 3)), np.zeros((k, n, 6, 3)), np.zeros((k, 6)), np.zeros((n, 3))
    numbers = np.array([lens.fx, lens.fy, lens.cx, lens.cy, fB])
    _accumulate(R, t, points, *sightings, numbers, SIGMA_PX, norms, sums, *blocks)
    cost, spare, known = sums.tolist()
    return _Equations(cost, norms, spare / max(1.0, known - 6 * (k - 1) - 3 * n), *blocks)


@kernel(
    void, array(f64, 3), array(f64, 2), array(f64, 2), array(i64, 1), array(i64, 1), array(f64, 2), array(f64, 1),
    array(f64, 1), buffer(f64, 1), buffer(f64, 1), buffer(f64, 3), buffer(f64, 3), buffer(f64, 4), buffer(f64, 2),
    buffer(f64, 2),
)  # fmt: skip
def _accumulate(
    R: F64, t: F64, points: F64, camera: Indices, point: Indices, seen: F64, numbers: F64, sigma: F64, norms: F64,
    sums: F64, cameras: F64, own: F64, mixed: F64, right_cameras: F64, right_points: F64,
) -> None:  # fmt: skip
    """Add each sighting's part to the blocks; `sums`: Huber's cost, weighted squares, number of residuals."""
    fx, fy, cx, cy, fB = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    J, error, ray, arm, local = np.empty((3, 9)), np.empty(3), np.empty((3, 3)), np.empty(3), np.empty(3)
    for m in range(len(seen)):
        k, n = camera[m], point[m]
        for i in range(3):
            arm[i] = points[n, i] - t[k, i]
        for i in range(3):
            local[i] = R[k, 0, i] * arm[0] + R[k, 1, i] * arm[1] + R[k, 2, i] * arm[2]
        x, y, z = local[0], local[1], local[2]
        if not z > 0.01:
            norms[m] = math.inf
            sums[0] += _HUBER * (_BEHIND - _HUBER / 2)
            continue
        error[0], error[1], error[2] = seen[m, 0] - fx * x / z - cx, seen[m, 1] - fy * y / z - cy, seen[m, 2] - fB / z
        ray[:] = 0.0
        ray[0, 0], ray[0, 2] = fx / z, -fx * x / z**2
        ray[1, 1], ray[1, 2] = fy / z, -fy * y / z**2
        ray[2, 2] = -fB / z**2
        square = 0.0
        for i in range(3):
            known = math.isfinite(error[i])
            sums[2] += known
            error[i] = error[i] / sigma[i] if known else 0.0
            square += error[i] ** 2
            for j in range(3):  # the point's columns, then what a motion and a turn of the camera do to the same ray
                J[i, 6 + j] = 0.0
                if known:
                    turned = ray[i, 0] * R[k, j, 0] + ray[i, 1] * R[k, j, 1] + ray[i, 2] * R[k, j, 2]
                    J[i, 6 + j] = turned / sigma[i]
                J[i, j] = -J[i, 6 + j]
            J[i, 3] = J[i, 7] * arm[2] - J[i, 8] * arm[1]
            J[i, 4] = J[i, 8] * arm[0] - J[i, 6] * arm[2]
            J[i, 5] = J[i, 6] * arm[1] - J[i, 7] * arm[0]
        norm = math.sqrt(square)
        norms[m] = norm
        weight = min(1.0, _HUBER / max(norm, 1e-12))
        sums[0] += square / 2 if norm <= _HUBER else _HUBER * (norm - _HUBER / 2)
        sums[1] += weight * square
        for i in range(3):
            for a in range(6):
                right_cameras[k, a] += weight * J[i, a] * error[i]
                for b in range(6):
                    cameras[k, a, b] += weight * J[i, a] * J[i, b]
                for b in range(3):
                    mixed[k, n, a, b] += weight * J[i, a] * J[i, 6 + b]
            for a in range(3):
                right_points[n, a] += weight * J[i, 6 + a] * error[i]
                for b in range(3):
                    own[n, a, b] += weight * J[i, 6 + a] * J[i, 6 + b]


def _solved(equations: _Equations, damping: float) -> tuple[F64, F64]:
    reduced = eliminated(*equations[3:], damping)
    step = np.ascontiguousarray(np.linalg.solve(reduced.matrix, reduced.right).reshape(-1, 6), np.float64)
    return step, reduced.points(step)


def _moved(T: SE3, step: F64) -> SE3:
    return SE3(cv2.Rodrigues(step[3:])[0] @ T.R, T.t + step[:3])
