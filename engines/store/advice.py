"""Whether an engine may be used, why not, and what to run then."""

from __future__ import annotations

from pathlib import Path

from engines.card import CARDS, Card, added_cards, load_card
from engines.engine import EngineError
from engines.store.gate import gate_digest
from engines.store.machine import machine
from engines.store.manifest import Entry, Manifest, is_whole
from saccade.errors import SaccadeError


class Quarantined(EngineError):
    """An engine that did not pass, and is not built again unless somebody asks for that."""


def called(name: str, path: str) -> str:
    """What a card is found by: its file's name where it ships or was added, else its path, if it still is there."""
    there = Path(path).absolute().parent in (CARDS, added_cards().absolute())
    return Path(path).stem if there else path if Path(path).is_file() else name


def is_current(card: Card, manifest: Manifest) -> bool:
    """Whether an engine was verified on this very machine, against this very card."""
    return (manifest.status, manifest.machine, manifest.gate) == ("verified", machine(), gate_digest(card))


def build_command(card: Card, again: str = "") -> str:
    """What to run to get an engine."""
    return f"run: {build_line(called(card.name, card.path), card.runtime, card.build.precision)}{again}"


def build_line(card: str, runtime: str, precision: str) -> str:
    """The command that builds an engine of a card, by name or path."""
    bits = f" --precision {precision}" if precision != "fp32" else ""
    return f"saccade engine build {card} --runtime {runtime}{bits}"


def unusable(entry: Entry) -> str:
    """Why an engine that was verified may not be used now; "" where it may."""
    found = entry.manifest
    if found is None:
        return entry.trouble
    try:
        if not is_current(load_card(called(found.card, found.path)), found):  # an installation may have moved
            return "it was not verified as it is now: card, golden pair or machine are others"
        return "" if is_whole(entry.folder, found) else "its file is not the one that was verified"
    except SaccadeError as error:
        return str(error)


def quarantined(card: Card, manifest: Manifest) -> Quarantined:
    """The error for an engine in quarantine."""
    return Quarantined(
        f"{card.name}: its {card.runtime} engine is in quarantine: {manifest.reason}. It is not tried again until you "
        f"{build_command(card, ' --again')}; runtime onnxruntime runs the same model on the CPU"
    )
