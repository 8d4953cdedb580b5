"""Pictures of the hall: exact depth, exact stereo, and two renderers that agree."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from saccade.errors import ConfigError
from saccade.geometry import F32, R_BODY_FROM_OPTICAL, SE3
from saccade.types import U8
from sim.hall.decor import HallDecor
from sim.hall.layout import HALL_M, Layout, furnish
from sim.hall.mjcf import BASELINE_M, RIG
from sim.render import Renderer, open_renderer
from sim.scene import Scene

CAMERA, T_BASE_FROM = RIG.camera, RIG.T_base_from
F_B = CAMERA.fx * BASELINE_M


def opened(name: str, layout: Layout) -> Renderer:
    return open_renderer(name, Scene(layout.seed, HALL_M, layout.things, HallDecor()), CAMERA)


@pytest.fixture(scope="module")
def layout() -> Layout:
    return furnish(1)


@pytest.fixture(scope="module")
def soft(layout: Layout) -> Renderer:
    return opened("auto", layout)


def view(layout: Layout, yaw: float, side: str = "left") -> SE3:
    return layout.start @ SE3.from_rpy(0.0, 0.01, yaw) @ T_BASE_FROM[f"{side}_optical"]


def grey(rgb: U8) -> U8:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def reddish(rgb: U8) -> U8:
    return np.asarray(cv2.inRange(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV), (0, 150, 60), (8, 255, 255)), np.uint8)


def test_depth_is_the_distance_to_the_walls_and_the_floor(layout: Layout, soft: Renderer) -> None:
    eye = SE3(R_BODY_FROM_OPTICAL, np.array([2.0, -2.6, 0.5]))
    bare = opened("soft", Layout(1, layout.start, ()))
    _, depth = bare.render(eye)
    assert depth[119, 160] == pytest.approx(HALL_M[0] / 2 - 2.0, rel=1e-5)
    floor_row = 119.5 + CAMERA.fy * 0.5 / 1.0
    assert depth[int(floor_row) + 1, 160] == pytest.approx(0.5 * CAMERA.fy / (int(floor_row) + 1 - 119.5), rel=1e-5)
    assert depth[119, 319] == pytest.approx(0.4 * CAMERA.fx / (319 - 159.5), rel=1e-5)


def test_things_stand_where_the_layout_says(layout: Layout, soft: Renderer) -> None:
    T = view(layout, 0.8)
    rgb, depth = soft.render(T)
    ball = layout.thing("green ball")
    centre = T.inverse().apply(np.array([ball.x, ball.y, ball.size[0]]))
    u, v = np.rint(CAMERA.project(centre)).astype(int)
    assert depth[v, u] == pytest.approx(np.linalg.norm(centre) * (1 - ball.size[0] / np.linalg.norm(centre)), abs=0.02)
    red, green, blue = (int(c) for c in rgb[v, u])
    assert green > 1.5 * red
    assert green > 1.5 * blue


@pytest.mark.parametrize("name", ["red box", "blue cylinder", "green ball", "yellow box"])
def test_things_keep_their_hue_and_have_texture(layout: Layout, soft: Renderer, name: str) -> None:
    thing = layout.thing(name)
    towards_wall = math.atan2(thing.y, thing.x)
    ahead = SE3.from_rpy(0, 0, towards_wall, (thing.x, thing.y, 0.0))
    rgb, depth = soft.render(ahead @ SE3(R_BODY_FROM_OPTICAL, np.array([-1.0, 0.0, 0.25])))
    middle = np.s_[110:130, 150:170]
    assert depth[middle].max() < 1.0
    hue = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[middle][..., 0].astype(float)
    wanted = cv2.cvtColor(np.array([[thing.colour]], np.uint8), cv2.COLOR_RGB2HSV)[0, 0, 0]
    assert np.percentile(np.abs((hue - wanted + 90) % 180 - 90), 90) < 8
    assert grey(rgb)[middle].std() > 0.04 * grey(rgb)[middle].mean()


def test_the_same_pose_gives_the_same_bytes(layout: Layout, soft: Renderer) -> None:
    T = view(layout, -0.4)
    again = opened("soft", layout)
    soft.render(view(layout, 0.3))
    assert all(np.array_equal(a, b) for a, b in zip(soft.render(T), again.render(T), strict=True))


def warp_right_to_left(right: U8, depth: F32) -> U8:
    v, u = np.indices(depth.shape, np.float32)
    return np.asarray(cv2.remap(right, u - np.float32(F_B) / depth, v, cv2.INTER_LINEAR), np.uint8)


@pytest.mark.parametrize("yaw", [0.0, 0.8, -0.8])
def test_left_and_right_are_stereo(layout: Layout, soft: Renderer, yaw: float) -> None:
    left, depth = soft.render(view(layout, yaw))
    right, _ = soft.render(view(layout, yaw, "right"))
    error = np.abs(grey(left).astype(int) - warp_right_to_left(grey(right), depth))[:, 40:]
    shifted = np.abs(grey(left).astype(int) - np.roll(warp_right_to_left(grey(right), depth), 1, axis=1))[:, 40:]
    assert np.median(error) <= 2
    assert error.mean() < 0.7 * shifted.mean()


@pytest.mark.parametrize("yaw", [0.0, 0.8, -0.8])
def test_block_matching_finds_the_true_depth(layout: Layout, soft: Renderer, yaw: float) -> None:
    left, depth = soft.render(view(layout, yaw))
    right, _ = soft.render(view(layout, yaw, "right"))
    matcher = cv2.StereoSGBM_create(0, 64, 5, P1=200, P2=800, uniquenessRatio=10, mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY)
    disparity = matcher.compute(grey(left), grey(right)).astype(np.float32) / 16
    known = disparity > 0
    assert known[:, 64:].mean() > 0.9
    error = np.abs(F_B / disparity[known] - depth[known]) / depth[known]
    assert np.median(error) < 0.02


def test_an_unknown_renderer_is_named(layout: Layout) -> None:
    with pytest.raises(ConfigError, match="did you mean 'soft'"):
        opened("sof", layout)


@pytest.fixture(scope="module")
def gl(layout: Layout) -> Iterator[Renderer]:
    try:
        renderer = opened("mujoco", layout)
    except ConfigError as error:
        pytest.skip(str(error))
    yield renderer
    renderer.close()


@pytest.mark.parametrize("yaw", [0.0, 0.8, -0.8, 2.5])
def test_opengl_sees_the_same(layout: Layout, soft: Renderer, gl: Renderer, yaw: float) -> None:
    T = view(layout, yaw)
    (rgb, depth), (gl_rgb, gl_depth) = soft.render(T), gl.render(T)
    assert np.percentile(np.abs(depth - gl_depth), 95) < 0.02
    assert np.abs(rgb.astype(int) - gl_rgb).mean() < 6


def test_opengl_sees_the_things_in_the_same_place(layout: Layout, soft: Renderer, gl: Renderer) -> None:
    box = layout.thing("red box")
    T = SE3.from_rpy(0, 0, 0.3, (box.x, box.y, 0.0)) @ SE3(R_BODY_FROM_OPTICAL, np.array([-2.0, 0.2, 0.5]))
    ours, theirs = (np.argwhere(reddish(renderer.render(T)[0])) for renderer in (soft, gl))
    assert len(ours) > 500
    assert len(theirs) == pytest.approx(len(ours), rel=0.05)
    assert np.abs(ours.mean(axis=0) - theirs.mean(axis=0)).max() < 0.5


def test_without_opengl_the_error_says_what_to_install(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"no {name} here")

    monkeypatch.setattr("sim.gl.importlib.import_module", missing)
    with pytest.raises(ConfigError, match=r"apt install libegl1.*renderer=soft"):
        opened("mujoco", layout)
