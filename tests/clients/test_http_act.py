"""The client of HTTP policy servers: what it sends and reads, and that every fault ends in time with a reason."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import numpy as np
import pytest

from saccade.clock import MS, SEC, perf_ns
from saccade.errors import ConfigError
from vla_node.clients.base import ServerError, Unreachable
from vla_node.clients.http_act import HttpClient
from vla_node.clients.json_numpy import dumps, loads
from vla_node.policies.base import PolicyError

MARGIN_NS = 400 * MS
"""What a busy machine may add to a deadline."""
OBSERVATION = {"state": np.float32([1, 2]), "image": np.zeros((4, 4, 3), np.uint8), "text": "go", "in": {"a": "b"}}


class Server:
    """Answers each request as `say(path, body, connection)` says: bytes of a whole response, or None for silence."""

    def __init__(self, port: int = 0) -> None:
        self.say: Callable[[str, bytes, socket.socket], bytes | None] = lambda path, body, sock: ok(body)
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = self._listening.getsockname()[1]
        self.accepted: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.hang_up()

    def hang_up(self) -> None:
        for sock in self.accepted:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self.accepted.clear()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self.accepted.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock.makefile("rb") as stream:
                while line := stream.readline():
                    length = 0
                    while (header := stream.readline().strip().lower()) != b"":
                        if header.startswith(b"content-length:"):
                            length = int(header.split(b":")[1])
                    answer = self.say(line.split()[1].decode(), stream.read(length), sock)
                    if answer is not None:
                        sock.sendall(answer)
        except OSError:
            pass


def response(body: bytes, status: int = 200) -> bytes:
    return f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def ok(body: bytes) -> bytes:
    """Answers with the state it was shown, in every row."""
    state = loads(body)["observation"]["state"] if body else np.zeros(2)
    return response(dumps({"actions": np.repeat(state[None], 3, axis=0)}))


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[HttpClient]:
    with closing(HttpClient(f"http://127.0.0.1:{server.port}", most_bytes=100_000)) as made:
        yield made


def test_it_speaks_json_numpy(server: Server, client: HttpClient) -> None:
    said: list[tuple[str, bytes]] = []
    server.say = lambda path, body, sock: said.append((path, body)) or ok(body)  # type: ignore[func-returns-value]
    for i in range(3):
        assert client.infer({**OBSERVATION, "state": np.float32([i, 1])}, SEC)["actions"].tolist() == [[i, 1]] * 3
    path, body = said[-1]
    sent = json.loads(body)["observation"]
    assert path == "/act"
    assert (sent["state"]["dtype"], sent["state"]["shape"], sent["in"]) == ("<f4", [2], {"a": "b"})
    assert np.frombuffer(b64decode(sent["state"]["__numpy__"]), "<f4").tolist() == [2, 1]
    assert len(server.accepted) == 1
    assert (client.trips.answered, client.trips.failed) == (3, 0)


@pytest.mark.parametrize(
    "text", ["[[1, 2], [3, 4]]", '{"actions": [[1, 2], [3, 4]], "info": "x", "odd": [[1], [1, 2]]}']
)
def test_lists_of_numbers_are_arrays(server: Server, client: HttpClient, text: str) -> None:
    server.say = lambda path, body, sock: response(text.encode())
    answer = client.infer(OBSERVATION, SEC)
    assert {name: array.tolist() for name, array in answer.items()} == {"actions": [[1, 2], [3, 4]]}


def test_health_and_reset_are_asked_where_they_are(server: Server, client: HttpClient) -> None:
    paths: list[str] = []
    server.say = lambda path, body, sock: paths.append(path) or response(b'{"status": "healthy"}')  # type: ignore[func-returns-value]
    assert "healthy" in client.probe(SEC)
    client.reset(SEC)
    assert paths == ["/health", "/reset"]
    server.say = lambda path, body, sock: response(b"no such thing", 404)
    client.reset(SEC)
    with pytest.raises(ServerError, match="404: no such thing"):
        client.probe(SEC)


def drip(path: str, body: bytes, sock: socket.socket) -> None:
    """An answer of which a byte comes every 20 ms, which never lets an ordinary socket's timeout expire."""
    try:
        for byte in ok(body):
            sock.sendall(bytes([byte]))
            time.sleep(0.02)
    except OSError:
        pass


def cut_short(path: str, body: bytes, sock: socket.socket) -> None:
    sock.sendall(ok(body)[:-9])
    sock.shutdown(socket.SHUT_RDWR)


def array(data: str, dtype: str, shape: list[int]) -> Callable[[str, bytes, socket.socket], bytes]:
    answer = json.dumps({"actions": {"__numpy__": data, "dtype": dtype, "shape": shape}})
    return lambda path, body, sock: response(answer.encode())


