"""`prepare`: the one way from an ONNX graph and a precision to the graph that a compiler gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Protocol

from engines.compiler import Progress
from engines.engine import Array, Engine
from engines.options import IN_THE_GRAPH, Precision

if TYPE_CHECKING:
    from engines.precision.graph import Lowering

Samples = Sequence[Mapping[str, Array]]
"""Inputs of the graph by name, as it is given them when it works; int8 takes its ranges from them."""


class Trial(Protocol):
    """Where the graphs that a search tries are run, and what says whether their answers are still good enough."""

    def open(self, lowering: Lowering, nodes: frozenset[str]) -> Engine:
        """An engine that answers as the graph will with these nodes lowered. EngineError where there can be none."""

    def against(self, engine: Engine) -> str:
        """The first reason against its answers; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Layers left in fp32, and why: `error` is what lowering them alone did to the outputs (mean difference over mean
    deviation, of the worst output; infinite where it gave none, or no numbers).
    """

    layers: str
    nodes: int
    error: float

    def __str__(self) -> str:
        does = (
            f"moves the outputs by {100 * self.error:.2g} %" if isfinite(self.error) else "gives no numbers, or nothing"
        )
        return f"{self.layers} ({self.nodes} nodes): alone it {does}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A graph in its precision, with what was kept in fp32 so that it passes, and the share of nodes that was lowered.

    Only nodes that the precision could hold count: of int8, those with weights and what directly follows them.
    """

    model: bytes
    precision: Precision
    kept: tuple[Kept, ...] = ()
    lowered: float = 0.0


def prepare(model: bytes, precision: Precision, samples: Samples, trial: Trial, progress: Progress) -> Prepared:
    """The graph `model` in `precision`, with fp32 inputs and outputs; as it is in one that is not made in the graph.

    `trial` says which graphs are good enough. EngineError where none with fewer bits is, where the graph cannot be
    converted, and without `samples`.
    """
    from engines.precision.half import Half
    from engines.precision.quantise import Quantised
    from engines.precision.search import search

    if precision not in IN_THE_GRAPH:
        return Prepared(model, precision)
    progress(f"{precision}: reading the graph", 0.0)
    lowering = Half(model) if precision == "fp16" else Quantised(model, samples)
    return search(lowering, precision, samples, trial, progress)
