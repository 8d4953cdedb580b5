"""Answer robots, or stock clients of openpi or GR00T, with an ONNX graph or a recording; Ctrl-C ends it."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from saccade.cli import OK
from saccade.errors import ConfigError

if TYPE_CHECKING:
    from vla_node.serving.base import Server
    from vla_node.serving.served import ServedGraph, ServedRecording

PORTS = {"gr00t": 5555, "openpi": 8000, "zmq": 5600}
EXAMPLES = """examples:
  saccade serve policy --onnx my-card.yaml                      # as an openpi server, ws://127.0.0.1:8000
  saccade serve policy --replay hall.mcap --protocol gr00t      # as a GR00T server, tcp://127.0.0.1:5555
  saccade serve policy --onnx my-card.yaml --bind 0.0.0.0:8000 --token-file key.txt   # for other machines
  saccade serve policy --onnx my-card.yaml --protocol zmq --bind 0.0.0.0:5600 --keys keys/   # and encrypted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade serve policy`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--onnx", metavar="CARD", help="answer with the graph of this card: its own inputs and outputs")
    what.add_argument("--replay", type=Path, metavar="BAG", help="answer with a recording's chunks in turn")
    parser.add_argument(
        "--protocol", choices=sorted(PORTS), default="openpi", help="zmq is Saccade's own (default: %(default)s)"
    )
    ports = ", ".join(f"{port} for {protocol}" for protocol, port in PORTS.items())
    parser.add_argument("--bind", metavar="HOST:PORT", help=f"(default: 127.0.0.1, port {ports})")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE",
        help="openpi, gr00t: clients must know it; needed beyond this machine",
    )  # fmt: skip
    parser.add_argument(
        "--keys", type=Path, metavar="DIR",
        help="zmq: keys of this server, as `saccade serve keys` makes them; needed beyond this machine",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run `saccade serve policy`."""
    from rich.console import Console

    from saccade.wire.live import stop_signals
    from vla_node.clients.deadline import parsed

    url = parsed(f"tcp://{args.bind or f'127.0.0.1:{PORTS[args.protocol]}'}", "127.0.0.1:8000", "tcp")
    _check(args, url.hostname or "")
    served = _served(args.onnx, args.replay)
    try:
        server, where = _server(args, served, url.hostname or "", url.port or 0)
        told = f"{args.onnx or args.replay} answers {args.protocol} clients on {where}"
        Console(stderr=True).print(told, soft_wrap=True, highlight=False, markup=False)
        stop = threading.Event()
        with stop_signals(stop.set):
            server.run(stop)
    finally:
        served.close()
    return OK


def _check(args: argparse.Namespace, host: str) -> None:
    """Whoever can reach it has to prove that he may."""
    from vla_node.reasoners.address import loopback

    own = args.protocol == "zmq"
    if own and args.token_file:
        raise ConfigError("--token-file is for openpi and gr00t; zmq takes --keys (`saccade serve keys` makes them)")
    if args.keys and not own:
        raise ConfigError(f"--keys are for zmq; {args.protocol} takes a --token-file")
    if not (loopback(host) or args.keys or args.token_file):
        how = "--keys (`saccade serve keys` makes them)" if own else "a --token-file"
        raise ConfigError(f"--bind {args.bind}: other machines can reach that; give {how}, or bind 127.0.0.1")


def _server(
    args: argparse.Namespace, served: ServedGraph | ServedRecording, host: str, port: int
) -> tuple[Server, str]:
    """What answers, bound, and its address."""
    at = f"[{host}]" if ":" in host else host
    if args.protocol == "zmq":
        from vla_node.serving.policy_zmq import PolicyZmqServer

        own = PolicyZmqServer(served, f"tcp://{at}:{port}", args.keys)
        return own, own.address
    from vla_node.reasoners.secret import read_token
    from vla_node.serving.gr00t import Gr00tServer
    from vla_node.serving.openpi import OpenPiServer

    token = read_token(args.token_file) if args.token_file else ""
    try:
        if args.protocol == "openpi":
            pi = OpenPiServer(served, host, port, token)
            return pi, f"ws://{at}:{pi.port}"
        gr00t = Gr00tServer(served, host, port, token)
        return gr00t, f"tcp://{at}:{gr00t.port}"
    except OSError as error:
        raise ConfigError(f"cannot bind {host}:{port}: {error}; choose another with --bind") from error


def _served(onnx: str | None, replay: Path | None) -> ServedGraph | ServedRecording:
    from vla_node.policies.card import load_card
    from vla_node.policies.open import open_graph
    from vla_node.serving.served import ServedGraph, ServedRecording

    if replay is not None:
        return ServedRecording(replay)
    card = load_card(onnx or "")
    if card.protocol != "onnx":
        raise ConfigError(f"{onnx} is a card of protocol {card.protocol}; --onnx takes one of protocol onnx")
    return ServedGraph(card, open_graph(card))
