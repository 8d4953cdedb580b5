import math
from dataclasses import replace

import numpy as np
import pytest
from vla_world import BLUE, RED, SENSED_LATE_NS, START_NS, Box, World, drive, static_tf, told

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.node import Sample, run
from saccade.types import Decision, PlanKind, RobotState, Verdict
from saccade.wire.codec import codec
from saccade.wire.convert import decode, decode_chunk, encode_bool, encode_odom, encode_verdict, header
from saccade.wire.virtual import VirtualBus
from vla_node.epochs import Epochs
from vla_node.node import VlaNode
from vla_node.params import ExecutorParams, PlannerParams, PolicyParams, VlaParams
from vla_node.senses import peek_header

PARAMS = VlaParams(planner=PlannerParams(worker="modelled"))
HALL = (Box(2.5, 0.8, 0.2, 0.2, 0.5, RED), Box(1.4, -0.2, 0.15, 0.15, 0.5, BLUE))
THERE_AND_BACK = "go to the red box, then come back"


def go(text=THERE_AND_BACK, boxes=HALL, until_s=20.0, params=PARAMS, at_s=0.5, **world):
    world = World(boxes, until_s, script=(*world.pop("script", ()), told(text, at_s)), **world)
    return world, drive(world, VlaNode(params))


def statuses(ear):
    """(stage, level, message) of every diagnostic, in order."""
    found = [decode("diagnostics", s.cdr).status[0] for s in ear.samples if s.topic == "diagnostics"]
    return [(status.name, status.level, status.message) for status in found]


def trail(world):
    """t s, x, y, yaw, v, w of the whole run, (n, 6)."""
    return np.array([((t - START_NS) / SEC, *rest) for t, *rest in world.trail])


@pytest.fixture(scope="module")
def there_and_back():
    return go()


def test_it_drives_to_the_box_and_back(there_and_back):
    world, ear = there_and_back
    rows = trail(world)
    nearest = np.hypot(rows[:, 1] - HALL[0].x, rows[:, 2] - HALL[0].y).min()
    assert 0.6 < nearest < 1.0
    assert math.hypot(rows[-1, 1], rows[-1, 2]) < 0.2
    assert abs(math.remainder(rows[-1, 3], math.tau)) < 0.2
    assert not rows[-1, 4:].any()
    assert ear.plans()[-1].text == f"done: {THERE_AND_BACK}"
    gaps = [np.hypot(np.clip(abs(rows[:, 1] - b.x) - b.half_x, 0, None),
                     np.clip(abs(rows[:, 2] - b.y) - b.half_y, 0, None)).min() for b in HALL]  # fmt: skip
    assert min(gaps) > PARAMS.limits.radius_m


def test_plans_come_late_but_are_tied_to_their_picture(there_and_back):
    world, ear = there_and_back
    arrivals = [s.stamp_ns for s in ear.samples if s.topic == "plan"]
    rows = trail(world)
    for arrival, plan in zip(arrivals, ear.plans(), strict=True):
        assert plan.inference_ns == 400 * MS
        assert 400 * MS <= arrival - plan.obs_stamp_ns <= 600 * MS
        i = np.searchsorted(rows[:, 0], (plan.obs_stamp_ns - START_NS) / SEC)
        np.testing.assert_allclose(plan.obs_pose.t[:2], rows[i, 1:3], atol=0.02)
    assert [p.id for p in ear.plans()] == list(range(1, len(arrivals) + 1))
    assert len(arrivals) == len([s for s in ear.samples if s.topic == "plan/path"])


def test_the_motion_is_smooth_and_within_limits(there_and_back):
    rows, limits = trail(there_and_back[0]), PARAMS.limits
    assert abs(rows[:, 4]).max() <= PARAMS.policy.cruise_m_s + 1e-9
    assert abs(np.diff(rows[:, 4])).max() <= 2 * limits.a_m_s2 * 0.05  # a map within a tick may revise its action
    assert abs(np.diff(rows[:, 5])).max() <= 2 * limits.aw_rad_s2 * 0.05


def test_chunks_come_at_20_hz_and_never_reach_back(there_and_back):
    _, ear = there_and_back
    chunks = ear.chunks()
    for heard, chunk in chunks:
        assert chunk.t0_ns % (50 * MS) == 0
        assert chunk.at(heard) is not None
        assert 0 <= heard - chunk.obs_stamp_ns < 300 * MS
    moving = [heard for heard, _ in chunks if 2 * SEC < heard - START_NS < 6 * SEC]
    assert max(np.diff(moving)) <= 50 * MS


