from dataclasses import replace

import numpy as np
import pytest
from vla_world import chart

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.types import Image, Plan, PlanKind, RobotState
from saccade.wire.convert import encode_map, encode_odom
from saccade.wire.images import encode_image
from vla_node.params import VlaParams
from vla_node.pilot import Pilot
from vla_node.policies.base import ActionKind, PolicyError, PolicySpec
from vla_node.senses import Senses

GRID = chart(0, 0, 0, [], size_m=8, cell_m=0.1)
TICK = 50 * MS


def senses(now_ns, v=0.0, w=0.0, grid=GRID):
    """Odometry of a robot at the origin that moves at `v` and `w`, and a map, both heard now."""
    heard = Senses()
    heard.take(
        Sample("odom", now_ns, encode_odom(RobotState(now_ns, "odom", SE3.identity(), np.array([v, 0, 0, 0, 0, w]))))
    )
    heard.take(Sample("local_map", now_ns, encode_map(replace(grid, stamp_ns=now_ns))))
    return heard


def plan(kind=PlanKind.WAYPOINTS):
    return Plan(
        1, 1, "", kind, 0, SE3.identity(), 0, 100 * SEC, "odom", np.array([(0, 0, 0), (3, 0, 0)], float), np.zeros(0),
        1.0, True, "",
    )  # fmt: skip


def act(pilot, now_ns, v=0.0, held=False):
    """One chunk for a robot at the origin whose odometry says that it moves at `v`."""
    return pilot.act(now_ns, senses(now_ns, v), held)


@pytest.fixture
def pilot():
    pilot = Pilot(VlaParams())
    pilot.begin(1)
    pilot.adopt(plan())
    return pilot


def test_speeds_are_continued_from_what_was_asked_not_from_odometry_that_lags(pilot):
    asked = [act(pilot, k * TICK).actions[4, 0] for k in range(1, 8)]
    assert np.all(np.diff(asked) > 0)
    assert asked[-1] > 0.15


def test_a_map_between_two_ticks_does_not_shift_what_was_done_before(pilot):
    for k in range(1, 6):
        act(pilot, k * TICK)
    at_tick = act(pilot, 6 * TICK)
    between = act(pilot, 6 * TICK + 20 * MS)
    assert between.t0_ns == at_tick.t0_ns
    assert between.actions[0, 0] == pytest.approx(at_tick.actions[0, 0], abs=0.01)
    assert between.actions[0, 0] > 0.05


def test_a_robot_the_gate_holds_begins_from_a_standstill(pilot):
    for k in range(1, 8):
        act(pilot, k * TICK)
    held = act(pilot, 8 * TICK, held=True)
    assert 0 < held.actions[4, 0] <= VlaParams().limits.a_m_s2 * 0.05


def test_a_robot_that_does_not_obey_is_taken_as_it_is(pilot):
    for k in range(1, 20):
        act(pilot, k * TICK, v=min(0.6, k * 0.035))
    stuck = act(pilot, 20 * TICK, v=0.0)
    assert stuck.actions[4, 0] <= VlaParams().limits.a_m_s2 * 0.05


def test_nobody_told_it_anything():
    assert act(Pilot(VlaParams()), TICK) is None


def test_a_kind_of_plan_it_cannot_follow_is_a_standstill(pilot):
    pilot.adopt(plan(PlanKind.PIXEL_GOAL))
    chunk = act(pilot, TICK)
    assert chunk is None or not chunk.actions.any()
    assert "PIXEL_GOAL" in pilot.why


class Remote:
    """A policy that takes its time: constant rows, or an error; keeps what it was shown."""

    def __init__(self, rows=((0.3, 0.1),) * 16, error=None, cameras=()):
        self.spec = PolicySpec("remote", ActionKind.VELOCITY, ("vx", "wz"), TICK, len(rows), cameras)
        self.rows, self.error, self.looks, self.closed, self.epochs = np.array(rows), error, [], 0, []

    def begin(self, epoch):
        self.epochs.append(epoch)

    def act(self, look, timeout_ns):
        self.looks.append(look)
        if self.error:
            raise self.error
        return self.rows

    def close(self):
        self.closed += 1


def remote(policy, latency_s=0.2):
    params = VlaParams()
    params = replace(
        params,
        planner=replace(params.planner, worker="modelled"),
        policy=replace(params.policy, latency_s=latency_s),
    )
    pilot = Pilot(params, policy)
    pilot.begin(1)
    pilot.adopt(plan())
    return pilot


def fly(pilot, ticks, v=0.0, start=1):
    return {k: act(pilot, k * TICK, v) for k in range(start, start + ticks)}


