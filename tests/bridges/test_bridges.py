"""Each bridge with a stand-in of its robot, on virtual time: it follows the gate, and the gate's silence stops it."""

import math

import numpy as np
import pytest
from robot_stand_ins import T0, Controllers, Copter, Dog, Ear, Gate, Mav, Part, act

from bridge_node.bridges import bridge_of
from bridge_node.params import BridgeParams
from saccade import params
from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.node import Out, Sample
from saccade.robots import robot_file, robots
from saccade.wire.commands import encode_joint_trajectory
from saccade.wire.convert import decode, decode_odom
from safety_node.limits import Limits

GO = (0.4, 0.0, 0.0, 0.0, 0.0, 0.3)
STAND = (0.0,) * 6


def bridge(robot, **more):
    return bridge_of(params.build(BridgeParams, {"robot": robot, **more}))


def dog_bridge(**more):
    return bridge("unitree", unitree={"velocity_frame": "odom"}, **more)


def flown(copter, gate, seconds, **autopilot):
    ear = Ear("odom", "diagnostics")
    act(gate, bridge("px4", autopilot=autopilot), copter, ear, seconds=seconds)
    return ear


def statuses(ear):
    return [
        (s.level, s.message) for x in ear.heard if x.topic == "diagnostics" for s in decode("diagnostics", x.cdr).status
    ]


class Pilot(Part):
    """Switches the copter to offboard mode at a time."""

    def __init__(self, copter, at_s=1.5, mode="OFFBOARD"):
        super().__init__()
        self._copter, self._at_ns, self._mode = copter, T0 + round(at_s * SEC), mode

    def step(self, now_ns):
        if self._at_ns and now_ns >= self._at_ns:
            self._at_ns = 0
            self._copter.switch(self._mode, now_ns)
        return ()


def test_a_dog_goes_where_the_gate_says_and_its_odometry_comes_back():
    dog, ear = Dog(), Ear("odom")
    act(Gate([(2.0, GO), (3.0, STAND)]), dog_bridge(), dog, ear, seconds=3.0)
    assert dog.yaw == pytest.approx(0.6, abs=0.02)
    state, child = decode_odom(ear.heard[-1].cdr)
    assert (state.frame_id, child) == ("odom", "base_link")
    assert state.T_odom_from_body.yaw == pytest.approx(dog.yaw, abs=1e-4)
    assert len(ear.heard) == pytest.approx(150, abs=2)
    moving = decode_odom(ear.heard[100].cdr)[0]
    np.testing.assert_allclose(moving.twist, GO, atol=1e-5)
    assert 0 <= ear.heard[100].stamp_ns - moving.stamp_ns < 20 * MS  # its arrival: the dog's clock began at 0
    assert 2.0 <= dog.still_from() <= 2.05  # a command of zero is a stop


@pytest.mark.parametrize("silence_ms", [100.0, 200.0])
def test_the_gates_silence_stops_a_dog_and_leaves_it_to_its_remote(silence_ms):
    dog = Dog()
    act(Gate([(1.0, GO)]), dog_bridge(silence_ms=silence_ms), dog, seconds=2.2)
    assert 1.0 + silence_ms / 1e3 - 0.02 <= dog.still_from() <= 1.0 + silence_ms / 1e3 + 0.05
    stops = [t for t, api in dog.asked if api == 1003 and 1.0 < t < 2.1]
    assert len(stops) == pytest.approx(10, abs=1)
    assert stops[-1] < 1.5


def test_a_dog_that_moved_when_the_bridge_came_is_stopped_first():
    dog = Dog()
    act(Gate([]), dog_bridge(), dog, seconds=0.5)
    assert dog.asked[0][1] == 1003


def test_the_last_word_is_a_stop():
    dog = Dog()
    act(Gate([(9.0, GO)]), dog_bridge(), dog, seconds=1.0)
    assert dog.asked[-1][1] == 1003


def test_a_dogs_frozen_state_is_not_passed_on():
    dog, ear = Dog(), Ear("odom", "diagnostics")
    dog.frozen = True
    act(Gate([(2.2, GO)]), dog_bridge(), dog, ear, seconds=2.2)
    assert sum(x.topic == "odom" for x in ear.heard) == 1
    assert "stamp stands still" in statuses(ear)[-1][1]