def test_a_map_is_acted_on_at_once(there_and_back):
    _, ear = there_and_back
    lag = {}
    for heard, chunk in ear.chunks():
        lag.setdefault(chunk.obs_stamp_ns, heard - chunk.obs_stamp_ns)
    assert np.median(list(lag.values())) == SENSED_LATE_NS


def test_without_on_map_only_ticks_act():
    _, ear = go(until_s=4, params=replace(PARAMS, policy=PolicyParams(on_map=False)))
    heard = [h for h, chunk in ear.chunks() if h - START_NS > SEC]
    assert {h % (50 * MS) for h in heard} == {0}


def test_two_runs_give_the_same_bytes(there_and_back):
    assert go()[1].samples == there_and_back[1].samples


@pytest.mark.parametrize("scheduler", ["hold", "ensemble"])
def test_every_scheduler_gets_there(scheduler):
    world, _ = go("go to the red box", until_s=12, params=replace(PARAMS, executor=ExecutorParams(scheduler)))
    assert math.hypot(world.x - HALL[0].x, world.y - HALL[0].y) < 1.1
    assert world.v == 0.0


@pytest.mark.parametrize("text", ["don't go to the red box", "fetch me a coffee", "go to the red box unless it rains"])
def test_what_is_not_understood_is_a_stop_plan_with_the_text_and_no_motion(text):
    world, ear = go(text, until_s=4)
    (plan,) = ear.plans()
    assert plan.kind is PlanKind.STOP
    assert plan.final
    assert plan.instruction == text
    assert text in plan.text
    assert not trail(world)[:, 1:].any()
    assert all(not chunk.actions.any() for _, chunk in ear.chunks())
    assert ("vla_node/instruction", 1, plan.text) in statuses(ear)


def test_a_new_instruction_midway_brakes_at_once_and_voids_the_old():
    world, ear = go(until_s=8, script=[told("stop", 4.013)])
    rows = trail(world)
    assert rows[rows[:, 0] < 4.0][-1, 4] > 0.4
    first = next(c for heard, c in ear.chunks() if heard >= START_NS + 4.013 * SEC)
    assert first.epoch == 1004
    assert first.actions[-1, 0] == 0.0
    assert np.all(np.diff(first.actions[:, 0]) <= 0)
    assert not rows[rows[:, 0] > 5.0][:, 4:].any()
    epochs = [c.epoch for _, c in ear.chunks()]
    assert epochs == sorted(epochs)
    assert [p.epoch for p in ear.plans()] == sorted(p.epoch for p in ear.plans())