def test_what_a_policy_answers_late_is_done_at_its_own_time_and_on_until_the_next():
    rows = np.stack([0.01 * np.arange(16), np.zeros(16)], 1)
    policy = Remote(rows)
    chunks = fly(remote(policy), 12)
    assert [k for k, chunk in chunks.items() if chunk is None] == [1, 2, 3, 4]
    first = chunks[5]
    # It stood still meanwhile, so it begins with action 0; from then on every row belongs to its instant.
    assert (first.t0_ns, first.obs_stamp_ns) == (5 * TICK, 1 * TICK)
    assert first.actions[4 : 5 * 16 : 5, 0] == pytest.approx(rows[:, 0])
    assert [look.stamp_ns // TICK for look in policy.looks] == [1, 6, 10]
    # Asked at tick 6, answered at tick 10: rows 0 to 3 are past, and what comes next is row 4.
    assert chunks[10].t0_ns == 10 * TICK
    assert chunks[10].actions[4::5, 0][:12] == pytest.approx(rows[4:, 0], abs=0.041)


def test_a_policy_is_shown_what_was_asked_and_what_is_promised():
    policy = Remote(rows=((0.03, 0.0),) * 16)
    fly(remote(policy), 6)
    before, after = policy.looks
    assert len(before.promised) == 0
    assert after.asked[0] == pytest.approx(0.03)
    assert after.promised[:, 0] == pytest.approx([0.03] * 15)
    assert after.since_plan_ns == 6 * TICK
    assert after.T_plan_from_body.t == pytest.approx([0, 0, 0])


def test_a_robot_that_does_otherwise_is_promised_nothing():
    policy = Remote()
    fly(remote(policy), 12, v=-0.3)
    turned = [len(look.promised) for look in policy.looks if look.asked[0] == -0.3]
    assert turned
    assert not any(turned)


def test_a_policy_that_fails_says_why_and_what_was_decided_runs_out():
    policy = Remote()
    pilot = remote(policy)
    fly(pilot, 6)
    policy.error = PolicyError("the server is gone")
    chunks = fly(pilot, 30, v=0.3, start=7)
    assert pilot.why == "the server is gone"
    assert chunks[7].actions.any()
    assert chunks[36] is None or not chunks[36].actions.any()


def test_a_bug_of_a_policy_is_a_reason_too():
    pilot = remote(Remote(error=ZeroDivisionError("by zero")), latency_s=0.0)
    assert act(pilot, TICK) is None
    assert pilot.why == "ZeroDivisionError: by zero"


def test_an_answer_to_the_old_instruction_is_not_carried_out():
    policy = Remote()
    pilot = remote(policy)
    fly(pilot, 3)
    pilot.begin(2)
    pilot.adopt(replace(plan(), epoch=2))
    assert all(chunk is None or chunk.epoch == 2 for chunk in fly(pilot, 6, start=4).values())
    assert [look.epoch for look in policy.looks] == [1, 2, 2]
    assert policy.epochs == [1, 2]


def test_an_answer_of_another_width_is_not_carried_out():
    pilot = remote(Remote(rows=((0.1, 0.2, 0.3),) * 4), latency_s=0.0)
    assert act(pilot, TICK) is None
    assert "expected rows of 2: vx, wz" in pilot.why


def test_a_policy_that_wants_pictures_is_not_asked_without():
    policy = Remote(cameras=("left",))
    pilot = remote(policy, latency_s=0.0)
    assert act(pilot, TICK) is None
    assert "left" in pilot.why
    assert policy.looks == []


def test_pictures_date_the_look_and_the_pose_is_that_of_then():
    def heard(k):
        senses = Senses()
        for i in range(k + 1):
            state = RobotState(i * TICK, "odom", SE3.from_rpy(0, 0, 0, (0.1 * i, 0, 0)), np.array([2.0, 0, 0, 0, 0, 0]))
            senses.take(Sample("odom", i * TICK, encode_odom(state)))
        picture = Image((k - 1) * TICK, "left_optical", np.full((4, 6, 3), 7, np.uint8))
        senses.take(Sample("left/image_rect", k * TICK, encode_image(picture)))
        senses.take(Sample("local_map", k * TICK, encode_map(replace(GRID, stamp_ns=k * TICK))))
        return senses

    policy = Remote(cameras=("left",))
    pilot = remote(policy, latency_s=0.0)
    chunk = pilot.act(4 * TICK, heard(4), False)
    (look,) = policy.looks
    assert look.stamp_ns == 3 * TICK
    assert look.state.T_odom_from_body.t == pytest.approx([0.3, 0, 0])
    assert look.images["left"].data.shape == (4, 6, 3)
    assert chunk.obs_stamp_ns == 3 * TICK
    # Row 0 is past, for the robot moved meanwhile; the 15 others are followed by a way to rest within the limits.
    assert chunk.t0_ns == 4 * TICK
    assert np.abs(np.diff(chunk.actions[4::5, 0])).max() <= VlaParams().limits.a_m_s2 * 0.05 + 1e-9
    assert chunk.actions[-1].tolist() == [0, 0]


def test_what_is_promised_begins_at_the_picture_that_is_shown():
    policy = Remote(np.stack([0.002 * np.arange(1, 41), np.zeros(40)], 1), cameras=("left",))
    pilot, heard = remote(policy, latency_s=0.1), Senses()
    for k in range(2, 14):
        state = RobotState(k * TICK, "odom", SE3.identity(), np.zeros(6))
        heard.take(Sample("odom", k * TICK, encode_odom(state)))
        picture = Image((k - 2) * TICK, "left_optical", np.zeros((4, 6, 3), np.uint8))
        heard.take(Sample("left/image_rect", k * TICK, encode_image(picture)))
        heard.take(Sample("local_map", k * TICK, encode_map(replace(GRID, stamp_ns=k * TICK))))
        pilot.act(k * TICK, heard, False)
    executor = pilot._executor
    looks = [look for look in policy.looks if len(look.promised)]
    assert len(looks) >= 2
    for look in looks:
        row = executor._done.chunk.actions[(look.stamp_ns - executor._done.chunk.t0_ns) // TICK]
        assert look.promised[0] == pytest.approx(row)
    assert looks[-1].delay_rows >= 2  # the first answer found the robot standing and was not late


def test_it_lets_go_of_its_policy():
    policy = Remote()
    remote(policy).close()
    assert policy.closed == 1
