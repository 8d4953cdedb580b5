"""openpi's protocol through TLS: who is trusted, and that what TLS keeps to itself is neither lost nor waited for."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
from certificates import self_signed
from policy_peers import LONG, silent, tcp
from websockets.frames import Frame, Opcode
from websockets.sync.server import ServerConnection, serve

from saccade.clock import MS, SEC, perf_ns
from saccade.errors import ConfigError
from vla_node.clients.base import Unreachable
from vla_node.clients.deadline import Deadline
from vla_node.clients.openpi import OpenPiClient, array_form, array_hook
from vla_node.clients.packing import packed, unpacked
from vla_node.clients.websocket import Frames, accept_of
from vla_node.line import connected, send
from vla_node.policies.card import load_card
from vla_node.policies.open import open_client


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return self_signed(tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def port(identity: tuple[Path, ssl.SSLContext]) -> Iterator[int]:
    """The `websockets` library with that certificate; it answers a picture's sums."""

    def handle(connection: ServerConnection) -> None:
        connection.send(msgpack.packb({"model": "pi"}))
        for message in connection:
            assert isinstance(message, bytes)
            sums = np.atleast_2d(unpacked(message, array_hook)["image"].sum(axis=(0, 1)))
            connection.send(b"".join(packed({"actions": sums}, array_form)))

    with serve(handle, "127.0.0.1", 0, ssl=identity[1], max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(10)


def test_a_server_whose_authority_is_given_is_asked(identity: tuple[Path, ssl.SSLContext], port: int) -> None:
    with closing(OpenPiClient(f"wss://localhost:{port}", ca_file=identity[0])) as client:
        for size in (2, 400, 30):
            image = np.full((size, size, 3), 2, np.uint8)
            assert client.infer({"image": image}, LONG)["actions"].tolist() == [[2 * size * size] * 3]
        assert (client.trips.answered, client.trips.failed, client.trips.reconnected) == (3, 0, 0)
        assert client.metadata == {"model": "pi"}


def test_one_that_nobody_vouches_for_is_refused(identity: tuple[Path, ssl.SSLContext], port: int) -> None:
    why = "no certificate that is trusted here: self-signed certificate; give its authority as ca_file"
    with closing(OpenPiClient(f"wss://localhost:{port}")) as client, pytest.raises(Unreachable, match=why):
        client.infer({"image": np.zeros((2, 2, 3))}, LONG)
    other = OpenPiClient(f"wss://127.0.0.1:{port}", ca_file=identity[0])
    with closing(other), pytest.raises(Unreachable, match="IP address mismatch"):
        other.probe(LONG)
    assert (other.trips.failed, other.metadata) == (1, {})


def test_a_card_names_the_authority(tmp_path: Path) -> None:
    card = replace(load_card("openpi-droid"), address="wss://localhost:1", ca_file="none.pem")
    with pytest.raises(ConfigError, match=r"ca_file .*none\.pem: No such file"):
        open_client(card)
    with pytest.raises(ConfigError, match="is for wss://"):
        open_client(replace(card, address="ws://localhost:1"))


def answering(context: ssl.SSLContext, after: bytes) -> Callable[[socket.socket], None]:
    """A server that sends an answer and, in the same record of TLS, these bytes."""
    # Longer than what is read ahead, so that what comes after it stays within TLS.
    answer = b"".join(packed({"actions": np.ones((700, 2))}, array_form))

    def behave(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as sock:
            frames = Frames(sock, False, 1 << 20)
            key = frames.head(Deadline(LONG))[1]["sec-websocket-key"]
            hands = f"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: {accept_of(key)}\r\n\r\n"
            sock.sendall(hands.encode() + Frame(Opcode.BINARY, b"\x80").serialize(mask=False))
            while True:
                frames.receive(Deadline(LONG))
                sock.sendall(Frame(Opcode.BINARY, answer).serialize(mask=False) + after)

    return behave


@pytest.mark.parametrize(("after", "anew"), [(b"", 0), (b"\x89\x00", 0), (b"\x82\x01\x00", 1)])
def test_what_comes_behind_an_answer_is_seen(identity: tuple[Path, ssl.SSLContext], after: bytes, anew: int) -> None:
    """A ping is answered; after a message that nobody asked for, the connection is of no use."""
    with (
        tcp(answering(identity[1], after)) as port,
        closing(OpenPiClient(f"wss://localhost:{port}", ca_file=identity[0])) as client,
    ):
        for _ in range(2):
            assert client.infer({}, LONG)["actions"].shape == (700, 2)
        assert client.trips.reconnected == anew


def test_a_handshake_that_never_ends_is_not_waited_for(identity: tuple[Path, ssl.SSLContext]) -> None:
    with tcp(silent) as port, closing(OpenPiClient(f"wss://localhost:{port}", ca_file=identity[0])) as client:
        begin_ns = perf_ns()
        with pytest.raises(Unreachable):
            client.infer({}, 100 * MS)
        assert perf_ns() - begin_ns < SEC


def test_one_that_takes_a_little_now_and_then_holds_nobody(identity: tuple[Path, ssl.SSLContext]) -> None:
    def behave(plain: socket.socket) -> None:
        with identity[1].wrap_socket(plain, server_side=True) as sock:
            while sock.recv(1 << 14):
                time.sleep(0.02)

    trusted = ssl.create_default_context(cafile=identity[0])
    with tcp(behave) as port, connected("localhost", port, Deadline(LONG), trusted) as sock:
        begin_ns = perf_ns()
        with pytest.raises((Unreachable, TimeoutError)):
            send(sock, bytes(1 << 26), Deadline(200 * MS))
        assert perf_ns() - begin_ns < 2 * SEC
