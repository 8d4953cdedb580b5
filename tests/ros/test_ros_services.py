"""Services on RosBus: requests in, replies out, in any order, from rclpy's own clients."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip("rclpy", reason="ROS 2 is not sourced")

from rclpy.task import Future
from saccade_msgs.action import ExecuteInstruction
from saccade_msgs.srv import SetInstruction

from saccade.clock import SEC
from saccade.node import Sample
from saccade.topics import topic
from saccade.wire.codec import codec
from saccade.wire.ros_bus import RosBus
from saccade.wire.ros_process import RosProcess

SERVICE, RESULT = "set_instruction", "execute_instruction/_action/get_result"


@pytest.fixture
def bus() -> Iterator[RosBus]:
    process = RosProcess("server")
    halves = [{f"{name}/{half}" for name in (SERVICE, RESULT)} for half in ("request", "reply")]
    made = RosBus(process, *halves, then=process.close)
    process.start()
    yield made
    made.close()


def ask(client: RosProcess, text: str) -> Future:
    asking = client.node.create_client(SetInstruction, SERVICE)
    assert asking.wait_for_service(10)
    return asking.call_async(SetInstruction.Request(instruction=text))


def request(bus: RosBus) -> Sample:
    sample = bus.recv(bus.now_ns() + 10 * SEC)
    assert sample is not None
    return sample


def answer(bus: RosBus, sample: Sample, epoch: int) -> None:
    reply = codec().new(topic(f"{SERVICE}/reply").message_type, success=True, epoch=epoch, message="yes")
    bus.send(f"{SERVICE}/reply", bytes(sample.cdr[:24]) + bytes(codec().encode(reply)))


def result(future: Future) -> SetInstruction.Response:
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    assert done.wait(10)
    return future.result()


def test_replies_go_to_who_asked_in_any_order(bus: RosBus, client: RosProcess) -> None:
    futures = {text: ask(client, text) for text in ("one", "two", "three")}
    samples = {}
    for _ in futures:
        sample = request(bus)
        assert sample.topic == f"{SERVICE}/request"
        words = codec().decode(topic(sample.topic).message_type, sample.cdr[24:]).instruction
        samples[words] = sample
    for epoch, text in enumerate(("three", "one", "two")):
        answer(bus, samples[text], epoch)
    assert {text: result(future).epoch for text, future in futures.items()} == {"three": 0, "one": 1, "two": 2}


def test_a_second_answer_and_one_to_nobody_go_nowhere(bus: RosBus, client: RosProcess) -> None:
    future = ask(client, "one")
    sample = request(bus)
    for epoch in (1, 2):
        answer(bus, sample, epoch)
    answer(bus, Sample(sample.topic, 0, bytes(24)), 3)
    assert result(future).epoch == 1


def test_the_parts_of_an_action_are_services_too(bus: RosBus, client: RosProcess) -> None:
    asking = client.node.create_client(ExecuteInstruction.Impl.GetResultService, RESULT)
    assert asking.wait_for_service(10)
    wanted = ExecuteInstruction.Impl.GetResultService.Request()
    wanted.goal_id.uuid = list(range(16))
    asking.call_async(wanted)
    sample = request(bus)
    assert sample.topic == f"{RESULT}/request"
    assert list(codec().decode(topic(sample.topic).message_type, sample.cdr[24:]).goal_id.uuid) == list(range(16))
