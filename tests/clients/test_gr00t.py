"""The GR00T client: bytes as the stock library writes them, and servers that do what they must not."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq
from policy_peers import LONG, Echo, ended, free_port, running, silent, tcp

from saccade.clock import MS
from saccade.errors import ConfigError
from vla_node.clients import lockstep
from vla_node.clients.base import BadAnswer, ServerError, Unreachable
from vla_node.clients.gr00t import Gr00tClient, array_form, array_hook
from vla_node.clients.packing import packed, unpacked
from vla_node.policies.base import PolicyError
from vla_node.serving.gr00t import Gr00tServer

NESTED = {
    "video": {"front": np.arange(12, dtype=np.uint8).reshape(1, 1, 2, 2, 3)},
    "state": {"arm": np.array([[[0.5, -1.0]]], np.float32)},
    "language": {"task": "pick"},
}
FLAT = {"state.arm": np.array([[0.5, -1.0]], np.float32), "annotation.task": "pick"}
ARM = np.array([[[0.25, -0.5], [1.0, 2.0]]], np.float32)
# Written by MsgSerializer of gr00t/policy/server_client.py (N1.6; the answer of N1.5 is of the same form) with msgpack
# 1.2.4 and numpy 1.26.4.
STOCK_QUESTION = base64.b64decode(
    "g6hlbmRwb2ludKpnZXRfYWN0aW9upGRhdGGCq29ic2VydmF0aW9ug6V2aWRlb4GlZnJvbnSCsV9fbmRhcnJheV9jbGFzc19fw6Zhc19ucHnEjJNO"
    "VU1QWQEAdgB7J2Rlc2NyJzogJ3x1MScsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgxLCAxLCAyLCAyLCAzKSwgfSAgICAgICAg"
    "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAECAwQFBgcICQoLpXN0YXRlgaNhcm2CsV9fbmRhcnJheV9jbGFzc19f"
    "w6Zhc19ucHnEiJNOVU1QWQEAdgB7J2Rlc2NyJzogJzxmNCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgxLCAxLCAyKSwgfSAg"
    "ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAAAAPwAAgL+obGFuZ3VhZ2WBpHRhc2uRkaRwaWNr"
    "p29wdGlvbnPAqWFwaV90b2tlbqJ0MA=="
)
STOCK_ANSWER = base64.b64decode(
    "koGjYXJtgrFfX25kYXJyYXlfY2xhc3NfX8OmYXNfbnB5xJCTTlVNUFkBAHYAeydkZXNjcic6ICc8ZjQnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNl"
    "LCAnc2hhcGUnOiAoMSwgMiwgMiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgCgAAgD4A"
    "AAC/AACAPwAAAECA"
)
STOCK_FLAT_ANSWER = base64.b64decode(
    "gaphY3Rpb24uYXJtgrFfX25kYXJyYXlfY2xhc3NfX8OmYXNfbnB5xJCTTlVNUFkBAHYAeydkZXNjcic6ICc8ZjQnLCAnZm9ydHJhbl9vcmRlcic6"
    "IEZhbHNlLCAnc2hhcGUnOiAoMiwgMiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"
    "CgAAgD4AAAC/AACAPwAAAEA="
)
STOCK_FORTRAN = base64.b64decode(
    "gaphY3Rpb24uYXJtgrFfX25kYXJyYXlfY2xhc3NfX8OmYXNfbnB5xLCTTlVNUFkBAHYAeydkZXNjcic6ICc8ZjgnLCAnZm9ydHJhbl9vcmRlcic6"
    "IFRydWUsICdzaGFwZSc6ICgyLCAzKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"
    "CgAAAAAAAAAAAAAAAAAACEAAAAAAAADwPwAAAAAAABBAAAAAAAAAAEAAAAAAAAAUQA=="
)

Replies = Callable[[list[bytes]], list[list[bytes]]]
"""What a router sends when [identity, envelope..., payload] came."""


@contextmanager
def router(replies: Replies, port: int = 0) -> Iterator[int]:
    """A server on a ROUTER socket, which can answer late, twice, out of order or not at all; its port."""
    context = zmq.Context()
    sock = context.socket(zmq.ROUTER)
    sock.setsockopt(zmq.LINGER, 0)
    bound = port or sock.bind_to_random_port("tcp://127.0.0.1")
    if port:
        sock.bind(f"tcp://127.0.0.1:{port}")
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            if sock.poll(10):
                for frames in replies(sock.recv_multipart()):
                    sock.send_multipart(frames)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield bound
    finally:
        over.set()
        thread.join(10)
        context.destroy(linger=0)


def client(port: int, **more: object) -> Gr00tClient:
    return Gr00tClient(f"tcp://127.0.0.1:{port}", **more)  # type: ignore[arg-type]


def back(frames: list[bytes], tree: object) -> list[bytes]:
    return [*frames[:-1], b"".join(packed(tree, array_form))]


def test_a_question_is_written_as_the_stock_client_writes_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0\n")
    (tmp_path / "token").chmod(0o600)
    asked: list[list[bytes]] = []

    def replies(frames: list[bytes]) -> list[list[bytes]]:
        asked.append(frames)
        return [[*frames[:-1], STOCK_ANSWER]]

    with router(replies) as port:
        gr00t = client(port, token_file=tmp_path / "token")
        np.testing.assert_array_equal(gr00t.infer(NESTED, LONG)["arm"], ARM)
        assert asked[0][-1] == STOCK_QUESTION
        assert asked[0][-2] == b""
        assert (gr00t.trips.answered, gr00t.trips.failed) == (1, 0)
        gr00t.close()
        gr00t.close()
        assert isinstance(ended(lambda: gr00t.infer(NESTED, LONG)), Unreachable)


def test_answers_of_stock_servers_are_read() -> None:
    answers = iter([STOCK_FLAT_ANSWER, STOCK_FORTRAN])
    asked = []

    def replies(frames: list[bytes]) -> list[list[bytes]]:
        asked.append(unpacked(frames[-1], array_hook))
        return [[*frames[:-1], next(answers)]]

    with router(replies) as port:
        gr00t = client(port)
        np.testing.assert_array_equal(gr00t.infer(FLAT, LONG)["action.arm"], ARM[0])
        assert asked[0]["data"]["annotation.task"] == ["pick"]
        assert set(asked[0]) == {"endpoint", "data"}
        np.testing.assert_array_equal(gr00t.infer(FLAT, LONG)["action.arm"], np.arange(6.0).reshape(2, 3))
        gr00t.close()


def test_reset_and_probe() -> None:
    echo = Echo()
    with running(Gr00tServer(echo, "127.0.0.1", 0)) as port:
        gr00t = client(port)
        assert gr00t.probe(LONG) == '{"state": ["number"]}'
        gr00t.reset(LONG)
        assert echo.resets == 1
        gr00t.close()
    with router(lambda frames: [back(frames, {"error": "Unknown endpoint: reset"})]) as port:
        gr00t = client(port)
        gr00t.reset(LONG)  # as N1.5 answers
        gr00t.close()
    with router(lambda frames: [back(frames, {"error": "out of memory"})]) as port:
        gr00t = client(port)
        error = ended(lambda: gr00t.reset(LONG))
        assert isinstance(error, ServerError)
        assert "out of memory" in str(error)
        gr00t.close()


def test_a_port_where_nobody_listens_and_then_somebody_does() -> None:
    port = free_port()
    gr00t = client(port)
    error = ended(lambda: gr00t.infer(NESTED, 100 * MS))
    assert isinstance(error, Unreachable)
    assert "no connection" in str(error)
    with router(lambda frames: [back(frames, [{"arm": ARM}, {}])], port):
        np.testing.assert_array_equal(gr00t.infer(NESTED, LONG)["arm"], ARM)
    gr00t.close()


def test_a_server_that_speaks_another_protocol() -> None:
    with tcp(silent) as port:
        gr00t = client(port)
        assert isinstance(ended(lambda: gr00t.infer(NESTED, 100 * MS)), Unreachable)
        gr00t.close()


def test_a_late_answer_is_dropped_and_counted() -> None:
    held: list[list[bytes]] = []

    def replies(frames: list[bytes]) -> list[list[bytes]]:
        if not held:
            held.append(frames)
            time.sleep(0.2)
            return [back(frames, [{"arm": ARM * 666}, {}])]
        return [back(frames, [{"arm": ARM}, {}])]

    with router(replies) as port:
        gr00t = client(port)
        assert isinstance(ended(lambda: gr00t.infer(NESTED, 100 * MS)), Unreachable)
        np.testing.assert_array_equal(gr00t.infer(NESTED, LONG)["arm"], ARM)
        assert (gr00t.trips.late, gr00t.trips.failed, gr00t.trips.reconnected) == (1, 1, 0)
        gr00t.close()


def test_answers_out_of_order_twice_or_unasked_are_dropped() -> None:
    before: list[list[bytes]] = []

    def replies(frames: list[bytes]) -> list[list[bytes]]:
        old = [back(past, [{"arm": ARM * 666}, {}]) for past in before]
        before.append(frames)
        fresh = back(frames, [{"arm": ARM}, {}])
        return [*old, [frames[0], b"number?", b"", b"x"], [frames[0], b"", b"x"], fresh, fresh]

    with router(replies) as port:
        gr00t = client(port)
        for _ in range(4):
            np.testing.assert_array_equal(gr00t.infer(NESTED, LONG)["arm"], ARM)
        assert gr00t.trips.late >= 1 + 2 + 3 + 4 * 2
        gr00t.close()


def test_a_server_that_is_busy_gets_no_queue_of_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    awake = threading.Event()

    def replies(frames: list[bytes]) -> list[list[bytes]]:
        asked.append(unpacked(frames[-1], array_hook)["data"]["number"])
        awake.wait(10)
        return [back(frames, [{"arm": ARM}, {}])]

    with router(replies) as port:
        gr00t = client(port)
        for number in range(5):
            error = ended(lambda: gr00t.infer({"number": number}, 50 * MS))  # type: ignore[dict-item]  # noqa: B023
        assert "busy with an earlier question" in str(error)
        awake.set()
        gr00t.infer({"number": 5}, LONG)  # type: ignore[dict-item]
        assert asked == [0, 5]
        gr00t.close()
    monkeypatch.setattr(lockstep, "_PATIENCE_NS", 100 * MS)
    with router(lambda frames: [back(frames, [{"arm": ARM}, {}])] if b"yes" in frames[-1] else []) as port:
        gr00t = client(port)
        assert isinstance(ended(lambda: gr00t.infer({"say": "no"}, 20 * MS)), Unreachable)
        np.testing.assert_array_equal(gr00t.infer({"say": "yes"}, LONG)["arm"], ARM)  # the lost one is given up
        gr00t.close()


def test_a_server_that_is_killed_and_comes_back() -> None:
    with router(lambda frames: [back(frames, [{"arm": ARM}, {}])]) as port:
        gr00t = client(port)
        gr00t.infer(NESTED, LONG)
    asked = threading.Event()

    def deaf(_: list[bytes]) -> list[list[bytes]]:
        asked.set()
        return []

    broken: list[BaseException] = []

    def keep_asking() -> None:
        while not asked.is_set():
            broken.append(ended(lambda: gr00t.infer(NESTED, LONG)))

    with router(deaf, port):
        thread = threading.Thread(target=keep_asking)
        thread.start()
        assert asked.wait(20)
    thread.join()
    assert "hung up" in str(broken[-1])
    with router(lambda frames: [back(frames, [{"arm": ARM}, {}])], port):
        np.testing.assert_array_equal(gr00t.infer(NESTED, LONG)["arm"], ARM)
    assert gr00t.trips.reconnected == 2
    gr00t.close()


def test_an_answer_that_is_too_large_is_never_taken() -> None:
    with router(lambda frames: [[*frames[:-1], b"x" * 20_000]]) as port:
        gr00t = client(port, most_bytes=10_000)
        error = ended(lambda: gr00t.infer(NESTED, LONG))
        assert "hung up" in str(error)
        with pytest.raises(PolicyError, match="make the pictures smaller"):
            gr00t.infer({"image": np.zeros(10_000, np.uint8)}, LONG)
        gr00t.close()


@pytest.mark.parametrize(
    "answer", [b"", b"ERROR", b"\xff" * 50, STOCK_ANSWER[:-2], msgpack.packb({"__ndarray_class__": 1})]
)
def test_bytes_that_are_no_answer(answer: bytes) -> None:
    answers = iter([answer, STOCK_ANSWER])
    with router(lambda frames: [[*frames[:-1], next(answers)]]) as port:
        gr00t = client(port)
        error = ended(lambda: gr00t.infer(NESTED, LONG))
        assert isinstance(error, Unreachable | BadAnswer)
        np.testing.assert_array_equal(gr00t.infer(NESTED, LONG)["arm"], ARM)
        assert (gr00t.trips.failed, gr00t.trips.answered) == (1, 1)
        gr00t.close()


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ([{"arm": ARM * np.nan}, {}], "NaN"),
        ({"action.arm": np.array([np.inf])}, "infinity"),
        ([{"arm": ARM.astype(bool)}, {}], "bool"),
        ([{"arm": np.array([["a"]])}, {}], "<U1"),
        ([{"arm": np.zeros((1, 0, 7))}, {}], "(1, 0, 7)"),
        ([{"arm": np.zeros((1, 1, 1, 1))}, {}], "(1, 1, 1, 1)"),
        ([{}, {}], "no array"),
        ([{"arm": ARM}], "is a list"),
        ("fine", "is a str"),
    ],
)
def test_answers_that_may_not_be_executed(tree: object, why: str) -> None:
    with router(lambda frames: [back(frames, tree)]) as port:
        gr00t = client(port)
        error = ended(lambda: gr00t.infer(NESTED, LONG))
        assert isinstance(error, BadAnswer)
        assert why in str(error)
        assert (gr00t.trips.failed, gr00t.trips.answered) == (1, 0)
        gr00t.close()


@pytest.mark.parametrize(
    "address", ["127.0.0.1:5555", "tcp://a", "tcp://*:5555", "ipc:///tmp/x", "tcp://a:0x1", "tcp://a:1/x"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ConfigError, match=r"such as tcp://127\.0\.0\.1:5555"):
        Gr00tClient(address)


@pytest.mark.slow
@pytest.mark.parametrize("timeout_ms", [20, 100, 400])
def test_every_call_is_over_by_its_deadline(timeout_ms: int) -> None:
    """The contract is 20 ms; the margin is for a machine on which other tests run."""
    with router(lambda _: []) as deaf, tcp(silent) as mute:
        for port in (deaf, mute, free_port()):
            gr00t = client(port)
            for _ in range(8):
                begin = time.perf_counter()
                assert isinstance(ended(lambda: gr00t.infer(NESTED, timeout_ms * MS)), Unreachable)  # noqa: B023
                assert (time.perf_counter() - begin) * 1000 < timeout_ms + 150
            gr00t.close()


def test_a_connection_that_breaks_before_the_question_leaves_does_not_hold_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gr00t = client(free_port())
    looks = iter([True, True])
    look = lockstep.Lockstep._ready
    monkeypatch.setattr(lockstep.Lockstep, "_ready", lambda *args: next(looks, None) or look(*args))
    error = ended(lambda: gr00t.infer(NESTED, 100 * MS))
    assert "no connection" in str(error)
    monkeypatch.undo()
    gr00t.close()
