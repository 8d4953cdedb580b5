"""What is too near to be seen must never read as free: no frame, or no free cells in front."""

import numpy as np
import pytest
from perception_scenes import (
    BASELINE_M,
    FRAME_NS,
    FX,
    HEIGHT,
    PARAMS,
    START_NS,
    T_BASE_FROM_CAM,
    WIDTH,
    depth_of,
    infos,
    odom,
    pictures,
    play,
    static_tf,
    wall_pair,
)  # fmt: skip

from perception_node.local_map import LocalMapper
from perception_node.near import Reach
from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.wire.convert import decode_map

NEAREST_M = FX * BASELINE_M / 64  # of the card sgbm, which tries 64 disparities


def walls(distances_m):
    samples = [static_tf(START_NS), *infos(START_NS)]
    for i, z_m in enumerate(distances_m):
        now_ns = START_NS + i * FRAME_NS
        samples += [odom(now_ns), *pictures(now_ns, wall_pair(z_m, seed=i))]
    return play(samples)


@pytest.mark.parametrize("z_m", [0.17, 0.14, 0.1, 0.08])
def test_a_wall_that_is_too_near_to_be_matched_silences_perception(z_m):
    assert z_m < NEAREST_M
    tap = walls([2.0] * 6 + [z_m] * 8)
    assert len(tap.of("local_map")) <= 8  # few wrong matches get through; the map goes stale and the gate stops
    assert tap.named("sight", "nothing matched")


def test_what_is_matched_nearer_than_the_least_depth_is_not_free():
    """0.19 m: within reach of the engine, below depth.min_m, so no depth; the map must not go on calling it free."""
    tap = walls([2.0] * 6 + [0.19] * 8)
    before, after = (decode_map(tap.of("local_map")[i].cdr) for i in (5, -1))
    x, y = np.full(2, 0.35), np.array([-0.05, -0.15])  # in front, where both cameras see
    assert (before.clearance_at(x, y) > 0.2).all()
    assert (after.clearance_at(x, y) < 1e-9).all()


def seen(mapper, depth_m, i, reach, T_base_from_cam=T_BASE_FROM_CAM):
    depth = depth_of(depth_m, stamp_ns=SEC + i * 100 * MS)
    return mapper.update(depth, SE3.identity(), T_base_from_cam, "odom", reach)


def free_ahead(grid, y_m, x_m=0.45):
    row, col = grid.cell(np.array([x_m]), np.array([y_m]))
    return 0 <= grid.occupancy[row, col][0] < 50


@pytest.mark.parametrize(("roll_deg", "sees_m"), [(0, 0.15), (180, -0.15), (90, None)])
def test_columns_that_the_right_camera_misses_are_left_in_the_picture_however_it_hangs(roll_deg, sees_m):
    mapper, reach = LocalMapper(PARAMS.map), Reach(0.5, 60.0)
    T = T_BASE_FROM_CAM @ SE3.from_rpy(0.0, 0.0, np.radians(roll_deg))
    for i in range(6):
        grid = seen(mapper, np.full((HEIGHT, WIDTH), 2.0, np.float32), i, reach, T)
    assert free_ahead(grid, 0.15)
    for i in range(6, 10):
        grid = seen(mapper, np.full((HEIGHT, WIDTH), np.nan, np.float32), i, reach, T)
    assert [y_m for y_m in (0.15, -0.15) if free_ahead(grid, y_m)] == ([] if sees_m is None else [sees_m])


def test_only_the_blind_bearings_are_hidden_and_only_while_they_are_blind():
    mapper, reach = LocalMapper(PARAMS.map), Reach(0.5, 0.0)
    far = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    blocked = far.copy()
    blocked[:, WIDTH // 2 :] = np.nan  # something right in front of the right half
    for i in range(6):
        grid = seen(mapper, far, i, reach)
    assert free_ahead(grid, -0.15)
    assert free_ahead(grid, 0.15)
    hidden = [not free_ahead(seen(mapper, blocked, 6 + i, reach), -0.15) for i in range(5)]
    assert hidden == [False, False, True, True, True]  # one frame that sees nothing is no wall
    grid = seen(mapper, blocked, 11, reach)
    assert free_ahead(grid, 0.15)
    assert not free_ahead(grid, -0.15)
    assert free_ahead(grid, -0.6, x_m=1.4)  # beyond the reach the map remembers
    assert free_ahead(seen(mapper, far, 12, reach), -0.15)


@pytest.mark.parametrize(("tan", "frames"), [(0.12, 10), (0.3, 3)])
def test_a_narrow_gap_in_what_is_seen_is_hidden_only_when_it_stays(tan, frames):
    mapper, reach = LocalMapper(PARAMS.map), Reach(0.5, 0.0)
    far = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    gap, middle = far.copy(), WIDTH / 2 + FX * 0.15 / (0.45 - T_BASE_FROM_CAM.t[0])  # the cell at (0.45, -0.15)
    gap[:, round(middle - FX * tan / 2) : round(middle + FX * tan / 2)] = np.nan
    for i in range(6):
        seen(mapper, far, i, reach)
    hidden = [not free_ahead(seen(mapper, gap, 6 + i, reach), -0.15) for i in range(12)]
    assert hidden == [i >= frames - 1 for i in range(12)]


def test_the_left_rim_where_the_right_camera_sees_nothing_near_is_no_wall():
    mapper, reach = LocalMapper(PARAMS.map), Reach(0.5, WIDTH / 2)
    far = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    rim = far.copy()
    rim[:, : WIDTH // 2] = np.nan
    for i in range(12):
        grid = seen(mapper, far if i < 6 else rim, i, reach)
    assert free_ahead(grid, 0.15)


def test_the_robots_own_place_stays_free():
    mapper = LocalMapper(PARAMS.map)
    for i in range(12):
        nothing = np.full((HEIGHT, WIDTH), np.nan, np.float32)
        grid = seen(mapper, nothing, i, Reach(0.5))
    assert free_ahead(grid, 0.0, x_m=0.15)
    assert not free_ahead(grid, 0.0, x_m=0.45)
