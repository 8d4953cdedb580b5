"""The probe of models of several views: a walk through a room whose depth and poses are known."""

from __future__ import annotations

from typing import NamedTuple

from engines.card import Card
from engines.engine import Engine
from engines.probe import Report, search
from engines.probe.run import Progress
from engines.probe.view_faults import diagnose
from engines.probe.view_runs import ViewRuns, place, relate, walks
from engines.views.reconstruct import views_of


class JudgedWalk(NamedTuple):
    """How one walk came out, for people; only models that pass are judged."""

    scene: str
    text: str
    passed: bool = True

    def __str__(self) -> str:
        return f"{self.scene}: {self.text}"


def probe_views(engine: Engine, card: Card, progress: Progress = lambda what: None) -> Report:
    """Show an open model of several views two walks; `progress` is told each one's name before it is inferred.

    EngineError for a card of another kind.
    """
    views_of(card)
    runs = ViewRuns(engine, progress)
    return search(card, lambda current: diagnose(runs, current), lambda current: _judged(runs, current))


def _judged(runs: ViewRuns, card: Card) -> tuple[tuple[JudgedWalk, ...], tuple[str, ...]]:
    judged = []
    for walk in walks(card):
        said = runs.read(card, walk)
        found = relate(said, walk)
        text = f"depth within {100 * found.off:.1f} % (median), {100 * found.apart:.1f} % from view to view"
        if said.T_world_from_cam is not None:
            placed = place(said.T_world_from_cam, walk)
            text += f"; poses within {placed.turn_deg:.1f} deg and {100 * placed.way:.0f} % of the way"
        judged.append(JudgedWalk(walk.name, text))
    note = "the scale is found anew for each set of keyframes; the order of colours is what the card says"
    return tuple(judged), (note,)
