import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.geometry import R_BODY_FROM_OPTICAL, SE3, Pinhole, interpolate, planar, wrap_angle

ANGLE = st.floats(-math.pi, math.pi)
METRES = st.floats(-100, 100)


@st.composite
def poses(draw):
    return SE3.from_rpy(draw(ANGLE), draw(ANGLE), draw(ANGLE), (draw(METRES), draw(METRES), draw(METRES)))


def close(a: SE3, b: SE3, tol=1e-9):
    return np.allclose(a.R, b.R, atol=tol) and np.allclose(a.t, b.t, atol=tol * 100)


@given(poses(), poses(), poses())
def test_composition_is_associative(a, b, c):
    assert close((a @ b) @ c, a @ (b @ c))


@given(poses())
def test_inverse_undoes(T):
    assert close(T @ T.inverse(), SE3.identity())
    assert close(T.inverse() @ T, SE3.identity())


@given(poses())
def test_rotations_stay_rotations(T):
    assert np.allclose(T.R @ T.R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(T.R) == pytest.approx(1)


@given(poses())
def test_quaternion_round_trip(T):
    q = T.quaternion()
    assert q[3] >= 0
    assert math.hypot(*q) == pytest.approx(1)
    assert close(SE3.from_quaternion(q, T.t), T, 1e-7)


@given(poses(), st.lists(st.tuples(METRES, METRES, METRES), min_size=1, max_size=5))
def test_apply_equals_composition_with_points(T, points):
    p = np.array(points)
    assert np.allclose(T.inverse().apply(T.apply(p)), p, atol=1e-8)


@given(poses(), poses(), st.floats(0, 1))
def test_interpolation_ends_at_its_ends_and_stays_rigid(a, b, f):
    assert close(interpolate(a, b, 0), a, 1e-7)
    assert np.allclose(interpolate(a, b, 1).t, b.t)
    middle = interpolate(a, b, f)
    assert np.allclose(middle.R @ middle.R.T, np.eye(3), atol=1e-9)


def test_interpolation_goes_the_short_way_round():
    a, b = SE3.from_rpy(0, 0, math.radians(170)), SE3.from_rpy(0, 0, math.radians(-170))
    assert abs(interpolate(a, b, 0.5).yaw) == pytest.approx(math.pi)


@pytest.mark.parametrize("q", [(0, 0, 0, 0), (float("nan"), 0, 0, 1), (float("inf"), 0, 0, 1)])
def test_a_quaternion_without_direction_is_refused(q):
    with pytest.raises(ValueError, match="unit quaternion"):
        SE3.from_quaternion(q, (0, 0, 0))


def test_optical_axes_become_body_axes():
    forward, right, down = R_BODY_FROM_OPTICAL @ np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert np.linalg.det(R_BODY_FROM_OPTICAL) == pytest.approx(1)
    assert (R_BODY_FROM_OPTICAL @ [0, 0, 1] == [1, 0, 0]).all()  # optical z is body x
    assert (R_BODY_FROM_OPTICAL @ [1, 0, 0] == [0, -1, 0]).all()  # optical x (right) is body -y
    assert (R_BODY_FROM_OPTICAL @ [0, 1, 0] == [0, 0, -1]).all()  # optical y (down) is body -z
    assert forward.shape == right.shape == down.shape == (3,)


@given(st.floats(-1000, 1000))
def test_wrapped_angles_are_equal_modulo_a_turn(angle):
    wrapped = wrap_angle(angle)
    assert -math.pi < wrapped <= math.pi
    assert math.cos(wrapped - angle) == pytest.approx(1)


def test_planar_keeps_heading_and_position():
    T = SE3.from_rpy(0.2, -0.1, 1.0, (1, 2, 3))
    level = planar(T)
    assert level.R[2, 2] == pytest.approx(1)
    assert level.yaw == pytest.approx(T.yaw)
    assert (level.t == T.t).all()


@given(st.floats(0.5, 50), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_pinhole_round_trip(z, u, v):
    camera = Pinhole(200.0, 210.0, 159.5, 119.5, 320, 240)
    uv = np.array([(u + 0.5) * 319, (v + 0.5) * 239])
    assert np.allclose(camera.project(camera.unproject(uv, np.array(z))), uv)


def test_nothing_behind_the_camera_is_projected():
    assert np.isnan(Pinhole(200, 200, 160, 120, 320, 240).project(np.array([0.0, 0.0, -1.0]))).all()


@given(st.integers(1, 4))
def test_scaling_moves_a_point_with_its_pixel(k):
    """A point at the centre of a k x k block of pixels lands at the centre of the one pixel they become."""
    camera = Pinhole(400.0, 400.0, 319.5, 239.5, 640, 480)
    small = camera.scaled(640 // k, 480 // k)
    point = camera.unproject(np.array([10 * k + (k - 1) / 2, 20 * k + (k - 1) / 2]), np.array(3.0))
    scale = np.array([small.width / 640, small.height / 480])
    expected = (np.array([10 * k + (k - 1) / 2, 20 * k + (k - 1) / 2]) + 0.5) * scale - 0.5
    assert np.allclose(small.project(point), expected)


def test_cropping_shifts_the_principal_point():
    camera = Pinhole(400, 400, 319.5, 239.5, 640, 480).cropped(10, 20, 100, 100)
    assert (camera.cx, camera.cy, camera.width, camera.height) == (309.5, 219.5, 100, 100)
