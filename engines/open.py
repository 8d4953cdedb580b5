"""`open_engine(card)`: the one door to every engine. A backend's library is imported only when a card asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines.card import Card, load_card, with_options
from engines.engine import Engine
from engines.verdict import require_verdict


def open_engine(card: Card | str | Path, **options: Any) -> Engine:
    """Load the engine of a card, given as such, by name ("sgbm-full") or by path; `options` go to its backend.

    ConfigError for a card that does not exist or reads wrongly, EngineError for a model that cannot be loaded as asked,
    a foreign one that has not passed the probe (see `engines.verdict`), or, where its runtime compiles, one without an
    engine that was verified on this machine (see `engines.store.use`).
    """
    card = with_options(card, options) if isinstance(card, Card) else load_card(card, **options)
    require_verdict(card)
    if card.runtime != "onnxruntime":
        from engines.store.use import open_compiled

        return open_compiled(card)
    return open_unproven(card)


def open_unproven(card: Card) -> Engine:
    """Load a card's model whatever the probe says of it, and never compiled: for the probe, and for making models."""
    if card.backend in ("sgbm", "bm"):
        from engines.opencv import OpenCvEngine

        return OpenCvEngine(card.name, card.sgbm if card.backend == "sgbm" else card.bm)
    from engines.ort import OrtEngine

    first = OrtEngine(card.name, card.beside(card.onnx), card.sha256, card.ort)
    if card.second is None:
        return first
    from engines.two_graphs import TwoGraphs

    second = OrtEngine(card.name, card.beside(card.second.onnx), card.second.sha256, card.ort)
    return TwoGraphs(first, second, card)
