"""The map from above, from behind and around: where things are drawn."""

import cv2
import numpy as np
import pytest
from test_gaussians import ball, fused, together
from volume_scenes import CAMERA, looking, plane, render

from map_node.gaussians import pictures
from map_node.gaussians.cpu import CpuRenderer
from map_node.gaussians.mesh import draw_mesh
from map_node.gaussians.pictures import Drawn, birdseye, follow, of_gaussians, of_mesh, turntable, write_turntable
from map_node.gaussians.surface import surface
from map_node.volume.mesh import Mesh, mesh
from saccade.errors import ConfigError
from saccade.geometry import SE3, Pinhole

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def balls(*at):
    return of_gaussians(together(*(ball(*xyz, rgb=rgb, opacity=0.99) for *xyz, rgb in at)), CpuRenderer())


def where(picture, rgb):
    """Mean (column, row) of the pixels that are nearest to this colour."""
    off = np.abs(picture.astype(float) - np.multiply(rgb, 255)).sum(axis=-1)
    rows, columns = np.nonzero(off < 120)
    return columns.mean(), rows.mean()


def test_from_above_x_is_to_the_right_and_y_up_to_scale():
    scene = balls((1.0, 0.0, 0.2, RED), (0.0, 1.5, 0.9, GREEN), (0.5, 0.5, 2.0, BLUE))
    shown = birdseye(scene, np.zeros(3), (4.0, 5.0), 50.0, below_m=1.6)
    assert shown.shape == (250, 200, 3)
    assert where(shown, RED) == pytest.approx((99.5 + 50, 124.5), abs=0.7)
    assert where(shown, GREEN) == pytest.approx((99.5, 124.5 - 75), abs=1.5)
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning):  # the blue one hangs above the cut
        assert np.isnan(where(shown, BLUE)[0])


def test_robot_path_and_plan_are_drawn_where_they_are():
    none = balls((0, 0, 9, RED))
    robot = SE3.from_rpy(0, 0, np.pi / 2, (0.5, -0.5, 0))
    drawn = Drawn(robot, np.array([(-1.0, -1, 0), (0.5, -1, 0)]), np.array([(0.5, 0.2, 0), (0.5, 1.0, 0)]))
    shown = birdseye(none, np.zeros(3), (4.0, 4.0), 50.0, drawn=drawn)
    u, v = where(shown, np.divide(pictures._ROBOT, 255))
    assert (u, v) == pytest.approx((99.5 + 25, 99.5 + 25), abs=3)
    row = round(99.5 + 50)
    assert np.abs(shown[row, 80] - np.array(pictures._WAY)).max() < 90
    column = round(99.5 + 25)
    assert np.abs(shown[round(99.5 - 30), column] - np.array(pictures._PLAN)).max() < 90
    bare = birdseye(none, np.zeros(3), (4.0, 4.0), 50.0)
    assert len(np.unique(bare.reshape(-1, 3), axis=0)) == 1


def test_from_behind_what_is_ahead_is_above_and_left_is_left():
    camera = Pinhole(150, 150, 79.5, 59.5, 160, 120)
    robot = SE3.from_rpy(0, 0, 0.8, (3.0, 2.0, 0))
    ahead, left = robot.apply(np.array([2.0, 0, 0])), robot.apply(np.array([1.0, 0.6, 0]))
    scene = balls((*ahead, RED), (*left, GREEN), (*robot.apply(np.array([-1.4, 0, 0.9])), BLUE))
    shown = follow(scene, camera, Drawn(robot))
    u, v = where(shown, RED)
    assert u == pytest.approx(79.5, abs=1)
    assert v < 59
    assert where(shown, GREEN)[0] < 60
    assert where(shown, np.divide(pictures._ROBOT, 255))[1] > 65
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning):  # between the eye and the robot
        assert np.isnan(where(shown, BLUE)[0])
    with pytest.raises(ConfigError, match="no robot"):
        follow(scene, camera, Drawn())


