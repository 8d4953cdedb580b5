"""The nodes as ROS 2 processes: lifecycle, parameters, the ros2 command line, signals, a node that dies."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

pytestmark = [pytest.mark.ros, pytest.mark.slow]
pytest.importorskip("rclpy", reason="ROS 2 is not sourced")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState

from saccade.clock import SEC
from saccade.paths import share
from saccade.types import Command, Decision, Verdict
from saccade.wire.convert import decode_command, decode_verdict, encode_text
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address
from saccade.wire.ros_process import RosProcess

HALL = share("config") / "robots" / "hall.yaml"
STALE_S = 0.4
"""The longest age of an input in that file."""
Start = Callable[..., subprocess.Popen[str]]


class Witness:
    """What the gate says, heard on DDS without rclpy."""

    def __init__(self, domain: int) -> None:
        self.bus = DdsBus(Address(domain, depth=100), ("cmd_vel", "verdict"), ("instruction",))
        self.commands: list[Command] = []
        self.verdicts: list[Verdict] = []

    def until(self, done: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Listen until `done()`, or fail."""
        deadline_ns = self.bus.now_ns() + int(timeout_s * SEC)
        while not done():
            sample = self.bus.recv(min(deadline_ns, self.bus.now_ns() + SEC // 20))
            if sample is None:
                assert self.bus.now_ns() < deadline_ns, "it did not come to that"
            elif sample.topic == "verdict":
                self.verdicts.append(decode_verdict(sample.cdr))
            else:
                self.commands.append(decode_command(sample.cdr))

    def rest(self) -> None:
        """What is still on its way."""
        end = time.monotonic() + 0.5
        self.until(lambda: time.monotonic() > end)

    def decided(self, decision: Decision, count: int = 1) -> Callable[[], bool]:
        """Whether, from now on, this has been decided so often."""
        begin = len(self.verdicts)
        return lambda: sum(v.decision is decision for v in self.verdicts[begin:]) >= count


@pytest.fixture
def witness(domain: int) -> Iterator[Witness]:
    made = Witness(domain)
    yield made
    made.bus.close()


def ros2(*args: str) -> str:
    """Output of a ros2 command."""
    if shutil.which("ros2") is None:
        pytest.skip("the ros2 command is not installed")
    done = subprocess.run(["ros2", *args], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


class Manager:
    """A lifecycle manager of one node."""

    def __init__(self, node: str) -> None:
        self.process = RosProcess("manager")
        self.change = self.process.node.create_client(ChangeState, f"/{node}/change_state")
        self.get = self.process.node.create_client(GetState, f"/{node}/get_state")
        self.process.start()

    def __call__(self, transition: int) -> bool:
        """Ask for a transition; whether it succeeded."""
        return bool(self._ask(self.change, ChangeState.Request(transition=Transition(id=transition))).success)

    def state(self) -> str:
        return str(self._ask(self.get, GetState.Request()).current_state.label)

    def _ask(self, client: object, request: object) -> object:
        assert client.wait_for_service(30)  # type: ignore[attr-defined]
        done, future = threading.Event(), client.call_async(request)  # type: ignore[attr-defined]
        future.add_done_callback(lambda _: done.set())
        assert done.wait(30)
        return future.result()


def test_the_lifecycle_of_the_gate(start: Start, witness: Witness) -> None:
    child = start("safety_node", "-p", "autostart:=false")
    manager = Manager("safety_node")
    assert manager.state() == "unconfigured"
    assert manager(Transition.TRANSITION_CONFIGURE)
    assert manager.state() == "inactive"
    witness.rest()
    assert not witness.commands
    for _ in range(2):
        assert manager(Transition.TRANSITION_ACTIVATE)
        witness.until(witness.decided(Decision.STOP, 20))
        assert witness.verdicts[-1].reason == "chunk missing; local_map missing; odom missing"
        assert manager(Transition.TRANSITION_DEACTIVATE)
        witness.rest()
        assert witness.verdicts[-1].reason == "shut down"
        assert not witness.commands[-1].values.any()
        said = len(witness.verdicts)
        witness.rest()
        assert len(witness.verdicts) == said
    assert manager(Transition.TRANSITION_CLEANUP)
    assert manager(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert manager.state() == "finalized"
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=10)
    assert child.returncode == 0
    assert "parameters from defaults and ROS" in said
    manager.process.close()


def test_shutdown_from_active_ends_with_a_stop(start: Start, witness: Witness) -> None:
    start("safety_node")
    manager = Manager("safety_node")
    witness.until(witness.decided(Decision.STOP, 20))
    assert manager(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    witness.rest()
    assert witness.verdicts[-1].reason == "shut down"
    manager.process.close()


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["-p", "margin:=0.2"], "unknown parameter 'margin'; did you mean 'margin_m'"),
        (["-p", "radius_m:=-1.0"], "radius_m is -1.0"),
        (["-r", "__ns:=/not a name"], "cannot start ROS node"),
    ],
)
def test_what_is_wrong_is_said_before_the_node_runs(start: Start, args: list[str], error: str) -> None:
    child = start("safety_node", *args)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 2
    assert error in said


def test_parameters_over_the_command_line(start: Start, witness: Witness) -> None:
    start("safety_node", "-p", "max_speed:=[0.5, 1.0]", "--params-file", str(HALL), "-r", "__ns:=/dog")
    node = "/dog/safety_node"
    seen = ""
    for _ in range(10):
        seen = ros2("node", "list")
        if node in seen:
            break
    assert node in seen
    assert ros2("param", "get", node, "margin_m").strip() == "Double value is: 0.1"
    described = ros2("param", "describe", node, "escape_fraction")
    assert "Min value: 0.0" in described
    assert "Max value: 1.0" in described
    assert "share of the speed" in described
    assert "Set parameter successful" in ros2("param", "set", node, "margin_m", "0.2")
    assert ros2("param", "get", node, "margin_m").strip() == "Double value is: 0.2"
    assert "max_speed has 1 numbers for 2 axes" in ros2("param", "set", node, "max_speed", "[0.1]")
    assert "ros2 lifecycle set /dog/safety_node deactivate" in ros2("param", "set", node, "axes", "[vx, wz, vy]")
    assert "active [3]" in ros2("lifecycle", "get", node)
    listed = ros2("topic", "info", "-v", "/dog/cmd_vel")
    assert "Reliability: RELIABLE" in listed
    assert "geometry_msgs/msg/TwistStamped" in listed


@pytest.fixture
def drive(start: Start, witness: Witness) -> dict[str, subprocess.Popen[str]]:
    """The runtime in the embedded world, on its way."""
    names = ("safety_node", "perception_node", "vla_node", "world_node")
    params = ["--params-file", str(HALL)]
    children = {name: start(name, *(params if name != "world_node" else [])) for name in names}
    witness.until(witness.decided(Decision.STOP), 60)
    witness.bus.send("instruction", encode_text("go to the red box"))
    witness.until(witness.decided(Decision.PASS, 50), 120)
    return children


def test_three_nodes_are_listed_and_end_with_a_stop(drive: dict[str, subprocess.Popen[str]], witness: Witness) -> None:
    """Ctrl-C reaches all at once; the gate outlives the others and the last on the wire is a stop."""
    listed = ros2("node", "list").split()
    assert {"/safety_node", "/perception_node", "/vla_node"} <= set(listed)
    begin = time.monotonic()
    for child in drive.values():
        child.send_signal(signal.SIGINT)
    codes = {name: child.wait(30) for name, child in drive.items()}
    took_s = time.monotonic() - begin
    witness.rest()
    assert set(codes.values()) == {0}
    assert took_s < 2.0
    assert witness.verdicts[-1].reason == "shut down"
    assert not witness.commands[-1].values.any()


def test_a_killed_perception_stops_the_robot_until_it_is_back(
    drive: dict[str, subprocess.Popen[str]], witness: Witness, start: Start
) -> None:
    drive["perception_node"].kill()
    killed_ns = witness.bus.now_ns()
    witness.until(witness.decided(Decision.STOP, 10), 20)
    first = next(v for v in witness.verdicts if v.stamp_ns > killed_ns and v.decision is Decision.STOP)
    assert first.stamp_ns - killed_ns < (STALE_S + 0.1) * SEC
    assert "chunk" in first.reason or "local_map" in first.reason
    start("perception_node", "--params-file", str(HALL))
    witness.until(witness.decided(Decision.PASS, 20), 60)
