"""A clock that is set back: nothing of before comes round again, and the node does not sleep until it has caught up."""

import numpy as np
import pytest

from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.types import PlanKind
from saccade.wire.commands import encode_joint_state
from saccade.wire.convert import decode_chunk, decode_plan, encode_text
from vla_node.embodiments.arm import ArmParams
from vla_node.node import VlaNode
from vla_node.params import PlannerParams, PolicyParams, VlaParams
from vla_node.planner import Answer, make_plan
from vla_node.policies.base import ActionKind, PolicySpec

ARM = ArmParams(fixed=True)
PARAMS = VlaParams(
    embodiment="arm", arm=ARM, planner=PlannerParams(worker="modelled", latency_s=0.1), policy=PolicyParams(latency_s=0)
)
T0 = 5_000 * SEC
STEP = 10 * MS


class Points:
    """Always the same place to go to."""

    def refuses(self, instruction):
        return ""

    def plan(self, observation):
        return Answer(make_plan(observation, PlanKind.WAYPOINTS, "there", waypoints=np.array([[0.4, 0.0, 0.1]])))

    def cancel(self):
        pass

    close = cancel


class Turns:
    """Always turns the first joint."""

    spec = PolicySpec("turns", ActionKind.JOINT_VELOCITY, ARM.axes, 50 * MS, 10)

    def begin(self, epoch):
        pass

    def act(self, look, timeout_ns):
        return np.tile([0.5] + [0.0] * (len(ARM.axes) - 1), (10, 1))

    def close(self):
        pass


class Arm:
    """The node of an arm whose base never moves, so that no odometry tells it of the clock; joints every 10 ms."""

    def __init__(self):
        self.node = VlaNode(PARAMS, Points(), Turns())

    def tell(self, now_ns):
        return list(self.node.on_sample(Sample("instruction", now_ns, encode_text("turn")), now_ns))

    def run(self, begin_ns, end_ns):
        """What it says from one instant to another."""
        said = []
        for now_ns in range(begin_ns, end_ns, STEP):
            joints = encode_joint_state(now_ns, ARM.axes, np.array([*ARM.home, 0.0]))
            said += self.node.on_sample(Sample("joint_states", now_ns, joints), now_ns)
            if self.node.next_ns(now_ns) <= now_ns:
                said += self.node.on_tick(now_ns)
        return said


def chunks(said):
    return [decode_chunk(out.cdr) for out in said if out.topic == "chunk"]


@pytest.fixture
def moving():
    arm = Arm()
    arm.run(T0, T0 + STEP)
    arm.tell(T0 + STEP)
    said = arm.run(T0 + 2 * STEP, T0 + 2 * SEC)
    assert chunks(said)[-1].actions.any()
    return arm


def test_the_mission_ends_and_does_not_go_on_when_the_clock_has_caught_up(moving):
    said = moving.run(T0, T0 + 3 * SEC)
    (stop,) = [decode_plan(out.cdr) for out in said if out.topic == "plan"]
    assert stop.kind is PlanKind.STOP
    assert stop.text == "the clock went back by 2.0 s; give the instruction again"
    assert len(chunks(said)) > 2 * 20
    assert not any(chunk.actions.any() for chunk in chunks(said))


def test_it_can_be_told_anew_at_once(moving):
    moving.run(T0 - 60 * SEC, T0 - 59 * SEC)
    moving.tell(T0 - 59 * SEC)
    said = moving.run(T0 - 59 * SEC + STEP, T0 - 58 * SEC)
    assert chunks(said)[-1].actions.any()
    assert [out.topic for out in said].count("plan") >= 1


def test_after_a_small_step_back_nothing_of_before_is_executed_again(moving):
    epoch, back_ns = moving.node._epochs.current, T0 + 2 * SEC - 600 * MS
    said = chunks(moving.run(back_ns, T0 + 2 * SEC - 150 * MS))
    assert not any(chunk.actions.any() for chunk in said)
    assert chunks(moving.run(T0 + 2 * SEC - 150 * MS, T0 + 3 * SEC))[-1].actions.any()
    assert moving.node._epochs.current == epoch
