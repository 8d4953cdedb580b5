"""The workspace built by colcon, and what `ros2` makes of it: packages, interfaces, programs, launch files."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("saccade_msgs")

from saccade.clock import SEC
from saccade.node import Sample
from saccade.robots import robots
from saccade.types import Decision
from saccade.wire.convert import decode_odom, decode_verdict, encode_text
from saccade.wire.open import open_bus

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]
FILES = ("robot", "perception", "sim", "replay", "gazebo", "isaac")
Ros = Callable[..., str]


@pytest.fixture(scope="module", params=[[], ["--symlink-install"]], ids=["copied", "linked"])
def workspace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An overlay with this package, built from the link to it in `ros2_ws`, over the `saccade_msgs` that are there."""
    if not shutil.which("colcon"):
        pytest.skip("colcon not found; pip install colcon-common-extensions")
    out = tmp_path_factory.mktemp("colcon")
    folders = ["--build-base", out / "build", "--install-base", out / "install"]
    command = ["colcon", "--log-base", out / "log", "build", "--paths", "src/saccade", *folders, *request.param]
    subprocess.run(command, cwd=ROOT / "ros2_ws", check=True)
    return out / "install"


def sourced(workspace: Path, *command: str) -> list[str]:
    return ["bash", "-c", 'source "$0" && exec "$@"', str(workspace / "local_setup.bash"), *command]


@pytest.fixture
def ros(workspace: Path, tmp_path: Path) -> Ros:
    def run(*command: str) -> str:
        done = subprocess.run(sourced(workspace, "ros2", *command), cwd=tmp_path, capture_output=True, text=True)
        return done.stdout + done.stderr

    return run


def test_programs_are_where_ros2_run_finds_them(ros: Ros, workspace: Path) -> None:
    wanted = {
        f"saccade {name}"
        for name in ("perception_node", "vla_node", "safety_node", "bridge_node", "world_node", "saccade")
    }
    assert wanted <= set(ros("pkg", "executables", "saccade").splitlines())
    assert ros("pkg", "prefix", "saccade").strip() == str(workspace / "saccade")
    assert "usage: perception_node" in ros("run", "saccade", "perception_node", "--help")
    assert "usage: saccade" in ros("run", "saccade", "saccade", "--help")


def test_interfaces_are_shown(ros: Ros) -> None:
    assert "string reason" in ros("interface", "show", "saccade_msgs/msg/Verdict")


@pytest.mark.parametrize("file", FILES)
def test_arguments_are_shown_with_their_descriptions(ros: Ros, file: str) -> None:
    told = ros("launch", "saccade", f"{file}.launch.py", "-s")
    assert "'robot':" in told
    assert "no description given" not in told


def test_an_unknown_robot_is_answered_with_those_there_are(ros: Ros) -> None:
    told = ros("launch", "saccade", "robot.launch.py", "robot:=go3")
    assert all(robot in told for robot in robots())
    assert '"go3" is not valid' in told


class Launched:
    """`ros2 launch …` in a session of its own, as a terminal would run it, and what it printed."""

    def __init__(self, workspace: Path, log: Path, *arguments: str) -> None:
        self._log = log
        self.process = subprocess.Popen(
            sourced(workspace, "ros2", "launch", "saccade", *arguments), cwd=log.parent, stdin=subprocess.DEVNULL,
            stdout=log.open("w"), stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def told(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str, times: int = 1) -> None:
        for _ in range(600):
            if self.told().count(text) >= times:
                return
            time.sleep(0.1)
        raise AssertionError(f"{text!r} was not printed {times} times:\n{self.told()}")

    def pid(self, node: str) -> int:
        """The newest process of a node."""
        return int(re.findall(rf"\[{node}-\d+\]: process started with pid \[(\d+)\]", self.told())[-1])

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"still running 20 s after Ctrl-C:\n{self.told()}") from error


@pytest.fixture
def world(workspace: Path, tmp_path: Path) -> Iterator[Launched]:
    launched = Launched(workspace, tmp_path / "log", "sim.launch.py", "namespace:=r1", "world:=hall?seed=7")
    try:
        yield launched
    finally:
        if launched.process.poll() is None:
            os.killpg(launched.process.pid, signal.SIGKILL)


@pytest.mark.parametrize("workspace", [["--symlink-install"]], indirect=True)
def test_a_launched_robot_drives_stops_recovers_and_says_goodbye(world: Launched, domain: int) -> None:
    """Up in order; told to go, it goes; without perception it stops, and goes on once that is back; Ctrl-C ends all."""
    world.wait_for("vla_node: active")
    started = [world.told().index(f"{name}: active") for name in ("safety_node", "perception_node", "vla_node")]
    assert started == sorted(started)
    bus = open_bus(f"dds:{domain}?namespace=r1", {"odom", "verdict"}, {"instruction"})

    def until(wanted: Callable[[Sample], bool]) -> bool:
        deadline_ns = bus.now_ns() + 60 * SEC
        while sample := bus.recv(deadline_ns):
            if wanted(sample):
                return True
        return False

    def moving(sample: Sample) -> bool:
        return sample.topic == "odom" and decode_odom(sample.cdr)[0].twist[0] > 0.2

    def stopped(sample: Sample) -> bool:
        verdict = decode_verdict(sample.cdr) if sample.topic == "verdict" else None
        return verdict is not None and verdict.decision is Decision.STOP and "local_map stale" in verdict.reason

    bus.send("instruction", encode_text("go to the red box, then come back"))
    assert until(moving)
    os.kill(world.pid("perception_node"), signal.SIGKILL)
    assert until(stopped)
    world.wait_for("perception_node: active", times=2)
    assert until(moving)
    world.interrupt()
    last = None
    while sample := bus.recv(bus.now_ns() + SEC):
        last = decode_verdict(sample.cdr) if sample.topic == "verdict" else last
    bus.close()
    assert last is not None
    assert last.reason == "shut down"
    assert "Traceback" not in world.told()
    died = re.findall(r"process has died.*", world.told())
    assert len(died) == 1, died  # the one that was killed; the launch system tells each what the terminal has told it