def test_a_way_that_leads_behind_the_camera_is_drawn_as_far_as_it_is_seen():
    way = np.array([(0.1, 0.05, z) for z in (-2.0, -1.0, 1.0, 2.0)])
    shown = pictures.over(np.zeros((120, 160, 3), np.uint8), SE3.identity(), CAMERA, Drawn(path=way))
    assert shown.any()
    assert not pictures.over(np.zeros((120, 160, 3), np.uint8), SE3.identity(), CAMERA, Drawn(path=way[:2])).any()
    bad = np.array([(0.0, 0, 1), (np.nan, 0, 1), (0.1, 0, 1)])
    assert not pictures.over(np.zeros((120, 160, 3), np.uint8), SE3.identity(), CAMERA, Drawn(path=bad)).any()


def test_a_turntable_shows_the_middle_from_all_sides_and_is_written(tmp_path):
    scene = balls((0, 0, 0, GREEN), (0.5, 0, 0, RED))
    camera = Pinhole(100, 100, 39.5, 29.5, 80, 60)
    shown = list(turntable(scene, camera, np.zeros(3), 3.0, count=4))
    assert all(where(picture, GREEN) == pytest.approx((39.5, 29.5), abs=1.5) for picture in (shown[1], shown[3]))
    assert where(shown[1], RED)[0] - 39.5 == pytest.approx(39.5 - where(shown[3], RED)[0], abs=1)
    assert abs(where(shown[1], RED)[0] - 39.5) > 10
    write_turntable(shown, tmp_path / "round.png")
    assert cv2.imread(str(tmp_path / "round.png")).shape == (60, 320, 3)
    write_turntable(shown, tmp_path / "round.gif")
    ok, frames = cv2.imreadmulti(str(tmp_path / "round.gif"))
    assert ok
    assert len(frames) == 4
    for name in ("round.mp4", "nowhere/round.png"):
        with pytest.raises(ConfigError, match=r"\.gif or \.png|is its folder there"):
            write_turntable(shown, tmp_path / name)


def test_a_mesh_is_drawn_where_it_is_nearest_first():
    corners = np.array([(-1, -1, 2), (1, -1, 2), (0, 1, 2), (-1, -1, 1.5), (1, -1, 1.5), (0, 1, 1.5)], np.float32)
    rgb = np.array([(255, 0, 0)] * 3 + [(0, 255, 0)] * 3, np.uint8)
    one = Mesh(corners, rgb, np.array([(0, 1, 2), (5, 4, 3)], np.int32))
    drawn = draw_mesh(one, SE3.identity(), CAMERA, (0, 0, 1))
    np.testing.assert_allclose(drawn.rgb[50, 80], (0, 1, 0), atol=1e-6)
    np.testing.assert_allclose(drawn.rgb[119, 0], (0, 0, 1))
    assert drawn.depth_m[50, 80] == pytest.approx(1.5)
    assert np.isnan(drawn.depth_m[119, 0])
    np.testing.assert_allclose(draw_mesh(one, SE3.identity(), CAMERA, near_m=1.7).rgb[50, 80], (1, 0, 0), atol=1e-6)
    corners, rgb = np.array([(-1, -0.2, 1), (1, -0.2, 1), (0, 0.6, 3)], np.float32), np.zeros((3, 3), np.uint8)
    rgb[2, 0] = 200
    slanted = Mesh(corners, rgb, np.array([(0, 1, 2)], np.int32))
    seen = draw_mesh(slanted, SE3.identity(), CAMERA)
    halfway = CAMERA.project(np.array([0, 0.2, 2.0]))
    at = seen.rgb[round(halfway[1]), round(halfway[0])]
    assert at[0] * 255 == pytest.approx(100, abs=4)  # halfway in space, not in the picture


def test_gaussians_and_mesh_of_one_volume_look_alike():
    made = fused(plane((0, 1, 0), -0.6), [(0.0, 1.2, 0.0)], (200, 90, 10))
    T = looking((0.3, 1.0, 0.2), (0.0, -0.6, 0.0))
    two = [scene(T, CAMERA) for scene in (of_gaussians(surface(made).gaussians, CpuRenderer()), of_mesh(mesh(made)))]
    inside = (slice(40, 80), slice(50, 110))
    assert np.abs(two[0].depth_m - two[1].depth_m)[inside].max() < 0.01
    assert np.abs(two[0].rgb - two[1].rgb)[inside].max() < 0.1
    assert np.abs(two[1].depth_m - render(plane((0, 1, 0), -0.6), T).depth_m)[inside].max() < 0.02