def test_what_the_gate_granted_a_moment_ago_is_not_granted_again():
    dog = Dog()
    act(Gate([(1.0, GO)]), Gate([(3.0, GO)], grants=False), dog_bridge(), dog, seconds=2.0)
    assert dog.still_from() <= 1.25


def test_only_the_gates_word_counts():
    dog, ear = Dog(), Ear("diagnostics")
    act(Gate([(2.0, GO)], grants=False), dog_bridge(), dog, ear, seconds=2.0)
    assert dog.still_from() == 0.0
    values = {v.key: v.value for v in decode("diagnostics", ear.heard[-1].cdr).status[0].values}
    assert int(values["commands that no verdict granted"]) >= 90
    dog = Dog()  # one who sends along with the gate is not followed either
    act(Gate([(2.0, GO)]), Gate([(2.0, (0.8, 0, 0, 0, 0, 0))], grants=False), dog_bridge(), dog, seconds=2.0)
    assert max(body[0] for _, body in dog.moved) <= 0.4


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ((3.0, 0, 0, 0, 0, 0), "vx of 3 was granted, the robot takes at most 2.5"),
        ((0, 0, 0.1, 0, 0, 0), "no such motion"),
    ],
)
def test_a_command_for_another_robot_stops_it(command, says):
    dog, ear = Dog(), Ear("diagnostics")
    act(Gate([(1.0, GO), (2.0, command)]), dog_bridge(), dog, ear, seconds=1.9)
    assert dog.still_from() <= 1.05
    assert statuses(ear)[-1][0] == 2
    assert says in statuses(ear)[-1][1]


def test_a_copter_beats_before_it_is_armed_and_never_asks_unasked():
    copter = Copter(armed=False)
    flown(copter, Gate([(2.0, GO)]), 2.0)
    assert copter.commands == []
    assert copter.mode == "POSCTL"
    assert len(copter.setpoints) == pytest.approx(100, abs=3)


def test_a_copter_flies_in_its_own_frame_where_the_gate_says():
    copter = Copter()
    ear = Ear("odom")
    gate = Gate([(2.0, STAND), (4.0, (1.0, 0.5, 0.25, 0, 0, 0))])
    act(gate, bridge("px4"), copter, Pilot(copter), ear, seconds=4.0)
    assert copter.mode == "OFFBOARD"
    np.testing.assert_allclose(copter.position, [-1.0, 2.0, 0.5], atol=0.05)  # it looks north: left is west
    first = next(s for s in copter.setpoints if any(s.velocity))
    np.testing.assert_allclose(first.velocity, [1.0, -0.5, -0.25], atol=1e-6)  # a climb is negative
    state, _ = decode_odom(ear.heard[-1].cdr)
    np.testing.assert_allclose(state.T_odom_from_body.t, copter.position, atol=1e-5)
    np.testing.assert_allclose(state.twist[:3], [1.0, 0.5, 0.25], atol=1e-5)


def test_a_copter_turns_to_the_left_and_still_flies_ahead():
    copter = Copter()
    act(
        Gate([(2.0, STAND), (3.0, (0, 0, 0, 0, 0, 1.0)), (4.0, (1, 0, 0, 0, 0, 0))]),
        bridge("px4"),
        copter,
        Pilot(copter),
        seconds=4.0,
    )
    assert copter.yaw == pytest.approx(math.pi / 2 + 1.0, abs=0.05)
    np.testing.assert_allclose(copter.position[:2], [math.cos(copter.yaw), math.sin(copter.yaw)], atol=0.06)


def test_the_gates_silence_stops_a_copter_and_then_leaves_it_to_its_failsafe():
    copter = Copter()
    act(Gate([(2.0, (1, 0, 0, 0, 0, 0))]), bridge("px4", autopilot={"hold_s": 1.0}), copter, Pilot(copter), seconds=4.5)
    assert 2.18 <= copter.still_from() <= 2.25
    assert copter.mode == "AUTO.RTL"
    assert len(copter.setpoints) == pytest.approx(50 * 3, abs=4)  # then nothing, but for the last word


