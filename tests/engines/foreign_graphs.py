"""Small graphs with the interfaces of foreign models: their names, shapes, ranges, signs and steps, a block matcher
inside. They stand in for networks whose weights are not ours, so that every template card is run."""

from __future__ import annotations

import numpy as np
import yaml
from stand_ins import ITU, PLANE, Graph
from view_stand_ins import looking_up, right, small

from engines.card import TEMPLATES

SHAPE = (128, 192)
DISPARITIES = 52
BGR = ITU[::-1]


def picture(shape=SHAPE):
    return [1, 3, *shape]


def normalised(g, x, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), white=255.0):
    """As networks do it inside, and blind for anything beyond: what comes in another range saturates."""
    mean, std = (np.reshape(np.float32(v), (1, 3, 1, 1)) for v in (mean, std))
    x = g.mul(g("Floor", g.mul(x, 255.0 / white)), 1 / 255)
    return g("Div", g("Sub", g("Clip", x, g.const(np.float32(0)), g.const(np.float32(1))), g.const(mean)), g.const(std))


def simple(inputs=("left", "right"), output="disp", sign=1, shape=SHAPE, weights=ITU, prepare=normalised, sure=""):
    """Two pictures in, disparity px out."""
    g = Graph()
    found = g.disparity(*(g.grey(prepare(g, name), weights) for name in inputs), DISPARITIES)
    outputs = {output: (g.mul(found, float(sign)), PLANE)}
    if sure:
        outputs[sure] = (g("Sigmoid", found), PLANE)
    return [g.model({name: picture(shape) for name in inputs}, outputs)]


def raft_stereo():
    return simple(output="flow", sign=-1, prepare=lambda g, x: normalised(g, x, (0.5,) * 3, (0.5,) * 3))


def foundation_stereo():
    return simple()


def ess():
    """Takes what is normalised already, in -1..1."""

    def prepare(g, x):
        return g("Clip", x, g.const(np.float32(-1)), g.const(np.float32(1)))

    return simple(("input_left", "input_right"), "output_left", prepare=prepare, sure="output_conf")


def stereoadapter():
    return simple(output="disparity", prepare=lambda g, x: normalised(g, x, (0.45,) * 3, (0.225,) * 3, white=1.0))


def stereoadapter_2():
    return simple(output="flow", sign=-1, shape=(126, 196))


def near(g, left, right, coarse, width=3.0):
    """Match at full size, within `width` px of a coarse disparity (1, 1, H, W)."""
    volume = g.volume(left, right, DISPARITIES)
    steps = g.const(np.arange(DISPARITIES, dtype=np.float32).reshape(1, -1, 1, 1))
    away = g("Max", g("Sub", g("Abs", g("Sub", steps, coarse)), g.const(np.float32(width))), g.const(np.float32(0)))
    return g.best(g("Add", volume, g.mul(away, 1e3)))


def doubled(g, x, factor=2):
    return g("Resize", x, "", g.const(np.float32([1, 1, factor, factor])), mode="nearest")


