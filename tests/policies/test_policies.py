"""Every kind of policy under one contract, and what is particular to each."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from policy_scene import STAMP_NS, card, look, velocity

from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.node import Sample
from saccade.types import ActionChunk
from saccade.wire.convert import encode_chunk
from saccade.wire.record import Recorder
from vla_node.acting import Acting
from vla_node.clients.base import Unreachable
from vla_node.clients.json_numpy import arrays, loads
from vla_node.policies.base import PolicyError
from vla_node.policies.card import PolicyCard
from vla_node.policies.check import check_policy
from vla_node.policies.onnx import OnnxPolicy
from vla_node.policies.open import open_policy
from vla_node.policies.remote import RemotePolicy

LOCAL: dict[str, Any] = {"address": None, "timeout_s": None, "observation": None}


class Model:
    """A client that answers twice the twist it is shown, as often as it may."""

    def __init__(self) -> None:
        self.resets = self.closes = 0
        self.fail = False

    def infer(self, observation: Any, timeout_ns: int) -> dict[str, Any]:
        if self.fail or timeout_ns < MS:
            raise Unreachable("the model is silent")
        return {"actions": np.repeat(0.5 * observation["state"][None], 4, axis=0)}

    def reset(self, timeout_ns: int) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closes += 1


def test_a_remote_policy_keeps_the_contract() -> None:
    model = Model()

    @contextmanager
    def stalled() -> Iterator[None]:
        model.fail = True
        yield
        model.fail = False

    check_policy(RemotePolicy(card(velocity()), model), look(), stalled=stalled)
    assert model.resets == 2  # one an epoch
    assert model.closes >= 1


def test_a_reset_that_failed_is_tried_again_before_anything_is_asked() -> None:
    model = Model()
    policy = RemotePolicy(card(velocity()), model)

    def silent(timeout_ns: int) -> None:
        model.resets += 1
        raise Unreachable("silent")

    works, model.reset = model.reset, silent  # type: ignore[method-assign]
    policy.begin(7)
    for _ in range(2):
        with pytest.raises(Unreachable):
            policy.act(look(), SEC)
    model.reset = works  # type: ignore[method-assign]
    assert policy.act(look(), SEC)[0].tolist() == [0.25, 0.125]
    policy.act(look(), SEC)
    assert model.resets == 3


def test_why_a_policy_failed_can_be_said_whatever_its_server_answered() -> None:
    """JSON may hold half a surrogate pair, which is no UTF-8: the node would end when it says so in its diagnostics."""
    model = Model()
    half = loads(b'{"\\ud83d": [0.0]}')
    model.infer = lambda observation, timeout_ns: arrays(half)  # type: ignore[method-assign]
    acting = Acting(RemotePolicy(card(velocity()), model), inline=True, modelled_s=None)
    acting.ask(look, 0)
    acted = acting.poll(0)
    assert acted is not None
    assert acted.why.encode() == b"made: the answer has no 'actions'; Valid: ?"


def test_the_cards_timeout_holds_where_it_is_the_shorter() -> None:
    given: list[int] = []
    model = Model()
    infer = model.infer
    model.infer = lambda seen, ns: given.append(ns) or infer(seen, ns)  # type: ignore[method-assign, func-returns-value]
    policy = RemotePolicy(card(velocity(timeout_s=0.2)), model)
    policy.begin(7)
    policy.act(look(), 10 * SEC)
    policy.act(look(), 100 * MS)
    assert 150 * MS < given[0] <= 200 * MS
    assert 50 * MS < given[1] <= 100 * MS


def test_a_stub_answers_its_rows() -> None:
    once = velocity(protocol="stub", rows=[[0.2, 0.1]], **LOCAL)
    check_policy(open_policy(card(once)), look())
    policy = open_policy(card(velocity(protocol="stub", rows=[[0.1 * i, 0.0] for i in range(4)], **LOCAL)))
    policy.begin(7)
    assert policy.act(look(), SEC)[:, 0].tolist() == [0.1 * i for i in range(4)]
    with pytest.raises(ConfigError, match="expected 1 or 4 rows of 2 numbers"):
        card(velocity(protocol="stub", rows=[[0.0, 0.0]] * 3, **LOCAL))


def recorded(folder: Path, *chunks: tuple[int, list[float]], axes: tuple[str, ...] = ("vx", "wz")) -> None:
    """A recording of chunks of 0.1 s rows, (when from STAMP_NS on they begin in ms, vx of each row)."""
    recording = Recorder(folder / "drive.mcap", ["chunk"])
    for at_ms, speeds in chunks:
        t0_ns = STAMP_NS + at_ms * MS
        rows = np.array([[speed] + [0.0] * (len(axes) - 1) for speed in speeds])
        chunk = ActionChunk(t0_ns, t0_ns, 100 * MS, axes, rows, plan_id=1, epoch=1)
        recording.on_sample(Sample("chunk", t0_ns, encode_chunk(chunk)), t0_ns)
    recording.close()


def replay(folder: Path, by: str) -> PolicyCard:
    return card(velocity(protocol="replay", recording="drive.mcap", by=by, **LOCAL), folder)


def test_a_recording_is_answered_by_its_time(tmp_path: Path) -> None:
    recorded(tmp_path, (0, [0.1, 0.2, 0.3]), (100, [0.4, 0.5, 0.6, 0.7, 0.75]))
    policy = open_policy(replay(tmp_path, "time"))
    policy.begin(7)
    for at_ms, speeds in ((0, [0.1, 0.2, 0.3]), (50, [0.1, 0.2, 0.3]), (100, [0.4, 0.5, 0.6, 0.7]), (550, [0.75])):
        assert policy.act(look(stamp_ns=STAMP_NS + at_ms * MS), SEC)[:, 0].tolist() == speeds
    for at_ms in (-1, 600):
        with pytest.raises(PolicyError, match="no recorded chunk covers"):
            policy.act(look(stamp_ns=STAMP_NS + at_ms * MS), SEC)
    check_policy(policy, look())


def test_a_recording_is_answered_in_turn_anew_in_each_epoch(tmp_path: Path) -> None:
    recorded(tmp_path, (0, [0.1]), (100, [0.4, 0.5]), (200, [0.6]))
    policy = open_policy(replay(tmp_path, "sequence"))
    policy.begin(7)
    assert [policy.act(look(), SEC)[0, 0] for _ in range(3)] == [0.1, 0.4, 0.6]
    with pytest.raises(PolicyError, match="3 chunks have all been answered"):
        policy.act(look(), SEC)
    check_policy(policy, look())


def test_a_recording_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recording at"):
        open_policy(replay(tmp_path, "time"))
    recorded(tmp_path, (0, [0.1]), axes=("vx", "vy"))
    with pytest.raises(ConfigError, match=r"axes \[vx, vy\] and dt_s 0.1"):
        open_policy(replay(tmp_path, "time"))
    recorded(tmp_path, (0, [float("nan")]))
    with pytest.raises(ConfigError, match="not finite"):
        open_policy(replay(tmp_path, "time"))


def graph(folder: Path, horizon: int = 4, **changes: Any) -> PolicyCard:
    """A card of a graph that answers, for every row, half of the state plus the picture's mean of red."""
    state = helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 2])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 6, 8])
    actions = helper.make_tensor_value_info("actions", TensorProto.FLOAT, [1, horizon, 2])
    nodes = [
        helper.make_node("Mul", ["state", "half"], ["halved"]),
        helper.make_node("Reshape", ["halved", "row"], ["a_row"]),
        helper.make_node("Expand", ["a_row", "rows"], ["rows_of"]),
        helper.make_node("ReduceMean", ["image"], ["red"], keepdims=0),
        helper.make_node("Add", ["rows_of", "red"], ["actions"]),
    ]
    constants = {
        "half": np.float32([0.5]), "row": np.int64([1, 1, 2]), "rows": np.int64([1, horizon, 2]),
    }  # fmt: skip
    initial = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "policy", [state, image], [actions], initial)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "policy.onnx").write_bytes(model.SerializeToString())
    digest = hashlib.sha256(model.SerializeToString()).hexdigest()
    part = {"camera": "front", "size": [8, 6], "fit": "resize", "layout": "chw", "dtype": "float32", "range": [0, 0.1]}
    document = velocity(
        protocol="onnx", address=None, onnx="policy.onnx", sha256=digest,
        observation=[
            {"key": "image", "axes_before": 1, "image": part},
            {"key": "state", "axes_before": 1, "vector": [{"twist": ["vx", "wz"]}]},
        ],
    )  # fmt: skip
    return card({**document, **changes}, folder)


