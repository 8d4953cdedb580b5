"""`saccade map`: a recording becomes a mesh, a volume and pictures, or it is said why not."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from map_scenes import FRAME_NS, HERE, RED, START_NS, model, odom, static_tf
from volume_scenes import CAMERA

from map_node.gaussians.ply import read_ply
from map_node.node import MapNode
from map_node.params import MapNodeParams
from saccade.cli import FAILED, OK, USAGE, main
from saccade.node import Sample
from saccade.types import Image
from saccade.wire.convert import encode_camera
from saccade.wire.images import encode_depth, encode_image
from saccade.wire.record import Recorder

FRAMES = 8


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """A depth camera with colours before a wall and a box, and odometry."""
    return record(tmp_path_factory.mktemp("recording") / "room.mcap")


def record(path: Path, *leave_out: str) -> Path:
    picture = HERE[..., None].repeat(3, axis=2).astype("u1") * 0 + RED
    samples = [static_tf()]
    for i in range(FRAMES):
        now_ns = START_NS + i * FRAME_NS
        samples += [
            odom(now_ns),
            Sample("rgbd/depth/camera_info", now_ns, encode_camera(now_ns, model())),
            Sample("rgbd/color/image_rect", now_ns, encode_image(Image(now_ns, "camera", picture.astype("u1")))),
            Sample("rgbd/depth/image_rect", now_ns, encode_depth(now_ns, "camera", HERE)),
        ]
    samples.append(odom(START_NS + FRAMES * FRAME_NS))
    recorder = Recorder(path, {s.topic for s in samples} - set(leave_out))
    for sample in samples:
        if sample.topic not in leave_out:
            list(recorder.on_sample(sample, sample.stamp_ns))
    list(recorder.close())
    return path


def test_what_was_asked_for_is_written(recording, tmp_path, capsys):
    mesh, volume, picture, splats = (tmp_path / name for name in ("room.ply", "room.npz", "room.png", "splats.ply"))
    asked = ["--mesh", str(mesh), "--volume", str(volume), "--picture", str(picture), "--gaussians", str(splats)]
    assert main(["map", str(recording), "--robot", "hall", "--size", "4,4,2.4", *asked]) == OK
    told = capsys.readouterr().out
    assert f"frames   {FRAMES} of {FRAMES} depth images in the map; dropped: none" in told
    assert "of 5 cm; window of 4 x 4 x 2.4 m" in told
    header = mesh.read_bytes()[:400].decode("latin1")
    vertices = int(header.split("element vertex ")[1].split()[0])
    assert vertices > 950
    assert f"written  {mesh}" in told
    params = MapNodeParams(load=str(volume))
    params = replace(params, volume=replace(params.volume, size_m=(4.0, 4.0, 2.4)))
    assert len(MapNode(params).world.volume.blocks().at) > 50
    gaussians = read_ply(splats)
    assert f"written  {splats} ({len(gaussians.at):,} Gaussians)" in told
    assert len(gaussians.at) > 2 * vertices  # each voxel is cut
    assert (abs(gaussians.rgb - np.array(RED) / 255).max(axis=1) < 0.1).mean() > 0.75
    seen = cv2.imread(str(picture))
    assert seen.shape == (CAMERA.height * 4, CAMERA.width * 16, 3)
    red = (seen[..., 2] > 100) & (seen[..., 0] < 40)
    assert all(red[:, i * 640 : (i + 1) * 640].mean() > 0.02 for i in range(4))


@pytest.mark.slow
def test_two_replays_with_the_map_are_equal_to_the_byte(recording, tmp_path):
    for name in ("one", "other"):
        asked = ["--only", "map", "--robot", "hall", "--out", str(tmp_path / name)]
        assert main(["replay", str(recording), *asked]) == OK
    one, other = ((tmp_path / name / "run.mcap").read_bytes() for name in ("one", "other"))
    assert one == other
    assert b"/map/occupancy" in one
    assert b"/cmd_vel" not in one


def test_nothing_in_the_map_is_a_failure_with_the_reason(tmp_path, capsys):
    path = record(tmp_path / "lost.mcap", "odom")
    assert main(["map", str(path), "--robot", "hall", "--mesh", str(tmp_path / "room.ply")]) == FAILED
    told = capsys.readouterr().out
    assert f"frames   0 of {FRAMES} depth images" in told
    assert "no odometry ×" in told
    assert "map_node/pose: no odometry: no odometry yet; the map needs `odom`" in told
    assert not (tmp_path / "room.ply").exists()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--mesh", "room.obj"], "expected a name that ends with .ply"),
        (["--gaussians", "room.splat"], "expected a name that ends with .ply"),
        (["--picture", "room.jpg"], "expected a name that ends with .png or .gif"),
        (["--volume", "no/room.npz"], "there is no folder no"),
        (["--size", "8,8"], "expected three lengths in metres"),
        (["--voxel", "0"], "must be positive"),
        (["--robot", "halll"], "did you mean 'hall'"),
    ],
)
def test_wrong_use_is_told_before_anything_runs(asked, says, recording, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    robot = [] if "--robot" in asked else ["--robot", "hall"]
    assert main(["map", str(recording), *robot, *asked]) == USAGE
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_is_not_there_is_told(tmp_path, capsys):
    assert main(["map", str(tmp_path / "nowhere.mcap")]) == USAGE
    assert "nowhere.mcap" in capsys.readouterr().err