def crestereo():
    """The first graph at half the size; the second near twice what the first found. Two planes: x, and y, all 0."""

    def two_planes(g, found):
        return g("Concat", found, g.mul(found, 0.0), axis=1)

    def grey(g, name):
        return g.grey(normalised(g, name, (0.5,) * 3, (0.5,) * 3), BGR)

    half = (SHAPE[0] // 2, SHAPE[1] // 2)
    first, second = Graph(), Graph()
    found = first.disparity(grey(first, "left"), grey(first, "right"), DISPARITIES // 2)
    coarse = doubled(second, second.mul(second.slice("flow_init", 0, 1, 1), 2.0))
    refined = near(second, grey(second, "left"), grey(second, "right"), coarse)
    planes = [1, 2, "h", "w"]
    return [
        first.model({n: picture(half) for n in ("left", "right")}, {"output": (two_planes(first, found), planes)}),
        second.model(
            {"left": picture(), "right": picture(), "flow_init": [1, 2, *half]},
            {"output": (two_planes(second, refined), planes)},
        ),
    ]


GROUPS, LEVELS, BLOCK = 8, 13, 4


def fast_foundation_stereo():
    """Features are blocks of 4 x 4 pixels, centred, thrice; the second graph reads the volume and then refines."""
    height, width = SHAPE[0] // BLOCK, SHAPE[1] // BLOCK
    first, second = Graph(), Graph()
    features = {}
    for side in ("left", "right"):
        grey = first.grey(normalised(first, side))
        # Networks see further than a block: so its surroundings, blurred, in channels of their own.
        blocks = [
            first("SpaceToDepth", g, blocksize=BLOCK)
            for g in (grey, first("AveragePool", grey, kernel_shape=[5, 5], pads=[2, 2, 2, 2]))
        ]
        features[side] = first("Concat", *blocks, axis=1)
    channels = 2 * BLOCK**2
    shape = [1, channels, height, width]
    small = first("AveragePool", features["left"], kernel_shape=[2, 2], strides=[2, 2])
    names = ("features_left_04", "features_left_08", "features_left_16", "features_left_32")
    outputs = {names[0]: (features["left"], shape), "features_right_04": (features["right"], shape)}
    outputs |= {name: (small, [1, channels, height // 2, width // 2]) for name in names[1:]}
    outputs["stem_2x"] = (first("AveragePool", "left", kernel_shape=[2, 2], strides=[2, 2]), [1, 3, "a", "b"])
    volume = [1, GROUPS, LEVELS, height, width]
    scores = second("ReduceSum", "gwc_volume", second.ints(1), keepdims=0)
    scores = second("AveragePool", scores, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    coarse = second.mul(doubled(second, second.best(second("Neg", scores)), BLOCK), float(BLOCK))
    pictures = [
        second("DepthToSpace", second.slice(name, 0, BLOCK**2, 1), blocksize=BLOCK)
        for name in ("features_left_04", "features_right_04")
    ]
    refined = near(second, *pictures, coarse, 4.0)
    inputs = {name: output[1] for name, output in outputs.items()}
    return [
        first.model({n: picture() for n in ("left", "right")}, outputs),
        second.model({**inputs, "gwc_volume": volume}, {"disp": (refined, PLANE)}),
    ]


def nearness(g):
    """How much of the haze's colour is missing, which is how near a thing is: in 0..1."""
    raw = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    mean, std = (g.const(np.reshape(np.float32(v), (1, 3, 1, 1))) for v in raw)
    seen = g("Add", g("Mul", "image", std), mean)
    haze = g.const(np.reshape(np.float32([196, 208, 222]) / 255, (1, 3, 1, 1)))
    apart = g.grey(g("Abs", g("Sub", seen, haze)), (1 / 3,) * 3)
    return g("AveragePool", apart, kernel_shape=[31, 31], pads=[15, 15, 15, 15], count_include_pad=0)


def depth_anything_v2():
    g = Graph()
    found = g("Squeeze", nearness(g), g.ints(1))
    return [g.model({"image": [1, 3, "H", "W"]}, {"depth": (found, [1, "h", "w"])})]


def da3metric_large():
    g = Graph()
    low = g("Max", nearness(g), g.const(np.float32(1e-3)))
    found = g.mul(g("Log", low), -25.0)
    found = g("Max", g("Add", found, g.const(np.float32(-20))), g.const(np.float32(0.1)))
    return [g.model({"image": [1, 3, "H", "W"]}, {"depth": (found, [1, 1, "h", "w"])})]


def of_views(name):
    """A model of several views that knows the probe's walks, with the conventions of its template."""

    def made():
        fields = yaml.safe_load((TEMPLATES / f"{name}.yaml").read_text())
        card = small({key: fields[key] for key in ("colour", "views")})
        return [looking_up(card, right(card))]

    return made


FOREIGN = {
    "raft-stereo": raft_stereo, "crestereo": crestereo, "foundation-stereo": foundation_stereo,
    "fast-foundation-stereo": fast_foundation_stereo, "ess": ess, "stereoadapter": stereoadapter,
    "stereoadapter-2": stereoadapter_2, "depth-anything-v2": depth_anything_v2, "da3metric-large": da3metric_large,
    **{name: of_views(name) for name in ("vggt", "da3", "depthsplat", "volsplat")},
}  # fmt: skip


def files(folder, name):
    """The graphs of a foreign model's stand-in, as files."""
    paths = []
    for i, model in enumerate(FOREIGN[name]()):
        paths.append(folder / f"{name}-{i}.onnx")
        paths[-1].write_bytes(model.SerializeToString())
    return paths
