"""The local map: where things are, what is free and what is not known, and how it moves with the robot."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from perception_scenes import T_BASE_FROM_CAM, depth_of

from perception_node.local_map import LocalMapper
from perception_node.params import MapParams
from saccade.clock import MS, SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3, Pinhole

CAMERA = Pinhole(200.0, 200.0, 159.5, 119.5, 320, 240)
PARAMS = MapParams()
CAMERA_M, AHEAD_M = 0.35, 0.10


def rays(T_level_from_cam=T_BASE_FROM_CAM):
    """Directions (H, W, 3) in the level frame per metre of depth."""
    v, u = np.indices((CAMERA.height, CAMERA.width))
    optical = CAMERA.unproject(np.stack([u, v], -1).astype(np.float64), np.ones(u.shape))
    return optical @ T_level_from_cam.R.T


def room(wall_m=2.0, boxes=(), T_level_from_cam=T_BASE_FROM_CAM):
    """True depth of a floor, a wall across at x = `wall_m` of the base, and boxes (x, y0, y1, height) facing it."""
    d, t = rays(T_level_from_cam), T_level_from_cam.t
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(d[..., 2] < 0, -t[2] / d[..., 2], np.inf)
        for x, y0, y1, height in ((wall_m, -50, 50, 3.0), *boxes):
            z = (x - t[0]) / d[..., 0]
            y, up = t[1] + z * d[..., 1], t[2] + z * d[..., 2]
            hit = (z > 0) & (y >= y0) & (y <= y1) & (up >= 0) & (up <= height)
            depth = np.where(hit & (z < depth), z, depth)
    return np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)


def mapped(depth_m, frames=4, params=PARAMS, T_odom_from_base=None, T_base_from_cam=T_BASE_FROM_CAM, **kwargs):
    mapper = LocalMapper(params)
    for i in range(frames):
        grid = mapper.update(
            depth_of(depth_m, CAMERA, SEC + i * 100 * MS, **kwargs), T_odom_from_base or SE3.identity(),
            T_base_from_cam, "odom",
        )  # fmt: skip
    return grid


def at(grid, x, y):
    row, col = grid.cell(np.asarray(x, float), np.asarray(y, float))
    return grid.occupancy[row, col]


def free(values):
    return (np.asarray(values) >= 0) & (np.asarray(values) < 50)


def test_a_wall_at_two_metres_is_there_with_free_before_and_unknown_behind():
    grid = mapped(room(2.0))
    for y in np.arange(-1.2, 1.25, 0.1):
        column = at(grid, np.arange(0.05, 6, 0.1), np.full(60, y))
        occupied = np.arange(0.05, 6, 0.1)[column >= 50]
        assert len(occupied) >= 1
        assert abs(occupied - 2.0).max() <= 0.1 + 1e-9  # one cell
        assert (column[np.arange(0.05, 6, 0.1) > 2.2] == -1).all()
    before = np.arange(0.75, 1.85, 0.1)
    assert free(at(grid, before, np.zeros_like(before))).all()


@given(
    st.floats(-3, 3), st.floats(-3, 3), st.floats(-math.pi, math.pi), st.floats(1.0, 4.0),
    st.sampled_from((0.05, 0.1, 0.2)),
)  # fmt: skip
@settings(max_examples=40)
def test_a_wall_stands_where_it_is_from_wherever_it_is_seen(x, y, yaw, wall_m, resolution_m):
    T = SE3.from_rpy(0, 0, yaw, (x, y, 0.0))
    grid = mapped(room(wall_m), params=MapParams(resolution_m=resolution_m), T_odom_from_base=T)
    rows, cols = np.nonzero(grid.occupancy >= 50)
    centres = np.stack([cols + 0.5, rows + 0.5, np.zeros(len(rows))], 1) * resolution_m + [*grid.origin_m, 0.0]
    in_base = T.inverse().apply(centres)
    assert len(in_base) >= 0.6 * (wall_m - AHEAD_M) / resolution_m  # the view is 1.6 distances wide
    assert np.abs(in_base[:, 0] - wall_m).max() <= 1.5 * resolution_m
    ahead = T.apply(np.array([[wall_m - 2.5 * resolution_m, 0.0, 0.0], [wall_m + 2.5 * resolution_m, 0.0, 0.0]]))
    before, behind = at(grid, ahead[:, 0], ahead[:, 1])
    assert free(before)
    assert behind == -1


def test_a_thin_pole_near_by_is_not_lost_between_bearings():
    grid = mapped(room(4.0, boxes=[(1.0, 0.10, 0.14, 1.5)]), frames=2)
    assert at(grid, 1.0 - 1e-6, 0.12) >= 50 or at(grid, 1.0 + 1e-6, 0.12) >= 50
    assert free(at(grid, 1.05, -0.35))


def test_one_look_is_enough_for_an_obstacle_and_two_for_free_space():
    pole = room(4.0, boxes=[(1.0, 0.10, 0.12, 1.5)])
    assert at(mapped(pole, frames=1), 1.0 - 1e-6, 0.12) >= 50 or at(mapped(pole, frames=1), 1.0 + 1e-6, 0.12) >= 50
    assert at(mapped(pole, frames=1), 1.5, -0.35) == -1
    assert free(at(mapped(pole, frames=2), 1.5, -0.35))


def test_what_hides_behind_a_low_box_is_unknown():
    grid = mapped(room(4.0, boxes=[(1.5, -1.0, 1.0, 0.2)]))
    assert (at(grid, np.arange(1.75, 3.0, 0.1), np.zeros(13)) == -1).all()
    assert free(at(grid, 1.25, 0.0))


def test_rays_that_look_over_everything_do_not_make_the_ground_free():
    """The upper part of the picture is known and far; what stands below it is not seen."""
    depth_m = room(5.0)
    depth_m[100:] = np.nan
    grid = mapped(depth_m, params=MapParams(obstacle_max_m=0.45))
    ahead = np.arange(0.95, 3.0, 0.1)
    assert (at(grid, ahead, np.zeros_like(ahead)) == -1).all()


@pytest.mark.parametrize("camera_m", [0.08, 0.12])
def test_a_camera_that_looks_over_low_things_makes_nothing_free(camera_m):
    """Also one that is itself lower than the lowest obstacle: what it sees less of with distance is no floor."""
    T = SE3(SE3.from_rpy(0, -math.radians(35), 0).R @ R_BODY_FROM_OPTICAL, np.array([AHEAD_M, 0.0, camera_m]))
    depth_m = room(3.0, boxes=[(1.5, -0.5, 0.5, 0.15)], T_level_from_cam=T)
    np.testing.assert_array_equal(depth_m, room(3.0, T_level_from_cam=T))  # the box is below the picture
    grid = mapped(depth_m, T_base_from_cam=T)
    assert (at(grid, np.arange(0.75, 2.8, 0.1), np.zeros(21)) == -1).all()


@pytest.mark.parametrize("roll_deg", [180, 90, -90])
def test_a_camera_that_hangs_or_lies_on_its_side_sees_the_floor(roll_deg):
    T = T_BASE_FROM_CAM @ SE3.from_rpy(0, 0, math.radians(roll_deg))
    grid = mapped(room(2.0, boxes=[(1.2, 0.2, 0.4, 0.5)], T_level_from_cam=T), T_base_from_cam=T)
    assert free(at(grid, np.arange(0.75, 1.85, 0.1), np.zeros(11))).all()
    for x, y in ((1.2, 0.3), (2.0, -0.2)):
        assert at(grid, [x - 0.05, x + 0.05], [y, y]).max() >= 50
    assert at(grid, 2.25, -0.2) == at(grid, 1.45, 0.3) == -1


def test_a_camera_that_looks_sideways_maps_sideways():
    T_base_from_cam = SE3.from_rpy(0, 0, math.pi / 2, (0, AHEAD_M, 0.0)) @ SE3(
        R_BODY_FROM_OPTICAL, np.array([0, 0, CAMERA_M])
    )
    grid = mapped(room(2.0), T_base_from_cam=T_base_from_cam)
    rows, _ = np.nonzero(grid.occupancy >= 50)
    assert len(rows) > 20
    assert np.abs((rows + 0.5) * 0.1 + grid.origin_m[1] - 2.0).max() <= 0.15
    assert free(at(grid, 0.0, 1.2))
    assert at(grid, 1.2, 0.0) == -1


def downward(pitch_deg, roll_deg=0.0, height_m=1.0):
    return SE3(SE3.from_rpy(math.radians(roll_deg), math.radians(pitch_deg), 0.0).R @ R_BODY_FROM_OPTICAL,
               np.array([AHEAD_M, 0.0, height_m]))  # fmt: skip


@pytest.mark.parametrize("pitch_deg", [60, 65, 70])
def test_a_camera_that_sees_behind_itself_sees_the_floor_below(pitch_deg, monkeypatch):
    """A column of pixels may lie exactly in the heading's plane, and its lower end behind the camera."""
    monkeypatch.setitem(globals(), "CAMERA", Pinhole(200.0, 200.0, 159.0, 119.5, 320, 240))
    T = downward(pitch_deg)
    grid = mapped(room(4.0, T_level_from_cam=T), T_base_from_cam=T)
    assert free(at(grid, np.arange(0.75, 0.95, 0.1), np.zeros(2))).all()


