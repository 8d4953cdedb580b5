"""Shapes made of triangles: stones and uneven ground."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from saccade.geometry import F64

Random = np.random.Generator


def rock(rng: Random, rough: float) -> tuple[F64, npt.NDArray[np.int64]]:
    """Points and faces of a stone about 1 m in radius: a subdivided octahedron, dented."""
    points = [np.array(p, np.float64) for p in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))]
    faces = [(a, b, c) for a in (0, 1) for b in (2, 3) for c in (4, 5)]
    for _ in range(2):
        middle: dict[tuple[int, int], int] = {}
        finer = []
        for face in faces:
            mids = []
            for a, b in ((face[0], face[1]), (face[1], face[2]), (face[2], face[0])):
                key = (min(a, b), max(a, b))
                if key not in middle:
                    middle[key] = len(points)
                    points.append((points[a] + points[b]) / np.linalg.norm(points[a] + points[b]))
                mids.append(middle[key])
            p, q, r = mids
            finer += [(face[0], p, r), (face[1], q, p), (face[2], r, q), (p, q, r)]
        faces = finer
    scale = 1.0 + rough * rng.normal(size=(len(points), 1)) * 0.25
    return np.array(points) * scale * rng.uniform(0.6, 1.3, 3), np.array(faces, np.int64)


def terrain(rng: Random, rough: float, near: float, far: float, steps: int = 28) -> tuple[F64, npt.NDArray[np.int64]]:
    """Points and faces of uneven ground about y = 0, from `near` to `far` metres ahead, finer where it is near."""
    z = near * (far / near) ** np.linspace(0.0, 1.0, steps)
    x = np.linspace(-2.0, 2.0, steps)
    points = np.zeros((steps, steps, 3))
    points[..., 2] = z[:, None]
    points[..., 0] = x[None] * z[:, None]
    for _ in range(6):
        length, angle, phase = near * math.exp(rng.uniform(1, 5)), rng.uniform(0, math.pi), rng.uniform(0, 2 * math.pi)
        way = points[..., 0] * math.cos(angle) + points[..., 2] * math.sin(angle)
        # No wave rises faster than the view widens, so the camera is never under ground.
        points[..., 1] += rough * 0.1 * np.minimum(length, 0.5 * points[..., 2]) * np.sin(way / length + phase)
    corner = np.arange(steps * steps).reshape(steps, steps)
    a, b, c, d = corner[:-1, :-1].ravel(), corner[:-1, 1:].ravel(), corner[1:, :-1].ravel(), corner[1:, 1:].ravel()
    return points.reshape(-1, 3), np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
