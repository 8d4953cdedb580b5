"""`open_policy(card)`: the one door to policies with cards. What a protocol needs is imported when it is asked for."""

from __future__ import annotations

from pathlib import Path

from engines.engine import Engine
from saccade.errors import ConfigError
from vla_node.clients.base import PolicyClient
from vla_node.policies.base import FastPolicy
from vla_node.policies.card import PolicyCard, load_card
from vla_node.policies.shown import required


def open_policy(card: PolicyCard | str | Path) -> FastPolicy:
    """The policy of a card, given as such, by name ("openpi-droid") or by path.

    A server need not be there yet. ConfigError for a card that does not exist or reads wrongly, or a package that its
    protocol needs and that is not installed; EngineError for a graph that cannot be loaded.
    """
    card = card if isinstance(card, PolicyCard) else load_card(card)
    if card.protocol == "stub":
        from vla_node.policies.stub import StubPolicy

        return StubPolicy(card)
    if card.protocol == "replay":
        from vla_node.policies.replay import ReplayPolicy

        return ReplayPolicy(card)
    if card.protocol == "onnx":
        from vla_node.policies.onnx import OnnxPolicy

        return OnnxPolicy(card, open_graph(card))
    from vla_node.policies.remote import RemotePolicy

    return RemotePolicy(card, open_client(card))


def open_client(card: PolicyCard) -> PolicyClient:
    """The client of a card's server."""
    if card.protocol == "http":
        from vla_node.clients.http_act import HttpClient

        return HttpClient(card.address, card.most_bytes)
    if card.protocol == "lerobot":
        from vla_node.clients.lerobot import LeRobotClient

        loads = required("lerobot", card.lerobot, "")
        horizon = required("horizon", card.moves.horizon, "")
        return LeRobotClient(
            card.address, loads.policy_type, loads.pretrained, loads.device, horizon, most_bytes=card.most_bytes
        )
    token_file = card.beside(card.token_file) if card.token_file else None
    if card.protocol == "openpi":
        from vla_node.clients.openpi import OpenPiClient

        ca_file = card.beside(card.ca_file) if card.ca_file else None
        return OpenPiClient(card.address, token_file, card.most_bytes, ca_file)
    if card.protocol == "gr00t":
        from vla_node.clients.gr00t import Gr00tClient

        return Gr00tClient(card.address, token_file, card.most_bytes)
    if card.protocol == "zmq":
        from vla_node.clients.own_zmq import ZmqClient

        return ZmqClient(card.address, card.beside(card.keys) if card.keys else None, card.most_bytes)
    raise ConfigError(f"{card.name}: protocol {card.protocol} has no server")


def open_graph(card: PolicyCard) -> Engine:
    """The graph of a card of protocol onnx, loaded."""
    from engines.onnx_file import check_graph
    from engines.options import OrtOptions
    from engines.ort import OrtEngine

    path = card.beside(card.onnx)
    check_graph(path)
    return OrtEngine(card.name, path, card.sha256, OrtOptions())
