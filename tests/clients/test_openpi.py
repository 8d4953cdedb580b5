"""The openpi client: bytes as the stock library writes them, and servers that do what they must not."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np
import pytest
from policy_peers import LONG, Echo, ended, free_port, running, silent, tcp
from websockets.frames import Frame, Opcode
from websockets.sync.server import ServerConnection, serve

from saccade.clock import MS
from saccade.errors import ConfigError
from vla_node.clients.base import BadAnswer, ServerError, Unreachable
from vla_node.clients.deadline import Deadline
from vla_node.clients.openpi import OpenPiClient, array_form, array_hook
from vla_node.clients.packing import packed, unpacked
from vla_node.clients.websocket import Frames, accept_of
from vla_node.policies.base import PolicyError
from vla_node.serving.openpi import OpenPiServer

QUESTION = {
    "image": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
    "state": np.array([0.5, -1.0], np.float32),
    "prompt": "pick",
}
# Written by openpi-client 0.1.2 (msgpack_numpy.packb) with msgpack 1.2.4 and numpy 1.26.4.
STOCK_QUESTION = base64.b64decode(
    "g6VpbWFnZYTEC19fbmRhcnJheV9fw8QEZGF0YcQMAAECAwQFBgcICQoLxAVkdHlwZaN8dTHEBXNoYXBlkwICA6VzdGF0ZYTEC19fbmRhcnJheV9f"
    "w8QEZGF0YcQIAAAAPwAAgL/EBWR0eXBlozxmNMQFc2hhcGWRAqZwcm9tcHSkcGljaw=="
)
STOCK_ANSWER = base64.b64decode(
    "g6dhY3Rpb25zhMQLX19uZGFycmF5X1/DxARkYXRhxCAAAAAAAADQPwAAAAAAAOC/AAAAAAAA8D8AAAAAAAAAQMQFZHR5cGWjPGY4xAVzaGFwZZIC"
    "Aq1zZXJ2ZXJfdGltaW5ngahpbmZlcl9tc8s/+AAAAAAAAKFug8QNX19ucGdlbmVyaWNfX8PEBGRhdGHLQAAAAAAAAADEBWR0eXBlozxmNA=="
)
GOOD = np.ones((4, 2), np.float32)
OBJECTS = {b"__ndarray__": True, b"data": b"", b"dtype": "|O", b"shape": [1]}


def client(port: int, **more: object) -> OpenPiClient:
    return OpenPiClient(f"ws://127.0.0.1:{port}", **more)  # type: ignore[arg-type]


def shake_hands(sock: socket.socket, metadata: bytes = b"\x80") -> Frames:
    """The server's half of a handshake, by hand, up to and with the metadata."""
    frames = Frames(sock, False, 1 << 26)
    _, fields = frames.head(Deadline(LONG))
    accept = accept_of(fields["sec-websocket-key"])
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n" + Frame(Opcode.BINARY, metadata).serialize(mask=False)
    )
    return frames


def answering(make: Callable[[Frames], bytes]) -> Callable[[socket.socket], None]:
    """A server that answers each question with the bytes that are made of it."""

    def behave(sock: socket.socket) -> None:
        frames = shake_hands(sock)
        while True:
            frames.receive(Deadline(2 * LONG))
            sock.sendall(make(frames))

    return behave


def reply(tree: object) -> bytes:
    return Frame(Opcode.BINARY, b"".join(packed(tree, array_form))).serialize(mask=False)


def good(_: Frames) -> bytes:
    return reply({"actions": GOOD})


def test_a_question_is_written_as_the_stock_client_writes_it() -> None:
    assert b"".join(packed(QUESTION, array_form)) == STOCK_QUESTION


def test_an_answer_of_the_stock_server_is_read() -> None:
    tree = unpacked(STOCK_ANSWER, array_hook)
    np.testing.assert_array_equal(tree["actions"], [[0.25, -0.5], [1.0, 2.0]])
    assert tree["server_timing"] == {"infer_ms": 1.5}
    assert type(tree["n"]) is np.float32


def test_it_speaks_with_the_websockets_library(tmp_path: Path) -> None:
    asked: list[object] = []
    (tmp_path / "key").write_text("open-sesame\n")
    (tmp_path / "key").chmod(0o600)

    def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(
            (
                connection.request.headers["Authorization"],
                connection.request.path,
                connection.request.headers.get("Sec-WebSocket-Extensions"),
            )
        )
        connection.send(msgpack.packb({"model": "pi"}))
        for message in connection:
            asked.append(message)
            connection.ping()
            connection.send(STOCK_ANSWER)

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pi = client(server.socket.getsockname()[1], token_file=tmp_path / "key")
        for _ in range(3):
            actions = pi.infer(QUESTION, LONG)
        assert set(actions) == {"actions"}
        np.testing.assert_array_equal(actions["actions"], [[0.25, -0.5], [1.0, 2.0]])
        assert pi.metadata == {"model": "pi"}
        assert asked == [("Api-Key open-sesame", "/", None), *[STOCK_QUESTION] * 3]
        assert (pi.trips.answered, pi.trips.failed, pi.trips.reconnected) == (3, 0, 0)
        assert pi.trips.percentile_ms(50) > 0
        assert pi.trips.age_ms < 1e5
        pi.close()
        pi.close()
        server.shutdown()


