"""The client of LeRobot's server: the setup, what is sent, and that every fault ends in time with a reason."""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

pytest.importorskip("grpc")
from lerobot_stand_in import Server, TimedObservation, answer, names, state_rows

from saccade.clock import MS, SEC, perf_ns
from saccade.errors import ConfigError
from vla_node.clients.base import ServerError, Unreachable
from vla_node.clients.lerobot import LeRobotClient
from vla_node.policies.base import PolicyError
from vla_node.policies.card import load_card
from vla_node.policies.open import open_policy

MARGIN_NS = 500 * MS
OBSERVATION: dict[str, Any] = {
    "shoulder.pos": np.float32([10.5]), "elbow.pos": np.float32([-3.0]), "front": np.zeros((4, 5, 3), np.uint8),
    "task": "pick it up",
}  # fmt: skip


def client_of(port: int, **options: Any) -> LeRobotClient:
    return LeRobotClient(f"127.0.0.1:{port}", "act", "someone/act", "cpu", 3, **options)


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[LeRobotClient]:
    with closing(client_of(server.port, most_bytes=5_000_000)) as made:
        yield made


def test_the_server_is_told_what_to_load_and_shown_what_a_robot_shows(server: Server, client: LeRobotClient) -> None:
    for _ in range(2):
        assert client.infer(OBSERVATION, 5 * SEC)["actions"].tolist() == [[10.5, -3.0]] * 3
    (config,) = server.configs
    assert (config.policy_type, config.pretrained_name_or_path, config.actions_per_chunk, config.device) == (
        "act", "someone/act", 3, "cpu",
    )  # fmt: skip
    assert config.lerobot_features == {
        "observation.state": {"dtype": "float32", "shape": (2,), "names": ["shoulder.pos", "elbow.pos"]},
        "observation.images.front": {"dtype": "image", "shape": (4, 5, 3), "names": ["height", "width", "channels"]},
    }
    first, second = server.observations
    assert first.must_go
    assert second.timestep == first.timestep + 1
    assert second.observation["front"].shape == (4, 5, 3)
    assert second.observation["task"] == "pick it up"
    assert client.trips.answered == 2


def test_a_long_observation_comes_in_pieces(server: Server, client: LeRobotClient) -> None:
    picture = np.arange(4_500_000, dtype=np.uint32).reshape(1000, 1500, 3).astype(np.uint8)
    client.infer({**OBSERVATION, "front": picture}, 5 * SEC)
    assert np.array_equal(server.observations[0].observation["front"], picture)
    with pytest.raises(PolicyError, match="at most 5000000 are sent"):
        client.infer({**OBSERVATION, "front": np.zeros((2000, 1500, 3), np.uint8)}, 5 * SEC)
    with pytest.raises(PolicyError, match="LeRobot takes a number a motor"):
        client.infer({"state": np.zeros(3)}, 5 * SEC)


def test_while_the_server_loads_it_is_asked_in_vain_but_only_once_to_load(
    server: Server, client: LeRobotClient
) -> None:
    let_go = threading.Event()
    server.load = lambda: let_go.wait(30)
    for _ in range(3):
        begin_ns = perf_ns()
        with pytest.raises(Unreachable, match="it is loading someone/act, no answer within 100 ms"):
            client.infer(OBSERVATION, 100 * MS)
        assert perf_ns() - begin_ns < 100 * MS + MARGIN_NS
    let_go.set()
    assert client.infer(OBSERVATION, 10 * SEC)["actions"].shape == (3, 2)
    assert len(server.configs) == 1
    client.reset(SEC)
    assert server.resets == 2


def test_answers_to_older_observations_are_dropped(server: Server, client: LeRobotClient) -> None:
    client.infer(OBSERVATION, 5 * SEC)
    answers = iter([b"old", b"new"])
    server.say = lambda seen: answer(seen.timestep - (next(answers) == b"old"), state_rows(seen))
    assert client.infer(OBSERVATION, 5 * SEC)["actions"].tolist() == [[10.5, -3.0]] * 3
    assert client.trips.late == 1


