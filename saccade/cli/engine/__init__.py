"""Models: which there are, adding foreign ones, compiling them for this machine, and what each has to pass first."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from saccade.cli import OK
from saccade.cli.engine import bench, build, gc, probe
from saccade.cli.engine.action import Action
from saccade.cli.engine.probe import folder, folder_argument

if TYPE_CHECKING:
    from rich.table import Table

    from engines.store.manifest import Entry

EXAMPLES = """examples:
  saccade engine list                                          # what there is, and what the probe said of it
  saccade engine add --card raft-stereo --onnx raft.onnx       # a model you have exported (docs/models.md says how)
  saccade engine add --card fast-foundation-stereo --onnx feature_runner.onnx post_runner.onnx
  saccade engine add --card my-card.yaml --onnx my.onnx --name mine
  saccade engine probe raft-stereo                             # show it the probe's pairs again
  saccade engine probe raft-stereo --mend                      # and write what it suggests into the card
  saccade engine remove raft-stereo
  saccade engine build stereo-s --runtime tensorrt --precision fp16   # compile it here (docs/engines.md)
  saccade engine build stereo-s --runtime openvino --precision int8 --calibrate hall.mcap
  saccade engine verify stereo-s --runtime openvino
  saccade engine bench stereo-s --runtime onnxruntime openvino
  saccade engine gc --keep-mb 2000 --yes
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade engine` and of what it can do."""
    parser.set_defaults(act=None)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, act, help_, arguments in _ACTIONS:
        action = actions.add_parser(name, help=help_, description=help_)
        arguments(action)
        action.set_defaults(act=act)


def run(args: argparse.Namespace) -> int:
    """Run one action of `saccade engine`."""
    return int(args.act(args))


def _list(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from engines.added import listed, templates
    from engines.store.manifest import entries

    rows, compiled = listed(folder(args)), entries()
    if args.json:
        keys = ("name", "path", "trouble")
        of_models = [{key: str(getattr(row, key)) for key in keys} for row in rows]
        listed_names = {row["name"] for row in of_models}
        of_models += [
            {"name": name, "path": "", "trouble": "no card of that name is listed"}
            for name in sorted({_card(entry) for entry in compiled} - listed_names)
        ]
        by_name = {row["name"]: [_plain(e) for e in compiled if _card(e) == row["name"]] for row in of_models}
        print(json.dumps([{**row, "engines": by_name[row["name"]]} for row in of_models], indent=1))
        return OK
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "kind", "licence", "may be used"):
        shown.add_column(column)
    for row in rows:
        kind, licence = (row.card.kind, row.card.licence) if row.card else ("", "")
        passed = "yes" if row.verdict is None else "yes: passed the probe"
        shown.add_row(row.name, kind, licence, f"[red]no:[/red] {escape(row.trouble)}" if row.trouble else passed)
    console = Console()
    console.print(shown)
    if compiled:
        console.print(_compiled(compiled))
    console.print(f"[dim]to add: {', '.join(templates())} (saccade engine add --card NAME --onnx FILE)[/dim]")
    return OK


def _compiled(found: list[Entry]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    shown = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("compiled", "for", "MB", "built", "state"):
        shown.add_column(column)
    for entry in found:
        plain = {key: str(value) for key, value in _plain(entry).items()}
        state = ": ".join(filter(None, (plain["status"], plain["reason"])))
        shown.add_row(*(escape(plain[key]) for key in ("card", "for", "megabytes", "built")), escape(state))
    return shown


def _plain(entry: Entry) -> dict[str, Any]:
    """What is told of a folder of the cache."""
    from engines.store.clean import size_of

    megabytes = round(size_of(entry.folder) / 1e6, 1)
    told: dict[str, Any] = {"folder": str(entry.folder), "megabytes": megabytes, "card": _card(entry)}
    found = entry.manifest
    if found is None:
        reason = entry.trouble or "a build that did not come to its end"
        return {**told, "for": "", "built": "", "status": "unusable", "reason": reason}
    versions: dict[str, str] = found.key.get("versions", {})
    said = (f"{found.runtime} {found.precision}", versions.get(found.runtime), versions.get("device"))
    meant = ", ".join(filter(None, said))
    return {
        **told,
        "for": meant,
        "versions": versions,
        "key": found.key,
        "built": found.built,
        "status": found.status,
        "reason": found.reason,
    }


def _card(entry: Entry) -> str:
    return entry.manifest.card if entry.manifest else entry.folder.name.rpartition("-")[0]


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    folder_argument(parser)
    parser.add_argument("--json", action="store_true", help="print as JSON")


_ACTIONS = (
    Action("list", _list, "which models and engines there are, and what was found of them", _list_arguments),
    *probe.ACTIONS,
    *build.ACTIONS,
    *bench.ACTIONS,
    *gc.ACTIONS,
)
