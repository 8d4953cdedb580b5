"""A bare stereo recording, without odometry, is replayed and mapped: `saccade replay --odometry visual`."""

import numpy as np
import pytest
from odometry_scenes import BASELINE_M, CAMERA, FRAME_NS, Room, walk

from saccade.cli import main
from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.types import CameraModel, Image, RobotState
from saccade.wire.convert import decode_odom, encode_camera, encode_odom
from saccade.wire.images import encode_image
from saccade.wire.reader import open_reader
from saccade.wire.record import Recorder

START_NS = 1_700_000_000 * SEC


def record(path, with_odometry=False):
    """Twelve stereo pairs of a walk; and odometry that stands still, if asked for."""
    K = np.array([[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]])
    room, samples = Room(0), []
    for i, T in enumerate(walk(12)):
        now_ns, pair = START_NS + i * FRAME_NS, room.pair(T, 0)
        for side, offset in (("left", 0.0), ("right", -CAMERA.fx * BASELINE_M)):
            P = np.hstack([K, [[offset], [0], [0]]])
            model = CameraModel("cam", CAMERA.width, CAMERA.height, "plumb_bob", np.zeros(5), K, np.eye(3), P)
            samples.append(Sample(f"{side}/camera_info", now_ns, encode_camera(now_ns, model)))
            samples.append(
                Sample(f"{side}/image_rect", now_ns, encode_image(Image(now_ns, "cam", getattr(pair, side))))
            )
        if with_odometry:
            state = RobotState(now_ns, "odom", SE3.identity(), np.zeros(6))
            samples.append(Sample("odom", now_ns, encode_odom(state)))
    recorder = Recorder(path, {sample.topic for sample in samples})
    for sample in samples:
        recorder.on_sample(sample, sample.stamp_ns)
    recorder.close()
    return path


def replayed(recording, out):
    """What the replay wrote: bytes of run.mcap, maps, positions of odometry."""
    assert main(["replay", str(recording), "--only", "perception", "--odometry", "visual", "--out", str(out)]) == 0
    reader = open_reader(out / "run.mcap")
    said = list(reader.records({t.topic: t.type for t in reader.topics}))
    reader.close()
    places = [decode_odom(r.cdr)[0].T_odom_from_body.t for r in said if r.topic.lstrip("/") == "odom"]
    maps = [r for r in said if r.topic.lstrip("/") == "local_map"]
    return (out / "run.mcap").read_bytes(), maps, np.array(places)


@pytest.mark.slow
def test_a_bare_stereo_recording_is_mapped_and_twice_the_same(tmp_path, capsys):
    bare = record(tmp_path / "bare.mcap")
    content, maps, places = replayed(bare, tmp_path / "one")
    assert len(places) == 11
    assert places[-1][0] == pytest.approx(walk(12)[-1].t[2], abs=0.02)  # forward: the level camera's z is the base's x
    assert len(maps) >= 10
    assert replayed(bare, tmp_path / "two")[0] == content


@pytest.mark.slow
def test_recorded_odometry_is_left_out_and_that_is_said(tmp_path, capsys):
    path = record(tmp_path / "odometry.mcap", with_odometry=True)
    _, _, places = replayed(path, tmp_path / "out")
    assert "odometry is told from the pictures" in capsys.readouterr().out
    assert places[-1][0] > 0.5