def test_a_probe_asks_for_health_and_metadata() -> None:
    with running(OpenPiServer(Echo(), "127.0.0.1", 0)) as port:
        pi = client(port)
        assert '"model": "echo"' in pi.probe(LONG)
        assert pi.infer({"number": 3.0}, LONG)["actions"][0, 0] == 3
        pi.close()
    with tcp(lambda sock: sock.sendall(b"HTTP/1.1 503 Unavailable\r\n\r\n")) as port:
        assert "503" in str(ended(lambda: client(port).probe(LONG)))


def test_a_port_where_nobody_listens() -> None:
    pi = client(free_port())
    error = ended(lambda: pi.infer(QUESTION, LONG))
    assert isinstance(error, Unreachable)
    assert "refused" in str(error)
    assert pi.trips.failed == 1


def drip(sock: socket.socket, data: bytes) -> None:
    """Something that never ends, slowly."""
    for _ in range(1000):
        sock.sendall(data)
        time.sleep(0.005)


STUCK: dict[str, Callable[[socket.socket], object]] = {
    "silent": silent,
    "silent after the handshake": lambda sock: (shake_hands(sock), silent(sock)),
    "half a frame": lambda sock: (shake_hands(sock), sock.sendall(b"\x82\x7e\xff"), silent(sock)),
    "dripping head": lambda sock: drip(sock, b"H"),
    "pings": lambda sock: (shake_hands(sock).receive(Deadline(LONG)), drip(sock, b"\x89\x00")),
    "empty fragments": lambda sock: (
        shake_hands(sock).receive(Deadline(LONG)), sock.sendall(b"\x02\x00"), drip(sock, b"\x00\x00")
    ),
}  # fmt: skip


@pytest.mark.parametrize("behave", STUCK.values(), ids=STUCK)
def test_a_server_that_does_not_answer_is_given_up(behave: Callable[[socket.socket], None]) -> None:
    with tcp(behave) as port:
        pi = client(port)
        for _ in range(2):
            error = ended(lambda: pi.infer(QUESTION, 150 * MS))
            assert isinstance(error, Unreachable)
            assert "no answer" in str(error)
        assert pi.trips.failed == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"\x82\x05hello",
        b"\x82\x00",
        b"\xff\xff\xff\xff",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\x82\x7f\x00\x00\xff\x00\x00\x00\x00\x00",
        reply({"actions": GOOD})[:-1] + b"\x91",
        b"\x88\x02\x03\xe8",
        Frame(Opcode.BINARY, msgpack.packb({"actions": OBJECTS})).serialize(mask=False),
    ],
    ids=["text", "nothing", "ones", "http", "oversized", "cut", "close", "object"],
)  # fmt: skip
def test_bytes_that_are_no_answer_end_the_connection_and_the_next_call_makes_a_new_one(answer: bytes) -> None:
    with tcp(answering(lambda _: answer), answering(good)) as port:
        pi = client(port)
        assert isinstance(ended(lambda: pi.infer(QUESTION, LONG)), Unreachable)
        np.testing.assert_array_equal(pi.infer(QUESTION, LONG)["actions"], GOOD)
        assert (pi.trips.failed, pi.trips.reconnected, pi.trips.answered) == (1, 1, 1)


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"actions": np.array([[1.0, np.nan]])}, "NaN"),
        ({"actions": np.array([[np.inf, 1.0]], np.float16)}, "infinity"),
        ({"actions": np.zeros(3)}, "horizon, dim"),
        ({"actions": np.zeros((0, 3))}, "horizon, dim"),
        ({"actions": np.zeros((1, 2, 3))}, "horizon, dim"),
        ({"actions": np.zeros((2, 2), bool)}, "bool"),
        ({"actions": np.array([["a"]])}, "<U1"),
        ({"actions": [[1.0]]}, "no array"),
        ({"state": GOOD}, "no array"),
        ([GOOD], "no array"),
    ],
)
def test_answers_that_may_not_be_executed(tree: object, why: str) -> None:
    trees = iter([tree, {"actions": GOOD}])
    with tcp(answering(lambda _: reply(next(trees)))) as port:
        pi = client(port)
        error = ended(lambda: pi.infer(QUESTION, LONG))
        assert isinstance(error, BadAnswer)
        assert why in str(error)
        np.testing.assert_array_equal(pi.infer(QUESTION, LONG)["actions"], GOOD)
        assert (pi.trips.failed, pi.trips.answered, pi.trips.reconnected) == (1, 1, 0)


