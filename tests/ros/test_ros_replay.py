"""A recording played by `ros2 bag play --clock` into the ROS nodes, against `saccade replay` of the same recording.

Replay models how long work takes; here it takes as long as it takes, and rosbag2 sends when it gets to it. Played
slowly, little of that is left in the time of the recording, but the runs are not the same bytes.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.ros, pytest.mark.slow]
pytest.importorskip("rclpy", reason="ROS 2 is not sourced")
interfaces = pytest.importorskip("rosbag2_interfaces.srv", reason="rosbag2 is not installed")

from mcap.reader import make_reader

from saccade.cli.session import run_session
from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.paths import share
from saccade.robots import robot_file
from saccade.types import Decision, Verdict
from saccade.wire.bag import open_recording
from saccade.wire.convert import decode_verdict
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address
from saccade.wire.ros_process import RosProcess
from safety_node.limits import TICK_NS
from sim.bus import open_world

SECONDS, RATE = 8, 0.2
NODES = ("safety_node", "perception_node", "vla_node")
INPUTS = (
    *(f"/{side}/{name}" for side in ("left", "right") for name in ("image_rect", "camera_info")),
    "/odom", "/tf", "/tf_static", "/instruction",
)  # fmt: skip
SETTLE_NS = 2 * SEC


def verdicts_of(path: Path) -> list[Verdict]:
    with path.open("rb") as stream:
        return [decode_verdict(m.data) for _, _, m in make_reader(stream).iter_messages(topics=["/verdict"])]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few seconds in the hall."""
    out = tmp_path_factory.mktemp("hall")
    world = open_world(f"hall?seed=7&seconds={SECONDS}")
    run_session(world, "hall", out, instruction="go to the red box", keep_inputs=True)
    return out / "run.mcap"


@pytest.fixture(scope="module")
def replayed(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    """What the gate says in `saccade replay`."""
    out = tmp_path_factory.mktemp("replay")
    run_session(open_recording(recording, None).source(), "hall", out)
    return verdicts_of(out / "run.mcap")


@pytest.fixture(scope="module")
def played(recording: Path, domain: int) -> list[Verdict]:
    """What the gate says when rosbag2 plays it."""
    if shutil.which("ros2") is None:
        pytest.skip("the ros2 command is not installed")
    ears = DdsBus(Address(domain, depth=1000), ("verdict",))
    common = ["--ros-args", "--params-file", str(robot_file("hall")), "-p", "use_sim_time:=true"]
    own = {"vla_node": ["-p", "planner.worker:=modelled"]}
    children = [subprocess.Popen([sys.executable, "-m", node, *common, *own.get(node, [])]) for node in NODES]
    qos = str(share("config") / "replay_qos.yaml")
    player = subprocess.Popen(
        ["ros2", "bag", "play", str(recording), "--clock", "1000", "--rate", str(RATE), "--start-paused",
         "--disable-keyboard-controls", "--qos-profile-overrides-path", qos, "--topics", *INPUTS]
    )  # fmt: skip
    resume(after_s=8.0)
    heard: list[Sample] = []
    while player.poll() is None:
        if sample := ears.recv(ears.now_ns() + 100 * MS):
            heard.append(sample)
    for child in children:
        child.send_signal(signal.SIGINT)
    for child in children:
        child.wait(20)
    ears.close()
    return [decode_verdict(sample.cdr) for sample in heard]


def resume(after_s: float) -> None:
    """Let the player begin, once it and the nodes have found each other."""
    process = RosProcess("starter")
    client = process.node.create_client(interfaces.Resume, "/rosbag2_player/resume")
    process.start()
    assert client.wait_for_service(60)
    threading.Event().wait(after_s)
    done = threading.Event()
    client.call_async(interfaces.Resume.Request()).add_done_callback(lambda _: done.set())
    assert done.wait(10)
    process.close()


def test_a_played_recording_is_judged_as_in_replay(played: list[Verdict], replayed: list[Verdict]) -> None:
    """Every tick is one of the replay's; almost all decisions, and the commands but for a little, are the same."""
    stamps = np.array([v.stamp_ns for v in replayed])
    begin_ns = replayed[0].stamp_ns + SETTLE_NS
    ours = [v for v in played if begin_ns <= v.stamp_ns < replayed[-1].stamp_ns]
    theirs = [replayed[int(np.abs(stamps - v.stamp_ns).argmin())] for v in ours]
    assert len(ours) > 0.9 * (SECONDS * SEC - SETTLE_NS) / TICK_NS
    assert max(abs(a.stamp_ns - b.stamp_ns) for a, b in zip(ours, theirs, strict=True)) <= TICK_NS
    moving = [v for v in theirs if v.decision is not Decision.STOP]
    assert len(moving) > 100
    same = np.mean([a.decision == b.decision for a, b in zip(ours, theirs, strict=True)])
    apart = np.array([np.abs(a.granted - b.granted) for a, b in zip(ours, theirs, strict=True)])
    print(
        f"decisions equal {same:.1%}, commands apart: median {np.median(apart, 0)}, 90 % {np.percentile(apart, 90, 0)}"
    )
    assert same > 0.8
    assert (np.median(apart, axis=0) < (0.02, 0.05)).all()