@pytest.mark.parametrize(("pitch_deg", "roll_deg"), [(89.97, 0), (90, 0), (90.03, 0), (90, 0.03), (90, -0.03)])
def test_a_camera_that_looks_straight_down_maps_what_is_up_in_its_picture_ahead(pitch_deg, roll_deg):
    depth_m = np.full((240, 320), 3.0, np.float32)
    depth_m[30:50, 150:170] = 2.5  # half a metre high, and a metre ahead
    grid = mapped(depth_m, T_base_from_cam=downward(pitch_deg, roll_deg, 3.0))
    rows, cols = np.nonzero(grid.occupancy >= 50)
    x, y = (cols + 0.5) * 0.1 + grid.origin_m[0], (rows + 0.5) * 0.1 + grid.origin_m[1]
    assert len(x) >= 3
    assert (np.hypot(x - AHEAD_M - 1.0, y) < 0.3).all()


def test_a_very_wide_camera_looks_at_its_middle_only():
    """Beyond 79 degrees bearings have no bin; what stands there must not be drawn into the outermost one."""
    camera = Pinhole(15.0, 15.0, 159.5, 119.5, 320, 240)  # 169 degrees
    x = (np.arange(320) - camera.cx) / camera.fx
    with np.errstate(divide="ignore"):
        side_wall_m = np.where(x < 0, 0.5 / -x, 30.0).astype(np.float32)  # on the left, at y = 0.5
    mapper = LocalMapper(PARAMS)
    for i in range(6):
        depth = depth_of(np.tile(side_wall_m, (240, 1)), camera, SEC + i * 100 * MS)
        grid = mapper.update(depth, SE3.identity(), T_BASE_FROM_CAM, "odom")
    rows, cols = np.nonzero(grid.occupancy >= 50)
    y = (rows + 0.5) * 0.1 + grid.origin_m[1]
    x = (cols + 0.5) * 0.1 + grid.origin_m[0]
    near = x < 1.0  # farther away so few, wide bearings are coarse
    assert near.sum() >= 6
    assert y[near].min() > 0.4
    assert y[near].max() < 0.8  # at steep bearings a wall is drawn thicker than it is, away from the robot


