"""`saccade bench map`: the drive's depth is that of its rooms, figures are those of known cases, misses are told."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from saccade.cli import FAILED, USAGE, main
from saccade.cli.bench import volume as bench_volume
from saccade.cli.bench.map import NAMES, parts
from saccade.cli.bench.odometry import Followed, _figures
from saccade.cli.bench.rooms import CAMERA, drive
from saccade.cli.bench.scene import Shot
from saccade.cli.bench.sections import Settings
from saccade.cli.bench.volume import ours, theirs, tsdf
from saccade.errors import DataError
from saccade.geometry import SE3


def test_every_part_that_can_be_asked_for_is_there():
    assert tuple(parts()) == NAMES


def test_what_the_drive_sees_are_level_floors_and_upright_walls():
    """Points of any image lie on the floor, the ceiling or a wall, and the way ahead is never through one."""
    for depth, T in list(drive(30.0))[::29]:
        v, u = np.nonzero(np.isfinite(depth.depth_m))
        local = CAMERA.unproject(np.stack([u, v], -1).astype(float), depth.depth_m[v, u].astype(float))
        x, y, z = T.apply(local).T
        flat = np.minimum(np.abs(z), np.abs(z - 2.6)) < 1e-3
        outer = np.abs(np.abs(y) - 3.0) < 1e-3
        between = (np.abs(x / 5.0 - np.round(x / 5.0)) < 1e-3) & (np.abs(y) > 0.599)
        assert (flat | outer | between).mean() > 0.8  # the rest is furniture
        assert (z > -1e-3).all()
        assert (z < 2.6 + 1e-3).all()
        assert flat.any()
        assert not flat.all()
    poses = [T for _, T in drive(100.0)]
    assert np.linalg.norm(poses[0].t - poses[-1].t) < 0.5  # forth and back
    assert np.array_equal(poses[250].t, poses[0].t)  # again and again


def moved(*xs):
    return [SE3(np.eye(3), np.array([x, 0.0, 0.0])) for x in xs]


def test_drift_is_the_error_at_the_end_over_the_path_and_the_frame_does_not_matter():
    truth = moved(0.0, 1.0, 2.0, 3.0, 4.0)
    turned = SE3.from_rpy(0.3, -0.2, 1.0, (5.0, 1.0, 0.0))
    seen = [turned @ T for T in moved(0.0, 1.1, 2.3, 3.1, 4.2)]
    found = _figures(Followed(seen, [10.0, 12.0, 11.0, 9.0, 30.0], 0, 0), truth)
    assert found["path_m"] == pytest.approx(4.0)
    assert found["drift_percent"] == pytest.approx(5.0)
    assert found["worst_percent"] == pytest.approx(7.5)
    assert found["apparent_m"] == pytest.approx(4.2)
    assert found["ms"] == {"p50": 11.0, "p95": pytest.approx(26.4), "worst": 30.0}


def shots(metres=4.0):
    return [Shot(depth, np.full((*depth.depth_m.shape, 3), 90, np.uint8), T) for depth, T in drive(metres)]


def test_the_surface_is_that_of_the_rooms():
    made = ours(shots(), 0.1)
    assert len(made.wall_ms) == 20
    z = made.points[:, 2]
    assert (z > -0.1).all()
    assert (np.abs(z) < 0.05).any()


def test_open3d_that_is_not_there_or_fails_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot run"):
        theirs(tmp_path / "python", shots(0.4), 0.1)
    with pytest.raises(DataError, match="No module named 'open3d'"):
        theirs(sys.executable, shots(0.4), 0.1)


def test_a_stand_in_for_open3d_is_read_as_it_answers(tmp_path, monkeypatch):
    """Handed the frames in millimetres with the pose of the world from the camera; a triangle comes back."""
    answer = tmp_path / "answer.py"
    answer.write_text(
        "import sys, numpy as np\n"
        "given = np.load(sys.argv[2])\n"
        "assert given['depth_mm'].dtype == np.uint16 and given['T_cam_from_odom'].shape == (2, 4, 4)\n"
        "assert abs(given['T_cam_from_odom'][0] @ [0, 0, 0.6, 1])[:3].max() < 1e-9\n"
        "np.savez(sys.argv[3], wall_ms=[1.0, 2.0], cpu_ms=[3.0, 4.0], bytes=2e6, version='0.0',\n"
        "         vertices=np.eye(3, dtype=np.float32), triangles=np.array([[0, 1, 2]]))\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {answer} "$@"\n')
    python.chmod(0o755)
    version, made = theirs(python, shots(0.4), 0.1)
    assert (version, made.wall_ms, made.cpu_ms, made.mb) == ("0.0", [1.0, 2.0], [3.0, 4.0], 2.0)
    assert made.points.sum(axis=1) == pytest.approx(np.ones(4))


def test_what_is_not_there_is_named_and_nothing_else(tmp_path, capsys):
    assert main(["bench", "map", "--only", "tsdf", "esdf", "odometry", "--data", str(tmp_path),
                 "--json", str(tmp_path / "out" / "m.json"), "--markdown", str(tmp_path / "m.md")]) == 0  # fmt: skip
    assert "not measured: rgbd_7scenes is not in" in capsys.readouterr().out.replace("\n", " ")
    document = json.loads((tmp_path / "out" / "m.json").read_text())
    assert document["parts"]["tsdf"]["figures"] == {}
    assert len(document["parts"]["odometry"]["absent"]) == 3
    assert "Not measured" in (tmp_path / "m.md").read_text()


@pytest.mark.parametrize("option", ["--json", "--markdown"])
def test_what_cannot_be_written_is_named_after_what_was_measured_is_shown(tmp_path, capsys, option):
    (tmp_path / "there").mkdir()
    given = ["bench", "map", "--only", "tsdf", "--data", str(tmp_path), option, str(tmp_path / "there")]
    assert main(given) == FAILED
    shown = capsys.readouterr()
    assert "not measured" in shown.out
    assert f"cannot write {tmp_path / 'there'}: Is a directory" in shown.err


@pytest.mark.parametrize("metres", ["nan", "inf", "9"])
def test_a_drive_of_no_length_is_refused(metres, capsys, monkeypatch):
    monkeypatch.setattr("saccade.cli.bench.map.parts", dict)
    assert main(["bench", "map", "--only", "memory", "--drive", metres]) == USAGE
    assert f"--drive {metres}: expected at least 10 m" in capsys.readouterr().err


def test_slower_than_open3d_is_said_to_be_missed(tmp_path, monkeypatch):
    (tmp_path / bench_volume.RECORDING).mkdir()
    fast = bench_volume.Fused([0.001], [0.001], 1.0, ours(shots(), 0.1).points)
    monkeypatch.setattr(bench_volume, "shots", lambda path: shots())
    monkeypatch.setattr(bench_volume, "theirs", lambda *args: ("0.0", fast))
    monkeypatch.setattr(bench_volume, "_VOXELS_M", (0.1,))
    section = tsdf(Settings(tmp_path, SimpleNamespace()))
    assert section.missed == ["a frame at 10 cm in less time than Open3D takes"]
    assert section.figures["10 cm"]["each other"]["f"] > 0.95
    assert section.figures["10 cm"]["Saccade"]["f"] > 0.5


@pytest.mark.slow
def test_the_long_drive_needs_no_more_memory_than_the_short_one(capsys):
    assert main(["bench", "map", "--only", "memory", "--drive", "100"]) == 0
    assert "not reached" not in capsys.readouterr().out