def test_a_copter_without_a_heading_holds():
    copter, ear = Copter(), Ear("diagnostics")
    gate = Gate([(9.0, (1, 0, 0, 0, 0, 0))])

    class Blind(Pilot):
        def step(self, now_ns):
            copter.frozen = now_ns > T0 + 2 * SEC
            return super().step(now_ns)

    act(gate, bridge("px4"), copter, Blind(copter), ear, seconds=3.0)
    assert 2.15 <= copter.still_from() <= 2.25
    assert "holding" in statuses(ear)[-1][1]


@pytest.mark.parametrize(("ask", "numbers"), [("offboard", [176]), ("offboard_and_arm", [176, 400])])
def test_what_is_asked_for_is_asked_once_after_a_second_of_heartbeats(ask, numbers):
    copter = Copter(armed=False)
    flown(copter, Gate([(2.5, GO)]), 2.5, ask=ask)
    assert [c.command for _, c in copter.commands] == numbers
    assert all(1.0 < t < 1.5 for t, _ in copter.commands)
    assert copter.mode == "OFFBOARD"
    assert copter.armed == (ask == "offboard_and_arm")
    assert {(c.target_system, c.from_external) for _, c in copter.commands} == {(1, True)}


def test_a_pilot_who_takes_over_is_not_overruled():
    copter = Copter(armed=False)
    act(
        Gate([(3.5, GO)]),
        bridge("px4", autopilot={"ask": "offboard_and_arm"}),
        copter,
        Pilot(copter, 2.0, "POSCTL"),
        seconds=3.5,
    )
    assert copter.mode == "POSCTL"
    assert 2.0 <= copter.still_from() <= 2.02


def test_nothing_is_asked_before_the_gate_is_heard():
    copter = Copter(armed=False)
    flown(copter, Gate([]), 2.5, ask="offboard_and_arm")
    assert copter.commands == []
    assert len(copter.setpoints) > 115


def test_mavros_gets_the_worlds_axes():
    mav = Mav()
    act(Gate([(2.0, (1.0, 0.5, 0.25, 0, 0, 0)), (3.0, STAND)]), bridge("mavros"), mav, seconds=3.0)
    expected = np.array([2 * math.cos(2) - math.sin(2), 2 * math.sin(2) + math.cos(2), 0.5])
    np.testing.assert_allclose(mav.position, expected, atol=0.08)


def test_the_gates_silence_stops_what_mavros_flies():
    mav = Mav()
    act(Gate([(1.0, (1, 0, 0, 0, 0, 0.5))]), bridge("mavros", autopilot={"hold_s": 1.0}), mav, seconds=3.0)
    assert 1.18 <= mav.still_from() <= 1.25
    assert mav.setpoints == pytest.approx(50 * 2, abs=4)


def test_mavros_without_a_heading_holds():
    mav, ear = Mav(), Ear("diagnostics")
    mav.frozen = True
    act(Gate([(2.0, (1, 0, 0, 0, 0, 0))]), bridge("mavros"), mav, ear, seconds=2.0)
    assert mav.still_from() == 0.0
    assert statuses(ear)[-1][1] == "no odom of now: holding"


class Fingers(Part):
    """The gate of an arm: positions that go up by 0.01 a tick, until a time."""

    def __init__(self, until_s, joints=("gripper", "shoulder", "elbow")):
        super().__init__()
        self._until_ns, self._joints, self._n = T0 + round(until_s * SEC), joints, 0

    def step(self, now_ns):
        if now_ns >= self._until_ns:
            return ()
        self._n += 1
        goal = np.array([0.001, 0.01, -0.01][: len(self._joints)]) * self._n
        return (Out("joint_trajectory", encode_joint_trajectory(self._joints, goal, 10 * MS)),)


ARM = {"ros2_control": {"arm": ["shoulder", "elbow"], "gripper": ["gripper"]}}


def test_an_arms_trajectory_is_divided_and_silence_leaves_it_where_it_is():
    controllers, ear = Controllers(), Ear("diagnostics")
    act(Fingers(1.0), bridge("ros2_control", **ARM), controllers, ear, seconds=2.5)
    assert controllers.refused == 0
    assert controllers.positions == pytest.approx({"shoulder": 0.99, "elbow": -0.99, "gripper": 0.099}, abs=0.011)
    assert max(t for t, moved in controllers.moved if moved) <= 1.03
    assert [m for _, m in statuses(ear)][-1] == "no command of the gate: the controllers hold"


