"""`saccade up`: nodes are kept up and stop in the safe order. Stand-in processes play the nodes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saccade.cli import FAILED, OK, USAGE, main
from saccade.cli.up import chosen, with_remapping
from saccade.errors import ConfigError

SUPERVISOR = """
import sys
from rich.console import Console
from saccade.cli.up import Child, supervise
log, *behaviours = sys.argv[1:]
console = Console(stderr=True)
fleet = [Child(name, [sys.executable, "-c", open(sys.argv[0]).read().split("#" * 8)[1], name, log, behaviour], console)
         for name, behaviour in zip(("safety", "perception", "vla"), behaviours)]
sys.exit(supervise(fleet, console))
########
import os, signal, sys, time
name, log, behaviour = sys.argv[1:]
def say(what):
    with open(log, "a") as file:
        file.write(f"{what} {name} {os.getpid()}\\n")
def leave(*_):
    say("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave if behaviour != "stubborn" else signal.SIG_IGN)
say("up")
if behaviour == "fragile":
    sys.exit("the [camera] is gone")
if behaviour == "misconfigured":
    sys.exit(2)
while True:
    time.sleep(0.05)
"""


class Supervised:
    """A running supervisor of three stand-ins and what these have logged."""

    def __init__(self, folder: Path, *behaviours: str) -> None:
        script = folder / "supervisor.py"
        script.write_text(SUPERVISOR)
        self.log = folder / "log"
        self.log.touch()
        self.process = subprocess.Popen(
            [sys.executable, script, self.log, *behaviours], stderr=subprocess.PIPE, text=True
        )  # fmt: skip

    def said(self, what: str) -> list[str]:
        return [line.split()[1] for line in self.log.read_text().splitlines() if line.split()[0] == what]

    def pids(self) -> list[int]:
        return [int(line.split()[2]) for line in self.log.read_text().splitlines()]

    def wait_for(self, what: str, name: str, times: int = 1) -> None:
        for _ in range(300):
            if self.said(what).count(name) >= times:
                return
            time.sleep(0.05)
        raise AssertionError(f"{name} was not {what} {times} times: {self.log.read_text()}")

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(number)
        _, told = self.process.communicate(timeout=10)
        return self.process.returncode, told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_gate_starts_first_and_stops_last(tmp_path: Path, number: int) -> None:
    up = Supervised(tmp_path, "steady", "steady", "steady")
    up.wait_for("up", "vla")
    up.wait_for("up", "perception")
    up.wait_for("up", "safety")
    code, told = up.end(number)
    assert code == OK
    assert up.said("stopped") == ["vla", "perception", "safety"]
    assert "stopped: vla, perception, safety" in told


def test_a_node_that_dies_is_started_again(tmp_path: Path) -> None:
    up = Supervised(tmp_path, "steady", "steady", "fragile")
    up.wait_for("up", "vla", times=3)
    code, told = up.end()
    assert code == OK
    assert up.said("up").count("safety") == 1
    waits = [
        line.split("again in ")[1]
        for line in told.splitlines()
        if "vla died (exit code 1: the [camera] is gone)" in line
    ]
    assert waits[:2] == ["0.5 s", "1 s"]


def test_a_killed_node_is_named_with_its_signal(tmp_path: Path) -> None:
    up = Supervised(tmp_path, "steady", "steady", "steady")
    up.wait_for("up", "safety")
    up.wait_for("up", "vla")
    os.kill(up.pids()[up.said("up").index("safety")], signal.SIGKILL)
    up.wait_for("up", "safety", times=2)
    code, told = up.end()
    assert code == OK
    assert "safety died (signal SIGKILL)" in told


def test_a_node_that_will_not_stop_is_killed_and_told(tmp_path: Path) -> None:
    up = Supervised(tmp_path, "steady", "stubborn", "steady")
    up.wait_for("up", "perception")
    up.wait_for("up", "vla")
    up.wait_for("up", "safety")
    code, told = up.end()
    assert code == FAILED
    assert "perception did not stop in 0.4 s; killed" in told
    assert up.said("stopped") == ["vla", "safety"]


def test_wrong_parameters_end_everything(tmp_path: Path) -> None:
    up = Supervised(tmp_path, "steady", "steady", "misconfigured")
    _, told = up.process.communicate(timeout=20)
    assert up.process.returncode == USAGE
    assert "vla died (exit code 2)" in told


def test_nodes_do_not_outlive_their_supervisor(tmp_path: Path) -> None:
    up = Supervised(tmp_path, "steady", "steady", "steady")
    for name in ("safety", "perception", "vla"):
        up.wait_for("up", name)
    up.process.kill()
    up.process.wait()
    for name in ("safety", "perception", "vla"):
        up.wait_for("stopped", name)


def test_names_are_checked() -> None:
    assert chosen("perception, vla_node") == {"perception", "vla"}
    with pytest.raises(ConfigError, match="no node 'percepton'; did you mean 'perception'"):
        chosen("percepton,vla")


@pytest.mark.parametrize(
    ("bus", "wanted"),
    [
        ("dds", "dds?remap=odom:=/wheel/odom&remap=imu:=imu/data"),
        ("dds:7?interface=lo", "dds:7?interface=lo&remap=odom:=/wheel/odom&remap=imu:=imu/data"),
    ],
)
def test_the_robots_own_names_go_into_the_address(bus: str, wanted: str) -> None:
    assert with_remapping(bus, {"odom": "/wheel/odom", "imu": "imu/data"}) == wanted
    assert with_remapping(bus, {}) == bus


def test_other_buses_are_not_asked_for_names() -> None:
    assert with_remapping("ros:", {}) == "ros:"
    with pytest.raises(ConfigError, match="ros2 launch saccade"):
        with_remapping("ros:", {"odom": "/wheel/odom"})


@pytest.mark.parametrize("wrong", [["--bus", "dds:none"], ["--params", "/nowhere.yaml"], ["--robot", "nobody"]])
def test_wrong_use_is_told_before_anything_starts(wrong: list[str], tmp_path: Path) -> None:
    params = tmp_path / "robot.yaml"
    params.touch()
    assert main(["up", "--params", str(params), *wrong] if "--robot" not in wrong else ["up", *wrong]) == USAGE