def test_a_traceback_is_the_servers_error() -> None:
    with running(OpenPiServer(Echo(), "127.0.0.1", 0)) as port:
        pi = client(port)
        error = ended(lambda: pi.infer({"number": -1.0}, LONG))
        assert isinstance(error, ServerError)
        assert "no actions for -1" in str(error)
        assert pi.infer({"number": 2.0}, LONG)["actions"][0, 0] == 2


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    late = threading.Event()

    def slow(sock: socket.socket) -> None:
        frames = shake_hands(sock)
        frames.receive(Deadline(LONG))
        late.wait(10)
        sock.sendall(reply({"actions": GOOD * 666}))

    with tcp(slow, answering(good)) as port:
        pi = client(port)
        assert isinstance(ended(lambda: pi.infer(QUESTION, 100 * MS)), Unreachable)
        late.set()
        np.testing.assert_array_equal(pi.infer(QUESTION, LONG)["actions"], GOOD)
        assert (pi.trips.late, pi.trips.failed, pi.trips.reconnected) == (1, 1, 1)


def test_an_answer_that_nobody_asked_for_is_dropped_with_its_connection() -> None:
    def twice(sock: socket.socket) -> None:
        frames = shake_hands(sock)
        frames.receive(Deadline(LONG))
        sock.sendall(reply({"actions": GOOD}) + reply({"actions": GOOD * 666}))
        silent(sock)

    with tcp(twice, answering(good)) as port:
        pi = client(port)
        for _ in range(2):
            np.testing.assert_array_equal(pi.infer(QUESTION, LONG)["actions"], GOOD)
        assert pi.trips.reconnected == 1


def test_a_server_that_hung_up_meanwhile_costs_no_call() -> None:
    def once(sock: socket.socket) -> None:
        frames = shake_hands(sock)
        frames.receive(Deadline(LONG))
        sock.sendall(reply({"actions": GOOD}))

    with tcp(once) as port:
        pi = client(port)
        for _ in range(3):
            pi.infer(QUESTION, LONG)
            time.sleep(0.05)
        assert (pi.trips.answered, pi.trips.failed, pi.trips.reconnected) == (3, 0, 2)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", ServerError),
        (b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: wrong\r\n\r\n", Unreachable),
        (b"SSH-2.0-OpenSSH\r\n\r\n", ServerError),
    ],
)
def test_handshakes_that_are_none(head: bytes, kind: type[Exception]) -> None:
    with tcp(lambda sock: sock.sendall(head)) as port:
        error = ended(lambda: client(port).infer(QUESTION, LONG))
        assert type(error) is kind
        assert ("refused the connection" if kind is ServerError else "no WebSocket handshake") in str(error)


def test_metadata_that_is_an_error() -> None:
    def behave(sock: socket.socket) -> None:
        shake_hands(sock, b"\x91\x01")

    with tcp(behave) as port:
        assert "no map" in str(ended(lambda: client(port).infer(QUESTION, LONG)))


def test_an_observation_that_is_too_large_is_not_sent() -> None:
    pi = client(free_port(), most_bytes=1000)
    with pytest.raises(PolicyError, match="make the pictures smaller"):
        pi.infer({"image": np.zeros(1000, np.uint8)}, LONG)
    with pytest.raises(PolicyError, match="dtype object"):
        pi.infer({"image": np.array([None])}, LONG)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:8000",
        "ws://127.0.0.1",
        "http://a:1",
        "ws://a:b",
        "ws://k@a:1",
        "ws://a:1/?x",
        "ws://a b:1",
        "ws://é:1",
    ],
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ConfigError, match=r"such as ws://127\.0\.0\.1:8000"):
        OpenPiClient(address)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("open-sesame")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        client(1, token_file=tmp_path / "key")


@pytest.mark.slow
@pytest.mark.parametrize("timeout_ms", [20, 100, 400])
def test_every_call_is_over_by_its_deadline(timeout_ms: int) -> None:
    """The contract is 20 ms; the margin is for a machine on which other tests run."""

    def drip(sock: socket.socket) -> None:
        frames = shake_hands(sock)
        frames.receive(Deadline(LONG))
        for byte in reply({"actions": np.zeros((500, 100))}):
            sock.sendall(bytes([byte]))
            time.sleep(0.001)

    with tcp(silent, drip) as port:
        pi = client(port)
        for _ in range(8):
            begin = time.perf_counter()
            assert isinstance(ended(lambda: pi.infer(QUESTION, timeout_ms * MS)), Unreachable)
            assert (time.perf_counter() - begin) * 1000 < timeout_ms + 150