def test_where_the_robot_stands_is_free():
    """It drives blind, which no gate would allow, to the end of what it knew."""
    mapper = LocalMapper(PARAMS)
    nothing = np.full((240, 320), np.nan, np.float32)
    for i in range(12):
        T = SE3.from_rpy(0, 0, 0, (0.2 * i, 0, 0))
        grid = mapper.update(depth_of(nothing, CAMERA, SEC + i * 100 * MS), T, T_BASE_FROM_CAM, "odom")
    assert free(at(grid, 2.2 + np.array([-0.2, 0.0, 0.15]), np.zeros(3))).all()
    assert at(grid, 2.2 + 0.35, 0.0) == -1


def test_the_floor_and_what_is_below_the_band_is_no_obstacle_and_what_is_above_neither():
    assert not (mapped(room(50.0)).occupancy >= 50).any()
    low = mapped(room(50.0, boxes=[(1.5, -1, 1, 0.07)]))
    assert not (low.occupancy >= 50).any()
    assert (mapped(room(50.0, boxes=[(1.5, -1, 1, 0.2)])).occupancy >= 50).sum() >= 15
    lintel = room(3.0)
    lintel[:40] = 0.6  # something at 0.6 m, 0.24 m above the camera and higher: over the band when the band is low
    grid = mapped(lintel, params=MapParams(obstacle_max_m=0.5))
    assert not (at(grid, np.full(5, 0.75), np.linspace(-0.2, 0.2, 5)) >= 50).any()


