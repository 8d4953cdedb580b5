"""Foreign models in the user's folder: added from a template card and an ONNX file, listed, mended, removed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from engines.card import CARDS, TEMPLATES, Card, card_names, load_card
from engines.onnx_file import check_graph
from engines.open import open_unproven
from engines.probe.edit import merged
from engines.probe.interface import graph_size, resize_to
from engines.probe.view_interface import fixed_by_graph
from engines.verdict import Verdict, needs_verdict, read_verdict
from engines.whole import write_text
from saccade.errors import ConfigError, SaccadeError, choices


class Listed(NamedTuple):
    """A model that can be named, and what stands in the way of using it ("" = nothing)."""

    name: str
    path: Path
    card: Card | None
    verdict: Verdict | None
    trouble: str


def add(template: str, graphs: Sequence[Path], name: str, folder: Path) -> Card:
    """Copy an exported model into `folder` as `name`, with a card made from a template, a name or a path.

    A graph of one size has it written into its card. ConfigError for a name, template or number of graphs that cannot
    be; EngineError for a graph that needs other files, or operators that are not ONNX Runtime's own.
    """
    document = _template(template)
    name = name or str(document["name"])
    check_name(name)
    expected = 2 if "second" in document else 1
    if len(graphs) != expected:
        raise ConfigError(f"--onnx has {len(graphs)} files; the model of card {template} is {expected}")
    for graph in graphs:
        check_graph(graph)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}; name another with --dir") from error
    places = [folder / f"{name}{suffix}.onnx" for suffix in ("", "-second")[: len(graphs)]]
    files = [{"onnx": place.name, "sha256": _copied(graph, place)} for graph, place in zip(graphs, places, strict=True)]
    document.pop("golden", None)  # the answers of another model, if it is a copy, and not copied along in any case
    edit: dict[str, Any] = {"name": name, **files[0], **({"second": files[1]} if expected == 2 else {})}
    path = folder / f"{name}.yaml"
    write_text(path, yaml.safe_dump(merged(document, edit), sort_keys=False, allow_unicode=True))
    return _sized(load_card(path))


def check_name(name: str) -> None:
    """ConfigError for what no added model can be called, such as the name of a shipped card."""
    taken = name.endswith((".yaml", ".yml", "-second"))  # a path, and the second graph of another model
    if taken or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or name in card_names():
        raise ConfigError(
            f"--name {name!r} cannot be: expected letters, digits and . _ -, without .yaml, .yml or -second at the "
            f"end, and not the name of {CARDS}"
        )


def rewrite(card: Card, edit: dict[str, Any]) -> Card:
    """Write an edit into the file of a card, and read it again; ConfigError where it cannot be written."""
    path = Path(card.path)
    document = merged(yaml.safe_load(path.read_text()), edit)
    write_text(path, yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    return load_card(path)


def listed(folder: Path) -> list[Listed]:
    """The shipped models, then those added to `folder`, with their verdicts."""
    return [_listed(path) for place in (CARDS, folder) for path in sorted(place.glob("*.yaml"))]


def remove(name: str, folder: Path) -> list[Path]:
    """Delete an added model, its card and verdict; the files that are gone. ConfigError for one that has to stay."""
    if name not in card_names(folder):
        raise ConfigError(f"no added model {name!r} in {folder}; {choices(name, card_names(folder))}")
    gone = files_of(name, folder)
    for file in gone:
        try:
            file.unlink()
        except OSError as error:
            raise ConfigError(f"cannot remove {file}: {error.strerror}; remove it yourself") from error
    return gone


def files_of(name: str, folder: Path) -> list[Path]:
    """What is in `folder` of an added model of that name."""
    files = (folder / f"{name}{suffix}" for suffix in (".yaml", ".verdict.json", ".onnx", "-second.onnx"))
    return [file for file in files if file.exists()]


def templates() -> list[str]:
    """Names of the template cards."""
    return card_names(TEMPLATES)


def _sized(card: Card) -> Card:
    """The card with the graph's own size, and number of pictures, where that was fixed when it was exported."""
    with open_unproven(card) as engine:
        if card.views:
            fixed = fixed_by_graph(engine.spec, card)
        else:
            size = graph_size(engine.spec, card)
            fixed = {"size": resize_to(size)} if size else {}
    return rewrite(card, fixed) if fixed else card


def _template(name_or_path: str) -> dict[str, Any]:
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = TEMPLATES / f"{name_or_path}.yaml"
        if not path.is_file():
            raise ConfigError(f"no template card {name_or_path!r}; {choices(name_or_path, templates())}, or a path")
    try:
        document = yaml.safe_load(path.read_text())
    except Exception as error:  # of yaml see `load_card`
        raise ConfigError(f"cannot read card {path}: {error}") from error
    if not isinstance(document, dict) or "name" not in document:
        raise ConfigError(f"{path} holds no card; expected keys such as name, kind, backend")
    return document


def _copied(source: Path, target: Path) -> str:
    """Copy whole or not at all; the sha256 of what was copied."""
    partial = target.with_suffix(".part")
    try:
        shutil.copyfile(source, partial)
        found = hashlib.sha256(partial.read_bytes()).hexdigest()
        os.replace(partial, target)
    except OSError as error:
        raise ConfigError(f"cannot copy {source} to {target}: {error.strerror}") from error
    finally:
        with suppress(OSError):  # it is in its place now, or nothing can be removed there either
            partial.unlink()
    return found


def _listed(path: Path) -> Listed:
    try:
        card = load_card(path)
    except SaccadeError as error:
        return Listed(path.stem, path, None, None, str(error))
    verdict = read_verdict(card)
    if not needs_verdict(card):
        return Listed(card.name, path, card, verdict, "")
    if verdict is None or not verdict.current:
        return Listed(card.name, path, card, verdict, f"not probed as it is now; run: saccade engine probe {path}")
    return Listed(card.name, path, card, verdict, "" if verdict.passed else "; ".join(verdict.findings))
