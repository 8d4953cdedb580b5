"""The graphs of a card in the precision of its plan, with as many layers left in fp32 as the gate asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.card import Card
from engines.compiler import BuildPlan, Compiler, Progress
from engines.engine import Engine
from engines.precision import prepare
from engines.precision.graph import Lowering
from engines.store.cases import Cases, cases_for, reference
from engines.store.gate import judge
from engines.store.shapes import plans


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Candidates run on the CPU, where compiling each would take minutes. See `Trial`."""

    card: Card
    cases: Cases

    def open(self, lowering: Lowering, nodes: frozenset[str]) -> Engine:
        """See `Trial.open`."""
        return reference(self.card, (lowering.rehearsed(nodes),))

    def against(self, engine: Engine) -> str:
        """See `Trial.against`: what the gate says, in all sizes."""
        return "; ".join(judge(self.card, engine, self.cases).reasons)


@dataclass(frozen=True, slots=True)
class OnTarget(Rehearsal):
    """Candidates compiled and run as the engine itself will be: backends compute eight bits each in its own way."""

    compiler: Compiler
    plan: BuildPlan

    def open(self, lowering: Lowering, nodes: frozenset[str]) -> Engine:
        """See `Trial.open`."""
        blob = self.compiler.build(lowering.lowered(nodes), self.plan, None, _unheard)
        return self.compiler.load(self.card.name, blob, self.plan)


def lowered(
    card: Card, models: tuple[bytes, ...], compiler: Compiler, calibration: Sequence[str], progress: Progress
) -> tuple[tuple[bytes, ...], list[str]]:
    """What the compiler gets, and the layers that were kept in fp32, for people. EngineError where nothing passes.

    `calibration` are .npz files with inputs that int8 takes its ranges from; without any, these are the inputs that
    the engine is tried on.
    """
    cases = cases_for(card, models, progress)
    samples = [dict(np.load(file)) for file in calibration] or [case.inputs for case in cases.all]
    trial = OnTarget(card, cases, compiler, plans(card, models)[0]) if compiler.quick else Rehearsal(card, cases)
    prepared = prepare(models[0], card.build.precision, samples, trial, progress)
    return (prepared.model,), [str(kept) for kept in prepared.kept]


def _unheard(what: str, share: float) -> None:
    """The search tells how far it is."""
