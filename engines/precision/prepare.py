"""`prepare`: the one way from an ONNX graph and a precision to the graph that a compiler gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engines.compiler import Precision, Progress
from engines.engine import Array

Samples = Sequence[Mapping[str, Array]]
"""Inputs of the graph by name, as it is given them when it works; int8 takes its ranges from them."""
Passes = Callable[[bytes], bool]
"""Whether the answers of a graph, run on the CPU, are still good enough. For fp16 it is given a rehearsal: a graph that
rounds on the CPU as the prepared one does on a GPU."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Layers left in fp32, and why: `error` is what lowering them alone did to the outputs (mean difference over mean
    deviation, of the worst output).
    """

    layers: str
    nodes: int
    error: float

    def __str__(self) -> str:
        return f"{self.layers} ({self.nodes} nodes): alone it moves the outputs by {100 * self.error:.2g} %"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A graph in its precision, with what was kept in fp32 so that it passes, and the share of nodes that was lowered.

    Only nodes that the precision could hold count: of int8, those with weights and what directly follows them.
    """

    model: bytes
    precision: Precision
    kept: tuple[Kept, ...] = ()
    lowered: float = 0.0


def prepare(model: bytes, precision: Precision, samples: Samples, passes: Passes, progress: Progress) -> Prepared:
    """The graph `model` in `precision`, with fp32 inputs and outputs; fp32 gives it back as it is.

    EngineError where no graph with fewer bits passes, where the graph cannot be converted, and without `samples`.
    """
    from engines.precision.half import Half
    from engines.precision.quantise import Quantised
    from engines.precision.search import search

    if precision == "fp32":
        return Prepared(model, precision)
    progress(f"{precision}: reading the graph", 0.0)
    lowering = Half(model) if precision == "fp16" else Quantised(model, samples)
    return search(model, lowering, precision, samples, passes, progress)
