"""The service and the action of the VLA node, asked over a virtual bus by a client of bytes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vla_world import BLUE, RED, START_NS, Box, Ear, World, told

from saccade.clock import MS, SEC
from saccade.node import NEVER_NS, Out, Sample, run
from saccade.stages import Stages
from saccade.topics import topic
from saccade.types import Decision, PlanKind, Verdict
from saccade.wire.action import FEEDBACK_NS, Status
from saccade.wire.codec import codec
from saccade.wire.convert import decode_plan, encode_bool, encode_verdict, time_msg
from saccade.wire.service import ADDRESS
from saccade.wire.virtual import VirtualBus
from vla_node import requests
from vla_node.node import VlaNode
from vla_node.params import PlannerParams, VlaParams
from vla_node.requests import Outcome

PARAMS = VlaParams(planner=PlannerParams(worker="modelled"))
HALL = (Box(2.5, 0.8, 0.2, 0.2, 0.5, RED), Box(1.4, -0.2, 0.15, 0.15, 0.5, BLUE))
ACTION = "execute_instruction/_action"


def asked(service, at_s, number, **fields):
    """A request at a time after the start; the answer comes back with `number`."""
    row = topic(f"{service}/request")
    cdr = codec().encode(codec().new(row.message_type, **fields))
    return Sample(row.name, START_NS + round(at_s * SEC), number.to_bytes(ADDRESS, "little") + bytes(cdr))


def uuid(number):
    return codec().new("unique_identifier_msgs/msg/UUID", uuid=np.full(16, number, np.uint8))


def goal(text, at_s, number):
    """A goal, and the question what has become of it; answers 2 * number and 2 * number + 1."""
    message = codec().new("saccade_msgs/action/ExecuteInstruction_Goal", instruction=text)
    return (
        asked(f"{ACTION}/send_goal", at_s, 2 * number, goal_id=uuid(number), goal=message),
        asked(f"{ACTION}/get_result", at_s, 2 * number + 1, goal_id=uuid(number)),
    )


def cancel(at_s, number, answer=100):
    info = codec().new("action_msgs/msg/GoalInfo", goal_id=uuid(number), stamp=time_msg(0))
    return asked(f"{ACTION}/cancel_goal", at_s, answer, goal_info=info)


class Gate:
    """Grants what is asked and says so at 100 Hz, so that the node knows what the robot does."""

    name, reads, writes = "gate", frozenset(), frozenset({"verdict"})

    def __init__(self, world):
        self.stages, self._world, self._next_ns = Stages(), world, START_NS

    def next_ns(self, now_ns):
        return self._next_ns

    def on_sample(self, sample, now_ns):
        return ()

    def on_tick(self, now_ns):
        self._next_ns = now_ns + 10 * MS
        speeds = np.array([self._world.v, self._world.w])
        verdict = Verdict(now_ns, Decision.PASS, "", ("vx", "wz"), speeds, speeds, 1.0, 1.0, now_ns, 0, 0)
        return (Out("verdict", encode_verdict(verdict)),)

    def close(self):
        return ()


class Client(Ear):
    reads = requests.WRITES | {"plan"}

    def answers(self):
        """Message by the number it was asked with, and when it came."""
        found = {}
        for sample in self.samples:
            row = topic(sample.topic)
            if row.service:
                number = int.from_bytes(sample.cdr[:ADDRESS], "little")
                assert number not in found
                found[number] = (sample.stamp_ns, codec().decode(row.message_type, sample.cdr[ADDRESS:]))
        return found

    def feedback(self):
        row = topic(f"{ACTION}/feedback")
        return [(s.stamp_ns, codec().decode(row.type, s.cdr)) for s in self.samples if s.topic == row.name]

    def result(self, number):
        """(status, outcome, reason, time in s after the start) of a goal."""
        at, reply = self.answers()[2 * number + 1]
        return Status(reply.status), Outcome(reply.result.outcome), reply.result.reason, (at - START_NS) / SEC


def play(*script, until_s=6.0, boxes=HALL, gate=True):
    world = World(boxes, until_s, script=script)
    client = Client()
    run([VlaNode(PARAMS), client, *([Gate(world)] if gate else [])], VirtualBus(world))
    return world, client


def speed(world, from_s, to_s):
    """The greatest speed of the robot in a while."""
    return max(abs(row[4]) + abs(row[5]) for row in world.trail if from_s <= (row[0] - START_NS) / SEC < to_s)


def test_an_instruction_by_the_service_is_answered_and_carried_out():
    world, client = play(asked("set_instruction", 0.5, 1, instruction="go to the red box"))
    at, reply = client.answers()[1]
    assert (reply.success, reply.message) == (True, "understood: go to the red box")
    assert at == START_NS + SEC // 2
    assert {plan.epoch for plan in client.plans()} == {reply.epoch} == {1000}
    assert speed(world, 2, 6) > 0.3


def test_what_is_not_understood_is_answered_plainly_and_stops_the_robot():
    nonsense = asked("set_instruction", 3.0, 1, instruction="fetch me a coffee")
    world, client = play(told("go to the red box", 0.5), nonsense, until_s=5)
    _, reply = client.answers()[1]
    assert not reply.success
    assert "not understood: 'fetch me a coffee'" in reply.message
    assert "I understand: 'go to the red box'" in reply.message
    assert speed(world, 2, 3) > 0.3
    assert speed(world, 4, 5) == 0.0
    assert client.plans()[-1].epoch == reply.epoch


def test_a_goal_is_followed_to_its_end_with_feedback():
    text = "turn left 90 degrees, then go forward 0.5 m"
    world, client = play(*goal(text, 0.5, 1), until_s=12, boxes=())
    assert client.answers()[2][1].accepted
    status, outcome, reason, at_s = client.result(1)
    assert (status, outcome, reason) == (Status.SUCCEEDED, Outcome.DONE, f"done: {text}")
    assert speed(world, at_s + 0.1, 12) == 0.0
    assert math.degrees(world.yaw) == pytest.approx(90, abs=12)
    times = np.array([at for at, _ in client.feedback()])
    assert times[0] <= START_NS + 600 * MS
    assert np.diff(times).min() >= FEEDBACK_NS
    assert times[-1] <= START_NS + at_s * SEC
    first, *_, last = (message.feedback for _, message in client.feedback())
    assert (first.plan.id, first.plan.text, first.progress) == (0, "no plan yet", 0.0)
    assert last.plan.id == max(plan.id for plan in client.plans() if plan.progress < 1)
    assert last.progress == 0.5, "one of two steps is done"
    assert max(message.feedback.verdict.granted[0] for _, message in client.feedback()) > 0.2
    progress = [message.feedback.progress for _, message in client.feedback()]
    assert progress == sorted(progress)


def test_a_goal_that_the_planner_gives_up_is_aborted_with_its_reason():
    _, client = play(*goal("back up 2 m", 0.5, 1), boxes=[Box(-1.0, 0.0, 0.2, 2.0, 0.5, BLUE)])
    status, outcome, reason, _ = client.result(1)
    assert (status, outcome) == (Status.ABORTED, Outcome.FAILED)
    assert "the way behind is not known to be free" in reason


def test_a_goal_that_is_not_understood_says_what_would_be():
    _, client = play(*goal("fetch me a coffee", 0.5, 1), until_s=1)
    assert client.answers()[2][1].accepted, "a rejection could not say why"
    status, outcome, reason, _ = client.result(1)
    assert (status, outcome) == (Status.ABORTED, Outcome.FAILED)
    assert "I understand" in reason


BY = {
    "topic": (told("turn left", 3.0),),
    "service": (asked("set_instruction", 3.0, 1, instruction="turn left"),),
    "goal": goal("turn left", 3.0, 2),
}


@pytest.mark.parametrize("way", BY)
def test_another_instruction_takes_the_place_of_a_goal(way):
    _, client = play(*goal("go to the red box", 0.5, 1), *BY[way])
    assert client.result(1) == (Status.ABORTED, Outcome.REPLACED, "replaced by 'turn left'", 3.0)
    if way == "goal":
        assert client.result(2)[:2] == (Status.SUCCEEDED, Outcome.DONE)


def test_an_echo_of_the_goals_own_words_on_the_topic_changes_nothing():
    _, client = play(*goal("turn left", 0.5, 1), told("turn left", 1.0))
    assert client.result(1)[:2] == (Status.SUCCEEDED, Outcome.DONE)


def test_a_canceled_goal_ends_when_the_robot_stands():
    world, client = play(*goal("go to the red box", 0.5, 1), cancel(3.0, 1))
    (info,) = client.answers()[100][1].goals_canceling
    assert info.goal_id.uuid[0] == 1
    status, outcome, _, at_s = client.result(1)
    assert (status, outcome) == (Status.CANCELED, Outcome.CANCELED)
    assert speed(world, 2.5, 3.0) > 0.3
    assert 3.2 < at_s < 4.5
    assert speed(world, at_s - 0.02, 6) == 0.0
    assert client.plans()[-1].text == "canceled"


def test_a_canceled_goal_ends_in_time_without_a_gate():
    _, client = play(*goal("go to the red box", 0.5, 1), cancel(3.0, 0), gate=False)
    status, _, reason, at_s = client.result(1)
    assert status is Status.CANCELED
    assert 5.0 <= at_s < 5.2
    assert "not seen standing" in reason


def test_an_operators_stop_ends_a_goal_and_refuses_another_while_it_is_pressed():
    stop, go = (
        Sample("operator_stop", START_NS + round(s * SEC), encode_bool(v)) for s, v in ((3, True), (4.5, False))
    )
    world, client = play(*goal("go to the red box", 0.5, 1), stop, *goal("go to the red box", 4.0, 2), go, until_s=7)
    assert client.result(1)[:2] == (Status.ABORTED, Outcome.STOPPED)
    assert "operator stop" in client.result(1)[2]
    assert client.result(2)[:2] == (Status.ABORTED, Outcome.FAILED)
    assert "release it" in client.result(2)[2]
    assert speed(world, 4.5, 7) == 0.0, "the release alone sets nothing in motion"


def test_a_node_that_ends_ends_its_goal():
    _, client = play(*goal("follow the corridor", 0.5, 1), until_s=2)
    assert client.result(1)[:3] == (Status.ABORTED, Outcome.STOPPED, "vla_node ended")


@pytest.mark.parametrize("cdr", [b"", bytes(24), bytes(24) + b"\0\1\0\0" + b"\xff" * 40])
@pytest.mark.parametrize("name", sorted(requests.READS))
def test_malformed_requests_are_named_and_never_raised(name, cdr):
    node = VlaNode(PARAMS)
    assert node.on_sample(Sample(name, START_NS, cdr), START_NS) == ()
    faults = node._senses.faults(START_NS)
    assert len(faults) == 1
    assert faults[0].startswith(name)


THINGS = ["topic", "service", "goal", "same goal", "cancel", "stop", "release", "nonsense"]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(THINGS), st.integers(0, 80)), max_size=8))
def test_in_every_order_of_events_every_question_is_answered_once(events):
    """Times in ticks of 10 ms, without a world: what the planner would say is not the point here."""
    node, outs, expected = VlaNode(PARAMS), [], set()
    now_ns = START_NS
    for number, (kind, ticks) in enumerate(events, 1):
        script = {
            "topic": (told(f"turn left {number} degrees", 0),),
            "service": (asked("set_instruction", 0, 2 * number, instruction="turn left"),),
            "goal": goal("go forward 1 m", 0, number),
            "same goal": goal("go forward 1 m", 0, 1),
            "cancel": (cancel(0, 0, 2 * number),),
            "stop": (Sample("operator_stop", 0, encode_bool(True)),),
            "release": (Sample("operator_stop", 0, encode_bool(False)),),
            "nonsense": goal("fetch a coffee", 0, number),
        }[kind]
        for sample in script:
            if topic(sample.topic).service:
                cdr = len(expected).to_bytes(ADDRESS, "little") + bytes(sample.cdr[ADDRESS:])
                expected.add(len(expected))
                sample = sample._replace(cdr=cdr)
            outs += node.on_sample(sample, now_ns)
        until_ns = now_ns + ticks * 10 * MS
        while (due_ns := node.next_ns(now_ns)) <= until_ns:
            outs += node.on_tick(now_ns := due_ns)
        now_ns = until_ns
    outs += node.close()
    answers = [int.from_bytes(out.cdr[:ADDRESS], "little") for out in outs if topic(out.topic).service]
    assert sorted(answers) == sorted(expected)
    epochs = [decode_plan(out.cdr).epoch for out in outs if out.topic == "plan"]
    assert epochs == sorted(epochs)
    assert all(decode_plan(out.cdr).kind is PlanKind.STOP for out in outs if out.topic == "plan")
    assert node.next_ns(now_ns) < NEVER_NS
