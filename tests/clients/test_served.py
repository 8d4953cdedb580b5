"""What `saccade serve policy` answers with: a graph as its card says, and recorded chunks in turn."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from policy_peers import LONG, free_port, hosting, running

from saccade.cli import OK, USAGE, main
from saccade.clock import MS
from saccade.node import Sample
from saccade.types import ActionChunk
from saccade.wire.convert import encode_chunk
from saccade.wire.record import Recorder
from vla_node.clients.base import ServerError, Unreachable
from vla_node.clients.gr00t import Gr00tClient
from vla_node.clients.openpi import OpenPiClient
from vla_node.clients.own_zmq import ZmqClient
from vla_node.policies.base import PolicyError
from vla_node.policies.card import load_card
from vla_node.reasoners.keys import make_robot, make_server
from vla_node.serving.gr00t import Gr00tServer
from vla_node.serving.openpi import OpenPiServer
from vla_node.serving.policy_zmq import PolicyZmqServer
from vla_node.serving.served import ServedGraph, ServedRecording

IMAGE, STATE = np.zeros((3, 96, 128), np.float32), np.arange(5.0)


class Graph:
    """Stands in for an engine with the card's inputs: every row is the state's first two numbers."""

    closed = False

    def infer(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        assert inputs["image"].shape == (1, 3, 96, 128)
        assert (inputs["state"].shape, inputs["state"].dtype) == ((1, 5), np.float32)
        return {"actions": np.repeat(inputs["state"][:, None, :2], 16, axis=1)}

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def served() -> ServedGraph:
    return ServedGraph(load_card("velocity-onnx"), Graph())  # type: ignore[arg-type]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "drive.mcap"
    recorder = Recorder(path, ["chunk"])
    for n in range(3):
        rows = np.full((4, 2), float(n))
        chunk = ActionChunk(n * MS, n * MS, 100 * MS, ("vx", "wz"), rows, plan_id=1, epoch=1)
        recorder.on_sample(Sample("chunk", n * MS, encode_chunk(chunk)), n * MS)
    recorder.close()
    return path


def test_a_graph_answers_every_protocol(served: ServedGraph) -> None:
    expected = np.repeat([[0.0, 1.0]], 16, axis=0)
    with running(OpenPiServer(served, "127.0.0.1", 0)) as port, closing(OpenPiClient(f"ws://127.0.0.1:{port}")) as pi:
        np.testing.assert_array_equal(pi.infer({"image": IMAGE, "state": STATE}, LONG)["actions"], expected)
        assert pi.metadata["observation"] == {"image": [1, 3, 96, 128], "state": [1, 5]}
        assert (pi.metadata["axes"], pi.metadata["horizon"], pi.metadata["dt_s"]) == (["vx", "wz"], 16, 0.05)
        with pytest.raises(ServerError, match="'state' is float64"):
            pi.infer({"image": IMAGE, "state": STATE[:4]}, LONG)
    with running(Gr00tServer(served, "127.0.0.1", 0)) as port, closing(Gr00tClient(f"tcp://127.0.0.1:{port}")) as gr00t:
        got = gr00t.infer({"image": IMAGE[None], "state": STATE[None]}, LONG)
        np.testing.assert_array_equal(got["actions"], expected)
    own = PolicyZmqServer(served, "tcp://127.0.0.1:0")
    with hosting(own), closing(ZmqClient(own.address)) as client:
        got = client.infer({"image": IMAGE[None], "state": STATE[None]}, LONG)
        np.testing.assert_array_equal(got["actions"], expected)
        assert "velocity-onnx" in client.probe(LONG)
        with pytest.raises(ServerError, match="no 'state'"):
            client.infer({"image": IMAGE}, LONG)
    served.close()


@pytest.mark.parametrize(
    ("observation", "why"),
    [
        ({"image": IMAGE}, "no 'state'"),
        ({"image": IMAGE.transpose(1, 2, 0), "state": STATE}, "expected float32"),
        ({"image": IMAGE, "state": STATE * np.nan}, "NaN"),
        ({"image": IMAGE, "state": STATE.astype(complex)}, "complex"),
        ({"image": IMAGE, "state": "fast"}, "'state' is <U4"),
    ],
)
def test_what_a_graph_does_not_take_is_named(served: ServedGraph, observation: dict[str, Any], why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        served.answer(observation)


def test_a_recording_answers_in_turn_and_begins_again(recording: Path) -> None:
    served = ServedRecording(recording)
    assert [served.answer({})["actions"][0, 0] for _ in range(4)] == [0, 1, 2, 0]
    served.reset()
    assert served.answer({})["actions"].tolist() == [[0.0, 0.0]] * 4
    assert served.metadata["axes"] == ["vx", "wz"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--onnx", "stub-stand"], "takes one of protocol onnx"),
        (["--replay", "there-is-none.mcap"], "there-is-none"),
        (["--replay", "x.mcap", "--bind", "0.0.0.0:8000"], "other machines can reach that"),
        (["--replay", "x.mcap", "--bind", "nowhere"], "is no|expected"),
        (["--replay", "x.mcap", "--protocol", "zmq", "--bind", "0.0.0.0:5600"], "give --keys"),
        (["--replay", "x.mcap", "--protocol", "zmq", "--token-file", "key"], "takes --keys"),
        (["--replay", "x.mcap", "--keys", "keys"], "openpi takes a --token-file"),
    ],
)
def test_what_cannot_be_served_is_said(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "policy", *arguments]) == USAGE
    error = capsys.readouterr().err
    assert any(part in error for part in why.split("|"))


@pytest.mark.parametrize("guarded", [False, True])
def test_the_command_answers_our_own_clients(
    recording: Path,
    tmp_path: Path,
    guarded: bool,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """`--protocol zmq`, for anybody on this machine or for those with keys."""
    stop: list[Callable[[], None]] = []
    monkeypatch.setattr("saccade.wire.live.stop_signals", lambda ask: nullcontext(stop.append(ask)))
    arguments = ["--replay", str(recording), "--protocol", "zmq", "--bind", "127.0.0.1:0"]
    robot = None
    if guarded:
        make_server(tmp_path / "keys")
        robot = make_robot(tmp_path / "keys", "hall")
        arguments += ["--keys", str(tmp_path / "keys")]
    with ThreadPoolExecutor(1) as pool:
        ended, told = pool.submit(main, ["serve", "policy", *arguments]), ""
        while "tcp://" not in told or not stop:
            assert not ended.done(), ended.result()
            told += capfd.readouterr().err
        try:
            with closing(ZmqClient(told.split()[-1], robot)) as client:
                for n in (0, 1):
                    assert client.infer({"state": STATE}, LONG)["actions"].tolist() == [[n, n]] * 4
                client.reset(LONG)
                assert client.infer({"state": STATE}, LONG)["actions"][0, 0] == 0
                assert "drive.mcap" in client.probe(LONG)
            if guarded:
                with closing(ZmqClient(told.split()[-1])) as stranger, pytest.raises(Unreachable):
                    stranger.infer({"state": STATE}, 300 * MS)
        finally:
            stop[0]()
        assert ended.result(20) == OK


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["openpi", "gr00t", "zmq"])
def test_the_command_serves_until_it_is_stopped(recording: Path, protocol: str) -> None:
    port = free_port()
    command = [sys.executable, "-m", "saccade.cli", "serve", "policy", "--replay", str(recording)]
    child = subprocess.Popen([*command, "--protocol", protocol, "--bind", f"127.0.0.1:{port}"])
    scheme, kind = {"openpi": ("ws", OpenPiClient), "gr00t": ("tcp", Gr00tClient), "zmq": ("tcp", ZmqClient)}[protocol]
    try:
        with closing(kind(f"{scheme}://127.0.0.1:{port}")) as client:
            for _ in range(300):
                try:
                    actions = client.infer({"state": STATE}, 100 * MS)
                    break
                except Unreachable:
                    assert child.poll() is None
                    subprocess.run(["sleep", "0.1"], check=True)
            assert actions["actions"].shape[-2:] == (4, 2)
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 0
    finally:
        child.kill()
