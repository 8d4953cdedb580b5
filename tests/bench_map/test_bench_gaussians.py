"""The bench of the Gaussians: its figures are those of known pictures, and a drive through it gives them all."""

import numpy as np
import pytest

from map_node.gaussians.base import Drawing
from saccade.cli.bench import gaussians as bench
from saccade.cli.bench.rooms import CAMERA, drive
from saccade.cli.bench.scene import Shot
from saccade.cli.bench.sections import Settings
from saccade.geometry import SE3


def textured(depth, T):
    """A picture of a room whose surfaces have the colours of their places."""
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    at = T.apply(CAMERA.unproject(np.stack([u, v], -1).astype(float), np.nan_to_num(depth.depth_m).astype(float)))
    return (np.sin(at * (2.0, 3.0, 4.0)) * 100 + 128).astype(np.uint8)


@pytest.fixture
def rooms(monkeypatch):
    monkeypatch.setattr(bench, "COLOUR", CAMERA)
    monkeypatch.setattr(bench, "T_COLOUR_FROM_DEPTH", SE3.identity())
    return [Shot(depth, textured(depth, T), T) for depth, T in drive(3.0)]


def test_figures_of_known_pictures():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    assert bench.ssim(one, one) == pytest.approx(1, abs=1e-5)
    assert bench.ssim(one, 255 - one).mean() < 0
    assert bench.psnr(np.full((4, 4), 255.0**2 / 100)) == pytest.approx(20)


def test_what_is_drawn_right_is_said_to_be_and_the_rest_is_left_out_where_not_all_draw(rooms):
    def truth(T, camera, background):
        shot = next(s for s in rooms if s.T_odom_from_cam.t is T.t or np.array_equal(s.T_odom_from_cam.t, T.t))
        alpha = np.ones(shot.rgb.shape[:2], np.float32)
        return Drawing(shot.rgb / np.float32(255), alpha, alpha)

    def half(T, camera, background):
        drawn = truth(T, camera, background)
        drawn.alpha[:, 80:], drawn.rgb[:, 80:] = 0, background
        return drawn

    found = bench.judge(rooms[:2], {"truth": truth, "half": half})
    assert found["truth"]["psnr"] > 80
    assert (found["truth"]["covered"], found["half"]["covered"]) == (1, 0.5)
    assert found["half"]["psnr"] < 30
    assert found["half"]["psnr_where_all"] > 80
    assert found["half"]["ssim_where_all"] > 0.9
    assert found["half"]["fps"] > 0


def test_colours_are_looked_up_where_the_colour_camera_sees_them(rooms, monkeypatch):
    known = np.isfinite(rooms[0].depth.depth_m)
    np.testing.assert_array_equal(bench.registered(rooms[0])[known], rooms[0].rgb[known])
    monkeypatch.setattr(bench, "T_COLOUR_FROM_DEPTH", SE3(np.eye(3), np.array([0.1, 0, 0])))
    depth_m = rooms[0].depth.depth_m
    v, u = 105, 70
    beside = round(u + CAMERA.fx * 0.1 / depth_m[v, u])
    assert np.abs(bench.registered(rooms[0])[v, u].astype(int) - rooms[0].rgb[v, beside]).max() < 12


def test_a_drive_gives_every_figure(rooms, monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "shots", lambda path: rooms)
    monkeypatch.setattr(bench, "_VIEWS", (4,))
    monkeypatch.setattr(bench, "_ROUNDS", 2)
    monkeypatch.setattr(bench, "_VOXEL_M", 0.1)
    (tmp_path / bench.RECORDING).mkdir()
    made = bench.gaussians(Settings(tmp_path))
    assert [row[0] for row in made.tables[0].rows] == [
        "4, mesh", "4, pixels", "4, Gaussians, as fused", "4, Gaussians, refined"
    ]  # fmt: skip
    assert all(len(row) == len(made.tables[0].columns) for row in made.tables[0].rows)
    found = made.figures["views"]["4"]
    assert all(found[name]["psnr_where_all"] > 20 for name in ("mesh", "Gaussians, as fused", "Gaussians, refined"))
    assert found["Gaussians, refined"]["psnr"] != found["Gaussians, as fused"]["psnr"]
    assert found["pixels"]["number"] > 10 * found["Gaussians, refined"]["number"] / 8
    assert bench.gaussians(Settings(tmp_path / "nowhere")).absent
