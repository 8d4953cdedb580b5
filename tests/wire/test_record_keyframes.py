"""A recorder under a budget: all but pictures as it comes, and pictures of places spread over the way."""

import numpy as np
import pytest

from saccade.cli import USAGE, main
from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.types import Image, RobotState
from saccade.wire.convert import encode_odom, encode_transforms
from saccade.wire.images import encode_image
from saccade.wire.reader import open_reader
from saccade.wire.record_keyframes import KeyframeRecorder

T0, BUDGET = 1000 * SEC, 10
EYE = SE3(np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]), np.array([0.2, 0.0, 0.3]))
TOPICS = ("left/image_rect", "right/image_rect", "odom", "tf_static", "cmd_vel")


def picture(stamp):
    return encode_image(Image(stamp, "left_optical", np.full((8, 8), stamp // MS % 256, np.uint8)))


def odom(stamp, x_m):
    return encode_odom(RobotState(stamp, "odom", SE3(np.eye(3), np.array([x_m, 0.0, 0.0])), np.zeros(6)))


def drive(recorder, seconds, speed_m_s=1.0, mounted=True, late_ms=0):
    """Odometry at 50 Hz, pairs at 10 Hz, on a straight way; odometry comes `late_ms` after the picture."""
    if mounted:
        tf = encode_transforms(T0, [("base_link", "left_optical", EYE)])
        recorder.on_sample(Sample("tf_static", T0, tf), T0)
    for i in range(50 * seconds):
        now = T0 + i * 20 * MS
        recorder.on_sample(Sample("odom", now, odom(now - late_ms * MS, speed_m_s * (i / 50 - late_ms / 1e3))), now)
        if i % 5 == 0:
            for side in ("left", "right"):
                recorder.on_sample(Sample(f"{side}/image_rect", now + MS, picture(now)), now + MS)


def recorded(path):
    reader = open_reader(path)
    found = {}
    for record in reader.records({topic.topic: topic.type for topic in reader.topics}):
        found.setdefault(record.topic.lstrip("/"), []).append(record)
    reader.close()
    return found


@pytest.fixture(scope="module")
def drove(tmp_path_factory):
    path = tmp_path_factory.mktemp("drive") / "drive.mcap"
    recorder = KeyframeRecorder(path, TOPICS, BUDGET)
    drive(recorder, 30)
    held = len(recorder._moments)
    recorder.close()
    return recorder, held, recorded(path)


def test_pictures_are_of_a_few_moments_spread_over_the_way(drove):
    recorder, held, found = drove
    assert recorder.seen == 300
    assert recorder.unplaced == 0
    assert recorder.kept == BUDGET
    left = [record.stamp_ns for record in found["left/image_rect"]]
    assert len(left) == BUDGET
    assert left == [record.stamp_ns for record in found["right/image_rect"]]
    at_m = np.sort([(stamp - T0) / SEC for stamp in left])
    assert np.diff(np.concatenate([[0.0], at_m, [30.0]])).max() < 8.0
    assert held < BUDGET + 12


def test_all_else_is_recorded_as_it_comes(drove):
    _, _, found = drove
    assert len(found["odom"]) == 1500
    assert len(found["tf_static"]) == 1


def test_what_stands_still_is_one_picture(tmp_path):
    recorder = KeyframeRecorder(tmp_path / "still.mcap", TOPICS, BUDGET)
    drive(recorder, 3, speed_m_s=0.0)
    recorder.close()
    assert len(recorded(tmp_path / "still.mcap")["left/image_rect"]) == 1


def test_a_camera_whose_stamp_stands_still_does_not_fill_the_memory(tmp_path):
    recorder = KeyframeRecorder(tmp_path / "frozen.mcap", TOPICS, BUDGET)
    drive(recorder, 1)
    for i in range(100):
        now = T0 + SEC + i * 100 * MS
        recorder.on_sample(Sample("odom", now, odom(now, 1.0 + i)), now)
        recorder.on_sample(Sample("left/image_rect", now, picture(T0)), now)
    assert sum(len(held) for _, held in recorder._moments.values()) == 20
    recorder.close()
    assert len(recorded(tmp_path / "frozen.mcap")["left/image_rect"]) == recorder.kept


def test_odometry_may_come_after_the_picture(tmp_path):
    recorder = KeyframeRecorder(tmp_path / "late.mcap", TOPICS, BUDGET)
    drive(recorder, 4, late_ms=200)
    recorder.close()
    assert recorder.kept >= 5
    assert recorder.unplaced <= 3


@pytest.mark.parametrize(("mounted", "topics"), [(False, TOPICS), (True, ("left/image_rect", "right/image_rect"))])
def test_what_cannot_be_placed_is_counted_and_what_was_not_asked_for_not_recorded(tmp_path, mounted, topics):
    recorder = KeyframeRecorder(tmp_path / "lost.mcap", topics, BUDGET)
    drive(recorder, 3, mounted=mounted)
    recorder.on_sample(Sample("left/image_rect", T0 + 4 * SEC, b"nothing"), T0 + 4 * SEC)
    recorder.on_sample(Sample("odom", T0 + 4 * SEC, b"nothing"), T0 + 4 * SEC)
    recorder.close()
    found = recorded(tmp_path / "lost.mcap")
    assert set(found) <= set(topics)
    assert ("left/image_rect" in found) == mounted
    assert recorder.unplaced == (0 if mounted else 30)


def test_a_budget_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="0 keyframes"):
        KeyframeRecorder(tmp_path / "none.mcap", TOPICS, 0)


def test_the_command_refuses_no_keyframes_at_all(tmp_path, capsys):
    assert main(["record", "-o", str(tmp_path / "out.mcap"), "--keyframes", "0"]) == USAGE
    assert "--keyframes 0; expected 1 or more" in capsys.readouterr().err
    assert not (tmp_path / "out.mcap").exists()
