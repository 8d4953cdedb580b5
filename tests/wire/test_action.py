from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.clock import MS, SEC
from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.topics import topic
from saccade.types import Decision, Plan, PlanKind, Verdict
from saccade.wire.action import FEEDBACK_NS, KEPT_NS, ActionServer, Cancel, Status
from saccade.wire.codec import codec
from saccade.wire.convert import encode_plan, encode_verdict, time_msg
from saccade.wire.service import ADDRESS

NAME, TYPE = "execute_instruction", "saccade_msgs/action/ExecuteInstruction"
START_NS = 100 * SEC
NOTHING = np.zeros(0)
PLAN = codec().decode("saccade_msgs/msg/Plan", encode_plan(Plan(
    1, 1, "go", PlanKind.TEXT, 0, SE3.identity(), 0, 0, "odom", np.zeros((0, 3)), NOTHING, 1.0, False, ""
)))  # fmt: skip
VERDICT = codec().decode("saccade_msgs/msg/Verdict", encode_verdict(Verdict(
    0, Decision.PASS, "", (), NOTHING, NOTHING, 1.0, 1.0, 0, 0, 0
)))  # fmt: skip
ENDS = (Status.SUCCEEDED, Status.CANCELED, Status.ABORTED)
NEXT = {
    None: {Status.EXECUTING},
    Status.EXECUTING: {Status.CANCELING, Status.SUCCEEDED, Status.ABORTED},
    Status.CANCELING: {Status.SUCCEEDED, Status.CANCELED, Status.ABORTED},
}


def goal_id(number):
    """Goal 0 is everybody's: the id of zeros means any goal."""
    return codec().new("unique_identifier_msgs/msg/UUID", uuid=np.full(16, number, np.uint8))


class Client:
    """Asks a server over bytes and keeps count of what comes back; the protocol is watched at every step."""

    def __init__(self):
        self.server = ActionServer(NAME, TYPE, {"outcome": 0, "reason": "never heard of it"})
        self.now_ns = START_NS
        self.asked = 0
        self.answers: Counter[bytes] = Counter()
        self.replies = {}
        self.status = {}
        self.fed = []

    def sample(self, service, stamp_ns=0, **fields):
        self.asked += 1
        address = self.asked.to_bytes(ADDRESS, "little")
        row = topic(f"{NAME}/_action/{service}/request")
        if service == "cancel_goal":
            info = codec().new("action_msgs/msg/GoalInfo", goal_id=fields.pop("goal_id"), stamp=time_msg(stamp_ns))
            fields = {"goal_info": info}
        return address, Sample(row.name, self.now_ns, address + codec().encode(codec().new(row.message_type, **fields)))

    def hear(self, outs):
        for out in outs:
            row = topic(out.topic)
            if row.service:
                self.answers[bytes(out.cdr[:ADDRESS])] += 1
                self.replies[bytes(out.cdr[:ADDRESS])] = codec().decode(row.message_type, out.cdr[ADDRESS:])
            elif row.name.endswith("status"):
                self._watch(codec().decode(row.type, out.cdr))
            else:
                self.fed.append((self.now_ns, codec().decode(row.type, out.cdr)))

    def _watch(self, message):
        told = {g.goal_info.goal_id.uuid[0]: Status(g.status) for g in message.status_list}
        for number, status in told.items():
            assert status == self.status.get(number) or status in NEXT.get(self.status.get(number), NEXT[None])
        self.status = told
        assert sum(not status.terminal for status in told.values()) <= 1

    def goal(self, number):
        goal = codec().new(f"{TYPE}_Goal", instruction="go")
        address, sample = self.sample("send_goal", goal_id=goal_id(number), goal=goal)
        wish = self.server.wish(sample)
        if not self.server.knows(wish.goal_id) and self.server.status is not None:
            self.finish(Status.ABORTED)
        self.hear(self.server.accept(wish, self.now_ns))
        return self.replies[address].accepted

    def cancel(self, number, stamp_ns=0):
        address, sample = self.sample("cancel_goal", stamp_ns, goal_id=goal_id(number))
        self.hear(self.server.cancel(sample, self.now_ns))
        reply = self.replies[address]
        return Cancel(reply.return_code), [info.goal_id.uuid[0] for info in reply.goals_canceling]

    def result(self, number):
        address, sample = self.sample("get_result", goal_id=goal_id(number))
        self.hear(self.server.ask_result(sample, self.now_ns))
        return address

    def finish(self, status, reason=""):
        self.hear(self.server.finish(status, self.now_ns, outcome=1, reason=reason))

    def feed(self):
        if self.server.feedback_due(self.now_ns):
            self.hear([self.server.feedback(self.now_ns, progress=0.5, plan=PLAN, verdict=VERDICT)])


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("goal"), st.integers(1, 4)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("result"), st.integers(1, 5)),
        st.tuples(st.just("finish"), st.sampled_from(ENDS)),
        st.tuples(st.just("feed"), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([MS, 100 * MS, FEEDBACK_NS, 2 * KEPT_NS])),
    ),
    max_size=40,
)


