"""A box or a pixel of the picture becomes the point to take hold of, or nothing."""

import numpy as np
import pytest
from arm_scene import HALF_M, box_around, depth_of, looking_at, observed

from saccade.types import PlanKind
from vla_node.arms.target import grasp_plan, of_box, of_pixel
from vla_node.lift import LiftError

DOWN, AHEAD = np.array([0.0, 0.0, -1.0]), np.array([1.0, 0.0, 0.0])
CENTRE = np.array([0.45, 0.1, 0.03])
TOP = np.array([0.45, 0.1, 0.06])
VIEWS = [(0.45, 0.1, 0.8), (0.1, 0.5, 0.6), (0.9, -0.2, 0.5), (0.45, -0.5, 0.7)]


@pytest.mark.parametrize("eye", VIEWS)
def test_the_middle_of_the_top_is_found_from_every_side(eye):
    T = looking_at(eye, tuple(CENTRE))
    point = of_box(observed(T, depth_of(T, CENTRE)), *box_around(T, CENTRE), DOWN)
    np.testing.assert_allclose(point, TOP, atol=0.004)


def test_the_face_that_a_gripper_ahead_meets_first():
    T = looking_at((-0.2, 0.1, 0.3), tuple(CENTRE))
    point = of_box(observed(T, depth_of(T, CENTRE)), *box_around(T, CENTRE), AHEAD)
    np.testing.assert_allclose(point, CENTRE - [HALF_M[0], 0, 0], atol=0.007)  # its lowest centimetre does not count


def test_noise_and_stray_values_do_not_move_it_far():
    rng = np.random.default_rng(0)
    T = looking_at((0.2, -0.3, 0.7), tuple(CENTRE))
    depth = depth_of(T, CENTRE) + rng.normal(0, 0.002, (240, 320)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.2] = np.nan
    depth[rng.random(depth.shape) < 0.005] = 0.1  # specks before everything
    point = of_box(observed(T, depth), *box_around(T, CENTRE), DOWN)
    np.testing.assert_allclose(point, TOP, atol=0.01)


def test_a_pixel_is_the_surface_point_that_it_shows():
    T = looking_at(VIEWS[0], tuple(CENTRE))
    point = of_pixel(observed(T, depth_of(T, CENTRE)), 159.5, 119.5)
    np.testing.assert_allclose(point, TOP, atol=0.002)


def test_what_has_no_depth_is_no_target():
    T = looking_at(VIEWS[0], tuple(CENTRE))
    low, high = box_around(T, CENTRE)
    depth = depth_of(T, CENTRE)
    with pytest.raises(LiftError, match=r"0% of its pixels have a depth"):
        of_box(observed(T, np.full_like(depth, np.nan)), low, high, DOWN)
    with pytest.raises(LiftError, match=r"only 0% of the pixels"):
        of_pixel(observed(T, np.full_like(depth, np.nan)), 160, 120)
    for wrong, says in (
        (((10.0, 10.0), (10.0, 20.0)), "is empty"),
        (((np.nan, 0.0), (5.0, 5.0)), "is empty"),
        (((400.0, 10.0), (420.0, 20.0)), "outside the picture of 320x240"),
    ):
        with pytest.raises(LiftError, match=says):
            of_box(observed(T, depth), *wrong, DOWN)


@pytest.mark.parametrize("pixels", [-8.0, 25.0])
def test_a_box_that_is_drawn_too_small_or_too_large_is_of_the_same_thing(pixels):
    T = looking_at((0.45, 0.1, 0.6), tuple(CENTRE))
    low, high = box_around(T, CENTRE)
    low, high = (low[0] - pixels, low[1] - pixels), (high[0] + pixels, high[1] + pixels)
    point = of_box(observed(T, depth_of(T, CENTRE)), low, high, DOWN)
    np.testing.assert_allclose(point, TOP, atol=0.01)
    level = of_box(observed(T, depth_of(T, CENTRE)), low, high, AHEAD)
    assert level[2] > 0.01


def test_bare_table_is_nothing_to_take_hold_of():
    T = looking_at(VIEWS[1], tuple(CENTRE))
    bare = depth_of(T, np.array([3.0, 3.0, 0.03]))
    with pytest.raises(LiftError, match="nothing that stands out"):
        of_box(observed(T, bare), *box_around(T, CENTRE), DOWN)


def test_the_plan_is_one_waypoint():
    T = looking_at(VIEWS[0], tuple(CENTRE))
    plan = grasp_plan(observed(T, depth_of(T, CENTRE)), CENTRE, "the box")
    assert (plan.kind, plan.frame_id, plan.epoch) == (PlanKind.WAYPOINTS, "odom", 1)
    assert plan.waypoints.tolist() == [CENTRE.tolist()]
