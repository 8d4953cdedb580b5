"""A model of several views behind its card: pictures of known cameras in, depth and what else it says out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from engines.card import Card
from engines.engine import Array, Engine, EngineError
from engines.pictures import ModelInput, Shape, fitted_shape
from engines.views.convention import Views
from engines.views.geometry import matrices, read_intrinsics, read_poses, write_intrinsics, write_poses
from engines.views.splats import Splats, read_splats
from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.types import U8

_DEPTHS_M = (0.3, 15.0)


class Reconstruction(NamedTuple):
    """What a model says of n views, in one unit for depth and poses, which need not be metres.

    depth (n, h, w) float32 along the optical axis, NaN = none; confidence (n, h, w) float32 0..1; `camera`: the rig's,
    at the size of `depth`. T_world_from_cam (n, 4, 4), optical axes, and intrinsics (n, 4) fx, fy, cx, cy in pixels of
    the pictures are the model's guesses, None where it makes none; so are the Gaussians.
    """

    depth: F32
    confidence: F32
    camera: Pinhole
    T_world_from_cam: F64 | None
    intrinsics: F64 | None
    gaussians: Splats | None


class Reconstructor:
    """A model of kind `multiview`; the engine stays its opener's to close."""

    def __init__(self, engine: Engine, card: Card) -> None:
        self.views = views_of(card)
        self._engine, self._card = engine, card

    def __call__(
        self, pictures: Sequence[U8], camera: Pinhole, poses: Sequence[SE3], depths_m: tuple[float, float] = _DEPTHS_M
    ) -> Reconstruction:
        """Of pictures (H, W) or (H, W, 3) RGB uint8 of one camera, and T_world_from_cam in metres of each.

        The model is told the poses, and the least and greatest depth, only if its card says so. EngineError where they
        are too many or too few, or what comes out is not what the card says.
        """
        if not self.views.least <= len(pictures) == len(poses) <= self.views.most:
            raise EngineError(
                f"{self._card.name}: {len(pictures)} pictures and {len(poses)} poses; expected as many of each, "
                f"{self.views.least} to {self.views.most}"
            )
        inputs = feed(self._card, self._engine, pictures, camera, poses, depths_m)
        found = read(self._card, self._engine.infer(inputs), camera)
        if len(found.depth) != len(pictures):
            raise EngineError(f"{self._card.name}: depth of {len(found.depth)} views for {len(pictures)} pictures")
        return found


def views_of(card: Card) -> Views:
    """What the card says of its views; EngineError for a model of another kind."""
    if card.views is None:
        raise EngineError(f"card {card.name!r} is of kind {card.kind}; expected a model of several views, multiview")
    return card.views


def feed(
    card: Card, engine: Engine, pictures: Sequence[U8], camera: Pinhole, poses: Sequence[SE3],
    depths_m: tuple[float, float] = _DEPTHS_M,
) -> dict[str, Array]:  # fmt: skip
    """A model's inputs: pictures, and what else its card says it is told."""
    views = views_of(card)
    if len({picture.shape for picture in pictures}) != 1 or pictures[0].shape[:2] != (camera.height, camera.width):
        raise EngineError(f"{card.name}: pictures of {camera.width} x {camera.height} pixels, all alike, are needed")
    prepare = ModelInput(card.colour, card.size)
    batch = np.concatenate([prepare(picture).astype(np.float32) for picture in pictures])  # copies: it is used again
    flat = next((len(t.shape) == 4 for t in engine.spec.inputs if t.name == views.pictures), False)
    inputs: dict[str, Array] = {views.pictures: batch if flat else batch[None]}
    if views.told.poses:
        inputs[views.told.poses] = write_poses(matrices(poses), views.told)[None]
    if views.told.intrinsics:
        seen = _seen(card, camera)
        inputs[views.told.intrinsics] = np.repeat(write_intrinsics(seen, views.told)[None, None], len(pictures), 1)
    for name, depth_m in zip((views.near, views.far), depths_m, strict=True):
        if name:
            inputs[name] = np.full((1, len(pictures)), depth_m, np.float32)
    return inputs


