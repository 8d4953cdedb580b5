"""The real recordings: what is chosen, assumed and played, and named errors for the broken ones."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from saccade.clock import SEC
from saccade.errors import DataError
from saccade.geometry import R_BODY_FROM_OPTICAL
from saccade.wire.bag import open_recording
from saccade.wire.check import check_bus
from saccade.wire.convert import decode, decode_odom, decode_transforms
from saccade.wire.images import decode_depth, decode_image
from saccade.wire.reader import open_reader
from saccade.wire.virtual import VirtualBus


def play(recording, only=()):
    source = recording.source(only)
    while source.next_ns() is not None:
        yield source.take()


def odometry(recording):
    return [decode_odom(s.cdr)[0] for s in play(recording, ["odom"])]


def first(recording, name):
    return next(s for s in play(recording) if s.topic == name)


def test_kitti_is_a_car_that_drives_ahead(shared_data):
    recording = open_recording(shared_data / "recordings/kitti_drive")
    assert recording.problems == []
    counts = Counter(s.topic for s in play(recording))
    assert counts == {
        "tf_static": 1, "left/image_rect/compressed": 51, "right/image_rect/compressed": 51, "left/camera_info": 51,
        "right/camera_info": 51, "odom": 51,
    }  # fmt: skip
    states = odometry(recording)
    np.testing.assert_allclose(states[0].T_odom_from_body.t, 0, atol=1e-9)
    assert states[-1].T_odom_from_body.t[0] == pytest.approx(59.8, abs=0.2)
    assert abs(states[-1].T_odom_from_body.t[1]) < 2
    assert abs(states[-1].T_odom_from_body.t[2]) < 2
    assert states[10].twist[0] == pytest.approx(12.0, abs=0.5)
    transforms = decode_transforms(first(recording, "tf_static").cdr)
    assert [(parent, child) for _, parent, child, _ in transforms] == [("base_link", "left_optical")]
    np.testing.assert_allclose(transforms[0][3].R, R_BODY_FROM_OPTICAL, atol=1e-9)
    assert "0.50 m above the ground (camera_height_m)" in str(recording.mapping)
    image = decode_image("left/image_rect/compressed", first(recording, "left/image_rect/compressed").cdr)
    assert image.data.shape == (370, 1226)


def test_euroc_is_a_drone_at_rest_levelled_by_its_world(shared_data):
    recording = open_recording(shared_data / "recordings/euroc_v101_start")
    assert recording.problems == []
    counts = Counter(s.topic for s in play(recording))
    assert counts["left/image_raw"] == counts["right/image_raw"] == 40
    assert counts["imu"] == 801
    assert counts["tf_static"] == 1
    for state in odometry(recording):
        assert np.linalg.norm(state.T_odom_from_body.t) < 0.02
        assert np.linalg.norm(state.twist) < 0.1
    links = {child: T for _, _, child, T in decode_transforms(first(recording, "tf_static").cdr)}
    assert set(links) == {"imu", "left_optical", "right_optical"}
    baseline = links["left_optical"].inverse() @ links["right_optical"]
    assert baseline.t[0] == pytest.approx(0.110, abs=0.001)
    accelerations = [decode("imu", s.cdr).linear_acceleration for s in play(recording, ["imu"])]
    gravity = links["imu"].R @ np.mean([(a.x, a.y, a.z) for a in accelerations], axis=0)
    assert gravity[2] == pytest.approx(9.81, abs=0.2)  # the IMU agrees that up is up
    assert math.hypot(gravity[0], gravity[1]) < 0.4


def test_7scenes_is_a_hand_held_depth_camera(shared_data):
    recording = open_recording(shared_data / "recordings/rgbd_7scenes")
    assert recording.problems == []
    counts = Counter(s.topic for s in play(recording))
    assert counts["rgbd/depth/image_rect/compressedDepth"] == counts["rgbd/color/image_rect/compressed"] == 167
    name = "rgbd/depth/image_rect/compressedDepth"
    _, frame, depth = decode_depth(name, first(recording, name).cdr)
    assert frame == "camera_optical"
    assert depth.shape == (480, 640)
    assert 0.5 < np.nanmedian(depth) < 4
    assert 0 < np.isnan(depth).mean() < 0.5
    states = odometry(recording)
    places = [state.T_odom_from_body.t for state in states]
    path = sum(float(np.linalg.norm(b - a)) for a, b in pairwise(places))
    assert 3.0 < path < 6.0
    (told,) = (text for text in recording.mapping.assumptions if "ground" in text)
    assert "looks 28 degrees down" in told  # the floor shows between the furniture
    color = decode_image("rgbd/color/image_rect/compressed", first(recording, "rgbd/color/image_rect/compressed").cdr)
    assert color.data.shape == (480, 640, 3)


@pytest.mark.parametrize("name", ["kitti_drive", "euroc_v101_start", "rgbd_7scenes"])
def test_the_bus_of_a_real_recording_keeps_the_contract(shared_data, name):
    bus = VirtualBus(open_recording(shared_data / "recordings" / name).source())
    check_bus(bus, bus)


@pytest.mark.parametrize("name", ["kitti_drive", "rgbd_7scenes"])
def test_a_recording_plays_the_same_from_its_bare_file_and_twice(shared_data, name):
    folder = shared_data / "recordings" / name
    whole, bare = open_recording(folder), open_recording(folder / f"{name}.mcap")
    for a, b, c in zip(play(whole), play(bare), play(whole), strict=True):
        assert a == b == c


def test_a_real_robot_of_ros1_has_odometry_and_no_camera(shared_data):
    recording = open_recording(shared_data / "bags/jackal.bag")
    counts = Counter(s.topic for s in play(recording))
    assert counts == {"odom": 3060, "imu": 3061}
    assert "assumed" not in str(recording.mapping)
    assert [p for p in recording.problems if "There is no camera" in p]
    speeds = [s.twist[0] for s in odometry(recording)]
    assert 1.5 < max(speeds) < 2.5
    stamps = [s.stamp_ns for s in play(recording)]
    assert stamps == sorted(stamps)
    assert recording.source().end_ns == stamps[-1]


def test_one_compressed_camera_of_ros1(shared_data):
    recording = open_recording(shared_data / "bags/picam_compressed.bag")
    name = "left/image_raw/compressed"
    assert decode_image(name, first(recording, name).cdr).data.shape == (960, 1280, 3)
    assert any("only the left camera" in p for p in recording.problems)
    assert any(f"{name} arrived 1.237 s after its header stamp" in p for p in recording.problems)


@pytest.mark.parametrize("name", ["all_types_sqlite3", "sensor_msgs_all.mcap"])
def test_recordings_of_all_types_are_read_whole(shared_data, name):
    reader = open_reader(shared_data / "bags" / name)
    wanted = {t.topic: t.type for t in reader.topics}
    assert sum(1 for _ in reader.records(wanted)) == sum(t.count for t in reader.topics) > 150
    recording = open_recording(shared_data / "bags" / name)
    assert {s.topic for s in play(recording)} >= {"left/image_raw", "imu"}


@pytest.mark.parametrize(
    ("name", "count", "problem"),
    [
        ("truncated.mcap", 14, "breaks off in the record at byte"),
        ("unindexed.bag", 14, "Bag is not indexed"),
    ],
)
def test_broken_recordings_are_named_and_read_as_far_as_they_go(shared_data, name, count, problem):
    path = shared_data / "bags" / name
    reader = open_reader(path)
    known = {t.topic: t.type for t in reader.topics if "rosgraph" not in t.type}
    assert sum(t.count for t in reader.topics) == count
    records = list(reader.records(known))
    assert len(records) == sum(t.count for t in reader.topics if t.topic in known) > 0
    assert [r.stamp_ns for r in records] == sorted(r.stamp_ns for r in records)
    assert any(problem in p for p in reader.problems)
    with pytest.raises(DataError) as error:
        open_recording(path)
    assert problem in str(error.value)
    assert "no topic that Saccade can use; found\n  /diagnostics_agg" in str(error.value)


@pytest.mark.parametrize("name", ["turtlesim.bag", "turtlesim_lz4.bag", "example-unsorted-chunks.bag"])
def test_recordings_without_sensors_say_what_they_hold(shared_data, name):
    with pytest.raises(DataError, match="no topic that Saccade can use; found"):
        open_recording(shared_data / "bags" / name)
    reader = open_reader(shared_data / "bags" / name)
    known = {t.topic: t.type for t in reader.topics if t.type.startswith(("tf2", "geometry", "std"))}
    stamps = [r.stamp_ns for r in reader.records(known)]
    assert len(stamps) == sum(t.count for t in reader.topics if t.topic in known)
    assert stamps == sorted(stamps)


def test_a_real_recording_cut_short_plays_up_to_the_cut(shared_data, tmp_path):
    data = (shared_data / "recordings/kitti_drive/kitti_drive.mcap").read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(data[: len(data) * 3 // 5])
    recording = open_recording(cut)
    samples = list(play(recording))
    assert 2.5 * SEC < samples[-1].stamp_ns - samples[0].stamp_ns < 3.1 * SEC
    assert any("cannot be read by its index" in p for p in recording.problems)
    whole = [s for s, _ in zip(play(open_recording(shared_data / "recordings/kitti_drive")), samples, strict=False)]
    assert samples == whole
