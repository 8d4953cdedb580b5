"""Our GR00T server, asked on a REQ socket as the stock client asks, and with bytes that are no question."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq
from policy_peers import Echo, running

from vla_node.clients.gr00t import array_form, array_hook
from vla_node.clients.packing import packed, unpacked
from vla_node.serving.gr00t import Gr00tServer


@pytest.fixture
def req() -> Iterator[zmq.Socket[bytes]]:
    context = zmq.Context()
    sock = context.socket(zmq.REQ)
    sock.setsockopt(zmq.RCVTIMEO, 10_000)
    yield sock
    context.destroy(linger=0)


def ask(sock: zmq.Socket[bytes], tree: object) -> Any:
    sock.send(tree if isinstance(tree, bytes) else b"".join(packed(tree, array_form)))
    return unpacked(sock.recv(), array_hook)


def test_the_conversation_of_a_stock_client(req: zmq.Socket[bytes]) -> None:
    echo = Echo()
    with running(Gr00tServer(echo, "127.0.0.1", 0)) as port:
        req.connect(f"tcp://127.0.0.1:{port}")
        assert ask(req, {"endpoint": "ping"})["status"] == "ok"
        assert ask(req, {"endpoint": "get_modality_config"}) == {"state": ["number"]}
        assert ask(req, {"endpoint": "reset", "data": {"options": None}}) == {}
        assert echo.resets == 1
        image = np.zeros((1, 1, 300, 301, 3), np.uint8)
        observation = {"number": 3.0, "video": {"front": image}}
        action, info = ask(req, {"endpoint": "get_action", "data": {"observation": observation, "options": None}})
        np.testing.assert_array_equal(action["actions"], np.full((1, 4, 2), 3, np.float32), strict=True)
        assert info == {}
        assert echo.seen[-1]["video"]["front"].shape == image.shape
        flat = ask(req, {"endpoint": "get_action", "data": {"number": 4.0}})  # as N1.5 asks
        np.testing.assert_array_equal(flat["actions"], np.full((4, 2), 4, np.float32), strict=True)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ({"endpoint": "kill"}, "Unknown endpoint: kill"),
        ({"endpoint": "get_action"}, "without data"),
        ({"endpoint": "get_action", "data": {"observation": 1}}, "no map"),
        ({"endpoint": "get_action", "data": {"number": -1}}, "no actions for -1"),
        ([], "no map"),
        (b"\xc1", "msgpack"),
        (msgpack.packb({"__ndarray_class__": True, "as_npy": b"x"}), "npy"),
    ],
)
def test_whatever_is_asked_is_answered(req: zmq.Socket[bytes], question: object, why: str) -> None:
    with running(Gr00tServer(Echo(), "127.0.0.1", 0)) as port:
        req.connect(f"tcp://127.0.0.1:{port}")
        assert why in ask(req, question)["error"]
        assert ask(req, {"endpoint": "ping"})["status"] == "ok"


def test_a_token_is_asked_for(req: zmq.Socket[bytes]) -> None:
    with running(Gr00tServer(Echo(), "127.0.0.1", 0, token="t0")) as port:
        req.connect(f"tcp://127.0.0.1:{port}")
        for wrong in ({}, {"api_token": "t"}, {"api_token": None}):
            assert "Unauthorized" in ask(req, {"endpoint": "ping", **wrong})["error"]
        assert ask(req, {"endpoint": "ping", "api_token": "t0"})["status"] == "ok"


def test_a_port_that_is_taken() -> None:
    server = Gr00tServer(Echo(), "127.0.0.1", 0)
    with pytest.raises(OSError, match="in use"):
        Gr00tServer(Echo(), "127.0.0.1", server.port)
    with running(server):
        pass
