"""Showing the walks of `room` to a model of several views, and what comes out held to the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import cv2
import numpy as np

from engines.card import Card
from engines.engine import Array, Engine
from engines.pictures import fitted_shape
from engines.probe.room import Walk, relative, walk
from engines.views.convention import Cameras
from engines.views.geometry import matrices
from engines.views.reconstruct import Reconstruction, feed, ray_per_z, read, views_of
from saccade.geometry import F32, F64

_SIZE = 1.6
"""How much larger everything in the second walk is."""
_VIEWS, _SHORT = 4, 252
_EVERY = 3
"""Pixels along each way of which one is looked at."""


def walks(card: Card) -> tuple[Walk, Walk]:
    """What a model with this card is shown: one walk at its own size of picture, one at another, larger world."""
    views, size = views_of(card), card.size
    n = min(max(views.least, _VIEWS), views.most)
    short = size.short_side or _SHORT
    own = (size.height or short, size.width or short * 4 // 3)
    height, width = fitted_shape(size, own)
    other = round(0.9 * height) | 1, round(0.8 * width) | 1
    return walk("walk", (height, width), n), walk("walk in a larger room", other, n, _SIZE, 12)


@dataclass(slots=True)
class ViewRuns:
    """A model being probed. Results are kept by what went into the model."""

    engine: Engine
    progress: Callable[[str], None] = lambda what: None
    _kept: dict[object, dict[str, Array]] = field(default_factory=dict)

    def outputs(self, card: Card, shown: Walk, fresh: bool = False) -> dict[str, Array]:
        """What the model gives for a walk, all outputs; `fresh` to run it again."""
        views = views_of(card)
        key = (shown.name, shown.pictures.shape, card.colour, card.size, views.pictures, views.told)
        if fresh or key not in self._kept:
            self.progress(shown.name)
            depths = 0.5 * float(shown.depth_m.min()), 2 * float(shown.depth_m.max())
            inputs = feed(card, self.engine, list(shown.pictures), shown.camera, relative(shown.poses), depths)
            self._kept[key] = {name: array.copy() for name, array in self.engine.infer(inputs).items()}
        return self._kept[key]

    def read(self, card: Card, shown: Walk) -> Reconstruction:
        """What the model says of a walk as the card reads it."""
        return read(card, self.outputs(card, shown), shown.camera)

    def depth(self, card: Card, shown: Walk, fresh: bool = False) -> Reconstruction:
        """The same without what the model guesses of the cameras, unless depth is made with it."""
        views = views_of(card)
        if views.depth:
            card = replace(card, views=replace(views, said=Cameras(), gaussians=None))
        return read(card, self.outputs(card, shown, fresh), shown.camera)


class Relation(NamedTuple):
    """How a model's depth depends on the truth: said = scale_i depth^power (ray / depth)^bent for view i.

    `off`: median relative error with a scale for each view; `apart`: how much these differ from their median, as a
    share; `scale`: that median, what said depth must be multiplied by; `known`: share of the pixels that say something.
    """

    power: float
    bent: float
    off: float
    apart: float
    scale: float
    known: float


def relate(said: Reconstruction, shown: Walk) -> Relation:
    """Least squares over the logarithms, once more without what is far off."""
    part = np.s_[:, ::_EVERY, ::_EVERY]
    depth, truth = said.depth[part].astype(np.float64), truth_of(said, shown)[part].astype(np.float64)
    bent = np.broadcast_to(np.log(ray_per_z(said.camera))[None], said.depth.shape)[part]
    known = np.isfinite(depth)
    if len(depth) != len(truth) or known.mean() < 0.05:
        return Relation(0.0, 0.0, np.inf, np.inf, 1.0, float(known.mean()))
    view = np.nonzero(known)[0]
    y, x = np.log(depth[known]), np.log(truth[known])
    A = np.column_stack([x, bent[known], np.eye(len(depth))[view]])
    keep = np.ones(len(y), np.bool_)
    for _ in range(2):
        solved = np.linalg.lstsq(A[keep], y[keep], rcond=None)[0]
        error = np.abs(y - A @ solved)
        keep = error <= max(3 * float(np.median(error)), 1e-6)
    ratio = x - y
    of_views = np.array([np.median(ratio[view == i]) if (view == i).any() else np.nan for i in range(len(depth))])
    middle = float(np.nanmedian(of_views))
    off, apart = float(np.median(np.abs(ratio - of_views[view]))), float(np.nanmax(np.abs(of_views - middle)))
    off, apart, scale = (float(value) for value in (np.expm1(off), np.expm1(apart), np.exp(middle)))
    return Relation(float(solved[0]), float(solved[1]), off, apart, scale, float(known.mean()))


def truth_of(said: Reconstruction, shown: Walk) -> F32:
    """The walk's depth (n, h, w) in the pixels of what a model says."""
    size = said.camera.width, said.camera.height
    planes = [cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST) for plane in shown.depth_m]
    return np.asarray(planes, np.float32)


class Placed(NamedTuple):
    """Poses held to the truth, from each camera to each other: greatest error of the turns, that of the ways as a
    share of them, and what said ways must be multiplied by."""

    turn_deg: float
    way: float
    scale: float


def place(T_world_from_cam: F64, shown: Walk) -> Placed:
    """Whatever world the model takes, only what lies between the cameras counts."""
    said, truth = T_world_from_cam, matrices(shown.poses)
    if len(said) != len(truth):
        return Placed(180.0, np.inf, 1.0)
    ours, theirs = (np.linalg.inv(T)[:, None] @ T[None] for T in (truth, said))
    turned = theirs[..., :3, :3].transpose(0, 1, 3, 2) @ ours[..., :3, :3]
    cosines = (np.trace(turned, axis1=2, axis2=3) - 1) / 2
    a, b = theirs[..., :3, 3].ravel(), ours[..., :3, 3].ravel()
    scale = float(a @ b) / max(float(a @ a), 1e-12)
    missed = float(np.linalg.norm(b - scale * a) / np.linalg.norm(b)) if scale > 0 else np.inf
    return Placed(float(np.degrees(np.arccos(cosines.clip(-1, 1))).max()), missed, scale if scale > 0 else 1.0)
