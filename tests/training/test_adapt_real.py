"""Adaptation on the underwater pairs made by others; skips where they, torch or the shipped network are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="adaptation needs torch")
pytest.importorskip("onnx", reason="adaptation reads ONNX")

from engines.card import card_names, load_card  # noqa: E402
from saccade.cli.pairs import read_pairs  # noqa: E402
from saccade.errors import DataError  # noqa: E402
from training.adapt import Plan, adapt  # noqa: E402
from training.pool import Pair, coloured  # noqa: E402
from training.weights import load  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("stereo-s" not in card_names(), reason="the shipped network is not here"),
]


def pairs(shared_data: Path) -> list[Pair]:
    found = read_pairs(shared_data / "underwater", None, 10, 3)
    return [Pair(coloured(frame.left), coloured(frame.right)) for frame in found.frames]


def test_a_verdict_on_three_pairs_follows_their_figures(shared_data: Path) -> None:
    card = load_card("stereo-s")
    outcome = adapt(load(card.beside(card.onnx)), pairs(shared_data), Plan(steps=6, pixels=128 * 128, generated=2))
    photometric, _, density = outcome.changes
    assert (outcome.split.learn, outcome.split.judge) == ((0, 1), (2,))
    assert 0.1 < photometric.before < 0.5
    assert density.before > 0.7
    if not outcome.refusal:
        assert photometric.high < 0


def test_pictures_of_different_places_are_refused_before_learning(shared_data: Path) -> None:
    card, right = load_card("stereo-s"), [pair.right for pair in pairs(shared_data)]
    mixed = [Pair(pair.left, other) for pair, other in zip(pairs(shared_data), right[1:] + right[:1], strict=True)]
    with pytest.raises(DataError, match="do not show the same"):
        adapt(load(card.beside(card.onnx)), mixed, Plan(steps=1))