def silent(seen: TimedObservation) -> bytes:
    threading.Event().wait(1.0)
    return b""


def failing(seen: TimedObservation) -> bytes:
    raise RuntimeError("out of memory")


def evil(seen: TimedObservation) -> bytes:
    with names():
        return pickle.dumps(sys.exit)


FAULTS: dict[str, tuple[Callable[[TimedObservation], bytes], str]] = {
    "slow": (silent, "no answer within 300 ms"),
    "failing": (failing, "out of memory"),
    "without actions": (lambda seen: b"", "its model failed"),
    "evil": (evil, "asks for sys.exit"),
    "corrupt": (lambda seen: answer(seen.timestep, state_rows(seen))[:-20], "a pickle that is not read"),
    "oversized": (lambda seen: bytes(6_000_000), "resource exhausted"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_ends_in_time_with_its_reason_and_then_it_works_again(
    server: Server, client: LeRobotClient, fault: str
) -> None:
    client.infer(OBSERVATION, 5 * SEC)
    works, (server.say, reason) = server.say, FAULTS[fault]
    begin_ns = perf_ns()
    with pytest.raises(PolicyError) as raised:
        client.infer(OBSERVATION, 300 * MS)
    assert perf_ns() - begin_ns < 300 * MS + MARGIN_NS
    assert reason in str(raised.value)
    server.say = works
    assert client.infer(OBSERVATION, 10 * SEC)["actions"].tolist() == [[10.5, -3.0]] * 3
    assert client.trips.failed == 1


def test_numbers_that_are_none_come_through_to_be_refused_by_the_card(server: Server, client: LeRobotClient) -> None:
    server.say = lambda seen: answer(seen.timestep, [[float("nan"), 1.0]])
    assert np.isnan(client.infer(OBSERVATION, 5 * SEC)["actions"][0, 0])


def test_a_frozen_server_is_not_waited_for(server: Server, client: LeRobotClient) -> None:
    client.infer(OBSERVATION, 5 * SEC)
    server.freeze.clear()
    for _ in range(2):
        begin_ns = perf_ns()
        with pytest.raises(Unreachable, match="no answer within 100 ms"):
            client.infer(OBSERVATION, 100 * MS)
        assert perf_ns() - begin_ns < 100 * MS + MARGIN_NS
    server.freeze.set()
    assert client.infer(OBSERVATION, 10 * SEC)["actions"].shape == (3, 2)


def test_a_server_that_dies_and_returns_is_found_and_set_up_again() -> None:
    first = Server()
    with closing(client_of(first.port)) as client:
        client.infer(OBSERVATION, 5 * SEC)
        first.close()
        for _ in range(2):
            with pytest.raises(Unreachable):
                client.infer(OBSERVATION, 200 * MS)
        with closing(Server(first.port)) as second:
            deadline_ns = perf_ns() + 20 * SEC
            rows = None
            while rows is None and perf_ns() < deadline_ns:
                try:
                    rows = client.infer(OBSERVATION, SEC)["actions"]
                except PolicyError:
                    threading.Event().wait(0.05)
            assert rows is not None
            assert len(second.configs) == 1
            assert "is loaded" in client.probe(SEC)
    with closing(client_of(first.port)) as client, pytest.raises(Unreachable, match="no answer within 100 ms"):
        client.probe(100 * MS)


def test_a_restart_between_two_calls_is_noticed_by_the_empty_answer(server: Server, client: LeRobotClient) -> None:
    client.infer(OBSERVATION, 5 * SEC)
    server.configs.clear()
    with pytest.raises(ServerError, match="its model failed"):
        client.infer(OBSERVATION, 5 * SEC)
    assert client.infer(OBSERVATION, 5 * SEC)["actions"].shape == (3, 2)
    client.close()
    client.close()


def test_without_grpc_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(ConfigError, match=r"pip install 'saccade\[lerobot\]'"):
        client_of(1)


def test_the_card_that_ships_is_opened_without_a_server() -> None:
    card = load_card("lerobot-so101")
    policy = open_policy(card)
    assert len(policy.spec.axes) == 6
    policy.close()
