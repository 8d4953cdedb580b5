"""The Gaussians of a volume, kept in step with it, and refined against pictures in steps of one view each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from map_node.gaussians.base import Gaussians, View
from map_node.gaussians.refine import slope
from map_node.gaussians.surface import OPACITY, Surface, surface
from map_node.volume.base import Snapshot, Volume
from saccade.errors import ConfigError
from saccade.geometry import F32, F64

_RGB, _LOGIT, _NORMAL, _SCALE = slice(0, 3), 3, 4, slice(5, 8)
_SLOW, _SLOWER, _TINY = 0.9, 0.99, 1e-12
"""Adam's decay of mean and of mean square of the slope."""


@dataclass(frozen=True, slots=True)
class SplatParams:
    """How many Gaussians, and how far a step takes each of its numbers.

    A voxel that the surface passes is cut into `parts` each way; of more than `most` Gaussians those nearest to the
    window's middle are kept. A step moves colours by about `rgb_step` (of 1), the opacity's logit by `opacity_step`,
    the place by `normal_step` spacings along the normal, at most half a spacing in all, and the logarithms of the
    scales by `scale_step`, at most to `most_stretch` times larger or smaller.
    """

    parts: int = 2
    most: int = 200_000
    rgb_step: float = 0.02
    opacity_step: float = 0.05
    normal_step: float = 0.02
    scale_step: float = 0.02
    most_stretch: float = 3.0

    def __post_init__(self) -> None:
        steps = (self.rgb_step, self.opacity_step, self.normal_step, self.scale_step)
        if not (self.parts >= 1 and self.most >= 1 and min(steps) >= 0 and self.most_stretch >= 1):
            raise ConfigError(f"{self}: expected parts, most and most_stretch of 1 or more, and no negative step")


class Splats:
    """One Gaussian or more for each voxel that the surface passes.

    What was learned stays with the place: where the volume still has a surface there after `update`, the Gaussian keeps
    its refined colour, opacity, offset and stretch. Two runs give the same bytes.
    """

    def __init__(self, params: SplatParams) -> None:
        self.params = params
        self._surface: Surface | None = None
        self._spacing_m = 1.0
        self._learned: F32 = np.empty((0, 8), np.float32)
        self._mean: F32 = np.empty((0, 8), np.float32)
        self._square: F32 = np.empty((0, 8), np.float32)
        self._steps = np.empty(0, np.int32)

    def update(self, volume: Volume | Snapshot) -> None:
        """Take the surface from the volume as it is now."""
        before, self._surface = self._surface, surface(volume, self.params.parts, self.params.most)
        self._spacing_m = volume.params.voxel_m / self.params.parts
        n = len(self._surface.key)
        kept, at = np.zeros(n, np.bool_), np.zeros(n, np.intp)
        if before is not None and len(before.key):
            at = np.minimum(np.searchsorted(before.key, self._surface.key), len(before.key) - 1)
            kept = before.key[at] == self._surface.key
        fresh = np.zeros((n, 8), np.float32)
        fresh[:, _RGB] = self._surface.gaussians.rgb
        fresh[:, _LOGIT] = np.log(OPACITY / (1 - OPACITY))
        for name, made in (("_learned", fresh), ("_mean", np.zeros_like(fresh)), ("_square", np.zeros_like(fresh))):
            made[kept] = getattr(self, name)[at[kept]]
            setattr(self, name, made)
        steps = np.zeros(n, np.int32)
        steps[kept] = self._steps[at[kept]]
        self._steps = steps

    @property
    def gaussians(self) -> Gaussians:
        """As they are now; none before the first `update`."""
        if self._surface is None:
            return Gaussians(*(np.empty((0, *shape), np.float32) for shape in ((3,), (3,), (4,), (3,), ())))
        base, learned = self._surface.gaussians, self._learned
        w, x, y, z = base.wxyz.T
        normal = np.stack([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)], axis=1)
        return Gaussians(
            base.at + normal * (learned[:, _NORMAL, None] * np.float32(self._spacing_m)),
            base.scale_m * np.exp(learned[:, _SCALE]),
            base.wxyz, np.ascontiguousarray(learned[:, _RGB]),
            (1 / (1 + np.exp(-learned[:, _LOGIT]))).astype(np.float32),
        )  # fmt: skip

    @property
    def bytes(self) -> int:
        """What is kept of them."""
        kept = (*self._surface.gaussians, self._surface.key) if self._surface else ()
        return sum(part.nbytes for part in (*kept, self._learned, self._mean, self._square, self._steps))

    def refine(self, view: View) -> float:
        """One step towards a picture, of the Gaussians that are seen in it; its loss before. Costs two drawings."""
        now = self.gaussians
        found, params = slope(now, view), self.params
        step = np.empty((len(now.at), 8))
        step[:, _RGB], step[:, _SCALE] = found.rgb, found.log_scale
        step[:, _LOGIT] = found.opacity * now.opacity * (1 - now.opacity)
        step[:, _NORMAL] = found.normal * self._spacing_m
        seen = np.flatnonzero(step[:, _RGB].any(axis=1))
        self._descend(seen, step[seen])
        limit = np.log(params.most_stretch)
        self._learned[seen, _RGB] = self._learned[seen, _RGB].clip(0, 1)
        self._learned[seen, _LOGIT] = self._learned[seen, _LOGIT].clip(-5, 5)
        self._learned[seen, _NORMAL] = self._learned[seen, _NORMAL].clip(-0.5, 0.5)
        self._learned[seen, _SCALE] = self._learned[seen, _SCALE].clip(-limit, limit)
        return found.loss

    def _descend(self, seen: np.ndarray[tuple[int, ...], np.dtype[np.intp]], step: F64) -> None:
        """Adam (Kingma and Ba 2015), for those that were seen alone."""
        params = self.params
        rate = np.array([params.rgb_step] * 3 + [params.opacity_step, params.normal_step] + [params.scale_step] * 3)
        self._steps[seen] += 1
        mean = _SLOW * self._mean[seen] + (1 - _SLOW) * step
        square = _SLOWER * self._square[seen] + (1 - _SLOWER) * step * step
        n = self._steps[seen, None]
        unbiased = np.sqrt(square / (1 - _SLOWER**n)) + _TINY
        self._mean[seen], self._square[seen] = mean, square
        self._learned[seen] -= (rate * (mean / (1 - _SLOW**n)) / unbiased).astype(np.float32)
