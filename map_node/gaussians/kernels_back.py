"""The way back: from how a picture should change to how each Gaussian should.

Derivatives of kernels.py, written out. A Gaussian moves along its normal and grows along its axes; it neither turns nor
leaves the voxel that it stands for.
"""

from __future__ import annotations

import math

import numpy as np

from map_node.gaussians.kernels import DONE, MOST_ALPHA, TILE, jacobian, rotation, span
from map_node.volume.base import I32, I64
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i32, i64, kernel, void


@kernel(
    void, array(f64, 2), array(f32, 2), array(f32, 1), array(i64, 2), array(i32, 1), array(f32, 3), array(f32, 3),
    buffer(f64, 2),
)  # fmt: skip
def blend(flat: F64, rgb: F32, opacity: F32, ends: I64, entries: I32, drawn: F32, wanted: F32, back: F64) -> None:
    """Derivatives by each Gaussian's colour (3), opacity, u, v and conic a b c, added to back (n, 9).

    drawn: what `kernels.blend` made; wanted (H, W, 3): the loss's derivative by it. What is behind a Gaussian is what
    was drawn less what is in front, so pixels are gone through in the order in which they were drawn.
    """
    height, width = drawn.shape[:2]
    left, behind, row = np.empty((TILE, TILE)), np.empty((TILE, TILE)), np.empty(3)
    begin = 0
    for tile in range(ends.size):
        top, side = tile // ends.shape[1] * TILE, tile % ends.shape[1] * TILE
        end = ends[tile // ends.shape[1], tile % ends.shape[1]]
        open_pixels = min(TILE, height - top) * min(TILE, width - side)
        left[:] = 1.0
        for v in range(top, min(top + TILE, height)):
            for u in range(side, min(side + TILE, width)):
                sum_ = 0.0
                for k in range(3):
                    sum_ += float(drawn[v, u, k]) * wanted[v, u, k]
                behind[v - top, u - side] = sum_
        for e in range(begin, end):
            if open_pixels == 0:
                break
            n = entries[e]
            a, b, c = flat[n, 3], flat[n, 4], flat[n, 5]
            fade = math.exp(-a)
            for v in range(top, min(top + TILE, height)):
                first = span(flat, n, v, side, min(side + TILE, width), row)
                g, ratio = row[1], row[2]
                dy = v - flat[n, 1]
                for u in range(first, int(row[0])):
                    through = left[v - top, u - side]
                    if through >= DONE:
                        alpha = min(MOST_ALPHA, opacity[n] * g)
                        own = 0.0
                        for k in range(3):
                            back[n, k] += alpha * through * wanted[v, u, k]
                            own += rgb[n, k] * wanted[v, u, k]
                        behind[v - top, u - side] -= alpha * through * own
                        if alpha < MOST_ALPHA:
                            by_alpha = through * own - behind[v - top, u - side] / (1 - alpha)
                            back[n, 3] += by_alpha * g
                            by_q = -0.5 * by_alpha * alpha
                            dx = u - flat[n, 0]
                            back[n, 4] -= by_q * 2 * (a * dx + b * dy)
                            back[n, 5] -= by_q * 2 * (b * dx + c * dy)
                            back[n, 6] += by_q * dx * dx
                            back[n, 7] += by_q * 2 * dx * dy
                            back[n, 8] += by_q * dy * dy
                        left[v - top, u - side] = through * (1 - alpha)
                        if through * (1 - alpha) < DONE:
                            open_pixels -= 1
                    g, ratio = g * ratio, ratio * fade
        begin = end


@kernel(
    void, array(f32, 2), array(f32, 2), array(f32, 2), array(f64, 2), array(f64, 1), array(f64, 1), array(f64, 2),
    array(f64, 2), buffer(f64, 2),
)  # fmt: skip
def project(at: F32, scale_m: F32, wxyz: F32, R: F64, t: F64, camera: F64, flat: F64, back: F64, shape: F64) -> None:
    """Derivatives by the way along the normal, per metre, and by the logarithms of the scales: shape (n, 4)."""
    J, dJ, own = np.empty((2, 3)), np.zeros((2, 3)), np.empty((3, 3))
    turned, M, dM, G = np.empty((3, 3)), np.empty((2, 3)), np.empty((2, 3)), np.empty((2, 2))
    for n in range(len(at)):
        shape[n, :] = 0
        if not (back[n, 4] or back[n, 5] or back[n, 6] or back[n, 7] or back[n, 8]):
            continue
        x = R[0, 0] * at[n, 0] + R[0, 1] * at[n, 1] + R[0, 2] * at[n, 2] + t[0]
        y = R[1, 0] * at[n, 0] + R[1, 1] * at[n, 1] + R[1, 2] * at[n, 2] + t[1]
        z = flat[n, 2]
        inside = jacobian(x, y, z, camera, J)
        rotation(wxyz[n, 0], wxyz[n, 1], wxyz[n, 2], wxyz[n, 3], own)
        for i in range(3):
            for k in range(3):
                turned[i, k] = R[i, 0] * own[0, k] + R[i, 1] * own[1, k] + R[i, 2] * own[2, k]
        qx, qy, qz = turned[0, 2], turned[1, 2], turned[2, 2]
        du, dv = camera[0] * (qx - x / z * qz) / z, camera[1] * (qy - y / z * qz) / z
        dJ[0, 0], dJ[0, 2] = -J[0, 0] * qz / z, -J[0, 2] * qz / z - (du / z if inside & 1 else 0.0)
        dJ[1, 1], dJ[1, 2] = -J[1, 1] * qz / z, -J[1, 2] * qz / z - (dv / z if inside & 2 else 0.0)
        for i in range(2):
            for k in range(3):
                M[i, k] = J[i, 0] * turned[0, k] + J[i, 1] * turned[1, k] + J[i, 2] * turned[2, k]
                dM[i, k] = dJ[i, 0] * turned[0, k] + dJ[i, 1] * turned[1, k] + dJ[i, 2] * turned[2, k]
        a, b, c = flat[n, 3], flat[n, 4], flat[n, 5]
        p, q, r = back[n, 6], back[n, 7] / 2, back[n, 8]
        G[0, 0] = -(a * (a * p + b * q) + b * (a * q + b * r))
        G[0, 1] = -(a * (b * p + c * q) + b * (b * q + c * r))
        G[1, 0], G[1, 1] = G[0, 1], -(b * (b * p + c * q) + c * (b * q + c * r))
        shape[n, 0] = back[n, 4] * du + back[n, 5] * dv
        for k in range(3):
            s = float(scale_m[n, k]) ** 2
            for i in range(2):
                for j in range(2):
                    shape[n, 1 + k] += 2 * s * G[i, j] * M[i, k] * M[j, k]
                    shape[n, 0] += s * G[i, j] * (dM[i, k] * M[j, k] + M[i, k] * dM[j, k])