@given(EVENTS)
def test_in_every_order_of_events_everybody_is_answered_once_and_goals_go_their_way(events):
    client = Client()
    for kind, value in events:
        if kind == "wait":
            client.now_ns += value
        elif kind == "feed":
            client.feed()
        elif kind != "finish":
            getattr(client, kind)(value)
        elif client.server.status is not None and (
            value is not Status.CANCELED or client.server.status is Status.CANCELING
        ):
            client.finish(value)
    if client.server.status is not None:
        client.finish(Status.ABORTED)
    assert client.answers == {n.to_bytes(ADDRESS, "little"): 1 for n in range(1, client.asked + 1)}
    assert all(status.terminal for status in client.status.values())


def test_a_goal_runs_and_its_result_reaches_who_asks_before_and_after():
    client = Client()
    assert client.goal(1)
    before = client.result(1)
    assert before not in client.replies
    client.finish(Status.SUCCEEDED, "done: go")
    after = client.result(1)
    for address in (before, after):
        reply = client.replies[address]
        assert (reply.status, reply.result.reason) == (Status.SUCCEEDED, "done: go")
    assert client.status == {1: Status.SUCCEEDED}


def test_results_are_kept_for_a_while():
    client = Client()
    client.goal(1)
    client.finish(Status.SUCCEEDED, "done")
    client.now_ns += KEPT_NS
    assert client.replies[client.result(1)].status == Status.SUCCEEDED
    client.now_ns += 1
    reply = client.replies[client.result(1)]
    assert (reply.status, reply.result.reason) == (Status.UNKNOWN, "never heard of it")
    assert client.goal(1), "and the id is free again"


def test_many_goals_in_a_minute_take_bounded_memory():
    client = Client()
    for number in range(1, 100):
        assert client.goal(number)
        assert len(client.status) <= 16
    assert client.status[99] is Status.EXECUTING


def test_a_goal_id_in_use_is_rejected_and_the_goal_lives_on():
    client = Client()
    client.goal(1)
    assert not client.goal(1)
    assert client.status == {1: Status.EXECUTING}
    client.finish(Status.SUCCEEDED)
    assert not client.goal(1)


def test_whom_a_wish_to_cancel_means():
    """action_msgs/CancelGoal: zeros mean any; a stamp means all that were accepted until then, too."""
    client = Client()
    assert client.cancel(0) == (Cancel.NONE, [])
    assert client.cancel(1) == (Cancel.UNKNOWN_GOAL_ID, [])
    client.goal(1)
    client.finish(Status.SUCCEEDED)
    assert client.cancel(1) == (Cancel.GOAL_TERMINATED, [])
    client.now_ns += SEC
    client.goal(2)
    assert client.cancel(0, START_NS) == (Cancel.NONE, [])
    assert client.status[2] is Status.EXECUTING
    assert client.cancel(9, START_NS) == (Cancel.UNKNOWN_GOAL_ID, [])
    assert client.cancel(1, client.now_ns) == (Cancel.NONE, [2])
    assert client.status[2] is Status.CANCELING
    assert client.cancel(2) == (Cancel.NONE, [2]), "asking twice is no error"
    client.finish(Status.CANCELED)
    assert client.status == {1: Status.SUCCEEDED, 2: Status.CANCELED}


def test_feedback_is_bounded_and_begins_with_the_goal():
    client = Client()
    client.feed()
    for _ in range(2):
        client.goal(len(client.status) + 1)
        for _ in range(95):
            client.feed()
            client.now_ns += 10 * MS
    assert [at - START_NS for at, _ in client.fed] == [
        start + k * FEEDBACK_NS for start in (0, 950 * MS) for k in range(5)
    ]
    assert [message.goal_id.uuid[0] for _, message in client.fed] == [1] * 5 + [2] * 5


@pytest.mark.parametrize("status", [Status.CANCELED, Status.EXECUTING])
def test_what_a_goal_cannot_become_is_an_error(status):
    client = Client()
    with pytest.raises(ValueError, match="not there"):
        client.finish(Status.SUCCEEDED)
    client.goal(1)
    with pytest.raises(ValueError, match="EXECUTING cannot become"):
        client.finish(status)


@pytest.mark.parametrize("cdr", [b"", bytes(23), bytes(24), bytes(24) + b"\0\1\0\0"])
def test_bytes_that_are_no_request_are_named(cdr):
    with pytest.raises(DataError, match=r"send_goal|SendGoal"):
        Client().server.wish(Sample("execute_instruction/_action/send_goal/request", 0, cdr))
