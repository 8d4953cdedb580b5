"""The normal equations of a bundle adjustment without its points: the Schur complement, and the way back.

Not by numpy: its BLAS shares out even such small products among threads, and waits for them where cores are busy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from saccade.geometry import F64
from saccade.kernel import array, buffer, f64, kernel, void

_FLOOR = 1e-9
"""Added to the diagonal, so that what nobody sees has an inverse."""


class Reduced(NamedTuple):
    """What remains for k cameras, all but the first, and what n points need to be found again.

    matrix (6 k, 6 k), right (6 k,); roots (n, 3, 3) of the points' blocks (Cholesky, lower), and with these divided off
    from the left: mixed (k, n, 3, 6) and right_points (n, 3).
    """

    matrix: F64
    right: F64
    roots: F64
    mixed: F64
    right_points: F64

    def points(self, step: F64) -> F64:
        """The points' steps (n, 3), of those (k, 6) of the cameras."""
        steps = np.empty((len(self.roots), 3))
        _substitute(self.roots, self.mixed, self.right_points, step, steps)
        return steps


def eliminated(cameras: F64, points: F64, mixed: F64, right_cameras: F64, right_points: F64, damping: float) -> Reduced:
    """Reduce the blocks of the equations: cameras (k + 1, 6, 6), points (n, 3, 3) and mixed (k + 1, n, 6, 3).

    Diagonals grow by the share `damping`.
    """
    k, n = len(cameras) - 1, len(points)
    into = Reduced(
        np.zeros((6 * k, 6 * k)), np.zeros(6 * k), np.zeros((n, 3, 3)), np.zeros((k, n, 3, 6)), np.zeros((n, 3))
    )
    _eliminate(cameras, points, mixed, right_cameras, right_points, damping, *into)
    return into


@kernel(
    void, array(f64, 3), array(f64, 3), array(f64, 4), array(f64, 2), array(f64, 2), f64, buffer(f64, 2),
    buffer(f64, 1), buffer(f64, 3), buffer(f64, 4), buffer(f64, 2),
)  # fmt: skip
def _eliminate(
    cameras: F64, points: F64, mixed: F64, right_cameras: F64, right_points: F64, damping: float, matrix: F64,
    right: F64, roots: F64, divided: F64, right_divided: F64,
) -> None:  # fmt: skip
    for c in range(len(divided)):
        for a in range(6):
            right[6 * c + a] = right_cameras[c + 1, a]
            for b in range(6):
                matrix[6 * c + a, 6 * c + b] = cameras[c + 1, a, b]
            matrix[6 * c + a, 6 * c + a] += damping * cameras[c + 1, a, a] + _FLOOR
    for n in range(len(points)):
        L = roots[n]
        for i in range(3):
            for j in range(i + 1):
                left = points[n, i, j] + (damping * points[n, i, i] + _FLOOR if i == j else 0.0)
                for m in range(j):
                    left -= L[i, m] * L[j, m]
                L[i, j] = math.sqrt(max(left, _FLOOR)) if i == j else left / L[j, j]
        for i in range(3):
            left = right_points[n, i]
            for m in range(i):
                left -= L[i, m] * right_divided[n, m]
            right_divided[n, i] = left / L[i, i]
        for c in range(len(divided)):
            for a in range(6):
                for i in range(3):
                    left = mixed[c + 1, n, a, i]
                    for m in range(i):
                        left -= L[i, m] * divided[c, n, m, a]
                    divided[c, n, i, a] = left / L[i, i]
                    right[6 * c + a] -= divided[c, n, i, a] * right_divided[n, i]
            for d in range(c + 1):
                for i in range(3):
                    for a in range(6):
                        for b in range(6):
                            matrix[6 * c + a, 6 * d + b] -= divided[c, n, i, a] * divided[d, n, i, b]
    for i in range(len(right)):
        for j in range(i):
            matrix[j, i] = matrix[i, j]


@kernel(void, array(f64, 3), array(f64, 4), array(f64, 2), array(f64, 2), buffer(f64, 2))
def _substitute(roots: F64, divided: F64, right_divided: F64, step: F64, steps: F64) -> None:
    for n in range(len(roots)):
        for i in range(2, -1, -1):
            left = right_divided[n, i]
            for c in range(len(divided)):
                for a in range(6):
                    left -= divided[c, n, i, a] * step[c, a]
            for m in range(i + 1, 3):
                left -= roots[n, m, i] * steps[n, m]
            steps[n, i] = left / roots[n, i, i]
