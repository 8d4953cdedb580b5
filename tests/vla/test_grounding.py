import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vla_world import CAMERA, T_BODY_FROM_CAM, Box, render

from saccade.geometry import SE3, Pinhole
from vla_node.reasoners.embedded.grounding import View, colour_mask, find, shape_fit

RGB = {
    "red": (200, 30, 25), "orange": (230, 120, 20), "yellow": (230, 210, 30), "green": (30, 160, 40),
    "cyan": (20, 190, 200), "blue": (30, 60, 210), "purple": (110, 30, 190), "magenta": (210, 30, 170),
}  # fmt: skip
FLOOR = {"white": (240, 240, 240), "black": (10, 10, 10)}


def view(boxes, pose=None, depth=True):
    T = (pose or SE3.identity()) @ T_BODY_FROM_CAM
    rgb, depth_m = render(T, boxes)
    return View(rgb, depth_m if depth else None, CAMERA, T, 0.0)


@pytest.mark.parametrize("colour", RGB)
def test_each_colour_is_found_under_strong_shading_and_only_as_itself(colour):
    for shade in (1.0, 0.6, 0.35):
        patch = np.full((20, 20, 3), np.array(RGB[colour]) * shade, np.uint8)
        for name in RGB:
            assert colour_mask(patch, name).all() == (name == colour), (name, shade)


def test_red_lies_on_both_ends_of_the_hue_circle():
    for rgb in ((200, 30, 45), (200, 45, 30)):
        assert colour_mask(np.full((9, 9, 3), rgb, np.uint8), "red").all()


@pytest.mark.parametrize("colour", FLOOR)
def test_white_and_black(colour):
    patch = np.full((20, 20, 3), FLOOR[colour], np.uint8)
    assert [name for name in (*RGB, "white", "grey", "black") if colour_mask(patch, name).all()] == [colour]


@settings(max_examples=40, deadline=None)
@given(st.floats(1.8, 5.0), st.floats(-0.35, 0.35), st.floats(-3.0, 3.0), st.booleans())
def test_position_and_size_are_metric_in_odom(range_m, bearing, yaw, depth):
    pose = SE3.from_rpy(0, 0, yaw, (3.0, -2.0, 0.0))
    centre = pose.apply(np.array([range_m * np.cos(bearing), range_m * np.sin(bearing), 0.0]))
    found = find(view([Box(centre[0], centre[1], 0.2, 0.2, 0.5, RGB["red"])], pose, depth), "red", None)
    assert len(found) == 1
    assert found[0].ranged_by == ("depth" if depth else "its foot on the floor")
    assert np.hypot(*(found[0].centre - centre)[:2]) < 0.2 + (0.0 if depth else 0.02 * range_m**2)
    assert 0.3 < found[0].width_m < 0.75
    assert found[0].height_m == pytest.approx(0.5, abs=0.15)
    assert (found[0].confidence > 0.9) == depth


def test_the_nearest_of_two_comes_first_and_other_colours_do_not():
    boxes = [Box(4, 0.8, 0.2, 0.2, 0.5, RGB["red"]), Box(2.5, -0.6, 0.2, 0.2, 0.5, RGB["red"])]
    found = find(view([*boxes, Box(1.6, 0.5, 0.15, 0.15, 0.3, RGB["blue"])]), "red", "box")
    assert [round(s.centre[0], 1) for s in found] == [2.5, 4.0]


def test_nothing_where_there_is_nothing():
    assert find(view([]), "red", "box") == []


def test_walls_and_marks_on_the_floor_are_no_things():
    wall = Box(4.0, 0.0, 0.1, 3.0, 2.0, RGB["red"])
    mark = Box(2.0, 0.0, 0.3, 0.3, 0.005, RGB["red"])
    assert find(view([wall]), "red", None) == []
    assert find(view([mark]), "red", None) == []


def test_a_picture_of_another_size_than_the_depth_is_fitted():
    boxes = [Box(2.5, 0.3, 0.2, 0.2, 0.5, RGB["red"])]
    small = view(boxes)
    large = View(cv2.resize(small.rgb, (640, 480), interpolation=cv2.INTER_NEAREST), *(
        getattr(small, name) for name in ("depth_m", "camera", "T_odom_from_cam", "floor_z_m")
    ))  # fmt: skip
    np.testing.assert_allclose(find(large, "red", None)[0].centre, find(small, "red", None)[0].centre, atol=0.05)


def silhouette(draw):
    blob = np.zeros((60, 60), np.uint8)
    draw(blob)
    rows, cols = np.nonzero(blob)
    return blob[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]


def test_a_silhouette_tells_balls_from_upright_things_and_no_more():
    disc = silhouette(lambda b: cv2.circle(b, (30, 30), 20, 1, -1))
    square = silhouette(lambda b: cv2.rectangle(b, (10, 10), (50, 45), 1, -1))
    assert shape_fit(disc, "ball") > 0.9
    assert shape_fit(square, "ball") < 0.2
    assert shape_fit(square, "box") > 0.6
    assert shape_fit(disc, "box") < 0.2
    assert shape_fit(square, "box") == shape_fit(square, "cylinder")
    assert shape_fit(square, "box", cut=True) == 0.5
    assert shape_fit(square[:5, :5], "ball") == 0.5
    assert shape_fit(disc, None) == 1.0


@pytest.mark.parametrize("off_deg", [-50, -35, 0, 35, 50])
def test_a_ball_beside_the_middle_of_a_wide_picture_is_a_ball(off_deg):
    camera = Pinhole(200.0, 200.0, 299.5, 119.5, 600, 240)
    v, u = np.mgrid[:240, :600]
    rays = camera.unproject(np.stack([u, v], -1).astype(float), np.ones((240, 600)))
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    off = np.radians(off_deg)
    ball = (rays @ np.array([np.sin(off), 0.0, np.cos(off)]) > np.cos(0.12)).astype(np.uint8)
    x, y, w, h = cv2.boundingRect(ball)
    assert w > h * (1.1 if off_deg else 0.99)
    assert shape_fit(ball[y : y + h, x : x + w], "ball", False, camera, (x, y)) > 0.9
    box = np.abs(rays / rays[..., 2:] - np.array([np.tan(off), 0.0, 1.0])).max(axis=2) < 0.1
    x, y, w, h = cv2.boundingRect(box.astype(np.uint8))
    assert shape_fit(box[y : y + h, x : x + w].astype(np.uint8), "ball", False, camera, (x, y)) < 0.3