def test_every_epoch_is_newer_than_those_of_a_process_before():
    """The gate refuses older ones: a node that was started again must be heard at once."""
    before, after = Epochs(), Epochs()
    heard = [before.begin(START_NS + k * SEC // 2) for k in range(4)]
    assert heard == [1000, 1001, 1002, 1003]
    assert after.begin(START_NS + 5 * SEC) == 1005
    assert not after.accepts(heard[-1])
    assert Epochs().begin((2**32 + 7) * SEC) == 7


def test_an_answer_of_the_old_epoch_is_discarded():
    """The second instruction comes while the first one's plan is still being thought about."""
    _, ear = go(until_s=3, script=[told("turn left", 0.3)], at_s=0.5)
    assert {p.instruction for p in ear.plans()} == {THERE_AND_BACK}


@pytest.mark.parametrize("epoch", [1000, 1002])
def test_an_answer_that_slips_through_is_held_against_the_epoch(epoch):
    """A worker that answers for another epoch than 1001 although it was cancelled, or was never asked."""
    node = VlaNode(PARAMS)
    poll, asked = node._slow._worker.poll, []

    def slips(now_ns):
        done = poll(now_ns)
        asked.append(done)
        return done and (replace(done[0], plan=replace(done[0].plan, epoch=epoch)), done[1])

    node._slow._worker.poll = slips
    ear = drive(World(HALL, 3.0, script=[told("turn left", 0.3), told(THERE_AND_BACK, 0.5)]), node)
    assert any(asked)
    assert ear.plans() == []


def test_a_new_instruction_frees_the_worker():
    """It does not wait for the old one's answer, which would come at 0.65 s."""
    _, ear = go(until_s=1.0, script=[told("turn left", 0.2)], at_s=0.45)
    assert [p.instruction for p in ear.plans()] == [THERE_AND_BACK]


def test_the_same_words_again_are_an_echo_while_they_are_carried_out():
    _, ear = go(until_s=6, script=[told(THERE_AND_BACK, t) for t in (1.5, 2.5, 5.5)])
    assert {c.epoch for heard, c in ear.chunks() if heard < START_NS + 6 * SEC} == {1000}


@pytest.mark.parametrize("word", [encode_bool(True), b"\x00\x01"], ids=["pressed", "illegible"])
def test_an_operators_stop_ends_the_mission_for_good(word):
    press = [Sample("operator_stop", START_NS + 3 * SEC, word),
             Sample("operator_stop", START_NS + 4 * SEC, encode_bool(False))]  # fmt: skip
    world, ear = go(until_s=8, script=press)
    assert not trail(world)[trail(world)[:, 0] > 4.0][:, 4:].any()
    assert "operator stop" in ear.plans()[-1].text


@pytest.mark.parametrize("mute", ["local_map", "odom"])
def test_a_sense_that_falls_silent_stops_the_robot(mute):
    class Muted(World):
        def take(self):
            sample = super().take()
            late = sample.stamp_ns > START_NS + 3 * SEC and sample.topic == mute
            return sample._replace(topic="tf_static", cdr=static_tf()) if late else sample

    world = Muted(HALL, 7.0, script=[told(THERE_AND_BACK, 0.5)])
    ear = drive(world, VlaNode(PARAMS))
    rows = trail(world)
    assert rows[rows[:, 0] < 3.0][-1, 4] > 0.3
    assert not rows[rows[:, 0] > 4.3][:, 4:].any()
    assert any(name == "vla_node/policy" and mute in text for name, _, text in statuses(ear))


def test_a_plan_that_expires_ends_in_a_standstill_and_silence():
    """The worker never answers again: no new plan comes to take over."""
    node = VlaNode(PARAMS)
    world = World(HALL, 9.0, script=[told("follow the corridor", 0.5)])
    answered = node._slow._worker.poll

    def once(now_ns):
        plan = answered(now_ns)
        if plan is not None:
            node._slow._worker.poll = lambda now_ns: None
        return plan

    node._slow._worker.poll = once
    ear = drive(world, node)
    rows, (plan,) = trail(world), ear.plans()
    end_s = (plan.obs_stamp_ns + plan.valid_for_ns - START_NS) / SEC
    assert rows[:, 4].max() > 0.3
    assert abs(rows[rows[:, 0] >= end_s + 0.06][:, 4:]).max() < 0.03
    assert not rows[rows[:, 0] > end_s + 0.2][:, 4:].any()
    before_closing = [heard for heard, _ in ear.chunks() if heard < START_NS + 9 * SEC]
    assert before_closing[-1] <= START_NS + (end_s + 0.3) * SEC


def test_grey_pictures_are_refused_by_name():
    world, ear = go(until_s=4, grey=True)
    assert "grey" in ear.plans()[-1].text
    assert not trail(world)[:, 1:].any()


@pytest.mark.parametrize("mute", ["depth/image_rect", "depth/camera_info"])
def test_no_depth_is_said_and_does_not_move(mute):
    world, ear = go(until_s=4, mute=frozenset({mute}))
    assert mute in ear.plans()[-1].text
    assert not trail(world)[:, 1:].any()


TOPICS = ["left/image_rect", "depth/image_rect", "depth/camera_info", "local_map", "odom", "tf_static", "instruction",
          "verdict", "operator_stop"]  # fmt: skip


BROKEN = [b"", b"\0\1\0\0", b"\0\1\0\0" + b"\xff" * 40]


@pytest.mark.parametrize("topic", TOPICS)
def test_malformed_messages_are_named_and_never_raised(topic):
    broken = [Sample(topic, START_NS + k * 300 * MS, cdr) for k, cdr in enumerate(BROKEN, 1)]
    _, ear = go("go to the red box", until_s=1.7, script=broken)
    faults = {text for name, _, text in statuses(ear) if name == "vla_node/inputs" and topic in text}
    assert len(faults) == len(BROKEN)
    goes = any(plan.kind is PlanKind.WAYPOINTS for plan in ear.plans())
    assert goes is (topic != "operator_stop"), "what is good is used, but an operator who is not understood means stop"


def test_a_picture_of_another_moment_is_not_paired_with_the_depth():
    class Lost(World):
        def take(self):
            sample = super().take()
            lost = sample.topic == "left/image_rect" and sample.stamp_ns > START_NS + 300 * MS
            return sample._replace(topic="tf_static", cdr=static_tf()) if lost else sample

    world = Lost(HALL, 3.0, script=[told(THERE_AND_BACK, 0.5)])
    ear = drive(world, VlaNode(PARAMS))
    assert "no picture" in ear.plans()[-1].text
    assert not trail(world)[:, 1:].any()


def test_corrupt_pictures_blind_it():
    class Corrupt(World):
        def take(self):
            sample = super().take()
            return sample._replace(cdr=bytes(sample.cdr)[:200]) if sample.topic == "left/image_rect" else sample

    world = Corrupt(HALL, 3.0, script=[told(THERE_AND_BACK, 0.5)])
    ear = drive(world, VlaNode(PARAMS))
    assert "left/image_rect" in ear.plans()[-1].text
    assert not trail(world)[:, 1:].any()


@pytest.mark.parametrize(("after_s", "x_m", "why"), [(-60, 0.0, "clock went back"), (3, 1000.0, "odometry began anew")])
def test_odometry_that_goes_back_in_time_or_begins_anew_ends_the_mission(after_s, x_m, why):
    T = SE3.from_rpy(0.0, 0.0, 0.0, (x_m, 0.0, 0.0))
    odom = RobotState(START_NS + after_s * SEC + 1, "odom", T, np.zeros(6))
    world, ear = go(until_s=6, script=[Sample("odom", START_NS + 3 * SEC + 1, encode_odom(odom))])
    assert any(why in plan.text for plan in ear.plans())
    assert not trail(world)[trail(world)[:, 0] > 4.5][:, 4:].any()


def test_no_odometry_no_plan_no_motion():
    node = VlaNode(PARAMS)
    outs = list(node.on_sample(told("go forward 2 m", 0), START_NS))
    for k in range(1, 100):
        outs += node.on_tick(START_NS + k * 50 * MS)
    assert all(not decode_chunk(out.cdr).actions.any() for out in outs if out.topic == "chunk")
    assert not [out for out in outs if out.topic == "plan"]


def test_a_robot_the_gate_holds_does_not_wind_up():
    """Held at a standstill, it asks for no more than it can reach from there in one tick."""

    class Held(World):
        def advance(self, to_ns):
            self.chunk = None
            super().advance(to_ns)

    stops = [
        Sample("verdict", START_NS + k * 10 * MS, encode_verdict(Verdict(
            START_NS + k * 10 * MS, Decision.STOP, "held", ("vx", "wz"), np.array([0.1, 0]), np.zeros(2), 0.0,
            0.0, 0, 0, 0))) for k in range(100, 500)
    ]  # fmt: skip
    world = Held(HALL, 5.0, script=[told("go forward 2 m", 0.5), *stops])
    ear = drive(world, VlaNode(PARAMS))
    late = [c.actions[0, 0] for heard, c in ear.chunks() if heard > START_NS + 2 * SEC]
    assert late
    assert max(late) <= PARAMS.limits.a_m_s2 * 0.05


def test_the_header_is_read_without_decoding():
    state = RobotState(3 * SEC + 7, "odom", SE3.identity(), np.zeros(6))
    assert peek_header(Sample("odom", 0, encode_odom(state))) == (3 * SEC + 7, "odom")
    empty = codec().encode(header(3 * SEC + 7, ""))
    assert peek_header(Sample("odom", 0, empty)) == (3 * SEC + 7, "")


def test_closing_a_mission_under_way_says_stop():
    node = VlaNode(PARAMS)
    world = World(HALL, 3.0, script=[told(THERE_AND_BACK, 0.5)])
    bus = VirtualBus(world)
    run([node], bus, stop=lambda: bus.now_ns() >= START_NS + 2 * SEC)
    last = world.chunk
    assert last.epoch == 1001
    assert 0.0 < last.actions[0, 0] < 0.7
    assert not last.actions[-1].any()
