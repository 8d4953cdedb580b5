"""One thing that is wrong with a model or its card, and what mends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` says what was measured and what was expected; `edit` holds the card's keys that mend it.

    Without an edit nothing on a card can, and `advice` says what else.
    """

    name: str
    text: str
    edit: dict[str, Any] = field(default_factory=dict)
    advice: str = ""

    def __str__(self) -> str:
        if self.edit:
            return f"{self.name}: {self.text}: set {', '.join(dotted(self.edit))}"
        return f"{self.name}: {self.text}: no card can mend this; {self.advice}"


def dotted(edit: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Nested keys as "output.sign: negative"."""
    for key, value in edit.items():
        if isinstance(value, Mapping):
            yield from dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}: {yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}"
