"""What the bridges send and read is what the robots' own definitions say, byte by byte."""

import json
import math

import numpy as np
import pytest
from robot_types import (
    IMUState_,
    OffboardControlMode_,
    Request_,
    SportModeState_,
    State_,
    TimeSpec_,
    TrajectorySetpoint_,
    VehicleCommand_,
    VehicleOdometry_,
)

from bridge_node import px4, unitree
from bridge_node.params import UnitreeParams
from saccade.errors import DataError
from saccade.topics import BRIDGED, SERVICES, TOPICS
from saccade.wire.codec import codec
from saccade.wire.dds_types import dds_typename

SENT = {
    "move": (unitree.move(np.array([0.5, -0.25, 0, 0, 0, 1.5])), Request_),
    "stop": (unitree.request(1003), Request_),
    "heartbeat": (px4.heartbeat(12_000_000_000), OffboardControlMode_),
    "setpoint": (px4.setpoint(12_000_000_000, np.array([1.0, 2.0, -3.0]), -0.5), TrajectorySetpoint_),
    "command": (px4.vehicle_command(12_000_000_000, 176, 7, 1.0, 6.0), VehicleCommand_),
}
SAID = {
    "unitree_go/msg/SportModeState": SportModeState_(
        stamp=TimeSpec_(3, 4), position=[1, 2, 3], velocity=[4, 5, 6], imu_state=IMUState_(temperature=-7),
        foot_force=[1, -2, 3, -4]
    ),
    "px4_msgs/msg/VehicleOdometry": VehicleOdometry_(timestamp=1, timestamp_sample=2, position=[1, 2, 3], quality=-1),
    "mavros_msgs/msg/State": State_(mode="GUIDED", connected=False),
}  # fmt: skip


@pytest.mark.parametrize("name", SENT)
def test_the_robots_own_type_reads_what_is_sent_and_writes_the_same_bytes(name):
    cdr, cls = SENT[name]
    assert cls.deserialize(bytes(cdr)).serialize() == bytes(cdr)


@pytest.mark.parametrize("name", SAID)
def test_what_the_robot_writes_is_read_and_written_back_the_same(name):
    cdr = SAID[name].serialize()
    message = codec().decode(name, cdr)
    assert bytes(codec().encode(message)) == cdr
    assert dds_typename(name) == SAID[name].__idl_typename__.replace(".", "::")


def test_a_move_is_json_in_the_axes_of_the_body():
    request = Request_.deserialize(bytes(SENT["move"][0]))
    assert request.header.identity.api_id == 1008
    assert json.loads(request.parameter) == {"x": 0.5, "y": -0.25, "z": 1.5}
    assert Request_.deserialize(bytes(SENT["stop"][0])).parameter == ""


def test_a_setpoint_leaves_free_what_it_does_not_say():
    sent = TrajectorySetpoint_.deserialize(bytes(SENT["setpoint"][0]))
    assert list(sent.velocity) == [1.0, 2.0, -3.0]
    assert (sent.yawspeed, sent.timestamp) == (-0.5, 12_000_000)
    assert all(math.isnan(v) for v in (*sent.position, *sent.acceleration, *sent.jerk, sent.yaw))


def test_the_tables_of_topics_do_not_overlap():
    assert not set(BRIDGED) & (set(TOPICS) | set(SERVICES))
    assert all(codec().knows(row.type) for row in BRIDGED.values())


def odometry(**changes):
    return px4.odometry(codec().decode("px4_msgs/msg/VehicleOdometry", VehicleOdometry_(**changes).serialize()))


def test_a_climb_is_up_and_a_turn_to_the_right_is_negative():
    looking_east = [math.cos(math.pi / 4), 0, 0, math.sin(math.pi / 4)]
    state = odometry(
        timestamp_sample=5, position=[1, 2, -3], velocity=[0, 0.5, -1], q=looking_east, angular_velocity=[0, 0, 0.25]
    )
    assert (state.stamp_ns, state.frame_id) == (5000, "odom")
    np.testing.assert_allclose(state.T_odom_from_body.t, [2, 1, 3])
    assert state.T_odom_from_body.yaw == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(state.twist, [0.5, 0, 1, 0, 0, -0.25], atol=1e-6)


def test_a_velocity_in_the_bodys_axes_is_not_turned():
    looking_east = [math.cos(math.pi / 4), 0, 0, math.sin(math.pi / 4)]
    state = odometry(velocity=[0.5, 0.2, -1], velocity_frame=3, q=looking_east)
    np.testing.assert_allclose(state.twist[:3], [0.5, -0.2, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pose_frame": 2}, "expected NED"), ({"velocity_frame": 2}, "expected NED"),
        ({"q": [math.nan, 0, 0, 0]}, "does not know"), ({"velocity": [math.nan] * 3}, "does not know"),
        ({"q": [0, 0, 0, 0]}, "no direction"),
    ],
)  # fmt: skip
def test_odometry_that_cannot_be_used_is_told(changes, says):
    with pytest.raises(DataError, match=says):
        odometry(**changes)


def dog(frame, **changes):
    msg = codec().decode("unitree_go/msg/SportModeState", SportModeState_(**changes).serialize())
    return unitree.odometry(msg, 9, UnitreeParams(velocity_frame=frame))


def test_a_dogs_velocity_is_turned_only_where_it_is_said_to_be_odometrys():
    left = IMUState_([math.cos(math.pi / 4), 0, 0, math.sin(math.pi / 4)], [0, 0, 0.5], [0, 0, 9.8])
    for frame, forward, aside in (("odom", 2.0, -1.0), ("body", 1.0, 2.0)):
        state = dog(frame, imu_state=left, position=[3, 4, 0.3], velocity=[1, 2, 0])
        assert state.T_odom_from_body.yaw == pytest.approx(math.pi / 2, abs=1e-6)
        np.testing.assert_allclose(state.twist, [forward, aside, 0, 0, 0, 0.5], atol=1e-6)


@pytest.mark.parametrize("changes", [{"position": [math.inf, 0, 0]}, {"imu_state": IMUState_([0.0] * 4)}])
def test_a_dogs_state_that_cannot_be_used_is_told(changes):
    with pytest.raises(DataError, match="sportmodestate"):
        dog("odom", **changes)