def test_a_graph_keeps_the_contract(tmp_path: Path) -> None:
    policy = open_policy(graph(tmp_path))
    policy.begin(7)
    mean = 0.1 * look().images["front"].data.mean() / 255
    assert np.allclose(policy.act(look(), SEC), [[0.25 + mean, 0.125 + mean]] * 4, atol=2e-3)
    check_policy(policy, look())


def test_a_graph_that_is_not_as_its_card_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has shape \(5, 2\); expected \(4, 2\)"):
        open_policy(graph(tmp_path, horizon=5))
    good = graph(tmp_path)
    with pytest.raises(ConfigError, match="no input 'stat'"):
        open_policy(replace(good, observation=(good.observation[0], replace(good.observation[1], key="stat"))))
    parts = tuple(replace(part, key="rows") for part in good.moves.parts)
    with pytest.raises(ConfigError, match="no 'rows'"):
        open_policy(replace(good, actions=replace(good.moves, parts=parts)))
    with pytest.raises(Exception, match="not the model that was tested"):
        open_policy(replace(good, sha256="0" * 64))


class SlowEngine:
    """An engine that waits until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.runs = 0

    def infer(self, inputs: Any) -> dict[str, Any]:
        self.runs += 1
        number = self.runs
        assert self.go.wait(30)
        return {"actions": np.full((1, 4, 2), 0.1 * number, np.float32)}

    def close(self) -> None:
        self.go.set()


def test_a_graph_that_hangs_is_not_waited_for_and_its_late_answer_is_dropped(tmp_path: Path) -> None:
    engine = SlowEngine()
    policy = OnnxPolicy(graph(tmp_path, timeout_s=5.0), engine)  # type: ignore[arg-type]
    policy.begin(7)
    engine.go.clear()
    for _ in range(2):
        with pytest.raises(PolicyError, match=r"has not answered within \d+ ms"):
            policy.act(look(), 20 * MS)
    assert engine.runs == 2  # the trial and the first; the second never began
    engine.go.set()
    assert np.allclose(policy.act(look(), 5 * SEC), 0.3)
    policy.close()
