"""What `saccade serve policy` answers with: a graph as its card says, and recorded chunks in turn."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from policy_peers import LONG, free_port, running

from saccade.cli import USAGE, main
from saccade.clock import MS
from saccade.node import Sample
from saccade.types import ActionChunk
from saccade.wire.convert import encode_chunk
from saccade.wire.record import Recorder
from vla_node.clients.base import ServerError, Unreachable
from vla_node.clients.gr00t import Gr00tClient
from vla_node.clients.openpi import OpenPiClient
from vla_node.policies.base import PolicyError
from vla_node.policies.card import load_card
from vla_node.serving.gr00t import Gr00tServer
from vla_node.serving.openpi import OpenPiServer
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


def test_a_graph_answers_both_protocols(served: ServedGraph) -> None:
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
    ],
)
def test_what_cannot_be_served_is_said(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "policy", *arguments]) == USAGE
    error = capsys.readouterr().err
    assert any(part in error for part in why.split("|"))


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["openpi", "gr00t"])
def test_the_command_serves_until_it_is_stopped(recording: Path, protocol: str) -> None:
    port = free_port()
    command = [sys.executable, "-m", "saccade.cli", "serve", "policy", "--replay", str(recording)]
    child = subprocess.Popen([*command, "--protocol", protocol, "--bind", f"127.0.0.1:{port}"])
    scheme, kind = ("ws", OpenPiClient) if protocol == "openpi" else ("tcp", Gr00tClient)
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
