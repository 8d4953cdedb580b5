"""Showing a model the probe's pictures and keeping the verdict."""

from __future__ import annotations

from engines.card import Card
from engines.onnx_file import check_graph
from engines.open import open_unproven
from engines.probe import Report, probe
from engines.probe.mono import probe_depth
from engines.probe.run import Progress
from engines.probe.views import probe_views
from engines.verdict import needs_verdict, write_verdict

_PROBES = {"stereo": probe, "depth": probe_depth, "multiview": probe_views}


def prove(card: Card, progress: Progress = lambda what: None) -> Report:
    """Probe the model of a card that was read from a file; the verdict on a foreign one is kept beside the card.

    `progress` is told the name of each picture before it is shown. EngineError when the model cannot be loaded, or is a
    foreign one that needs other files or other code.
    """
    if needs_verdict(card):  # which then holds for all that is run: files beside the graph have no hash
        for graph in (card.onnx, *([card.second.onnx] if card.second else [])):
            check_graph(card.beside(graph))
    with open_unproven(card) as engine:
        report = _PROBES[card.kind](engine, card, progress)
    if needs_verdict(card):
        write_verdict(card, report)
    return report
