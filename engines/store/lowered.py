"""The graphs of a card in the precision of its plan, with as many layers left in fp32 as the gate asks for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.card import Card
from engines.compiler import Progress
from engines.precision import prepare
from engines.store.cases import cases_for, reference
from engines.store.gate import judge


def lowered(
    card: Card, models: tuple[bytes, ...], calibration: Sequence[str], progress: Progress
) -> tuple[tuple[bytes, ...], list[str]]:
    """What the compiler gets, and the layers that were kept in fp32, for people. EngineError where nothing passes.

    `calibration` are .npz files with inputs that int8 takes its ranges from; without any, these are the inputs that
    the engine is tried on.
    """
    cases = cases_for(card, models, progress, every_size=False)

    def passes(model: bytes) -> bool:
        with reference(card, (model,)) as engine:
            return judge(card, engine, cases).passed

    samples = [dict(np.load(file)) for file in calibration] or [case.inputs for case in cases.all]
    prepared = prepare(models[0], card.build.precision, samples, passes, progress)
    return (prepared.model,), [str(kept) for kept in prepared.kept]