def test_a_few_wrong_pixels_do_not_stop_the_robot_and_enough_of_them_do():
    depth_m = room(3.0)
    rng = np.random.default_rng(0)
    for _ in range(60):
        depth_m[rng.integers(0, 120), rng.integers(0, 320)] = 0.8
    near = at(mapped(depth_m), np.full(9, 0.9), np.linspace(-0.4, 0.4, 9))
    assert not (near >= 50).any()
    depth_m[60:110, 150:160] = 0.8
    assert at(mapped(depth_m), 0.9 - 1e-6, 0.02) >= 50 or at(mapped(depth_m), 0.9 + 1e-6, 0.02) >= 50


def test_pixels_of_low_confidence_say_nothing():
    grid = mapped(room(2.0), confidence=PARAMS.min_confidence - 1)
    seen = grid.occupancy[grid.occupancy >= 0]
    assert (grid.occupancy < 50).all()
    assert len(seen) < 110  # the disc it starts from
    assert (mapped(room(2.0), confidence=PARAMS.min_confidence).occupancy >= 50).any()


@pytest.mark.parametrize("valid", [0.0, 0.3])
def test_a_bearing_that_is_mostly_unknown_is_not_free(valid):
    depth_m = room(3.0)
    hole = np.s_[int(valid * 240) :, 140:180]
    depth_m[hole] = np.nan
    grid = mapped(depth_m)
    ahead = np.arange(0.85, 2.5, 0.1)
    assert (at(grid, ahead, np.zeros_like(ahead)) == -1).all()
    beside = at(grid, ahead, 0.45 * np.ones_like(ahead))
    assert free(beside[5:]).all()


def test_the_sky_does_not_keep_the_road_unknown():
    """Rays that leave the band upwards may be unknown: nothing that stands there could be met."""
    depth_m = room(50.0)
    depth_m[:119] = np.nan
    grid = mapped(depth_m, params=MapParams(obstacle_max_m=0.45))
    ahead = np.arange(1.0, 3.0, 0.1)
    assert free(at(grid, ahead, np.zeros_like(ahead))).all()


def test_what_passes_below_the_picture_is_not_declared_free():
    """Nearer than where the lowest ray reaches obstacle height, seeing far says nothing."""
    grid = mapped(room(3.0))
    lowest = 120 / 200  # slope of the last row
    blind_m = AHEAD_M + (CAMERA_M - PARAMS.obstacle_min_m) / lowest
    assert PARAMS.blind_radius_m > blind_m - 0.1  # the default start covers it
    bare = mapped(room(3.0), params=MapParams(blind_radius_m=0.25, robot_radius_m=0.25))
    assert at(bare, blind_m - 0.15, 0.0) == -1
    assert free(at(bare, blind_m + 0.15, 0.0))
    assert free(at(grid, blind_m - 0.15, 0.0))


def test_the_start_is_free_under_the_robot_and_only_there():
    grid = mapped(np.full((240, 320), np.nan), T_odom_from_base=SE3.from_rpy(0, 0, 1.0, (5.0, -7.0, 0.0)))
    rows, cols = np.indices(grid.occupancy.shape)
    x = (cols + 0.5) * 0.1 + grid.origin_m[0] - 5.0
    y = (rows + 0.5) * 0.1 + grid.origin_m[1] + 7.0
    inside = np.hypot(x, y) <= PARAMS.blind_radius_m
    assert free(grid.occupancy[inside]).all()
    assert (grid.occupancy[~inside] == -1).all()


