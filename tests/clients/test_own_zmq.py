"""Our own protocol for policies: arrays come as they went, faults end in time, strangers stay out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from saccade.clock import MS, SEC, perf_ns
from saccade.errors import ConfigError
from vla_node.clients.base import BadAnswer, ServerError, Unreachable
from vla_node.clients.own_zmq import ZmqClient
from vla_node.policies.base import PolicyError
from vla_node.reasoners.keys import make_robot, make_server
from vla_node.serving.policy_zmq import PolicyZmqServer

MARGIN_NS = 500 * MS
OBSERVATION: dict[str, Any] = {
    "state": np.float32([1, 2]),
    "text": "go",
    "video": {"front": np.ones((2, 3, 3), np.uint8)},
}


class Hosted:
    """What is served: the state it is shown, three times."""

    metadata: Mapping[str, Any] = {"name": "hosted"}

    def __init__(self) -> None:
        self.seen: list[Mapping[str, Any]] = []
        self.resets = 0
        self.go = threading.Event()
        self.go.set()
        self.say: Callable[[Mapping[str, Any]], Any] = lambda seen: {
            "actions": np.repeat(seen["state"][None], 3, axis=0)
        }

    def answer(self, observation: Mapping[str, Any]) -> Any:
        self.seen.append(observation)
        assert self.go.wait(30)
        return self.say(observation)

    def reset(self) -> None:
        self.resets += 1


@contextmanager
def serving(hosted: Hosted, bind: str = "tcp://127.0.0.1:*", keys: Path | None = None) -> Iterator[str]:
    server, stop = PolicyZmqServer(hosted, bind.replace("*", "0"), keys), threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield server.address
    finally:
        hosted.go.set()
        stop.set()
        thread.join(10)


@pytest.fixture
def hosted() -> Hosted:
    return Hosted()


@pytest.fixture
def client(hosted: Hosted) -> Iterator[ZmqClient]:
    with serving(hosted) as address, closing(ZmqClient(address, most_bytes=100_000)) as made:
        yield made


def test_arrays_and_texts_come_as_they_went(hosted: Hosted, client: ZmqClient) -> None:
    turned = np.arange(12, dtype=">i2").reshape(3, 4).T
    answer = client.infer({**OBSERVATION, "turned": turned}, 5 * SEC)
    assert {name: array.tolist() for name, array in answer.items()} == {"actions": [[1, 2]] * 3}
    seen = hosted.seen[0]
    assert seen["text"] == "go"
    assert seen["video"]["front"].tolist() == np.ones((2, 3, 3)).tolist()
    assert (seen["turned"].dtype, seen["turned"].tolist()) == (np.dtype("<i2"), turned.tolist())
    client.reset(SEC)
    assert hosted.resets == 1
    assert "hosted" in client.probe(SEC)
    assert (client.trips.answered, client.trips.failed) == (1, 0)


def raising(seen: Mapping[str, Any]) -> Any:
    raise RuntimeError("out of memory")


FAULTS: dict[str, tuple[Callable[[Mapping[str, Any]], Any], type[PolicyError], str]] = {
    "failing": (raising, ServerError, "RuntimeError: out of memory"),
    "texts": (lambda seen: {"actions": "none"}, BadAnswer, "no map of arrays"),
    "objects": (lambda seen: {"actions": np.array([None])}, ServerError, "dtype object"),
    "oversized": (lambda seen: {"actions": np.zeros(200_000, np.uint8)}, Unreachable, "hung up"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_reason_and_then_it_works_again(hosted: Hosted, client: ZmqClient, fault: str) -> None:
    client.infer(OBSERVATION, 5 * SEC)
    works, (hosted.say, kind, reason) = hosted.say, FAULTS[fault]
    with pytest.raises(kind, match=reason):
        client.infer(OBSERVATION, 5 * SEC)
    hosted.say = works
    assert client.infer(OBSERVATION, 10 * SEC)["actions"].tolist() == [[1, 2]] * 3
    assert (client.trips.answered, client.trips.failed) == (2, 1)


def test_a_frozen_server_is_not_waited_for_and_its_late_answer_is_dropped(hosted: Hosted, client: ZmqClient) -> None:
    client.infer(OBSERVATION, 5 * SEC)
    hosted.go.clear()
    for _ in range(3):
        begin_ns = perf_ns()
        with pytest.raises(Unreachable, match="within 100 ms"):
            client.infer({**OBSERVATION, "state": np.float32([8, 9])}, 100 * MS)
        assert perf_ns() - begin_ns < 100 * MS + MARGIN_NS
    hosted.go.set()
    assert client.infer(OBSERVATION, 5 * SEC)["actions"].tolist() == [[1, 2]] * 3
    assert client.trips.late == 1


def test_a_question_that_nobody_waits_for_is_not_answered(hosted: Hosted) -> None:
    """Two clients: while one is served, the other gives up; its question is never shown to the policy."""
    with serving(hosted) as address, closing(ZmqClient(address)) as one, closing(ZmqClient(address)) as other:
        hosted.go.clear()
        thread = threading.Thread(target=one.infer, args=(OBSERVATION, 20 * SEC), daemon=True)
        thread.start()
        while not hosted.seen:
            threading.Event().wait(0.01)
        with pytest.raises(Unreachable):
            other.infer({"state": np.float32([7])}, 50 * MS)
        hosted.go.set()
        thread.join(20)
        assert other.infer(OBSERVATION, 5 * SEC)["actions"].shape == (3, 2)


def test_a_server_that_dies_and_returns_is_found_again(hosted: Hosted) -> None:
    with serving(hosted) as address:
        client = ZmqClient(address)
        client.infer(OBSERVATION, 5 * SEC)
    with closing(client):
        for trouble in ("no connection|hung up", "no connection"):  # that it hung up may be heard only on asking
            begin_ns = perf_ns()
            with pytest.raises(Unreachable, match=trouble):
                client.infer(OBSERVATION, 100 * MS)
            assert perf_ns() - begin_ns < 100 * MS + MARGIN_NS
        with serving(hosted, address):
            assert client.infer(OBSERVATION, 10 * SEC)["actions"].shape == (3, 2)
        client.close()
        with pytest.raises(Unreachable, match="closed"):
            client.infer(OBSERVATION, SEC)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"\xff\xff", "not msgpack"), (b"", "not msgpack"), (msgpack.packb([1]), "does not speak version 1"),
        (msgpack.packb({"version": 2}), "does not speak version 1"),
        (msgpack.packb({"version": 1}), "no map of arrays"),
        (msgpack.packb({"version": 1, "answer": {"a": {"nd": "|O", "shape": [1], "data": b"1"}}}), "dtype"),
        (msgpack.packb({"version": 1, "answer": {"a": {"nd": "<f4", "shape": [9], "data": b"1"}}}), "instead of 36"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(reply: bytes, reason: str) -> None:
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def answer() -> None:
        *head, _ = router.recv_multipart()
        router.send_multipart([*head, reply])

    threading.Thread(target=answer, daemon=True).start()
    with closing(ZmqClient(f"tcp://127.0.0.1:{port}")) as client, pytest.raises(PolicyError, match=reason):
        client.infer(OBSERVATION, 5 * SEC)
    context.destroy(linger=0)


@pytest.mark.parametrize(
    "frames",
    [[b"x"], [b"12345678", b"", b"\xff"], [b"12345678", b"no", b""], [b"1", b"", b""], [b""] * 9,
     [b"12345678", b"", msgpack.packb({"version": 1, "ask": "kill", "left_ns": 10**10})],
     [b"12345678", b"", msgpack.packb({"version": 1, "ask": "act", "left_ns": "x"})]],
)  # fmt: skip
def test_no_question_stops_the_server(hosted: Hosted, frames: list[bytes]) -> None:
    with serving(hosted) as address, closing(ZmqClient(address)) as client:
        context = zmq.Context()
        dealer = context.socket(zmq.DEALER)
        dealer.connect(address)
        dealer.send_multipart(frames)
        assert client.infer(OBSERVATION, 5 * SEC)["actions"].shape == (3, 2)
        assert len(hosted.seen) == 1
        context.destroy(linger=0)


def test_only_those_with_keys_are_answered(hosted: Hosted, tmp_path: Path) -> None:
    for folder in ("ours", "theirs"):
        make_server(tmp_path / folder)
    robot, stranger = make_robot(tmp_path / "ours", "hall"), make_robot(tmp_path / "theirs", "hall")
    (tmp_path / "mixed").mkdir()
    for file, owner in (("client.key_secret", stranger), ("server.key", robot)):
        (tmp_path / "mixed" / file).write_bytes((owner / file).read_bytes())
        (tmp_path / "mixed" / file).chmod(0o600)
    with serving(hosted, keys=tmp_path / "ours") as address:
        with closing(ZmqClient(address, robot)) as client:
            assert client.infer(OBSERVATION, 10 * SEC)["actions"].shape == (3, 2)
        for keys in (None, stranger, tmp_path / "mixed"):
            with closing(ZmqClient(address, keys)) as client, pytest.raises(Unreachable):
                client.infer(OBSERVATION, 300 * MS)
    assert len(hosted.seen) == 1


def test_beyond_loopback_it_takes_keys_and_addresses_are_checked(hosted: Hosted) -> None:
    with pytest.raises(ConfigError, match="which takes keys"):
        PolicyZmqServer(hosted, "tcp://0.0.0.0:0")
    with serving(hosted) as address, pytest.raises(ConfigError, match="cannot listen"):
        PolicyZmqServer(hosted, address)
    with pytest.raises(ConfigError, match="tcp://HOST:PORT"):
        ZmqClient("127.0.0.1:1")
    small = ZmqClient("tcp://127.0.0.1:1", most_bytes=1000)
    with closing(small), pytest.raises(PolicyError, match="at most 1000 are sent"):
        small.infer({"image": np.zeros(2000, np.uint8)}, SEC)
