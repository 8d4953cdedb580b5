"""Faults to build into the block matcher of `stand_ins`, and graphs that are nothing but a fault."""

from __future__ import annotations

import numpy as np
from stand_ins import PLANE, Graph


def times(factor):
    return lambda g, found: g.mul(found, factor)


def plus(number):
    return lambda g, found: g("Add", found, g.const(np.float32(number)))


def clipped(low, high):
    return lambda g, x: g("Clip", x, g.const(np.float32(low)), g.const(np.float32(high)))


def tuned(mean, std):
    """A model that sees only what has been normalised so: it rounds to sixteenths and saturates at 3."""

    def prepare(g, x):
        steps = g.mul(g("Floor", g.mul(x, 8.0)), 1 / 8)
        return g("Clip", steps, g.const(np.float32((0 - mean) / std)), g.const(np.float32((1 - mean) / std)))

    return prepare


def inner(width, height, rescaled=False):
    """A model that resizes within to `width` x `height`, and may forget that its pixels are others then."""
    g = Graph()
    sizes = g("Slice", g("Shape", "left"), g.ints(2), g.ints(4))
    greys = [
        g("Resize", g.grey(name), "", "", g.ints(1, 1, height, width), mode="linear") for name in ("left", "right")
    ]
    target = g("Concat", g.ints(1, 1), sizes, axis=0)
    found = g("Resize", g.disparity(*greys, 24), "", "", target, mode="nearest")
    if rescaled:
        across = g("Cast", g("Slice", sizes, g.ints(1), g.ints(2)), to=1)
        found = g("Mul", found, g("Div", across, g.const(np.float32(width))))
    picture = [1, 3, "H", "W"]
    return g.model({"left": picture, "right": picture}, {"disparity": (found, PLANE)})


def wide(g, found):
    """Shares of the width."""
    width = g("Cast", g("Slice", g("Shape", "left"), g.ints(3), g.ints(4)), to=1)
    return g("Div", found, width)


def every(n, factor=1.0):
    """Every n-th pixel of every n-th row."""
    return lambda g, x: g.mul(
        g("Slice", x, g.ints(0, 0), g.ints(2**31, 2**31), g.ints(2, 3), g.ints(n, n)), np.float32(factor)
    )


def padded_inside(stride, at_left=False, cropped=False):
    """A model that pads to its stride by itself: at the left and above, or at the right and below."""

    def model():
        g = Graph()
        size = g("Slice", g("Shape", "left"), g.ints(2), g.ints(4))
        up = g("Sub", g("Add", size, g.ints(stride - 1)), g.ints(1))
        fitted = g("Mul", g("Div", g("Add", up, g.ints(1)), g.ints(stride)), g.ints(stride))
        more, none = g("Sub", fitted, size), g.ints(0, 0)
        ends = (g.ints(0, 0), more, none, none) if at_left else (g.ints(0, 0), none, none, more)
        pads = g("Concat", *ends, axis=0)
        greys = [g("Pad", g.grey(name), pads, mode="edge") for name in ("left", "right")]
        found = g.disparity(*greys)
        if cropped:
            found = g("Slice", found, none, size, g.ints(2, 3))
        picture = [1, 3, "H", "W"]
        return g.model({"left": picture, "right": picture}, {"disparity": (found, PLANE)})

    return model


def wants_multiples_of(n):
    """A model that fails on other sizes, as networks with skip connections do."""

    def prepare(g, x):
        small = g("MaxPool", x, kernel_shape=[n, n], strides=[n, n])
        large = g("Resize", small, "", g.const(np.float32([1, 1, n, n])), mode="nearest")
        return g("Sub", g("Add", x, large), large)

    return prepare


def one_eyed():
    g = Graph()
    left = g.grey("left")
    g.grey("right")
    picture = [1, 3, "H", "W"]
    smooth = g("AveragePool", left, kernel_shape=[15, 15], pads=[7, 7, 7, 7])
    return g.model({"left": picture, "right": picture}, {"disparity": (g.mul(smooth, 0.1), PLANE)})


def two_headed():
    g = Graph()
    greys = [g.grey(name) for name in ("left", "right")]
    smooth = g("AveragePool", greys[0], kernel_shape=[15, 15], pads=[7, 7, 7, 7])
    picture = [1, 3, "H", "W"]
    outputs = {"disparity": (g.mul(smooth, 0.1), PLANE), "stereo": (g.disparity(*greys), PLANE)}
    return g.model({"left": picture, "right": picture}, outputs)


def noisy(g, found):
    return g("Add", found, g("RandomNormalLike", found, scale=3.0))


def depth(g, found):
    return g("Div", g.const(np.float32(80)), g("Max", found, g.const(np.float32(0.5))))
