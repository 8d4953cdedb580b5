"""Our openpi server, asked by the `websockets` library as openpi's client asks, and by clients that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from policy_peers import LONG, Echo, running
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from vla_node.clients.base import Unreachable
from vla_node.clients.openpi import OpenPiClient, array_form, array_hook
from vla_node.clients.packing import packed, unpacked
from vla_node.serving.openpi import OpenPiServer


def dial(port: int, **more: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}", compression=None, max_size=None, **more)


def ask(connection: ClientConnection, tree: object) -> Any:
    connection.send(b"".join(packed(tree, array_form)))
    return connection.recv(10)


def test_the_conversation_of_a_stock_client() -> None:
    echo = Echo()
    with running(OpenPiServer(echo, "127.0.0.1", 0)) as port, dial(port) as connection:
        assert unpacked(connection.recv(10), array_hook) == echo.metadata
        for n in range(3):
            reply = unpacked(ask(connection, {"number": n, "image": np.full((300, 301, 3), n, np.uint8)}), array_hook)
            np.testing.assert_array_equal(reply["actions"], np.full((4, 2), n, np.float32))
            assert set(reply["server_timing"]) == {"infer_ms"} | ({"prev_total_ms"} if n else set())
            connection.ping().wait(10)
        assert [seen["image"][299, 300, 2] for seen in echo.seen] == [0, 1, 2]


def test_an_error_is_a_text_and_then_the_end() -> None:
    with running(OpenPiServer(Echo(), "127.0.0.1", 0)) as port:
        for wrong in (b"".join(packed({"number": -1.0}, array_form)), b"\x91", b"\xc1", "text"):
            with dial(port) as connection:
                connection.recv(10)
                connection.send(wrong)
                assert isinstance(connection.recv(10), str)
                with pytest.raises(Exception, match="1011"):
                    connection.recv(10)


def test_a_key_is_asked_for() -> None:
    with running(OpenPiServer(Echo(), "127.0.0.1", 0, key="open-sesame")) as port:
        for headers in ({}, {"Authorization": "Api-Key open-sesam"}):
            with pytest.raises(InvalidStatus, match="401"):
                dial(port, additional_headers=headers)
        with dial(port, additional_headers={"Authorization": "Api-Key open-sesame"}) as connection:
            assert connection.recv(10)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"GET / HTTP/1.1\r\n\r\n", b"426 Upgrade Required"),
        (b"POST / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n", b"426 Upgrade Required"),
        (b"x" * 20000, b""),
    ],
)
def test_what_is_no_client_is_answered_and_sent_away(request_: bytes, reply: bytes) -> None:
    with running(OpenPiServer(Echo(), "127.0.0.1", 0)) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(request_)
            try:
                assert reply in sock.recv(1000)
            except ConnectionResetError:
                assert not reply
        with dial(port) as connection:
            assert connection.recv(10)


def test_a_question_that_is_too_large_is_not_taken() -> None:
    with running(OpenPiServer(Echo(), "127.0.0.1", 0, most_bytes=10_000)) as port, dial(port) as connection:
        connection.recv(10)
        with pytest.raises(Exception, match=r"no close frame|reset|1006"):
            ask(connection, {"image": np.zeros(20_000, np.uint8)})


def test_no_more_than_eight_clients() -> None:
    with running(OpenPiServer(Echo(), "127.0.0.1", 0)) as port:
        first = [OpenPiClient(f"ws://127.0.0.1:{port}") for _ in range(9)]
        for pi in first[:8]:
            pi.infer({"number": 1.0}, LONG)  # type: ignore[dict-item]
        with pytest.raises(Unreachable, match=r"hung up|reset"):
            first[8].infer({"number": 1.0}, LONG)  # type: ignore[dict-item]
        for pi in first:
            pi.close()


def test_clients_take_turns() -> None:
    both = threading.Barrier(2)

    class Alone(Echo):
        inside = 0
        most = 0

        def answer(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
            self.inside += 1
            self.most = max(self.most, self.inside)
            threading.Event().wait(0.02)
            self.inside -= 1
            return super().answer(observation)

    alone = Alone()
    with running(OpenPiServer(alone, "127.0.0.1", 0)) as port:

        def some() -> None:
            with closing(OpenPiClient(f"ws://127.0.0.1:{port}")) as pi:
                both.wait(10)
                for _ in range(5):
                    pi.infer({"number": 1.0}, LONG)  # type: ignore[dict-item]

        threads = [threading.Thread(target=some) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert (alone.most, len(alone.seen)) == (1, 10)
