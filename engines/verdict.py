"""The probe's verdict on a model and its card, kept beside the card; a foreign model without one is not opened."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.card import CARDS, BuildPlan, Card
from engines.engine import EngineError
from engines.options import OpenVinoOptions, OrtOptions, TrtOptions
from engines.probe import VERSION, Report
from engines.whole import write_text


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the probe said of one card with one model."""

    passed: bool
    findings: tuple[str, ...]
    judged: tuple[str, ...]
    current: bool
    """Whether it is about this card, this model and this version of the probe."""


def needs_verdict(card: Card) -> bool:
    """Whether a card is of a foreign model: a graph whose card does not ship with Saccade.

    The models that ship with it are probed by its tests, each with the hash that its card names.
    """
    return card.backend == "onnx" and Path(card.path).resolve().parent != CARDS.resolve()


def require_verdict(card: Card) -> None:
    """EngineError with the command to run where a foreign model was not probed as it is now, or did not pass."""
    if not needs_verdict(card):
        return
    verdict = read_verdict(card)
    command = f"run: saccade engine probe {card.path or card.name}"
    if verdict is None:
        raise EngineError(f"{card.name} is a foreign model that was never probed; {command}")
    if not verdict.current:
        raise EngineError(f"{card.name}: card, model or probe have changed since it was probed; {command}")
    if not verdict.passed:
        raise EngineError(f"{card.name} was refused by the probe ({'; '.join(verdict.findings)}); {command}")


def write_verdict(card: Card, report: Report) -> Path:
    """Keep a report as the verdict on a card that was read from a file; the path that it was written to.

    ConfigError where it cannot be written.
    """
    path = _path(card)
    document = {
        "passed": report.passed, "probe": VERSION, "card": digest(card), "model": _models(card),
        "findings": [str(finding) for finding in report.findings], "edit": report.edit,
        "judged": [str(judged) for judged in report.judged], "notes": list(report.notes),
    }  # fmt: skip
    write_text(path, json.dumps(document, indent=1) + "\n")
    return path


def read_verdict(card: Card) -> Verdict | None:
    """The verdict beside a card, None where there is none that can be read."""
    if not card.path:
        return None
    try:
        document: dict[str, Any] = json.loads(_path(card).read_text())
        known = (document["probe"], document["card"], document["model"])
        return Verdict(
            document["passed"] is True,
            tuple(document["findings"]),
            tuple(document["judged"]),
            known == (VERSION, digest(card), _models(card)),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def digest(card: Card) -> str:
    """sha256 of all that a card says beyond the defaults; where it lies and how it is run do not count."""
    as_read = dataclasses.replace(
        card,
        path="",
        ort=OrtOptions(),
        openvino=OpenVinoOptions(),
        tensorrt=TrtOptions(),
        runtime="onnxruntime",
        build=BuildPlan(),
        meanwhile="",
    )
    said = _said(as_read)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _said(value: Any) -> Any:
    """Nested plain values without those that are defaults, so that a new key of cards leaves old verdicts valid."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        said = {}
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            given = field.default_factory() if callable(field.default_factory) else field.default
            if item != given:
                said[field.name] = _said(item)
        return said
    return list(value) if isinstance(value, tuple) else value


def _models(card: Card) -> list[str]:
    return [card.sha256, *([card.second.sha256] if card.second else [])]


def _path(card: Card) -> Path:
    if not card.path:
        raise EngineError(f"card {card.name!r} was not read from a file, so there is no place for a verdict")
    return Path(card.path).with_suffix(".verdict.json")
