"""`saccade serve reasoner` as a process: hosts a callable, says how it is, and ends with Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing

import pytest
from reasoner_scene import observe

from saccade.cli import main
from saccade.cli.serve.reasoner import find
from saccade.errors import ConfigError
from saccade.types import PlanKind
from vla_node.reasoners.params import ReasonerParams
from vla_node.reasoners.remote import RemoteReasoner

MODEL = """
import numpy as np
from saccade.types import PlanKind
from vla_node.planner import make_plan

NUMBER = 3

def plan(observation):
    if observation.instruction == "fail":
        raise RuntimeError("no such thing")
    return make_plan(observation, PlanKind.WAYPOINTS, "going", waypoints=np.array([[1.0, 2.0, 0.0]]))
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    (tmp_path / "my_served_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_it_serves_what_it_is_given_until_ctrl_c(model):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    command = [sys.executable, "-m", "saccade.cli", "serve", "reasoner", "my_served_model:plan", "--bind", address]
    path = os.pathsep.join(filter(None, sys.path))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}) as server:
        params = ReasonerParams(kind="zmq", address=address, deadline_s=60.0)
        with closing(RemoteReasoner(params, None)) as mind:
            assert mind.plan(observe()).plan.kind is PlanKind.WAYPOINTS
            assert "no such thing" in mind.plan(observe(instruction="fail")).plan.text
            assert (mind.health(10**10).answered, mind.health(10**10).failed) == (1, 1)
        server.send_signal(signal.SIGINT)
        said = server.stderr.read()
        assert server.wait(30) == 0
    assert f"answers this machine alone on {address}" in said
    assert "failed: RuntimeError: no such thing" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("my_served_model", "expected MODULE:CALLABLE"),
        ("no_such_module_here:plan", "cannot import no_such_module_here"),
        ("my_served_model:pln", "did you mean 'plan'"),
        ("my_served_model:NUMBER", "is a int, which cannot be called"),
    ],
)
def test_what_cannot_be_served_is_said(model, name, why):
    with pytest.raises(ConfigError, match=why):
        find(name)


def test_wrong_usage_ends_at_once(model, capsys):
    assert main(["serve", "reasoner", "my_served_model:plan", "--bind", "tcp://0.0.0.0:0"]) == 2
    assert "takes keys" in capsys.readouterr().err
    assert main(["serve", "reasoner", "my_served_model:plan", "--dialect", "nav_r2"]) == 2
    assert "did you mean 'nav_r1'" in capsys.readouterr().err
    assert main(["serve", "reasoner", "my_served_model:plan", "--keys", "nowhere"]) == 2
    assert "server's key" in capsys.readouterr().err