@given(st.lists(st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4)), min_size=1, max_size=8))
@settings(max_examples=25)
def test_scrolling_keeps_every_cell_at_its_place_in_the_world(steps):
    """With nothing more seen, what was known stays known at the same world cell, whatever way the window went."""
    params = MapParams(half_life_s=1e9, robot_radius_m=0.05)
    mapper = LocalMapper(params)
    position, visited = np.zeros(2), [np.zeros(2)]
    for i in range(4):
        first = mapper.update(depth_of(room(2.5), CAMERA, SEC + i), SE3.identity(), T_BASE_FROM_CAM, "odom")
    known = {}
    for row, col in np.argwhere(first.occupancy != -1).tolist():
        world = (round(first.origin_m[0] / 0.1) + col, round(first.origin_m[1] / 0.1) + row)
        known[world] = int(first.occupancy[row, col])
    nothing = np.full((240, 320), np.nan, np.float32)
    for i, step in enumerate(steps):
        position += step
        visited.append(position / 0.1)
        T = SE3.from_rpy(0, 0, 0, (*position, 0.0))
        grid = mapper.update(depth_of(nothing, CAMERA, SEC + 10 + i), T, T_BASE_FROM_CAM, "odom")
    x0, y0 = (round(o / 0.1) for o in grid.origin_m)
    assert abs(grid.origin_m[0] + 6.4 - position[0]) <= 0.1 + 1e-9
    kept = 0
    for (x, y), value in known.items():
        row, col = y - y0, x - x0
        if 0 <= row < 128 and 0 <= col < 128 and min(math.hypot(x + 0.5 - i, y + 0.5 - j) for i, j in visited) > 1:
            assert grid.occupancy[row, col] == value
            kept += 1
    assert kept > 100


def test_a_jump_beyond_the_window_begins_anew():
    mapper = LocalMapper(PARAMS)
    for i in range(4):
        mapper.update(depth_of(room(2.0), CAMERA, SEC + i), SE3.identity(), T_BASE_FROM_CAM, "odom")
    nothing = np.full((240, 320), np.nan, np.float32)
    far = SE3.from_rpy(0, 0, 0, (100.0, 0.0, 0.0))
    grid = mapper.update(depth_of(nothing, CAMERA, SEC + 5), far, T_BASE_FROM_CAM, "odom")
    assert free(at(grid, 100.0, 0.0))
    assert (grid.occupancy != -1).sum() < 110


def test_clearance_is_the_distance_to_the_nearest_cell_that_is_not_known_free():
    grid = mapped(room(2.5, boxes=[(1.5, 0.3, 0.6, 0.5)]), params=MapParams(size_m=6.4))
    height, width = grid.occupancy.shape
    known_free = np.zeros((height + 2, width + 2), bool)
    known_free[1:-1, 1:-1] = free(grid.occupancy)
    blocked = np.argwhere(~known_free)
    cells = np.argwhere(known_free)
    assert len(cells) > 300
    distance = np.sqrt(((cells[:, None] - blocked[None]) ** 2).sum(-1).min(1).astype(np.float32)) * np.float32(0.1)
    np.testing.assert_array_equal(grid.clearance_m[cells[:, 0] - 1, cells[:, 1] - 1], distance)  # to the last bit
    assert (grid.clearance_m[~free(grid.occupancy)] == 0).all()


def test_a_person_who_leaves_is_forgotten_and_one_who_comes_is_seen():
    mapper = LocalMapper(PARAMS)
    empty, person = room(4.0), room(4.0, boxes=[(1.5, -0.2, 0.2, 1.7)])
    stamps = iter(range(SEC, 100 * SEC, 100 * MS))

    def see(depth_m, frames):
        for _ in range(frames):
            grid = mapper.update(depth_of(depth_m, CAMERA, next(stamps)), SE3.identity(), T_BASE_FROM_CAM, "odom")
        return max(at(grid, 1.5 - 1e-6, 0.0), at(grid, 1.5 + 1e-6, 0.0)), free(at(grid, 1.55, 0.0))

    see(empty, 20)
    assert not see(person, 3)[1]  # no longer free within 0.3 s
    assert see(person, 3)[0] >= 50
    assert see(empty, 10)[1]  # free again within a second


