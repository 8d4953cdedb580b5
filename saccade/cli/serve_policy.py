"""Answer stock clients of openpi or GR00T with an ONNX graph or a recording; Ctrl-C ends it."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from rich.console import Console

from saccade.cli import OK
from saccade.errors import ConfigError
from saccade.wire.live import stop_signals
from vla_node.clients.deadline import parsed
from vla_node.policies.card import load_card
from vla_node.policies.open import open_graph
from vla_node.reasoners.address import loopback
from vla_node.reasoners.secret import read_token
from vla_node.serving.gr00t import Gr00tServer
from vla_node.serving.openpi import OpenPiServer
from vla_node.serving.served import ServedGraph, ServedRecording

PORTS = {"openpi": 8000, "gr00t": 5555}
EXAMPLES = """examples:
  saccade serve policy --onnx my-card.yaml                      # as an openpi server, ws://127.0.0.1:8000
  saccade serve policy --replay hall.mcap --protocol gr00t      # as a GR00T server, tcp://127.0.0.1:5555
  saccade serve policy --onnx my-card.yaml --bind 0.0.0.0:8000 --token-file key.txt   # for other machines
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade serve policy`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--onnx", metavar="CARD", help="answer with the graph of this card: its own inputs and outputs")
    what.add_argument("--replay", type=Path, metavar="BAG", help="answer with a recording's chunks in turn")
    parser.add_argument("--protocol", choices=sorted(PORTS), default="openpi", help="(default: %(default)s)")
    parser.add_argument(
        "--bind", metavar="HOST:PORT", help="(default: 127.0.0.1, port 8000 for openpi, 5555 for gr00t)"
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="clients must know it; needed beyond this machine"
    )


def run(args: argparse.Namespace) -> int:
    """Run `saccade serve policy`."""
    address = f"tcp://{args.bind or f'127.0.0.1:{PORTS[args.protocol]}'}"
    url = parsed(address, "127.0.0.1:8000", "tcp")
    host, port = url.hostname or "", url.port or 0
    if not loopback(host) and not args.token_file:
        raise ConfigError(f"--bind {args.bind}: other machines can reach that; give a --token-file, or bind 127.0.0.1")
    token = read_token(args.token_file) if args.token_file else ""
    served = _served(args.onnx, args.replay)
    kind = OpenPiServer if args.protocol == "openpi" else Gr00tServer
    try:
        try:
            server = kind(served, host, port, token)
        except OSError as error:
            raise ConfigError(f"cannot bind {host}:{port}: {error}; choose another with --bind") from error
        stop, scheme = threading.Event(), "ws" if args.protocol == "openpi" else "tcp"
        name = args.onnx or args.replay
        told = f"{name} answers {args.protocol} clients on {scheme}://{host}:{server.port}"
        Console(stderr=True).print(told, soft_wrap=True, highlight=False, markup=False)
        with stop_signals(stop.set):
            server.run(stop)
    finally:
        served.close()
    return OK


def _served(onnx: str | None, replay: Path | None) -> ServedGraph | ServedRecording:
    if replay is not None:
        return ServedRecording(replay)
    card = load_card(onnx or "")
    if card.protocol != "onnx":
        raise ConfigError(f"{onnx} is a card of protocol {card.protocol}; --onnx takes one of protocol onnx")
    return ServedGraph(card, open_graph(card))