def read(card: Card, outputs: Mapping[str, Array], camera: Pinhole) -> Reconstruction:
    """What a model's outputs mean by its card; `camera` is that of the pictures."""
    views, seen = views_of(card), _seen(card, camera)
    T = intrinsics = None
    given = _planes(outputs, views.depth) if views.depth else _each(outputs, views.points, 3, (3,))
    if views.said.poses:
        T = read_poses(_of_cameras(outputs, views.said.poses, views, len(given)), views.said)
    if views.said.form == "encoding" or views.said.intrinsics:
        values = _of_cameras(outputs, views.said.intrinsics or views.said.poses, views, len(given))
        intrinsics = read_intrinsics(values, views.said, seen.width, seen.height)
        if card.size.rule != "pad":
            intrinsics = intrinsics * ((camera.width / seen.width, camera.height / seen.height) * 2)
    depth = given if views.depth else _from_points(given, T, views)
    sure = _confidence(_planes(outputs, views.confidence), views) if views.confidence else np.ones_like(depth)
    if sure.shape != depth.shape:
        raise EngineError(f"{card.name}: confidence is {sure.shape}, depth {depth.shape}; expected the same")
    if card.size.rule == "pad":  # what was added at the right and below
        part = depth.shape[1] / seen.height
        rows, columns = round(camera.height * part), round(camera.width * part)
        depth, sure = depth[:, :rows, :columns], sure[:, :rows, :columns]
    at = camera.scaled(depth.shape[2], depth.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = 1 / depth if views.depth_is == "inverse_z" else depth / ray_per_z(at) if views.depth_is == "ray" else depth
        z = np.asarray(z * views.scale, np.float32)
    z[~(np.isfinite(z) & (z > 0))] = np.nan
    splats = read_splats(outputs, views.gaussians) if views.gaussians else None
    return Reconstruction(z, np.asarray(np.where(np.isnan(z), 0, sure), np.float32), at, T, intrinsics, splats)


def ray_per_z(camera: Pinhole) -> F32:
    """(H, W): how much longer the ray to a point is than its depth."""
    x = (np.arange(camera.width) - camera.cx) / camera.fx
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    return np.asarray(np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2), np.float32)


def _seen(card: Card, camera: Pinhole) -> Pinhole:
    """The camera of the picture that the model sees."""
    height, width = fitted_shape(card.size, (camera.height, camera.width))
    if card.size.rule == "pad":
        return Pinhole(camera.fx, camera.fy, camera.cx, camera.cy, width, height)
    return camera.scaled(width, height)


def _each(outputs: Mapping[str, Array], name: str, axes: int, *ends: Shape) -> Array:
    """An output with one axis for the views before its last `axes`, which end in one of `ends` where any is given."""
    if name not in outputs:
        raise EngineError(f"the card names the output {name!r}; the model has {', '.join(outputs)}")
    array = outputs[name]
    if array.ndim < axes or array.size == 0:
        raise EngineError(f"output {name} is {array.shape}; expected one entry a view of {axes} axes")
    if ends and not any(array.shape[array.ndim - len(end) :] == end for end in ends):
        raise EngineError(f"output {name} is {array.shape}; expected one entry a view that ends in {ends[-1]}")
    return array.reshape(-1, *array.shape[array.ndim - axes :])


def _of_cameras(outputs: Mapping[str, Array], name: str, views: Views, count: int) -> Array:
    """Poses or intrinsics of `count` views."""
    if views.said.form == "encoding":
        found = _each(outputs, name, 1, (9,))
    else:
        found = _each(outputs, name, 2, *([(3, 4), (4, 4)] if name == views.said.poses else [(3, 3)]))
    if len(found) != count:
        raise EngineError(f"output {name} is {outputs[name].shape}; expected {count} of them, as many as of depth")
    return found


def _planes(outputs: Mapping[str, Array], name: str) -> F32:
    """An output as (n, H, W), whether it has a channel of its own, first or last, or none."""
    last = name in outputs and outputs[name].shape[-1:] == (1,)
    array = _each(outputs, name, 3)[..., 0] if last else _each(outputs, name, 2)
    return np.asarray(array, np.float32)


def _from_points(points: Array, T: F64 | None, views: Views) -> F32:
    if views.points_in == "camera":
        return np.asarray(points[..., 2], np.float32)
    assert T is not None  # a card that says otherwise is not read
    away = points - T[:, None, None, :3, 3]
    return np.asarray(np.einsum("nhwi,ni->nhw", away, T[:, :3, 2]), np.float32)


def _confidence(values: F32, views: Views) -> F32:
    """0..1, not decreasing in what the model says; 0 where it says nothing."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if views.confidence_is == "above_one":
            values = np.subtract(1, 1 / np.maximum(values, 1), dtype=np.float32)
        elif views.confidence_is == "logit":
            values = np.divide(1, 1 + np.exp(-values), dtype=np.float32)
    return np.nan_to_num(np.clip(values, 0, 1), nan=0.0)
