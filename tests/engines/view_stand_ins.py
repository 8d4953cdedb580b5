"""Small ONNX graphs that know the probe's walks: they look the pictures up and say what is true of them, right or with
one fault built in."""

from __future__ import annotations

import numpy as np
from stand_ins import Graph

from engines.card import Card
from engines.engine import EngineSpec, TensorSpec
from engines.pictures import fitted_shape
from engines.probe.room import relative
from engines.probe.view_runs import walks
from engines.views.geometry import matrices
from engines.views.reconstruct import feed, ray_per_z, views_of
from saccade.params import build, plain

GRID = (6, 8)
VIEWS, SHAPE = 3, (60, 80)


def small(fields, name="stand-in", shape=SHAPE, views=VIEWS):
    """A card for tests: three small pictures."""
    made = {
        "name": name, "kind": "multiview", "backend": "onnx", "source": "tests", "licence": "Apache-2.0",
        "onnx": "m.onnx", "sha256": "0" * 64,
        "colour": {"order": "rgb", "white": 1.0, "dtype": "float32", "layout": "nchw"},
        "size": {"rule": "resize", "height": shape[0], "width": shape[1]}, "ort": {"intra_threads": 1},
    }  # fmt: skip
    return build(Card, {**made, **fields, "views": {**fields["views"], "least": views, "most": views}})


class Pretends:
    """As much of an engine as `feed` looks at."""

    def __init__(self, views):
        self.spec = EngineSpec(
            "m", (TensorSpec(views.pictures, "float32", (1, -1, 3, -1, -1)),), (TensorSpec("x", "float32", (1,)),)
        )


def truth(card, name_of=lambda i: i):
    """Per walk: what a right model is fed, and what is true of its views at the model's size."""
    views = views_of(card)
    for shown in walks(card):
        depths = 0.5 * float(shown.depth_m.min()), 2 * float(shown.depth_m.max())
        inputs = feed(card, Pretends(views), list(shown.pictures), shown.camera, relative(shown.poses), depths)
        height, width = fitted_shape(card.size, shown.pictures.shape[1:3])
        camera = shown.camera.scaled(width, height)
        rows = ((np.arange(height) + 0.5) * shown.camera.height / height).astype(int)
        columns = ((np.arange(width) + 0.5) * shown.camera.width / width).astype(int)
        yield inputs, shown.depth_m[:, rows][:, :, columns], camera, matrices(relative(shown.poses))


def quaternion(R):
    from saccade.geometry import SE3

    return np.array(SE3(R, np.zeros(3)).quaternion())


def looking_up(card, said, blind=2e-3, steady=True):
    """A graph for `card` that says, of each picture, row i of the tables that `said` makes.

    `said(depth, camera, T)` makes {output: (n, ...)} of one walk's truth, with the first camera as the world. Where it
    is fed or told anything else than the card says, it says one metre.
    """
    g, views = Graph(), views_of(card)
    pictures, tables, told = [], {}, {}
    for inputs, depth, camera, T in truth(card):
        pictures.append(inputs.pop(views.pictures)[0])
        for name, table in said(depth, camera, T).items():
            tables.setdefault(name, []).append(np.asarray(table, np.float32))
        for name, table in inputs.items():
            told.setdefault(name, []).append(table)
    n, (height, width) = len(pictures[0]), pictures[0].shape[2:]
    prints = np.concatenate(pictures)
    kernel = [height // GRID[0], width // GRID[1]]

    def coarse(x):
        return g("Reshape", g("AveragePool", x, kernel_shape=kernel, strides=kernel), g.ints(0, 1, -1))

    h, w = kernel
    pooled = prints[:, :, : h * GRID[0], : w * GRID[1]].reshape(len(prints), 3, GRID[0], h, GRID[1], w).mean((3, 5))
    table = pooled.reshape(1, len(prints), -1)
    flat = g("Reshape", views.pictures, g.ints(-1, 3, height, width))
    apart = g("ReduceMean", g("Abs", g("Sub", coarse(flat), g.const(table))), axes=[2], keepdims=0)
    which = g("ArgMin", apart, axis=1, keepdims=0)
    sure = g("Less", g("ReduceMin", apart, axes=[1], keepdims=0), g.const(np.float32(blind * np.abs(table).mean())))
    scene = g("Div", g("Slice", which, g.ints(0), g.ints(1)), g.ints(n))
    for name, values in told.items():
        right = g("Gather", g.const(np.concatenate(values)), scene)
        off = g("ReduceMax", g("Abs", g("Sub", name, right)), keepdims=0)
        sure = g("And", sure, g("Less", off, g.const(np.float32(1e-3))))
    sure = g("Cast", sure, to=1)
    outputs = {}
    for name, values in tables.items():
        stacked = np.concatenate(values)
        found = g("Gather", g.const(stacked), which)
        weight = g("Reshape", sure, g.ints(-1, *[1] * (stacked.ndim - 1)))
        garbage = g("Sub", g.const(np.float32(1)), weight)
        known = g("Add", g("Mul", found, weight), garbage)
        if not steady:
            known = g("Add", known, g("RandomNormalLike", known, scale=0.3))
        outputs[name] = (g("Unsqueeze", known, g.ints(0)), [1, n, *stacked.shape[1:]])
    inputs = {views.pictures: [1, n, 3, height, width]}
    inputs |= {name: list(values[0].shape) for name, values in told.items()}
    return g.model(inputs, outputs)


def right(card):
    """What a model with this card says, in its own convention."""
    views = views_of(card)

    def said(depth, camera, T):
        found = {views.depth: depth}
        if views.depth_is == "ray":
            found[views.depth] = depth * ray_per_z(camera)
        said = views.said
        if said.poses:
            found[said.poses] = poses(T, said, camera)
        if said.intrinsics:
            found[said.intrinsics] = intrinsics(len(T), camera, said.unit)
        if views.confidence:
            found[views.confidence] = 1 + 5 / depth if views.confidence_is == "above_one" else 0 * depth + 0.9
        return found

    return said


def poses(T, said, camera):
    T = T.copy()
    if said.axes == "opengl":
        T[:, :3, :3] *= [1, -1, -1]
    if said.direction == "camera_from_world":
        T = np.linalg.inv(T)
    if said.form == "matrix":
        return T[:, :3]
    turns = np.array([quaternion(R) for R in T[:, :3, :3]])
    if said.quaternion == "wxyz":
        turns = turns[:, [3, 0, 1, 2]]
    fovs = [2 * np.arctan(camera.height / 2 / camera.fy), 2 * np.arctan(camera.width / 2 / camera.fx)]
    if said.fov == "width_height":
        fovs.reverse()
    return np.column_stack([T[:, :3, 3], turns, np.tile(fovs, (len(T), 1))])


def intrinsics(n, camera, unit):
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    if unit == "normalised":
        K[:2] /= [[camera.width], [camera.height]]
    return np.tile(K, (n, 1, 1))


def fields_of(card):
    """The card as it would stand in a file."""
    return {key: value for key, value in plain(card).items() if key != "path"}
