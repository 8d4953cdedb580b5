"""Every change of frames, against vectors worked out by hand and against the way back."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge_node.frames import attitude, enu_from_level, frd_flu, ned_enu
from saccade.geometry import SE3

numbers = st.floats(-100, 100)
vectors = st.tuples(numbers, numbers, numbers).map(np.array)
angles = st.floats(-math.pi, math.pi)


@pytest.mark.parametrize(
    ("ned", "enu"),
    [((1, 0, 0), (0, 1, 0)), ((0, 1, 0), (1, 0, 0)), ((0, 0, 1), (0, 0, -1)), ((3, 4, -5), (4, 3, 5))],
)
def test_north_east_down_is_east_north_up(ned, enu):
    assert ned_enu(np.array(ned, float)).tolist() == list(enu)


def test_right_is_not_left_and_down_is_not_up():
    assert frd_flu(np.array([1.0, 2.0, 3.0])).tolist() == [1.0, -2.0, -3.0]


@settings(max_examples=30)
@given(vectors)
def test_the_way_there_and_back_changes_nothing(v):
    assert ned_enu(ned_enu(v)).tolist() == v.tolist()
    assert frd_flu(frd_flu(v)).tolist() == v.tolist()


@settings(max_examples=30)
@given(angles, st.floats(-1.5, 1.5), angles, vectors)
def test_an_attitude_turns_the_same_vector_to_the_same_place(roll, pitch, yaw, v):
    R = SE3.from_rpy(roll, pitch, yaw).R  # NED from FRD
    np.testing.assert_allclose(attitude(attitude(R)), R, atol=1e-12)
    np.testing.assert_allclose(attitude(R) @ frd_flu(v), ned_enu(R @ v), atol=1e-9)


@pytest.mark.parametrize(
    ("heading_ned", "yaw"),
    [(0.0, math.pi / 2), (math.pi / 2, 0.0), (math.pi, -math.pi / 2), (-math.pi / 4, 3 * math.pi / 4)],
)
def test_a_heading_clockwise_from_north_is_a_yaw_from_east(heading_ned, yaw):
    T = SE3(attitude(SE3.from_rpy(0, 0, heading_ned).R), np.zeros(3))
    assert T.yaw == pytest.approx(yaw)


def test_nose_up_and_right_wing_down_stay_so():
    R = attitude(SE3.from_rpy(0.1, 0.2, math.pi / 2).R)  # NED: looks east, rolled right, nose up
    np.testing.assert_allclose(R, SE3.from_rpy(0.1, -0.2, 0.0).R, atol=1e-12)  # ENU: pitch up is negative about left


@settings(max_examples=30)
@given(angles, vectors)
def test_a_level_velocity_keeps_its_size_and_its_climb(yaw, v):
    world = enu_from_level(v, yaw)
    assert np.linalg.norm(world) == pytest.approx(np.linalg.norm(v))
    assert world[2] == pytest.approx(v[2])
    assert ned_enu(world)[2] == pytest.approx(-v[2])
    assert enu_from_level(np.array([1.0, 0, 0]), yaw) == pytest.approx([math.cos(yaw), math.sin(yaw), 0.0])
