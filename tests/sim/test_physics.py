"""The base moves as motors, friction and walls let it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from saccade.geometry import SE3
from sim.hall.layout import HALL_M, ROBOT_RADIUS_M, Layout, furnish
from sim.hall.physics import MAX_SPEED_M_S, Physics
from sim.things import Thing


def empty(*things: Thing, yaw: float = 0.0) -> Layout:
    return Layout(0, SE3.from_rpy(0, 0, yaw, (0.0, 0.0, 0.0)), things)


def drive(physics: Physics, speed: float, turn: float, seconds: float) -> SE3:
    """Motion `T_before_from_after` over this time."""
    before = physics.pose()
    physics.drive(speed, turn)
    for _ in range(round(seconds / 0.002)):
        physics.step()
    return before.inverse() @ physics.pose()


@pytest.mark.parametrize(("speed", "metres"), [(0.5, 1.0), (-0.3, -0.6)])
def test_driving_two_seconds_goes_as_far_as_it_should(speed: float, metres: float) -> None:
    moved = drive(Physics(empty(yaw=0.6)), speed, 0.0, 2.0)
    assert moved.t[0] == pytest.approx(metres, rel=0.1)
    assert abs(moved.t[1]) < 0.01
    assert abs(moved.yaw) < math.radians(1)


@pytest.mark.parametrize("turn", [math.pi / 4, -math.pi / 4])
def test_turning_two_seconds_goes_as_far_as_it_should(turn: float) -> None:
    moved = drive(Physics(empty()), 0.0, turn, 2.0)
    assert moved.yaw == pytest.approx(2 * turn, rel=0.1)
    assert np.hypot(*moved.t[:2]) < 0.02


def test_an_arc_has_the_radius_of_speed_over_turn() -> None:
    physics = Physics(empty())
    drive(physics, 0.4, 0.8, 1.0)
    moved = drive(physics, 0.4, 0.8, math.pi / 0.8)
    assert np.hypot(*moved.t[:2]) == pytest.approx(2 * 0.4 / 0.8, rel=0.1)


def test_motors_take_time_and_the_base_rolls_level() -> None:
    physics = Physics(empty())
    drive(physics, 0.8, 0.0, 0.05)
    assert 0.02 < physics.twist()[0] < 0.2
    drive(physics, 0.8, 0.0, 1.5)
    assert physics.twist()[0] == pytest.approx(0.8, rel=0.05)
    drive(physics, 0.0, 0.0, 0.2)
    assert physics.twist()[0] > 0.2
    assert abs(physics.pose().t[2]) < 0.005
    assert physics.pose().R[2, 2] > math.cos(math.radians(1))


def test_absurd_commands_are_bounded_and_what_is_not_finite_stops() -> None:
    physics = Physics(empty())
    drive(physics, 50.0, 0.0, 1.5)
    assert physics.twist()[0] < MAX_SPEED_M_S * 1.02
    drive(physics, math.nan, 0.0, 1.0)
    assert abs(physics.twist()[0]) < 0.01


def test_a_wall_stops_the_base_and_counts_once() -> None:
    physics = Physics(empty())
    drive(physics, 1.0, 0.0, 8.0)
    assert physics.bumps == ["wall east"]
    assert HALL_M[0] / 2 - ROBOT_RADIUS_M - 0.02 < physics.pose().t[0] < HALL_M[0] / 2 - ROBOT_RADIUS_M + 0.02
    drive(physics, -0.5, 0.0, 2.0)
    drive(physics, 0.5, 0.0, 4.0)
    assert physics.bumps == ["wall east", "wall east"]


def test_a_wall_is_noticed_with_the_casters_off_the_floor() -> None:
    physics = Physics(empty())
    physics._data.qpos[[0, 2]] = HALL_M[0] / 2 - ROBOT_RADIUS_M + 0.005, 0.03
    physics.step()
    assert physics._data.ncon < 4
    assert physics.bumps == ["wall east"]


@pytest.mark.parametrize("name", ["red box", "blue cylinder", "green ball", "person 1"])
def test_things_cannot_be_driven_through(name: str) -> None:
    thing = furnish(1).thing(name)
    placed = Thing(thing.name, thing.kind, thing.size, thing.colour, 1.5, 0.0)
    physics = Physics(empty(placed))
    drive(physics, 1.0, 0.0, 4.0)
    assert physics.bumps[0] == name
    assert placed.distance_m(*map(float, physics.pose().t[:2])) > 0.1


def test_free_driving_bumps_into_nothing() -> None:
    physics = Physics(empty())
    drive(physics, 0.5, 0.5, 6.0)
    assert physics.bumps == []


def test_the_imu_feels_gravity_and_turning() -> None:
    physics = Physics(empty())
    gyro, accel = physics.inertial()
    assert np.allclose(accel, [0, 0, 9.81], atol=0.05)
    assert np.allclose(gyro, 0, atol=0.01)
    drive(physics, 0.4, 0.5, 1.5)
    gyro, accel = physics.inertial()
    assert gyro[2] == pytest.approx(0.5, rel=0.05)
    assert accel[1] == pytest.approx(0.4 * 0.5, abs=0.05)
