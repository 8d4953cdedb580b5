"""A card with some of its keys replaced, as the probe's findings ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.card import Card
from saccade.params import build, plain


def edited(card: Card, edit: Mapping[str, Any]) -> Card:
    """The card with nested keys replaced, checked as if it had been read so."""
    return build(Card, merged(plain(card), edit), f"card {card.name!r}")


def changes(card: Card, edit: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an edit that the card does not say already."""
    return _differing(plain(card), edit)


def _differing(values: Mapping[str, Any], edit: Mapping[str, Any]) -> dict[str, Any]:
    parts = {k: _differing(values[k], v) if isinstance(v, Mapping) else v for k, v in edit.items()}
    return {key: part for key, part in parts.items() if part != values[key] and part != {}}


def merged(values: Mapping[str, Any], edit: Mapping[str, Any]) -> dict[str, Any]:
    """Nested `values` with those of `edit` put in their places."""
    result = dict(values)
    for key, value in edit.items():
        result[key] = merged(result.get(key) or {}, value) if isinstance(value, Mapping) else value
    return result
