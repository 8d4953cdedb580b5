"""`open_engine(card)`: the one door to every engine. A backend's library is imported only when a card asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines.card import Card, load_card, with_options
from engines.engine import Engine


def open_engine(card: Card | str | Path, **options: Any) -> Engine:
    """Load the engine of a card, given as such, by name ("sgbm-full") or by path; `options` go to its backend.

    ConfigError for a card that does not exist or reads wrongly, EngineError for a model that cannot be loaded as asked.
    """
    card = with_options(card, options) if isinstance(card, Card) else load_card(card, **options)
    if card.backend in ("sgbm", "bm"):
        from engines.opencv import OpenCvEngine

        return OpenCvEngine(card.name, card.sgbm if card.backend == "sgbm" else card.bm)
    from engines.ort import OrtEngine

    return OrtEngine(card.name, card.beside(card.onnx), card.sha256, card.ort)
