"""Which shapes a card's graphs are compiled for, and pictures of those sizes to try them on."""

from __future__ import annotations

from dataclasses import replace

from engines.card import Card
from engines.compiler import BuildPlan, Shapes
from engines.engine import EngineError
from engines.onnx_file import graph_inputs

Shape = tuple[int, ...]

SMALLEST, USUAL, LARGEST = (64, 96), (480, 640), (720, 1280)
"""(H, W) of the pictures that an engine takes where neither the graph nor the card says so."""


def plans(card: Card, models: tuple[bytes, ...]) -> tuple[BuildPlan, ...]:
    """The plan for each graph of a card, with shapes for inputs of no fixed size; EngineError where none is known."""
    halved = card.second is not None and card.second.step == "coarse_first"
    return tuple(_plan(card, model, 2 if halved and i == 0 else 1) for i, model in enumerate(models))


def tried_sizes(card: Card, models: tuple[bytes, ...]) -> tuple[Shape, ...]:
    """(H, W) of the pictures that an engine is tried on, the usual one first: what the plan allows, or the only one."""
    at = -1 if card.second is not None and card.second.step == "coarse_first" else 0  # the graph that sees them whole
    plan, model = plans(card, models)[at], models[at]
    if shapes := plan.shapes.get(card.left):
        sizes = (_picture(card, shape) for shape in (shapes.usual, shapes.smallest, shapes.largest))
        return tuple(dict.fromkeys(sizes))
    shape = graph_inputs(model)[card.left]
    return (_picture(card, tuple(size for size in shape if isinstance(size, int))),)


def _plan(card: Card, model: bytes, divided: int) -> BuildPlan:
    inputs = graph_inputs(model)
    shapes = {}
    for name, shape in inputs.items():
        if all(isinstance(size, int) and size > 0 for size in shape):
            continue
        if name in card.build.shapes:
            shapes[name] = _fitting(card, name, shape, card.build.shapes[name])
        elif name in (card.left, card.right) and len(shape) == (2 if card.colour.layout == "hw" else 4):
            shapes[name] = Shapes(*(_filled(card, shape, size, divided) for size in (SMALLEST, USUAL, LARGEST)))
        else:
            raise EngineError(
                f"{card.name}: input {name!r} {shape} has no fixed shape; say in its card `build: {{shapes: {{{name}: "
                "{smallest: [...], usual: [...], largest: [...]}}}`"
            )
    unknown = sorted(set(card.build.shapes) - set(inputs))
    if unknown and card.second is None:
        raise EngineError(f"{card.name}: build.shapes names {', '.join(unknown)}; the graph takes {', '.join(inputs)}")
    return replace(card.build, shapes=shapes)


def _fitting(card: Card, name: str, shape: tuple[int | str, ...], given: Shapes) -> Shapes:
    for size in (given.smallest, given.usual, given.largest):
        fits = len(size) == len(shape) and all(
            isinstance(want, str) or want in (-1, got) for want, got in zip(shape, size, strict=True)
        )
        if not fits:
            raise EngineError(f"{card.name}: build.shapes.{name} has {size}; the graph takes {shape}")
    return given


def _filled(card: Card, shape: tuple[int | str, ...], picture: Shape, divided: int) -> tuple[int, ...]:
    """A shape of the graph with the sizes of a picture, as the card fits it, where the graph leaves them open."""
    from engines.pictures import fitted_shape  # with numba behind it, which takes a second, and only sizes need it

    height, width = (size // divided for size in fitted_shape(card.size, picture))
    channels = 1 if card.colour.order == "grey" else 3
    full = {"hw": (height, width), "nchw": (1, channels, height, width), "nhwc": (1, height, width, channels)}
    sizes = zip(shape, full[card.colour.layout], strict=True)
    return tuple(size if isinstance(size, int) and size > 0 else own for size, own in sizes)


def _picture(card: Card, shape: tuple[int, ...]) -> Shape:
    first = {"hw": 0, "nchw": 2, "nhwc": 1}[card.colour.layout]
    return shape[first : first + 2]