FAULTS: dict[str, tuple[Any, str]] = {
    "frozen": (lambda path, body, sock: None, "no answer within 200 ms"),
    "slow": (drip, "no answer within 200 ms"),
    "closing": (lambda path, body, sock: sock.shutdown(socket.SHUT_RDWR), "closed connection"),
    "cut short": (cut_short, "IncompleteRead"),
    "error": (lambda path, body, sock: response(b"out of memory", 500), "500: out of memory"),
    "no HTTP": (lambda path, body, sock: b"\x00\xff" * 50 + b"\r\n\r\n", "\x00"),
    "no JSON": (lambda path, body, sock: response(b'{"actions": ['), "not JSON"),
    "deep JSON": (lambda path, body, sock: response(b"[" * 90_000), "not JSON"),
    "objects": (array("AAAA", "|O", [1]), "dtype object"),
    "wrong size": (array("AAAA", "<f4", [9]), "not JSON"),
    "huge shape": (array("", "<f4", [10**12]), "not JSON"),
    "endless shape": (array("", "<f4", [math.inf]), "not JSON"),  # type: ignore[list-item]
    "oversized": (lambda path, body, sock: b"HTTP/1.1 200 x\r\nContent-Length: 200000\r\n\r\n" + b"0" * 200_000,
                  "200000 bytes, at most 100000"),
    "endless": (lambda path, body, sock: b"HTTP/1.1 200 x\r\n\r\n" + b"0" * 200_000, "more than 100000 bytes"),
    "long header": (lambda path, body, sock: b"HTTP/1.1 200 x\r\na: " + b"0" * 90_000, "more than 65536"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_ends_in_time_with_its_reason_and_then_it_works_again(
    server: Server, client: HttpClient, fault: str
) -> None:
    client.infer(OBSERVATION, SEC)
    works, (server.say, reason) = server.say, FAULTS[fault]
    for _ in range(2):
        begin_ns = perf_ns()
        with pytest.raises(PolicyError) as raised:
            client.infer(OBSERVATION, 200 * MS)
        assert perf_ns() - begin_ns < 200 * MS + MARGIN_NS
        assert reason in str(raised.value)
        assert f"127.0.0.1:{server.port}" in str(raised.value)
    server.say = works
    assert client.infer(OBSERVATION, SEC)["actions"].tolist() == [[1, 2]] * 3
    assert (client.trips.answered, client.trips.failed) == (2, 2)
    assert client.trips.late == (2 if "no answer" in reason else 0)


def test_numbers_that_are_none_come_through_to_be_refused_by_the_card(server: Server, client: HttpClient) -> None:
    server.say = lambda path, body, sock: response(b'{"actions": [[NaN, Infinity]]}')
    assert not np.isfinite(client.infer(OBSERVATION, SEC)["actions"]).any()


def test_a_server_that_dies_and_returns_is_found_again() -> None:
    first = Server()
    client = HttpClient(f"http://127.0.0.1:{first.port}")
    client.infer(OBSERVATION, SEC)
    first.close()
    for _ in range(2):
        with pytest.raises(Unreachable, match="refused"):
            client.infer(OBSERVATION, SEC)
    with closing(Server(first.port)):
        assert client.infer(OBSERVATION, SEC)["actions"].tolist() == [[1, 2]] * 3
    assert client.trips.reconnected == 1
    client.close()
    client.close()


def test_a_kept_connection_that_the_server_closed_is_opened_anew(server: Server, client: HttpClient) -> None:
    client.infer(OBSERVATION, SEC)
    server.hang_up()
    assert client.infer(OBSERVATION, SEC)["actions"].tolist() == [[1, 2]] * 3
    assert (client.trips.failed, client.trips.reconnected) == (0, 1)


def test_a_second_answer_to_one_question_is_not_the_first_to_the_next(server: Server, client: HttpClient) -> None:
    asked = []

    def twice(path: str, body: bytes, sock: socket.socket) -> None:
        asked.append(path)
        sock.sendall(response(dumps({"actions": np.array([float(len(asked))])})))
        time.sleep(0.05)
        with suppress(OSError):
            sock.sendall(response(dumps({"actions": np.array([-1.0])})))

    server.say = twice
    for count in (1, 2, 3):
        assert client.infer(OBSERVATION, 5 * SEC)["actions"].tolist() == [count]
        time.sleep(0.2)


def test_an_observation_that_is_too_large_is_not_sent(server: Server, client: HttpClient) -> None:
    with pytest.raises(PolicyError, match="at most 100000 are sent"):
        client.infer({"image": np.zeros(100_000, np.uint8)}, SEC)
    assert not server.accepted


@pytest.mark.parametrize("address", ["ftp://a:1", "127.0.0.1:80", "http://", "http://a:99999", "http://a:1/?x=1"])
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="expected http://HOST:PORT"):
        HttpClient(address)
