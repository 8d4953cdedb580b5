"""What a model's own description of its inputs and outputs says against its card, before anything is run."""

from __future__ import annotations

from typing import Any

from engines.card import Card
from engines.engine import EngineSpec, TensorSpec
from engines.pictures import fitted_shape
from engines.probe.finding import Finding
from engines.probe.run import scenes_for


def interface_fault(spec: EngineSpec, card: Card) -> Finding | None:
    """The first thing in which the card does not fit the model's tensors."""
    return _names(spec, card) or _layout(spec, card) or _fixed_size(spec, card)


def graph_size(spec: EngineSpec, card: Card) -> tuple[int, int] | None:
    """(H, W) of the only picture that a model takes; None where it takes several sizes, or has no such input."""
    shape = next((t.shape for t in spec.inputs if t.name == card.left), ())
    rows, columns = {"hw": (0, 1), "nchw": (2, 3), "nhwc": (1, 2)}[card.colour.layout]
    if len(shape) <= columns:
        return None
    height, width = shape[rows], shape[columns]
    fixed = isinstance(height, int) and isinstance(width, int) and min(height, width) > 0
    return (int(height), int(width)) if fixed else None


def resize_to(size: tuple[int, int]) -> dict[str, Any]:
    """The card's `size` for a model of one size (H, W)."""
    return {"rule": "resize", "width": size[1], "height": size[0], "max_pixels": 0, "short_side": 0}


def _names(spec: EngineSpec, card: Card) -> Finding | None:
    inputs, outputs = [t.name for t in spec.inputs], [t.name for t in spec.outputs]
    if len(inputs) != 2:
        advice = "a stereo model takes two pictures; export it so, or see docs/models.md for models of two graphs"
        return Finding("inputs", f"the model takes {', '.join(inputs)}; expected two pictures", advice=advice)
    if {card.left, card.right} != set(inputs):
        text = f"the model takes {' and '.join(inputs)}, the card names {card.left} and {card.right}"
        return Finding("inputs", text, {"left": inputs[0], "right": inputs[1]})
    if card.output.name not in outputs:
        likely = next((name for name in outputs if "disp" in name.lower()), outputs[0])
        text = f"the model gives {', '.join(outputs)}, the card names {card.output.name}"
        return Finding("output", text, {"output": {"name": likely}})
    if card.output.confidence and card.output.confidence not in outputs:
        text = f"the model gives {', '.join(outputs)}, the card names {card.output.confidence} as well"
        return Finding("confidence", text, {"output": {"confidence": ""}})
    return None


def _layout(spec: EngineSpec, card: Card) -> Finding | None:
    tensor = next(t for t in spec.inputs if t.name == card.left)
    edit: dict[str, Any] = {}
    if tensor.dtype not in ("uint8", "float32"):
        advice = "export it with uint8 or float32 inputs"
        return Finding("dtype", f"the model's pictures are {tensor.dtype}", advice=advice)
    if tensor.dtype != card.colour.dtype:
        edit["dtype"] = tensor.dtype
        if tensor.dtype == "uint8":
            edit |= {"white": 255.0, "mean": [0.0], "std": [1.0]}
    layout, channels = _axes(tensor)
    if layout and layout != card.colour.layout:
        edit["layout"] = layout
    if channels == 3 and card.colour.order == "grey":
        edit["order"] = "rgb"
    if channels == 1 and card.colour.order != "grey":
        edit |= {"order": "grey", "mean": [card.colour.mean[0]], "std": [card.colour.std[0]]}
    if not edit:
        return None
    wanted = f"{card.colour.dtype} {card.colour.order} {card.colour.layout}"
    return Finding("layout", f"the model's picture is {tensor}, the card makes {wanted}", {"colour": edit})


def _axes(tensor: TensorSpec) -> tuple[str, int]:
    """Layout and number of channels, "" and 0 where the model does not say."""
    shape = tensor.shape
    if len(shape) == 2:
        return "hw", 1
    if len(shape) == 4:
        for layout, channels in (("nchw", shape[1]), ("nhwc", shape[3])):
            if channels in (1, 3):
                return layout, int(channels)
    return "", 0


def _fixed_size(spec: EngineSpec, card: Card) -> Finding | None:
    size = graph_size(spec, card)
    shown = scenes_for(card)
    if size is None or all(fitted_shape(card.size, s.shape) == size for s in (shown.board, shown.resized)):
        return None
    return Finding("size", f"the model takes {size[1]} x {size[0]} and no other size", {"size": resize_to(size)})
