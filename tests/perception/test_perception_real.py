"""The node on the real recordings: depth where it must be, and the drive's road in the map."""

from pathlib import Path

import numpy as np
import pytest
from perception_scenes import Tap

from perception_node.node import PerceptionNode
from perception_node.params import DepthParams, MapParams, PerceptionParams
from saccade.clock import MS, SEC
from saccade.geometry import Pinhole
from saccade.node import Sample, run
from saccade.wire.bag import open_recording
from saccade.wire.convert import decode_camera, decode_map, decode_odom
from saccade.wire.images import decode_depth, decode_image
from saccade.wire.virtual import VirtualBus

CAR = PerceptionParams(
    depth=DepthParams(min_m=1.0, max_m=60.0),
    map=MapParams(
        size_m=51.2, resolution_m=0.4, level="body", obstacle_min_m=0.4, obstacle_max_m=2.2,
        robot_radius_m=1.2, blind_radius_m=5.0,
    ),
)  # fmt: skip


def played(folder: Path, params: PerceptionParams, seconds: float, camera_height_m=None):
    """Tap of the node over the first seconds of a recording, and the inputs it was given."""
    source = open_recording(folder, None, camera_height_m).source()
    until_ns = source.start_ns + round(seconds * SEC)
    node = PerceptionNode(params)
    tap = Tap(node.writes | node.reads)
    bus = VirtualBus(source)
    run([node, tap], bus, lambda: bus.now_ns() > until_ns)
    bus.close()
    return tap


def faults(tap):
    return {message for _, level, message in tap.diagnoses() if level >= 2}


@pytest.fixture(scope="module")
def drive(shared_data):
    return played(shared_data / "recordings" / "kitti_drive", CAR, 1.2, camera_height_m=1.65)


def test_the_drive_has_no_fault(drive):
    assert faults(drive) == set()
    assert len(drive.of("local_map")) >= 10


def test_depth_of_the_drive_agrees_with_its_own_motion(drive):
    """A static scene seen twice: points of the first frame, moved by the ground truth, must have the second's depth."""
    depth = {
        decode_depth("depth/image_rect", s.cdr)[0]: decode_depth("depth/image_rect", s.cdr)[2]
        for s in drive.of("depth/image_rect")
    }
    poses = {}
    for sample in drive.of("odom"):
        state, _ = decode_odom(sample.cdr)
        poses[state.stamp_ns] = state.T_odom_from_body
    P = decode_camera(drive.of("depth/camera_info")[0].cdr)[1].P
    first, second = sorted(depth)[1:3]
    height, width = depth[first].shape
    camera = Pinhole(P[0, 0], P[1, 1], P[0, 2], P[1, 2], width, height)
    v, u = np.mgrid[100:330:6, 60 : width - 60 : 6]
    z = depth[first][v, u]
    near = np.isfinite(z) & (z < 25)
    points = camera.unproject(np.stack([u, v], -1)[near].astype(float), z[near].astype(float))
    body = np.stack([points[:, 2], -points[:, 0], -points[:, 1]], -1)  # the lever of the camera cancels to first order
    moved = (poses[second].inverse() @ poses[first]).apply(body)
    at = camera.project(np.stack([-moved[:, 1], -moved[:, 2], moved[:, 0]], -1))
    inside = (at[:, 0] > 1) & (at[:, 0] < width - 2) & (at[:, 1] > 1) & (at[:, 1] < height - 2)
    seen = depth[second][np.rint(at[inside, 1]).astype(int), np.rint(at[inside, 0]).astype(int)]
    both = np.isfinite(seen)
    assert both.mean() > 0.7
    relative = np.abs(seen - moved[inside, 0])[both] / moved[inside, 0][both]
    assert np.median(relative) < 0.04
    assert np.linalg.norm(poses[second].t - poses[first].t) > 0.8  # the car did move


def test_the_road_ahead_of_the_car_is_free_and_its_sides_are_not(drive):
    grid = decode_map(drive.of("local_map")[-1].cdr)
    states = [decode_odom(sample.cdr)[0] for sample in drive.of("odom")]
    pose = next(state.T_odom_from_body for state in states if state.stamp_ns == grid.stamp_ns)
    ahead = pose.apply(np.array([[x, 0.0, 0.0] for x in np.arange(2.0, 15.0, 0.4)]))
    row, col = grid.cell(ahead[:, 0], ahead[:, 1])
    occupancy = grid.occupancy[row, col]
    assert ((occupancy >= 0) & (occupancy < 50)).mean() > 0.9
    rows, cols = np.nonzero(grid.occupancy >= 50)
    corners = np.stack([cols * 0.4 + grid.origin_m[0], rows * 0.4 + grid.origin_m[1], 0.0 * rows], -1)
    beside = pose.inverse().apply(corners)
    assert ((np.abs(beside[:, 1]) > 2) & (beside[:, 0] > 0)).sum() > 30


def test_the_drone_is_rectified_and_stands_still(shared_data):
    tap = played(shared_data / "recordings" / "euroc_v101_start", PerceptionParams(), 1.0)
    assert faults(tap) == set()
    depths = [decode_depth("depth/image_rect", s.cdr)[2] for s in tap.of("depth/image_rect")]
    sure = [decode_image("depth/confidence", s.cdr).data > 128 for s in tap.of("depth/confidence")]
    assert len(depths) >= 8
    assert np.mean([np.isfinite(d).mean() for d in depths]) > 0.6
    both = sure[1] & sure[6]
    jitter = np.abs(1 / depths[1][both] - 1 / depths[6][both]) * 436 * 0.11  # in pixels of disparity
    assert np.median(jitter) < 0.25
    assert 1.0 < np.median(depths[1][both]) < 8.0  # a room


def test_the_drone_called_rectified_is_named(shared_data):
    """The same raw pictures under the names of rectified ones: the monitor sees the rows disagree."""
    source = open_recording(shared_data / "recordings" / "euroc_v101_start", None).source()
    node = PerceptionNode()
    tap, bus = Tap(node.writes), VirtualBus(start_ns=source.start_ns)
    while (due := source.next_ns()) is not None and due < source.start_ns + SEC // 2:
        source.advance(due)
        sample = source.take()
        bus.push(Sample(sample.topic.replace("image_raw", "image_rect"), sample.stamp_ns, sample.cdr))
    source.close()
    bus.push(Sample("imu", source.start_ns + 600 * MS, b""))
    run([node, tap], bus, lambda: bus.now_ns() >= source.start_ns + 550 * MS)
    assert not tap.of("depth/image_rect")
    assert tap.named("stereo", "rows disagree")


def test_rgbd_goes_to_the_map(shared_data):
    tap = played(shared_data / "recordings" / "rgbd_7scenes", PerceptionParams(), 1.0)
    assert faults(tap) == set()
    assert len(tap.of("local_map")) >= 8
    raw = decode_depth("rgbd/depth/image_rect/compressedDepth", tap.of("rgbd/depth/image_rect/compressedDepth")[3].cdr)
    sent = next(
        d for d in (decode_depth("depth/image_rect", s.cdr) for s in tap.of("depth/image_rect")) if d[0] == raw[0]
    )
    inside = (raw[2] >= 0.2) & (raw[2] <= 40)
    np.testing.assert_array_equal(sent[2][inside], raw[2][inside])
    assert np.isnan(sent[2][~inside]).all()
