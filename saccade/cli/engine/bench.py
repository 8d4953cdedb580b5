"""`saccade engine bench`: how fast a model is here, by runtime."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engines.options import PRECISIONS
from engines.store.compilers import COMPILERS
from saccade.cli import FAILED, OK
from saccade.cli.engine.action import Action, count
from saccade.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from engines.card import Card
    from engines.probe.scenes import Scene

_RUNTIMES = ("onnxruntime", *sorted(COMPILERS))
_DISPARITY = 32


def _bench(args: argparse.Namespace) -> int:
    from rich.console import Console

    from engines.card import load_card
    from engines.probe.scenes import slanted
    from engines.store.key import models_of
    from engines.store.shapes import tried_sizes
    from saccade.cli.machine import machine

    card = load_card(args.model)
    if card.backend != "onnx":
        raise ConfigError(f"{card.name} is no graph; `saccade bench stereo --card {card.name}` measures matchers")
    if card.views:
        raise ConfigError(f"{card.name} sees several views; the pairs that are timed here are for stereo and depth")
    shape = tried_sizes(card, models_of(card))[0]
    scene = slanted((shape[0], shape[1]), _DISPARITY)
    rows = []
    for runtime in args.runtime or _RUNTIMES:
        rows.append(_measured(card, runtime, scene, args))
        if rows[-1].get("graphs"):
            rows.append(_measured(card, runtime, scene, args, graphs=False))
    size = f"{shape[1]}x{shape[0]}"
    if args.json:
        print(json.dumps({"model": card.name, "size": size, "machine": machine(), "runtimes": rows}, indent=1))
    else:
        Console().print(_table(f"{card.name}, {size}, {args.runs} runs after {args.warm_ups}", rows))
        for row in rows:
            if "trouble" in row:
                print(f"{row['runtime']}: {row['trouble']}")
            elif row["on_device"] and row["pair_to_depth"]:
                print(f"{row['runtime']}: pictures are prepared {row['pair_to_depth']['prepared']}")
    return OK if any("p50_ms" in row for row in rows) else FAILED


def _measured(card: Card, runtime: str, scene: Scene, args: argparse.Namespace, graphs: bool = True) -> dict[str, Any]:
    """One row: `infer`, copies included; on the device alone, where there is one; a raw pair to depth. Or why not."""
    from engines.card import with_options, with_runtime
    from engines.engine import EngineError
    from engines.open import open_engine
    from engines.store.cases import shown
    from engines.store.timing import speed, speed_on_device
    from saccade.wire.health import Refused

    row: dict[str, Any] = {"runtime": runtime if graphs else f"{runtime}, no graphs"}
    try:
        compiled = runtime != "onnxruntime"
        asked = with_runtime(card, runtime, (args.precision or "") if compiled else "")
        asked = replace(asked, meanwhile="")  # not the CPU, while an engine is built
        asked = asked if graphs else with_options(asked, {"graphs": False})
        row["precision"] = asked.build.precision if compiled else "the graph's"
        inputs = shown(card, scene)
        with open_engine(asked) as engine:
            row |= speed(engine, inputs, args.runs, args.warm_ups)._asdict()
            alone = speed_on_device(engine, inputs, args.runs, args.warm_ups)
            row["on_device"] = alone._asdict() if alone else None
            row["report"] = engine.report
        row["graphs"] = engine.report.get("graph") in ("captured", "not yet")
        row["pair_to_depth"] = _pair_to_depth(asked, scene, args) if card.kind == "stereo" else None
    except (EngineError, Refused) as error:
        row["trouble"] = str(error)
    return row


def _pair_to_depth(card: Card, scene: Scene, args: argparse.Namespace) -> dict[str, Any]:
    """What a robot waits for: from two raw pictures to metric depth, as `perception_node` does it."""
    from engines.store.timing import timed
    from saccade.cli.engine.raw_pair import PairToDepth

    height, width = scene.shape
    with PairToDepth(card, width, height) as perceive:
        took = timed(lambda: perceive(scene.left, scene.right), args.runs, args.warm_ups)
        return took._asdict() | {"prepared": perceive.prepared}


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    shown = Table(title=title, box=None, padding=(0, 2, 0, 0), title_justify="left")
    for column in ("runtime", "precision", "p50 ms", "p99", "on\ndevice", "pair to\ndepth", "p99"):
        shown.add_column(column, no_wrap=True)
    for row in rows:
        if "trouble" not in row:
            alone, whole = row["on_device"] or {}, row["pair_to_depth"] or {}
            figures = row["p50_ms"], row["p99_ms"], alone.get("p50_ms"), whole.get("p50_ms"), whole.get("p99_ms")
            told = ("-" if figure is None else f"{figure:.2f}" for figure in figures)
            shown.add_row(row["runtime"], row["precision"], *told)
    return shown


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="NAME|CARD", help="a model by name, or the path of a card")
    parser.add_argument("--runtime", nargs="+", choices=_RUNTIMES, help="which of them (default: all)")
    parser.add_argument("--precision", choices=PRECISIONS, help="of compiled engines")
    parser.add_argument("--runs", type=count, default=100, help="measured inferences (default: %(default)s)")
    parser.add_argument("--warm-ups", type=count, default=20, help="inferences before them (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print as JSON")


ACTIONS = (Action("bench", _bench, "how fast a model is on each runtime here", _arguments),)
