"""Pairs whose disparity is known, made of random dots: what a stereo model is shown before it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from saccade.geometry import F32
from saccade.types import U8

_MARGIN = 8
"""Pixels at the rim, and beside edges in depth, that are not judged: they are a matter of windows, not of faults."""
_RED, _BLUE = 0.299, 0.114
_FAINT, _NOISE = 4.0, 28.0
"""In `tinted`: standard deviation of the dots, and largest noise in the channel with less of it, in grey values."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """left, right (H, W, 3) uint8 RGB; truth (H, W) float32 px in the left picture, and in the right; NaN = unjudged.

    Everything seen is painted with dots.
    """

    name: str
    left: U8
    right: U8
    truth: F32
    truth_right: F32

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.truth.shape[0], self.truth.shape[1]


@lru_cache(maxsize=16)
def dots(shape: tuple[int, int], seed: int) -> U8:
    """(H, W, 3) uint8: discs of every size and colour over each other, and fine grain.

    Sizes follow a power law, as in pictures of the world (Lee, Mumford and Huang, IJCV 2001), so that networks trained
    on such pictures match them too.
    """
    rng = np.random.default_rng(seed)
    height, width = shape
    picture = np.full((height, width, 3), 128, np.uint8)
    radii = 2.5 / np.sqrt(rng.uniform(0.005, 1.0, height * width // 24))
    centres, colours = rng.integers(0, (width, height), (len(radii), 2)), rng.integers(20, 236, (len(radii), 3))
    for centre, radius, colour in zip(
        centres.tolist(), radii.round().astype(int).tolist(), colours.tolist(), strict=True
    ):
        cv2.circle(picture, centre, radius, colour, -1)
    grain = cv2.GaussianBlur(rng.normal(0, 24, (height, width, 3)).astype(np.float32), (0, 0), 0.8)
    return np.asarray(np.clip(picture + grain, 0, 255), np.uint8)


def shift(shape: tuple[int, int], disparity: int, seed: int = 1) -> Scene:
    """A plane that faces the cameras. The left picture is the same for every disparity."""
    surface = dots((shape[0], shape[1] + 256), seed)
    left, right = surface[:, : shape[1]], surface[:, disparity : disparity + shape[1]]
    truth = np.full(shape, disparity, np.float32)
    return _scene(f"shift {disparity} px", left, right, truth, truth.copy())


def slanted(shape: tuple[int, int], max_disparity: float, name: str = "slanted plane", seed: int = 2) -> Scene:
    """A plane that comes nearer to the right, folded along rows like a roof: 15 % to 80 % of `max_disparity`."""
    height, width = shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    along = np.float32(0.45 * max_disparity / width)
    fold = np.abs(((y / height * 1.6) % 1.0) * 2 - 1) * 0.2 * max_disparity + 0.15 * max_disparity
    return _folded(name, dots((height, width + 128), seed), along, fold.astype(np.float32), x, y)


def _folded(name: str, surface: U8, along: np.float32, fold: F32, x: F32, y: F32) -> Scene:
    """disparity = along x + fold(y), so that the right picture's x' shows the left's x = (x' + fold) / (1 - along)."""
    shown = (x + fold) / (1 - along)
    right = cv2.remap(surface, shown, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return _scene(name, surface[:, : x.shape[1]], np.asarray(right, np.uint8), along * x + fold, shown - x)


def step(shape: tuple[int, int], max_disparity: float, seed: int = 4) -> Scene:
    """A board before a wall, at 85 % and 15 % of `max_disparity`: its edges tell which picture a result belongs to."""
    height, width = shape
    far, near = round(0.15 * max_disparity), round(0.85 * max_disparity)
    wall, board = dots((height, width + 256), seed), dots((height // 2, width // 3), seed + 1)
    left, right = wall[:, :width].copy(), wall[:, far : far + width].copy()
    truth, truth_right = np.full(shape, far, np.float32), np.full(shape, far, np.float32)
    top, at = height // 4, width // 2
    rows = slice(top, top + board.shape[0])
    for picture, values, begin in ((left, truth, at), (right, truth_right, at - near)):
        picture[rows, begin : begin + board.shape[1]] = board
        values[rows, begin : begin + board.shape[1]] = near
    scene = _scene("board before a wall", left, right, truth, truth_right)
    for values, hidden in ((scene.truth, slice(at - near + far, at)), (scene.truth_right, slice(0, 0))):
        values[rows, hidden] = np.nan
        edges = cv2.morphologyEx(np.nan_to_num(values, nan=-1.0), cv2.MORPH_GRADIENT, np.ones((_MARGIN + 1,) * 2)) > 0
        values[edges] = np.nan
    return scene


def board_only(scene: Scene) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Where the board of `step` stands in the left picture alone, and in the right one alone, (H, W) bool."""
    near = np.nanmax(scene.truth)
    left, right = (np.asarray(truth == near, np.uint8) for truth in (scene.truth, scene.truth_right))
    grown = np.ones((1, 2 * _MARGIN + 1), np.uint8)
    return (left > cv2.dilate(right, grown)), (right > cv2.dilate(left, grown))


def dimmed(scene: Scene, name: str, left: float, right: float) -> Scene:
    """The same scene with each picture's brightness multiplied."""
    dark = [(picture * gain).astype(np.uint8) for picture, gain in ((scene.left, left), (scene.right, right))]
    return Scene(name, dark[0], dark[1], scene.truth, scene.truth_right)


def tinted(shape: tuple[int, int], disparity: int, order: str, seed: int = 6) -> Scene:
    """Faint grey dots under strong coloured noise, another in each picture, that has no luminance.

    Luminance is ITU-R BT.601's of red, green, blue (`order` "rgb") or of blue, green, red ("bgr"). A model that turns
    its pictures grey sees dots without noise in one of the two, and hardly any dots in the other.
    """
    height, width = shape
    surface = dots((height, width + 256), seed)[..., 1].astype(np.float32)
    surface = 128 + (surface - surface.mean()) / surface.std() * _FAINT
    rng = np.random.default_rng(seed)
    strong, weak = (2, 0) if order == "rgb" else (0, 2)
    pictures = np.empty((2, height, width, 3), np.float32)
    for picture, seen in zip(pictures, (surface[:, :width], surface[:, disparity : disparity + width]), strict=True):
        noise = rng.uniform(-_NOISE, _NOISE, shape)
        picture[:] = seen[..., None]
        picture[..., weak] += noise
        picture[..., strong] -= noise * (_RED / _BLUE)
    left, right = np.clip(pictures.round(), 0, 255).astype(np.uint8)
    truth = np.full(shape, disparity, np.float32)
    return _scene(f"no luminance in the noise ({order})", left, right, truth, truth.copy())


def _scene(name: str, left: U8, right: U8, truth: F32, truth_right: F32) -> Scene:
    """A scene in which only what both pictures show is judged."""
    height, width = truth.shape
    x = np.arange(width, dtype=np.float32)[None]
    truth = np.where(x - truth < _MARGIN, np.float32(np.nan), truth)
    truth_right = np.where(x + truth_right > width - _MARGIN, np.float32(np.nan), truth_right)
    for values in (truth, truth_right):
        values[:_MARGIN] = values[height - _MARGIN :] = np.nan
        values[:, :_MARGIN] = values[:, width - _MARGIN :] = np.nan
    return Scene(name, np.ascontiguousarray(left), np.ascontiguousarray(right), truth, truth_right)