def test_joints_that_are_not_the_controllers_move_nothing():
    controllers, ear = Controllers(), Ear("diagnostics")
    act(Fingers(2.0, ("shoulder", "elbow")), bridge("ros2_control", **ARM), controllers, ear, seconds=2.0)
    assert not any(moved for _, moved in controllers.moved)
    assert statuses(ear)[-1] == (2, "joint_trajectory is of shoulder, elbow; expected elbow, gripper, shoulder")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "robot is not set"),
        ({"robot": "unitree", "unitree": {}}, "velocity_frame is not set"),
        ({"robot": "ros2_control"}, "name each of them once"),
        ({"robot": "ros2_control", "ros2_control": {"arm": ["a"], "gripper": ["a"]}}, "name each of them once"),
        ({"robot": "px5"}, "did you mean 'px4'"),
        ({"robot": "px4", "rate_hz": 2.0}, "expected 5 to 200"),
        ({"silence_ms": 5000.0}, "expected 20 to 1000"),
        ({"autopilot": {"ask": "arm"}}, "autopilot: ask is 'arm'"),
        ({"autopilot": {"hold_s": 0.0}}, "autopilot.hold_s"),
    ],
)
def test_wrong_parameters_are_told(values, says):
    with pytest.raises(ConfigError, match=says):
        bridge_of(params.build(BridgeParams, values))


def test_bytes_that_are_no_message_are_told_and_move_nothing():
    for robot, topic in (
        ("px4", "fmu/out/vehicle_odometry"),
        ("mavros", "mavros/state"),
        ("px4", "cmd_vel"),
        ("px4", "verdict"),
    ):
        node = dog_bridge() if robot == "unitree" else bridge(robot)
        assert list(node.on_sample(Sample(topic, T0, b"\0\1\0\0nonsense"), T0)) == []
        status = [decode("diagnostics", o.cdr).status[0] for o in node.on_tick(T0) if o.topic == "diagnostics"]
        assert status[0].level == 2


def test_a_clock_that_goes_back_stops_the_robot_and_the_bridge_goes_on():
    node = dog_bridge()
    list(node.on_tick(T0))
    node.next_ns(T0)
    assert node.next_ns(T0 - 100 * SEC) <= T0 - 100 * SEC + 20 * MS


@pytest.mark.parametrize("name", [r for r in robots() if params.section(robot_file(r), "bridge_node")])
def test_what_a_robots_gate_grants_its_bridge_takes(name):
    given = params.load(BridgeParams, robot_file(name), "bridge_node")
    gate = params.load(Limits, robot_file(name), "safety_node")
    node = bridge_of(given)
    if given.robot == "ros2_control":
        assert set(gate.axes) == {*given.ros2_control.arm, *given.ros2_control.gripper}
        return
    assert gate.command == "twist_stamped"
    for axis, most in zip(gate.axes, gate.max_speed, strict=True):
        assert most <= node._driver.limits[axis]


@pytest.mark.parametrize("autopilot", ["px4", "mavros"])
def test_the_gate_of_the_uav_grants_no_more_than_an_autopilots_bridge_takes(autopilot):
    gate = params.load(Limits, robot_file("uav"), "safety_node")
    node = bridge_of(params.load(BridgeParams, robot_file(autopilot), "bridge_node"))
    assert gate.command == "twist_stamped"
    assert all(most <= node._driver.limits[axis] for axis, most in zip(gate.axes, gate.max_speed, strict=True))


def test_two_runs_give_the_same_bytes():
    runs = []
    for _ in range(2):
        copter, ear = Copter(), Ear("fmu/in/trajectory_setpoint", "odom", "diagnostics")
        act(Gate([(2.0, GO)]), bridge("px4"), copter, Pilot(copter), ear, seconds=2.5)
        runs.append([(s.topic, s.stamp_ns, bytes(s.cdr)) for s in ear.heard])
    assert runs[0] == runs[1]