def test_what_is_not_seen_again_fades_to_unknown_but_not_around_the_robot():
    mapper = LocalMapper(MapParams(half_life_s=2.0))
    for i in range(5):
        mapper.update(depth_of(room(2.0), CAMERA, SEC + i), SE3.identity(), T_BASE_FROM_CAM, "odom")
    nothing = np.full((240, 320), np.nan, np.float32)
    grid = mapper.update(depth_of(nothing, CAMERA, 60 * SEC), SE3.identity(), T_BASE_FROM_CAM, "odom")
    assert at(grid, 1.5, 0.0) == -1
    assert at(grid, 2.0, 0.0) == -1
    assert free(at(grid, 0.4, 0.0))


@pytest.mark.parametrize("pitch", [-0.15, 0.2])
def test_a_camera_that_looks_up_or_down_sees_the_same_room(pitch):
    T = SE3.from_rpy(0, pitch, 0) @ SE3(R_BODY_FROM_OPTICAL, np.zeros(3))
    T_base_from_cam = SE3(T.R, np.array([AHEAD_M, 0, CAMERA_M]))
    grid = mapped(room(2.0, T_level_from_cam=T_base_from_cam), T_base_from_cam=T_base_from_cam)
    x = np.arange(0.05, 6, 0.1)
    column = at(grid, x, np.zeros(60))
    assert np.abs(x[column >= 50] - 2.0).max() <= 0.1 + 1e-9
    assert free(column[(x > 1.2) & (x < 1.85)]).all()


def test_heights_follow_gravity_or_the_body_as_asked():
    """A vehicle that pitches with its slope sees the road as flat in its own axes, and rising along gravity."""
    T_odom_from_base = SE3.from_rpy(0, -0.12, 0)  # nose up
    body = mapped(room(50.0), params=MapParams(level="body"), T_odom_from_base=T_odom_from_base)
    gravity = mapped(room(50.0), params=MapParams(level="gravity"), T_odom_from_base=T_odom_from_base)
    assert not (body.occupancy >= 50).any()
    assert (gravity.occupancy >= 50).any()


NEAR = MapParams(passing_s=1000.0, half_life_s=1000.0)
"""What is not seen to be gone stays."""


def seen(mapper, boxes, x, begin, frames):
    """The map after looks at boxes (x, y0, y1, height) before a far wall, from a robot at `x`."""
    for i in range(begin, begin + frames):
        depth = room(6.0 - x, [(bx - x, *rest) for bx, *rest in boxes])
        pose = SE3.from_rpy(0, 0, 0, (x, 0, 0))
        grid = mapper.update(depth_of(depth, CAMERA, SEC + i * 100 * MS), pose, T_BASE_FROM_CAM, "odom")
    return grid


def test_who_stood_before_the_lens_leaves_free_floor_where_it_is_looked_over():
    """A person 0.3 m before the camera, where a low thing would be below the picture; its legs are in it, or were."""
    mapper, person = LocalMapper(NEAR), [(1.30, -0.25, 0.25, 1.7)]
    seen(mapper, [], 0.0, 0, 12)
    assert free(at(seen(mapper, [], 0.9, 12, 12), 1.32, 0.0))
    assert at(seen(mapper, person, 0.9, 24, 6), 1.32, 0.0) > 60
    assert free(at(seen(mapper, [], 0.9, 30, 10), 1.32, 0.0)), "gone, and that is seen"


def test_a_low_thing_that_has_gone_out_below_the_picture_is_still_there():
    mapper, low = LocalMapper(NEAR), [(1.30, -0.25, 0.25, 0.14)]
    seen(mapper, [], 0.0, 0, 12)
    assert at(seen(mapper, low, 0.0, 12, 6), 1.32, 0.0) > 60
    for i in range(10):
        grid = seen(mapper, low, 0.09 * (i + 1), 18 + 2 * i, 2)
    assert at(grid, 1.32, 0.0) > 60
    assert at(seen(mapper, low, 0.95, 40, 10), 1.32, 0.0) > 60, "nobody has seen that it went"
