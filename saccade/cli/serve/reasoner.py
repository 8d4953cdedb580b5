"""Host a Python callable as a reasoner for robots elsewhere; Ctrl-C ends it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saccade.cli import OK
from saccade.clock import SEC
from saccade.errors import ConfigError, choices

if TYPE_CHECKING:
    from rich.console import Console

    from vla_node.reasoners.protocol import Health

EXAMPLES = """examples:
  saccade serve reasoner my_model:plan                      # plan(observation) -> Plan, for robots on this machine
  saccade serve reasoner my_model:answer --dialect nav_r1   # answer(question) -> str, in the words of Nav-R1
  saccade serve keys keys/ --robot hall-3
  saccade serve reasoner my_model:plan --bind 'tcp://*:5570' --keys keys/   # for hall-3, wherever it is
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade serve reasoner`."""
    parser.add_argument("callable", metavar="MODULE:CALLABLE", help="what thinks; the module may be in this folder")
    parser.add_argument("--bind", default="tcp://127.0.0.1:5570", metavar="ADDRESS", help="(default: %(default)s)")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="keys of this server; needed beyond this machine")
    parser.add_argument(
        "--dialect", default="", metavar="NAME",
        help="questions and answers are words of this dialect; one that is not known is answered with those that are",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run `saccade serve reasoner`."""
    from rich.console import Console
    from rich.markup import escape

    from saccade.wire.live import stop_signals
    from vla_node.dialects import DIALECTS
    from vla_node.serving.reasoner import ReasonerServer

    if args.dialect and args.dialect not in DIALECTS:
        raise ConfigError(f"unknown dialect {args.dialect!r}; {choices(args.dialect, DIALECTS)}")
    server = ReasonerServer(find(args.callable), args.bind, args.keys, args.dialect)
    console = Console(stderr=True)
    who = f"robots with a key in {args.keys / 'clients'}" if args.keys else "this machine alone"
    console.print(f"{args.callable} answers {who} on {server.address}", soft_wrap=True, highlight=False)
    try:
        with stop_signals(lambda: None) as stopped, console.status("waiting") as status:
            teller = _Teller(console)
            server.serve(stopped, lambda health: status.update(escape(teller.told(health))))
    finally:
        server.close()
    return OK


def find(name: str) -> Callable[[Any], Any]:
    """The callable that is called MODULE:CALLABLE; ConfigError where there is none."""
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ConfigError(f"{name!r} names no callable; expected MODULE:CALLABLE, such as my_model:plan")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"cannot import {module}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"{module} has no {part!r}; {choices(part, (n for n in dir(found) if n[0] != '_'))}")
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError(f"{name} is a {type(found).__name__}, which cannot be called")
    return found  # type: ignore[no-any-return]


class _Teller:
    """Says how the server is in one line, and each new trouble once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._failed = 0

    def told(self, health: Health) -> str:
        """The line."""
        if health.failed > self._failed:
            self._failed = health.failed
            self._console.print(f"failed: {health.trouble}", markup=False, highlight=False, soft_wrap=True)
        state = f"thinking for {health.busy_ns / SEC:.1f} s" if health.busy_ns else "idle"
        counts = f"{health.waiting} waiting, {health.answered} answered, {health.failed} failed"
        return f"{state}, {counts}, the last in {health.last_ns / SEC:.2f} s"
