"""What a compiled engine is tried on, and what the CPU says of it: the card's golden input, and the probe's pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engines.card import Card
from engines.compiler import Progress
from engines.engine import Array, Circumstance, Engine, EngineError, EngineSpec
from engines.ort import OrtEngine
from engines.parity import check_golden, golden_arrays, golden_files
from engines.pictures import ModelInput, Shape
from engines.probe.scenes import Scene, slanted, step
from engines.store.shapes import tried_sizes
from engines.two_graphs import joined

_PART = 0.25
"""Of its width a picture's largest disparity is at most this."""


@dataclass(frozen=True, slots=True)
class Case:
    """Inputs, and what the reference makes of them; `scene` is the pair that they show, None for the golden input."""

    name: str
    inputs: dict[str, Array]
    want: dict[str, Array]
    scene: Scene | None


@dataclass(frozen=True, slots=True)
class Cases:
    """What the reference takes and gives, and what it was seen to give."""

    spec: EngineSpec
    all: tuple[Case, ...]


def reference(card: Card, models: tuple[bytes, ...]) -> Engine:
    """The graphs of a card on ONNX Runtime's CPU provider: what every other engine is held to."""
    options = replace(card.ort, providers=("CPUExecutionProvider",), allow_fallback=False)
    return joined(card, [OrtEngine(card.name, model, "", options) for model in models])


def cases_for(card: Card, models: tuple[bytes, ...], progress: Progress) -> Cases:
    """Run the reference on what an engine of this card is tried on."""
    sizes = tried_sizes(card, models)
    with reference(card, models) as engine:
        _check_reference(card, engine)
        found = [Case("golden input", inputs, _outputs(engine, inputs), None) for inputs in _golden(card, sizes)]
        scenes = list(_scenes(card, sizes))
        for i, scene in enumerate(scenes):
            progress(f"reference: {scene.name}", i / len(scenes))
            inputs = shown(card, scene)
            found.append(Case(f"{scene.name}, {_said(scene.shape)}", inputs, _outputs(engine, inputs), scene))
        return Cases(engine.spec, tuple(found))


def shown(card: Card, scene: Scene) -> dict[str, Array]:
    """A scene as the inputs of a card's model."""
    pictures = {card.left: scene.left, **({card.right: scene.right} if card.kind == "stereo" else {})}
    return {name: ModelInput(card.colour, card.size)(picture).copy() for name, picture in pictures.items()}


def _check_reference(card: Card, engine: Engine) -> None:
    """Circumstance where the golden pair is not what the CPU makes of it: that says nothing of other engines."""
    if card.golden is None:
        return
    try:
        parity = check_golden(card, engine)
    except EngineError as error:
        raise Circumstance(f"{card.name}: even the CPU cannot be held to the golden pair: {error}") from error
    if not parity.passed:
        raise Circumstance(f"{card.name}: even the CPU does not give the golden output here: {parity}")


def _golden(card: Card, sizes: tuple[Shape, ...]) -> Iterator[dict[str, Array]]:
    """The golden input, where engines take its size."""
    if card.golden is None:
        return
    inputs = golden_arrays(golden_files(card)[0])
    shape = inputs[card.left].shape
    height, width = {"hw": shape[-2:], "nchw": shape[-2:], "nhwc": shape[-3:-1]}[card.colour.layout]
    if all(
        min(side) <= size <= max(side) for size, side in zip((height, width), zip(*sizes, strict=True), strict=True)
    ):
        yield inputs


def _scenes(card: Card, sizes: tuple[Shape, ...]) -> Iterator[Scene]:
    for i, (height, width) in enumerate(sizes):
        most = min(float(card.probe.max_disparity), card.max_disparity, _PART * width)
        yield slanted((height, width), most)
        if i == 0:
            yield step((height, width), most)


def _outputs(engine: Engine, inputs: dict[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in engine.infer(inputs).items()}


def _said(shape: Shape) -> str:
    return f"{shape[1]} x {shape[0]}"
