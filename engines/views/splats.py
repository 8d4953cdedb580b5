"""Gaussians that a model says, read into one convention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from engines.engine import Array, EngineError
from engines.views.convention import Splatting
from saccade.geometry import F32

_DC = 0.28209479177387814
"""The first spherical harmonic, 1 / (2 sqrt(pi))."""


class Splats(NamedTuple):
    """m Gaussians in a model's world and unit, all float32.

    at (m, 3); scale (m, 3): standard deviations; wxyz (m, 4): unit quaternions; rgb (m, 3) and opacity (m,) 0..1.
    """

    at: F32
    scale: F32
    wxyz: F32
    rgb: F32
    opacity: F32


def read_splats(outputs: Mapping[str, Array], how: Splatting) -> Splats:
    """What a model's outputs mean by its card; those that are not finite are left out."""
    at, scale, turn = (_rows(outputs, name, n) for name, n in ((how.means, 3), (how.scales, 3), (how.rotations, 4)))
    opacity = _rows(outputs, how.opacities, 1)[:, 0]
    colours = _named(outputs, how.colours)
    if colours.ndim >= 2 and colours.shape[-2] == 3 and colours.shape[-1] != 3:
        colours = colours[..., 0]  # coefficients last
    colours = np.asarray(colours.reshape(-1, 3), np.float32)
    if len({len(rows) for rows in (at, scale, turn, opacity, colours)}) != 1:
        raise EngineError("the Gaussians' outputs are not equally many")
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        scale = np.exp(scale) if how.scale_is == "log" else scale
        if how.opacity_is == "logit":
            opacity = np.divide(1, 1 + np.exp(-opacity), dtype=np.float32)
        turn = turn[:, [3, 0, 1, 2]] if how.rotation_is == "xyzw" else turn
        turn = turn / np.linalg.norm(turn, axis=1, keepdims=True)
    rgb = (colours * np.float32(_DC) + np.float32(0.5)) if how.colour_is == "harmonics" else colours
    good = np.isfinite(np.column_stack([at, scale, turn, rgb, opacity])).all(axis=1)
    return Splats(at[good], scale[good], turn[good], rgb[good].clip(0, 1), opacity[good])


def _rows(outputs: Mapping[str, Array], name: str, columns: int) -> F32:
    array = _named(outputs, name)
    if array.size % columns or (columns > 1 and array.shape[-1] != columns):
        raise EngineError(f"output {name} is {array.shape}; expected rows of {columns}")
    return np.asarray(array.reshape(-1, columns), np.float32)


def _named(outputs: Mapping[str, Array], name: str) -> Array:
    if name not in outputs:
        raise EngineError(f"the card names the output {name!r}; the model has {', '.join(outputs)}")
    return outputs[name]
