import numpy as np
import pytest
from vla_world import BLUE, CAMERA, GREEN, RED, T_BODY_FROM_CAM, Box, render

from saccade.geometry import SE3
from vla_node.reasoners.embedded.doors import find_doors
from vla_node.reasoners.embedded.grounding import View

WALL = (205, 200, 190)
END = Box(4.1, 0.0, 0.1, 2.0, 2.6, WALL)


def view(boxes, x=0.0, yaw=0.0, noise=0.0):
    T = SE3.from_rpy(0, 0, yaw, (x, 0.0, 0.0)) @ T_BODY_FROM_CAM
    rgb, depth_m = render(T, boxes)
    spread = noise * np.random.default_rng(7).standard_normal(depth_m.shape)
    return View(rgb, (depth_m * (1 + spread)).astype(np.float32), CAMERA, T, 0.0)


def leaf(x=4.0, y=0.0, half_m=0.45, height_m=2.0, rgb=BLUE, base=0.0, thick_m=0.02):
    return Box(x, y, thick_m, half_m, height_m, rgb, base)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize(("half_m", "height_m"), [(0.35, 1.9), (0.45, 2.0), (0.55, 2.2)])
def test_a_door_in_a_wall_is_found_with_and_without_its_colour(half_m, height_m, noise):
    seen = view([END, leaf(y=0.3, half_m=half_m, height_m=height_m)], noise=noise)
    for colour in ("blue", None):
        (door,) = find_doors(seen, colour)
        assert door.centre == pytest.approx([3.98, 0.3, height_m / 2], abs=0.10)
        assert door.width_m == pytest.approx(2 * half_m, abs=0.12)
        assert door.height_m == pytest.approx(height_m, abs=0.10)
        assert door.radius_m == 0.0
        assert f"{door.width_m:.2f} m wide" in door.ranged_by
    assert find_doors(seen, "green") == []


def test_wild_depths_of_single_pixels_do_not_bend_a_door():
    seen, noise = view([END, leaf(y=0.3)]), np.random.default_rng(3)
    wild = 1 + 0.06 * noise.choice([-1, 0, 0, 0, 0, 0, 1], seen.depth_m.shape).astype(np.float32)
    assert len(find_doors(View(seen.rgb, seen.depth_m * wild, CAMERA, seen.T_odom_from_cam, 0.0), None)) == 1


def test_a_door_is_found_from_aside_and_in_the_wall_that_is_passed():
    (door,) = find_doors(view([END, leaf()], yaw=0.3), None)
    assert door.centre == pytest.approx([3.98, 0.0, 1.0], abs=0.1)
    side = [Box(3.0, 1.1, 5.0, 0.1, 2.6, WALL), Box(4.0, 0.99, 0.45, 0.01, 2.0, GREEN)]
    for x in (0.0, 0.2, 0.4, 0.6):
        (door,) = find_doors(view(side, x), None)
        assert door.centre == pytest.approx([4.0, 0.98, 1.0], abs=0.2)


@pytest.mark.parametrize(
    ("what", "boxes"),
    {
        "a wall": [Box(4.1, 0.0, 0.1, 2.0, 2.0, BLUE)],
        "a wide panel": [END, leaf(half_m=0.75)],
        "a pillar": [END, Box(3.5, 0.0, 0.15, 0.15, 2.0, BLUE)],
        "a low crate": [END, Box(3.5, 0.0, 0.4, 0.4, 0.8, BLUE)],
        "a tall panel": [END, leaf(x=3.9, half_m=0.45, height_m=2.45)],
        "a window": [END, leaf(height_m=2.0, base=0.8)],
        "a panel that hangs": [END, leaf(height_m=2.15, base=0.25)],
        "two faces of a column": [Box(3.9, 1.2, 0.35, 0.30, 2.0, BLUE)],
        "an L": [END, leaf(), Box(3.98, 0.6, 0.02, 0.2, 0.7, BLUE)],
        "a bent panel": [Box(3.6 + 0.15 * abs(k), 0.15 * k, 0.02, 0.075, 2.0, BLUE) for k in range(-2, 3)],
        "half behind a crate": [END, leaf(), Box(3.2, 0.4, 0.1, 0.35, 0.9, GREEN)],
        "half behind a wall": [END, leaf(), Box(3.0, 0.5, 0.1, 0.35, 2.6, GREEN)],
        "too far": [Box(7.1, 0.0, 0.1, 2.0, 2.6, WALL), leaf(x=7.0)],
        "too near to be seen whole": [Box(2.5, 0.0, 0.1, 2.0, 2.6, WALL), leaf(x=2.3)],
    }.items(),
)
def test_what_is_no_door_or_not_surely_one_is_none(what, boxes):
    assert find_doors(view(boxes), "blue") == find_doors(view(boxes), None) == [], what


def test_without_a_colour_word_there_must_be_a_wall_on_both_sides():
    alone = [leaf()]
    beside_one = [leaf(), Box(4.1, 1.45, 0.1, 1.0, 2.6, WALL)]
    cupboard = [Box(4.6, 0.0, 0.1, 2.0, 2.6, WALL), Box(4.2, 0.0, 0.3, 0.45, 2.0, BLUE)]
    for boxes in (alone, beside_one, cupboard):
        assert find_doors(view(boxes), None) == []
        assert len(find_doors(view(boxes), "blue")) == 1


def test_the_nearest_comes_first_and_none_is_found_without_depth():
    both = [END, leaf(y=-0.9, rgb=RED), Box(3.1, 1.0, 0.1, 0.7, 2.6, WALL), leaf(x=2.98, y=0.85, rgb=RED)]
    near, far = find_doors(view(both), "red")
    assert near.centre[1] > 0 > far.centre[1]
    seen = view(both)
    assert find_doors(View(seen.rgb, None, CAMERA, seen.T_odom_from_cam, 0.0), "red") == []
