"""The probe: before a stereo model may be used it is shown pairs of known disparity, and what is wrong is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Protocol

from engines.card import Card
from engines.engine import Engine, EngineError
from engines.probe.edit import changes, edited, merged
from engines.probe.faults import colours_told, diagnose
from engines.probe.finding import Finding
from engines.probe.run import Judged, Progress, Runs, scenes_for

VERSION = 2
"""Raised when a model that passed might no longer."""
_ROUNDS = 8
"""Faults that are looked for under one another."""


class Shown(Protocol):
    """How one scene came out; as text, for people."""

    @property
    def passed(self) -> bool:
        """Whether that is enough."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What the probe found. `edit` is what has to be written into the card, all findings together."""

    findings: tuple[Finding, ...]
    judged: tuple[Shown, ...]
    notes: tuple[str, ...] = ()
    mended: bool = False
    """Whether the model came out right with the edit."""

    @property
    def passed(self) -> bool:
        """Whether the model may be used with the card as it is."""
        return not self.findings

    @property
    def edit(self) -> dict[str, Any]:
        """All the edits of the findings."""
        return reduce(merged, (finding.edit for finding in self.findings), {})


def probe(engine: Engine, card: Card, progress: Progress = lambda what: None) -> Report:
    """Show an open stereo engine the pairs of the probe; `progress` is told each pair's name before it is inferred.

    A fault that the card can mend is mended in a copy of it, and the search goes on from there: what is reported is
    everything that stands between this card and one with which the model comes out right.
    """
    if card.kind != "stereo":
        raise EngineError(f"card {card.name!r} is of kind {card.kind}; the probe's pairs are for kind stereo")
    runs = Runs(engine, progress)
    return search(card, lambda current: diagnose(runs, current), lambda current: _all_judged(runs, current))


def search(
    card: Card,
    diagnosed: Callable[[Card], Finding | None],
    judged: Callable[[Card], tuple[tuple[Shown, ...], tuple[str, ...]]],
) -> Report:
    """Mend a copy of the card fault by fault, until nothing is found or nothing can be mended."""
    current, findings = card, list[Finding]()
    while len(findings) < _ROUNDS:
        finding = diagnosed(current)
        if finding is None:
            results, notes = judged(current)
            return Report(tuple(findings), results, notes, mended=bool(findings))
        finding = replace(finding, edit=changes(current, finding.edit))
        findings.append(finding)
        if not finding.edit:
            break
        current = edited(current, finding.edit)
    return Report(tuple(findings), ())


def _all_judged(runs: Runs, card: Card) -> tuple[tuple[Judged, ...], tuple[str, ...]]:
    shown = scenes_for(card)
    scenes = (*shown.shifts, shown.slanted, shown.board, shown.resized, shown.dim, shown.unequal)
    judged = tuple(runs.judged(card, scene) for scene in scenes)
    return judged, (f"colour order: {colours_told(runs, card)}",)
