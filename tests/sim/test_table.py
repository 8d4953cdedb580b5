"""The table: what lies on it, what its camera sees, what becomes of commands; two runs give the same bytes."""

import math

import cv2
import numpy as np
import pytest

from saccade.cli.sim import told
from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.wire.commands import encode_joint_trajectory
from sim.bus import open_world
from sim.show import look, picture
from sim.table.camera import RayCamera, noisy
from sim.table.cell import AXES, HOME, Cell
from sim.table.layout import TRAY, TRAY_COLOUR, lay
from sim.table.world import CAMERA


@pytest.fixture(scope="module")
def cell():
    return Cell(lay(3), np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(20))
def test_things_lie_apart_within_reach_and_off_the_tray(seed):
    layout = lay(seed)
    assert {item.name.split()[0] for item in layout.items} == {"red", "yellow", "green", "blue"}
    for i, item in enumerate(layout.items):
        assert 0.3 < math.hypot(item.x, item.y) < 0.6
        assert math.hypot(item.x - layout.tray.x, item.y - layout.tray.y) > 0.15
        assert all(math.hypot(item.x - o.x, item.y - o.y) > 0.12 for o in layout.items[:i])
    assert lay(seed) == layout
    assert lay(seed + 1) != layout


def test_things_stand_where_they_were_put(cell):
    for item in lay(3).items:
        at = cell.place(item.name)
        np.testing.assert_allclose(at[:2], [item.x, item.y], atol=0.003)
        assert at[2] == pytest.approx(item.height_m / 2, abs=0.003)
    assert cell.hits == []


def test_depth_is_that_of_the_table_and_of_the_tops_of_things(cell):
    down = SE3(np.diag([1.0, -1.0, -1.0]), np.array([0.4, 0.0, 1.5]))
    rgb, depth_m = RayCamera(cell.model, cell.data, CAMERA, down).render()
    assert rgb.shape == (300, 400, 3)
    for item in lay(3).items:
        u, v = CAMERA.project(down.inverse().apply(np.array([item.x, item.y, item.height_m])))
        assert depth_m[round(v), round(u)] == pytest.approx(1.5 - item.height_m, abs=0.004)
        assert np.abs(rgb[round(v), round(u)].astype(int) - item.colour).sum() < 300
    assert np.nanmax(depth_m) == pytest.approx(1.5, abs=1e-6)


def test_what_cannot_move_is_cast_once_and_the_picture_is_the_same():
    cell = Cell(lay(3), np.random.default_rng(0))
    T, told = (
        look(np.array([1.05, 0.0, 0.72]), np.array([0.38, 0.0, 0.0])),
        np.array([0.5, -1.4, 1.6, -1.7, -1.4, 0.4, 0.02]),
    )
    camera = RayCamera(cell.model, cell.data, CAMERA, T)
    at_first, _ = camera.render()
    cell.drive(told)
    for _ in range(300):
        cell.step()
    rgb, depth_m = camera.render()
    share = (camera._covered() > 0).mean()
    camera._covered = lambda: np.ones(CAMERA.height * CAMERA.width, np.uint8)
    whole, whole_m = camera.render()
    np.testing.assert_array_equal(rgb, whole)
    np.testing.assert_array_equal(depth_m, whole_m)
    assert (rgb != at_first).any(axis=2).mean() > 0.02
    assert share < 0.25


def test_a_depth_camera_errs_by_millimetres_and_sees_nothing_at_edges(cell):
    down = SE3(np.diag([1.0, -1.0, -1.0]), np.array([0.4, 0.0, 1.5]))
    _, exact = RayCamera(cell.model, cell.data, CAMERA, down).render()
    seen = noisy(exact, np.random.default_rng(1))
    assert 0.0 < np.isnan(seen).mean() < 0.2
    assert 0.001 < np.nanstd(seen - exact) < 0.01
    assert np.nanmax(np.abs(seen * 1000 - np.round(seen * 1000))) < 1e-3


def heard(world, for_s):
    samples, end = [], world.start_ns + round(for_s * SEC)
    while (due := world.next_ns()) is not None and due <= end:
        world.advance(due)
        samples.append(world.take())
    return samples


def test_two_runs_give_the_same_bytes_and_another_seed_others():
    one, two, other = (heard(open_world(f"table?seed={seed}"), 0.45) for seed in (5, 5, 6))
    assert one == two
    assert [s.topic for s in one] == [s.topic for s in other]
    assert one != other
    assert {s.topic for s in one} == {
        "tf_static", "joint_states", "rgbd/color/image_rect", "rgbd/depth/image_rect", "rgbd/depth/camera_info",
    }  # fmt: skip


def test_the_arm_goes_where_it_is_told_and_bad_commands_move_nothing():
    world = open_world("table?seed=5")
    cell, home = world.simulation._cell, np.array(HOME)
    goal = home + np.array([0.3, 0.1, -0.1, 0.0, 0.0, 0.2, 0.01])
    for names, positions in ((AXES[:3], goal[:3]), (AXES, np.full(7, np.nan))):
        world.heard("joint_trajectory", encode_joint_trajectory(names, positions, 10), world.start_ns)
    world.heard("joint_trajectory", b"nothing", world.start_ns)
    world.advance(world.start_ns + SEC // 2)
    np.testing.assert_allclose(cell.positions, home, atol=0.01)
    shuffled = [3, 1, 2, 0, 6, 5, 4]
    told = encode_joint_trajectory(tuple(AXES[i] for i in shuffled), goal[shuffled], 10)
    world.heard("joint_trajectory", told, world.start_ns)
    world.advance(world.start_ns + 2 * SEC)
    np.testing.assert_allclose(cell.positions, goal, atol=0.01)


def test_the_judge_sees_what_was_lifted_and_pushed_and_lies_on_the_tray():
    world = open_world("table?seed=5")
    cell, layout = world.simulation._cell, world.simulation.layout
    first, second, third, _ = (item.name for item in layout.items)
    for name, by in ((first, (0, 0, 0.3)), (second, (0.05, 0, 0))):
        at = cell.model.joint(cell.model.body(name).jntadr[0]).qposadr[0]
        cell.data.qpos[at : at + 3] += by
    at = cell.model.joint(cell.model.body(third).jntadr[0]).qposadr[0]
    cell.data.qpos[at : at + 3] = layout.tray.x, layout.tray.y, 0.06
    world.advance(world.start_ns + SEC // 10)
    verdict = world.judge()
    assert list(verdict["lifted"]) == [first]
    assert verdict["held"] == [first]
    assert verdict["pushed"] == verdict["hit"] == [second, third]
    assert verdict["on_tray"] == [third]
    assert verdict["collisions"] == 2
    assert verdict["goal"] in {item.name for item in layout.items}
    assert layout.tray.name == TRAY


def test_a_picture_of_the_table_shows_all_that_lies_on_it():
    world = open_world("table?seed=3")
    rgb = picture(world)
    assert rgb.shape == (720, 1280, 3)
    hue, saturation, _ = np.moveaxis(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV), 2, 0)
    for colour in [item.colour for item in world.simulation.layout.items] + [TRAY_COLOUR]:
        wanted = int(cv2.cvtColor(np.array([[colour]], np.uint8), cv2.COLOR_RGB2HSV)[0, 0, 0])
        assert ((np.abs(hue.astype(int) - wanted) < 3) & (saturation > 150)).sum() > 300


def test_what_the_judge_found_is_told_in_a_line():
    judged = {"lifted": {"red box": 5.5}, "on_tray": [], "pushed": [], "collisions": 0, "hit": []}
    assert told(judged) == "lifted: red box; on the tray: nothing; collisions: 0"
