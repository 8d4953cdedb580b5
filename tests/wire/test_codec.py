import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.errors import ConfigError, DataError
from saccade.geometry import SE3
from saccade.types import ActionChunk, CameraModel, Command, Decision, LocalMap, Plan, PlanKind, RobotState, Verdict
from saccade.wire import convert
from saccade.wire.codec import Codec, codec

STAMP = st.integers(0, 2**31 * 10**9 - 1)
FLOATS = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3)


@given(
    STAMP, STAMP, st.integers(0, 2**32 - 1), st.sampled_from(list(PlanKind)), st.text(), st.lists(FLOATS, max_size=4)
)
def test_plan_round_trip(stamp, inference, number, kind, text, points):
    waypoints = np.array(points).reshape(-1, 3)
    text = text.encode("utf-8", "ignore").decode().replace("\0", "")
    plan = Plan(
        number, 3, text, kind, stamp, SE3.from_rpy(0.1, 0.2, 0.3, (1, 2, 3)), inference, 10**9, "odom", waypoints,
        np.array([0.5]), 0.25, True, text,
    )  # fmt: skip
    got = convert.decode_plan(convert.encode_plan(plan))
    for name in ("id", "epoch", "kind", "obs_stamp_ns", "inference_ns", "valid_for_ns", "frame_id", "confidence"):
        assert getattr(got, name) == getattr(plan, name), name
    assert (got.instruction, got.text, got.final) == (text, text, True)
    assert np.array_equal(got.waypoints, waypoints)
    assert np.allclose(got.obs_pose.R, plan.obs_pose.R)


@given(STAMP, st.integers(1, 10**9), st.integers(0, 8))
def test_chunk_round_trip_and_reading_by_time(t0, dt, k):
    actions = np.arange(k * 2, dtype=float).reshape(k, 2)
    chunk = convert.decode_chunk(convert.encode_chunk(ActionChunk(5, t0, dt, ("vx", "wz"), actions, 7, 8)))
    assert np.array_equal(chunk.actions, actions)
    assert chunk.at(t0 - 1) is None
    assert chunk.at(chunk.end_ns) is None
    for i in range(k):
        assert np.array_equal(chunk.at(t0 + i * dt), actions[i])
        assert np.array_equal(chunk.at(t0 + (i + 1) * dt - 1), actions[i])


def test_verdict_map_odom_camera_command_round_trip():
    verdict = Verdict(9, Decision.LIMITED, "speed", ("vx",), np.array([np.nan]), np.array([0.0]), 0.5, 1.25, 4, 2, 3)
    got = convert.decode_verdict(convert.encode_verdict(verdict))
    assert (got.decision, got.reason, got.ratio, got.clearance_m, got.obs_stamp_ns) == (
        Decision.LIMITED,
        "speed",
        0.5,
        1.25,
        4,
    )
    assert np.isnan(got.requested).all()

    grid = LocalMap(3, "odom", 0.1, (-1.0, 2.0), np.arange(6, dtype=np.int8).reshape(2, 3), np.ones((2, 3), np.float32))
    back = convert.decode_map(convert.encode_map(grid))
    assert np.array_equal(back.occupancy, grid.occupancy)
    assert back.origin_m == (-1.0, 2.0)

    state = RobotState(7, "odom", SE3.from_rpy(0, 0, 1, (1, 2, 0)), np.arange(6.0))
    odom, child = convert.decode_odom(convert.encode_odom(state))
    assert child == "base_link"
    assert np.allclose(odom.T_odom_from_body.R, state.T_odom_from_body.R)
    assert np.array_equal(odom.twist, state.twist)

    camera = CameraModel("left_optical", 640, 480, "plumb_bob", np.arange(5.0), np.eye(3), np.eye(3), np.ones((3, 4)))
    stamp, model = convert.decode_camera(convert.encode_camera(11, camera))
    assert (stamp, model.width, model.distortion_model) == (11, 640, "plumb_bob")
    assert np.array_equal(model.P, camera.P)

    command = convert.decode_command(convert.encode_command(Command(1, ("vx", "wz"), np.array([0.5, -1.0]))))
    assert np.array_equal(command.values, [0.5, 0, 0, 0, 0, -1.0])


def test_clearance_outside_the_map_is_zero():
    grid = LocalMap(0, "odom", 0.5, (0.0, 0.0), np.zeros((2, 2), np.int8), np.full((2, 2), 3, np.float32))
    x, y = np.array([0.3, 0.2, 0.7, 1.1, np.nan]), np.array([0.3, 0.5, 0.6, 0.5, 0.5])
    assert grid.clearance_at(x, y).tolist() == [3, 0, 3, 0, 0]


@pytest.mark.parametrize("cdr", [b"", b"\0\1\0\0", b"\0\1\0\0" + b"\xff" * 40])
def test_bytes_that_are_no_message_are_named(cdr):
    with pytest.raises(DataError, match="saccade_msgs/msg/Plan"):
        convert.decode_plan(cdr)


def test_inconsistent_messages_are_refused():
    new = codec().new
    bad = new(
        "saccade_msgs/msg/ActionChunk", header=convert.header(0, ""), t0=convert.time_msg(0),
        dt=convert.duration_msg(5), plan_id=0, epoch=0, axes=["vx", "wz"], actions=np.zeros(3),
    )  # fmt: skip
    with pytest.raises(DataError, match="3 numbers for 2 axes"):
        convert.decode_chunk(codec().encode(bad))


def test_humble_and_jazzy_agree_on_our_bytes():
    plan = Plan(1, 1, "go", PlanKind.STOP, 5, SE3.identity(), 0, 1, "odom", np.zeros((0, 3)), np.zeros(0), 1, False, "")
    cdr = convert.encode_plan(plan)
    humble = codec("humble").decode("saccade_msgs/msg/Plan", cdr)
    assert bytes(codec("humble").encode(humble)) == bytes(cdr)


def test_unknown_types_and_distributions_are_named():
    with pytest.raises(ConfigError, match="humble, jazzy"):
        codec("foxy")
    with pytest.raises(DataError, match="no_msgs/msg/Nothing"):
        codec().decode("no_msgs/msg/Nothing", b"\0\1\0\0")


def test_a_prepared_type_needs_nothing_more_at_its_first_message():
    fresh = Codec()
    fresh.prepare(["nav_msgs/msg/Odometry", "tf2_msgs/msg/TFMessage"])
    ready = set(fresh._store.cache)
    odom = convert.encode_odom(RobotState(0, "odom", SE3.identity(), np.zeros(6)))
    moved = convert.encode_transforms(0, [("a", "b", SE3.identity())])
    for msgtype, cdr in (("nav_msgs/msg/Odometry", odom), ("tf2_msgs/msg/TFMessage", moved)):
        fresh.encode(fresh.decode(msgtype, cdr))
    assert set(fresh._store.cache) == ready
    assert not Codec()._store.cache
