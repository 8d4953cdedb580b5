"""The VLA node, on both live buses, asked by rclpy's own service and action clients; and latched requests on RosBus."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip("rclpy", reason="ROS 2 is not sourced")

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future
from saccade_msgs.action import ExecuteInstruction
from saccade_msgs.srv import SetInstruction
from std_msgs.msg import String

from saccade.clock import MS, SEC
from saccade.wire.convert import decode
from saccade.wire.ros_bus import RosBus
from saccade.wire.ros_process import RosProcess
from vla_node.requests import Outcome


@pytest.fixture(params=["dds", "ros"])
def node(request: pytest.FixtureRequest, domain: int) -> Iterator[None]:
    bus = f"dds:{domain}" if request.param == "dds" else "ros:"
    child = subprocess.Popen([sys.executable, "-m", "vla_node", "--bus", bus])
    yield
    child.terminate()  # so that it takes its leave: clients would go on asking one that was killed
    child.wait(20)


def got(future: Future) -> Any:
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    assert done.wait(20)
    return future.result()


def send(actions: ActionClient, text: str, feedback: list[Any] | None = None) -> Any:
    hear = None if feedback is None else feedback.append
    return got(actions.send_goal_async(ExecuteInstruction.Goal(instruction=text), feedback_callback=hear))


def test_the_service_and_the_action_answer_rclpy(node: None, client: RosProcess) -> None:
    service = client.node.create_client(SetInstruction, "set_instruction")
    actions = ActionClient(client.node, ExecuteInstruction, "execute_instruction")
    assert service.wait_for_service(20)
    assert actions.wait_for_server(20)

    reply = got(service.call_async(SetInstruction.Request(instruction="fetch me a coffee")))
    assert not reply.success
    assert "I understand" in reply.message

    refused = got(send(actions, "fetch me a coffee").get_result_async())
    assert (refused.status, refused.result.outcome) == (GoalStatus.STATUS_ABORTED, Outcome.FAILED)
    assert "I understand" in refused.result.reason

    feedback: list[Any] = []
    first = send(actions, "go to the red box", feedback)
    assert first.accepted
    deadline = time.monotonic() + 20
    while len(feedback) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert feedback[0].feedback.plan.text == "no plan yet", "there is no odometry here"
    second = send(actions, "turn left")
    replaced = got(first.get_result_async())
    assert (replaced.status, replaced.result.reason) == (GoalStatus.STATUS_ABORTED, "replaced by 'turn left'")
    assert len(got(second.cancel_goal_async()).goals_canceling) == 1
    canceled = got(second.get_result_async())
    assert (canceled.status, canceled.result.outcome) == (GoalStatus.STATUS_CANCELED, Outcome.CANCELED)


@pytest.mark.parametrize("durability", [DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL])
def test_a_latched_request_is_heard_once_from_writers_of_both_kinds(
    client: RosProcess, durability: DurabilityPolicy
) -> None:
    process = RosProcess("listener")
    bus = RosBus(process, {"instruction"}, then=process.close)
    process.start()
    writer = client.node.create_publisher(String, "instruction", QoSProfile(depth=1, durability=durability))
    while writer.get_subscription_count() < (1 if durability is DurabilityPolicy.VOLATILE else 2):
        time.sleep(0.01)
    for said in ("one", "two", "three"):
        writer.publish(String(data=said))
        sample = bus.recv(bus.now_ns() + 5 * SEC)
        assert sample is not None
        assert decode("instruction", sample.cdr).data == said
        assert bus.recv(bus.now_ns() + 50 * MS) is None
    late = RosProcess("late")
    again = RosBus(late, {"instruction"}, then=late.close)
    late.start()
    sample = again.recv(again.now_ns() + (5 * SEC if durability is DurabilityPolicy.TRANSIENT_LOCAL else 300 * MS))
    assert (sample is not None) == (durability is DurabilityPolicy.TRANSIENT_LOCAL)
    assert again.recv(again.now_ns() + 50 * MS) is None
    again.close()
    bus.close()
