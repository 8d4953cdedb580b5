"""The map node on a bus: frames become a map, and what is made of it; every fault is named and stops it."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from map_scenes import (
    FRAME_NS,
    HERE,
    PARAMS,
    RED,
    START_NS,
    changed,
    drive,
    frame,
    info,
    odom,
    play,
    seen,
    static_tf,
)  # fmt: skip
from volume_scenes import CAMERA

from map_node.node import MapNode
from map_node.params import MapNodeParams, MeshParams, MotionParams, OccupancyParams
from map_node.volume.mesh import mesh
from saccade.clock import MS, SEC
from saccade.errors import ConfigError, DataError
from saccade.geometry import SE3
from saccade.node import Sample, Tunable
from saccade.params import leaves
from saccade.topics import TOPICS
from saccade.types import Image, RobotState
from saccade.wire.clearance import decode_clearance
from saccade.wire.convert import encode_odom
from saccade.wire.images import encode_image

PRODUCTS = ("clearance", "map/mesh", "map/occupancy")
ERROR, WARN, OK = 2, 1, 0


def at(i):
    return START_NS + i * FRAME_NS


def fresh(node):
    """Whether the node's volume holds nothing."""
    return node.world.empty and not node.world.labels.labels.any()


def test_it_reads_and_writes_what_the_table_knows():
    assert MapNode.reads | MapNode.writes <= set(TOPICS)
    assert isinstance(MapNode(PARAMS), Tunable)
    assert [leaf.name for leaf in leaves(MapNodeParams()) if not leaf.about] == []


def test_frames_become_a_map_of_what_is_there():
    node, tap = play(drive(30))
    assert node.used == 30
    surface = mesh(node.world.volume)
    x, y, z = surface.vertices.T
    wall = x[(x > 1.5) & (np.abs(y) < 0.2) & (z > 0.2)]
    assert len(wall) > 100
    assert np.abs(wall - 1.8).max() < 0.025
    assert np.abs(surface.rgb.mean(axis=0) - RED).max() < 2
    assert {level for level, _ in tap.told("map")[-1:]} == {OK}
    assert node.health.counts == {}


def test_products_carry_the_newest_depths_stamp_and_come_at_their_own_rate():
    _, tap = play(drive(30))
    assert tap.stamps("clearance") == [at(i) for i in range(30)]
    assert tap.stamps("map/occupancy") == [at(0), at(5), at(10), at(15), at(20), at(25)]
    assert tap.stamps("map/mesh") == [at(0), at(20)]


def test_the_mesh_is_a_marker_with_a_colour_for_each_corner():
    node, tap = play(drive(25))
    marker = tap.of("map/mesh")[-1]
    assert (marker.type, marker.action, marker.header.frame_id) == (11, 0, "odom")
    assert len(marker.points) == len(marker.colors) > 1000
    assert len(marker.points) % 3 == 0
    corners = np.array([(p.x, p.y, p.z) for p in marker.points])
    known = {tuple(v) for v in mesh(node.world.volume).vertices.round(5).tolist()}
    assert np.mean([tuple(c) in known for c in corners.round(5).astype(np.float32).round(5).tolist()]) > 0.9
    assert abs(marker.colors[0].r - RED[0] / 255) < 0.02
    assert marker.colors[-1].a == 1.0
    assert (marker.text, marker.mesh_use_embedded_materials) == ("", False)


def test_a_mesh_too_large_keeps_what_is_nearest_to_the_robot():
    whole = play(drive(25))[1].of("map/mesh")[-1]
    few = play(drive(25), changed(mesh=MeshParams(rate_hz=0.5, max_triangles=200)))[1].of("map/mesh")[-1]
    assert len(few.points) == 600

    def farthest(marker):
        return max(p.x**2 + p.y**2 + p.z**2 for p in marker.points)

    assert farthest(few) < farthest(whole) / 2


def test_the_grid_says_occupied_free_and_unknown():
    _, tap = play(drive(6))
    grid = tap.of("map/occupancy")[-1]
    cells = grid.data.reshape(grid.info.height, grid.info.width)

    def cell(x, y):
        column = int((x - grid.info.origin.position.x) / grid.info.resolution)
        return cells[int((y - grid.info.origin.position.y) / grid.info.resolution), column]

    assert grid.header.frame_id == "odom"
    assert grid.info.origin.position.z == 0.0
    assert cell(1.82, 0.0) == 100  # the wall
    assert cell(1.02, 0.3) == 100  # the box, to the left
    assert cell(1.02, -0.3) == 0  # the same place on the right
    assert cell(-1.0, 0.0) == -1  # behind the robot
    assert cell(1.2, 0.3) != 0  # inside the box
    floor = play(drive(6), changed(occupancy=OccupancyParams(min_m=-0.2)))[1].of("map/occupancy")[-1]
    assert (floor.data == 100).sum() > 2 * (grid.data == 100).sum()  # the floor is no obstacle unless it is asked for


def test_the_window_follows_the_robot():
    node, _ = play([s for i in range(30) for s in (odom(at(i), (0.1 * i, 0, 0)), *frame(at(i)))] + [static_tf()])
    x, y, _ = (node.world.labels.origin_m + np.array(node.world.labels.labels.shape) * 0.05 / 2).tolist()
    assert abs(x - 2.9) < 0.4
    assert abs(y) < 0.4


def test_no_more_frames_go_in_than_are_asked_for():
    assert play(drive(20), changed(rate_hz=5.0))[0].used == 10
    assert play(drive(20), changed(rate_hz=10.0))[0].used == 20


def test_pictures_of_other_moments_sizes_and_cameras_give_no_colour():
    def colourless(*pictures):
        node, _ = play([*drive(5, topics=("depth/camera_info", "depth/image_rect", "depth/confidence")), *pictures])
        assert node.used == 5
        return node._frames.coloured == 0

    def sent(late_ns=0, frame_id="camera", data=None, topic="left/image_rect"):
        """A picture that comes before the first frame, of another stamp by `late_ns`."""
        data = np.full((*HERE.shape, 3), 90, np.uint8) if data is None else data
        return Sample(topic, at(0) - MS, encode_image(Image(at(0) + late_ns, frame_id, data)))

    assert colourless()
    assert colourless(sent(-FRAME_NS))
    assert colourless(sent(frame_id="other"))
    assert colourless(sent(data=np.full((*HERE[::3, ::2].shape, 3), 90, np.uint8)))
    assert "left/image_raw" not in MapNode.reads
    assert not colourless(sent())
    height, width = HERE.shape
    assert not colourless(
        sent(data=np.full((height * 2, width * 2), 90, np.uint8))
    )  # depth is every second pixel of it
    assert not colourless(sent(MS, "rgb", topic="rgbd/color/image_rect"))
    assert colourless(sent(40 * MS, "rgb", topic="rgbd/color/image_rect"))


def test_frames_wait_for_odometry_and_newer_ones_take_their_place():
    late = [s for i in range(10) for s in (odom(at(i) + 40 * MS, stamp=at(i)), *frame(at(i)))]
    node, tap = play([static_tf(), *late])
    assert node.used == 10
    assert tap.stamps("map/occupancy")[0] == at(0)
    node, _ = play([static_tf(), odom(at(0)), *frame(at(1)), *frame(at(1) + 10 * MS), odom(at(1) + 30 * MS)])
    assert node.used == 1
    assert node.health.counts["replaced by a newer frame"] == 1


# Bad input: no update or a fresh map, named, and nothing more is sent.


def faulty(samples, stage, name, before=10, params=PARAMS, until=None, level=ERROR):
    """Play a healthy drive, then `samples`: the node after it, once the fault was named and products ended."""
    last = max(s.stamp_ns for s in samples)
    node, tap = play([*drive(before), *samples], params, until_ns=until or last + 1200 * MS)
    texts = tap.named(stage, name)
    assert texts, tap.told(stage)
    assert (level, texts[0]) in tap.told(stage)
    assert node.health.drops[stage] >= 1 or node.health.counts[name] >= 1
    assert max((s for topic in PRODUCTS for s in tap.stamps(topic)), default=0) <= at(before - 1)
    return node, texts[0]


def test_a_jump_of_the_pose_begins_a_fresh_map():
    node, why = faulty([odom(at(10), (2.0, 0, 0))], "pose", "pose jump")
    assert "moved 2.00 m in 100 ms" in why
    assert "motion.max_speed_m_s 3" in why
    assert fresh(node)
    node, why = faulty([odom(at(10), yaw=2.0)], "pose", "pose jump")
    assert "turned 115 degrees" in why
    assert fresh(node)


def test_after_a_jump_the_map_is_of_what_is_seen_from_there():
    after = [s for i in range(10, 25) for s in (odom(at(i), (4.0, 0, 0)), *frame(at(i)))]
    node, tap = play([*drive(10), *after])
    assert node.used == 22  # not in the first 0.3 s after it
    assert node.health.counts["odometry settles"] == 3
    x, _, z = mesh(node.world.volume).vertices.T
    assert abs(np.median(x[(z > 0.2) & (x > 5.5)]) - 5.8) < 0.05
    assert x.min() > 4.0  # nothing of the wall at 1.8 m
    assert tap.told("pose")[-1][0] == OK


def test_what_is_being_made_of_the_map_before_the_jump_is_not_sent():
    assert play([*drive(1), odom(at(1)), odom(at(3))])[1].of("map/mesh")
    assert not play([*drive(1), odom(at(1), (4.0, 0, 0)), odom(at(3), (4.0, 0, 0))])[1].of("map/mesh")


def test_a_frame_from_before_the_jump_is_not_placed_after_it():
    node, _ = play([*drive(5), odom(at(6), (5.0, 0, 0)), *frame(at(6), stamp=at(5) + 50 * MS)])
    assert node.used == 5
    assert node.health.counts["odometry settles"] == 1


def test_what_a_robot_can_do_is_no_jump():
    moving = [s for i in range(20) for s in (odom(at(i), (0.25 * i, 0, 0), 0.3 * i), *frame(at(i)))]
    node, _ = play([static_tf(), *moving])
    assert (node.used, dict(node.health.counts)) == (20, {})
    slow = changed(motion=MotionParams(max_speed_m_s=0.5, max_turn_rad_s=0.5))
    assert play([static_tf(), *moving], slow)[0].health.counts["pose jump"] == 19


def test_a_pose_that_is_not_a_number_is_no_pose():
    bad = [s for i in range(10, 15) for s in (odom(at(i), (np.nan, 0, 0)), *frame(at(i)))]
    node, why = faulty(bad, "pose", "unusable odometry")
    assert "expected finite metres" in why
    assert node.used == 10
    assert node.health.counts["no odometry"] >= 1


@pytest.mark.parametrize("twist", [np.nan, np.inf, 1e300])
def test_a_twist_that_is_not_a_speed_moves_nothing_out_of_the_world(twist):
    node, _ = play([*drive(5), odom(at(5), twist=(twist,) * 6), *frame(at(5) + 10 * MS)])
    assert node.used in (5, 6)
    assert np.isfinite(node.world.labels.origin_m).all()


def test_a_pose_beyond_all_bounds_is_refused():
    node, _ = play([static_tf(), odom(at(0), (1e12, 0, 0)), *frame(at(0))])
    assert node.used == 0
    assert node.health.counts["pose out of range"] == 1


def test_another_odometry_frame_begins_a_fresh_map():
    node, why = faulty([odom(at(10), frame="map")], "pose", "odometry frame changed")
    assert "'odom'" in why
    assert "'map'" in why
    assert fresh(node)
    node, _ = faulty([odom(at(10), child="imu")], "pose", "odometry frame changed")
    assert fresh(node)


def test_two_odometries_on_one_topic_never_give_a_map():
    both = [s for i in range(20) for s in (odom(at(i)), odom(at(i) + MS, frame="map"), *frame(at(i) + 2 * MS))]
    _, tap = play([static_tf(), *both])
    assert not any(tap.of(topic) for topic in PRODUCTS)


def test_a_camera_that_is_not_on_the_robot_gives_no_update():
    node, why = faulty(drive(5, first=10, frame_id="webcam"), "pose", "missing transform")
    assert "'webcam'" in why
    assert node.used == 10
    body = [static_tf(at(9), "body", SE3.identity()), *drive(5, first=10, frame_id="body")]
    _, why = faulty(body, "pose", "wrong frame")
    assert "_optical" in why


def test_depth_of_nothing_but_nan_gives_no_update():
    node, why = faulty(drive(5, first=10, depth_m=np.full_like(HERE, np.nan)), "frames", "no depth")
    assert "covered" in why
    assert node.used == 10


@pytest.mark.parametrize(
    "other",
    [{"depth_m": HERE[::2, ::2]}, {"sure": np.full((9, 9), 255, np.uint8)}],
)
def test_sizes_that_differ_give_no_update(other):
    node, why = faulty(drive(5, first=10, **other), "frames", "sizes differ")
    assert f"{CAMERA.width}x{CAMERA.height}" in why
    assert node.used == 10


def test_a_calibration_that_cannot_be_is_named():
    bad = [s for s in drive(5, first=10) if s.topic != "depth/camera_info"]
    node, why = faulty([info(at(10) - MS, P=np.zeros((3, 4))), *bad], "frames", "unusable calibration")
    assert "focal lengths" in why
    assert node.used == 10
    node, tap = play([static_tf(), *[s for s in drive(5) if s.topic != "depth/camera_info"]])
    assert tap.named("frames", "missing calibration")
    assert node.used == 0


def test_depth_that_goes_back_in_time_begins_a_fresh_map():
    node, _ = faulty(frame(at(10), stamp=START_NS - 50 * SEC)[:3], "frames", "clock went back", level=WARN)
    assert fresh(node)
    again = [
        s for i in range(10, 20) for s in (odom(at(i), stamp=at(i) - 50 * SEC), *frame(at(i), stamp=at(i) - 50 * SEC))
    ]
    node, tap = play([*drive(10), *again])  # a restarted computer: its clock, and all stamps, are another
    assert node.world.volume.stamp_ns == at(19) - 50 * SEC
    assert tap.stamps("map/occupancy")[-1] > START_NS - 50 * SEC
    node, _ = faulty([odom(at(10), stamp=START_NS - 50 * SEC)], "pose", "clock went back", level=WARN)
    assert fresh(node)


def test_late_and_repeated_frames_are_told_and_not_used():
    node, tap = play([*drive(5), *frame(at(5), stamp=at(3))[:3], *frame(at(5) + MS, stamp=at(4))[:3]])
    assert node.used == 5
    assert tap.named("frames", "older than the newest")
    assert tap.named("frames", "duplicate stamp")


def test_lost_odometry_is_named_and_on_its_return_the_map_begins_anew():
    lost = [s for i in range(10, 30) for s in frame(at(i))]
    node, why = faulty(lost, "pose", "no odometry")
    assert "behind the picture" in why
    assert node.used == 10
    node, tap = play([*drive(10), *lost, *drive(5, first=30)])
    assert tap.named("pose", "odometry lost")
    assert node.world.volume.stamp_ns == at(34)
    assert node.used == 12  # not in the first 0.3 s after its return


def test_silence_is_named():
    _, tap = play(drive(5), until_ns=at(30))
    assert tap.named("frames", "no depth")[-1].endswith("with depth.publish_depth true?")
    _, tap = play([*drive(5), *drive(20, first=5, topics=("depth/camera_info", "depth/image_rect"))])
    assert tap.named("frames", "no confidence")
    frozen = [s for i in range(5, 25) for s in frame(at(i), stamp=at(4))]
    assert play([*drive(5), *frozen], until_ns=at(25))[1].named("frames", "frozen stamps")


def test_confidence_is_waited_for_unless_it_is_not_needed():
    bare = drive(5, topics=("depth/camera_info", "depth/image_rect"))
    assert play(bare)[0].used == 0
    assert play(bare, changed(need_confidence=False))[0].used == 5


@pytest.mark.parametrize(
    "topic", ["depth/image_rect", "depth/confidence", "depth/camera_info", "odom", "tf", "left/image_rect"]
)
def test_rubbish_on_any_topic_is_diagnosed(topic):
    node, _ = play([*drive(5), Sample(topic, at(5), b"\0\1\0\0rubbish"), *drive(5, first=6)])
    assert node.used == 10
    assert sum(node.health.drops.values()) == (topic != "depth/camera_info")


def test_products_can_be_left_out_and_taken_up_again():
    node, tap = play(drive(25), changed(mesh=MeshParams(rate_hz=0), occupancy=OccupancyParams(rate_hz=0)))
    assert not tap.of("map/mesh")
    assert not tap.of("map/occupancy")
    assert tap.told("mesh")[-1] == (OK, "nothing to do")
    node.retune(PARAMS)
    assert [product.name for product in node._products._wanted] == ["clearance", "occupancy", "mesh"]


def test_the_gates_clearance_comes_with_every_frame_and_the_start_is_vouched_for_once():
    node, tap = play(drive(8))
    fields = [decode_clearance(sample.cdr) for sample in tap.heard if sample.topic == "clearance"]
    assert [field.stamp_ns for field in fields] == [at(i) for i in range(8)]
    assert {field.frame_id for field in fields} == {"odom"}
    here, behind = np.array([[0.0, 0.0, 0.4]]), np.array([[-0.6, 0.0, 0.4]])
    assert fields[-1].clearance_at(here)[0] > 0.3
    assert fields[-1].clearance_at(behind)[0] > 0.0
    ahead = fields[-1].clearance_at(np.array([[0.9, 0.0, 0.5]]))[0]  # the edge of the box is at (1.0, 0.15, 0.5)
    assert 0.05 < ahead <= np.hypot(0.1, 0.15) + 0.05

    def next_field(n):
        outs = [out for sample in drive(1, first=n) for out in node.on_sample(sample, at(n))]
        return next(decode_clearance(out.cdr) for out in outs if out.topic == "clearance")

    node.retune(changed(mesh=MeshParams(rate_hz=0)))
    assert next_field(8).clearance_at(behind)[0] > 0.0
    node._begin_anew()
    assert next_field(9).clearance_at(behind)[0] == 0.0


def test_what_is_asked_for_less_often_is_not_called_slow():
    _, tap = play(drive(45), changed(occupancy=OccupancyParams(rate_hz=0.5)))
    assert tap.stamps("map/occupancy") == [at(0), at(20), at(40)]
    assert {level for level, _ in tap.told("occupancy")[2:]} == {OK}


def test_two_runs_give_the_same_bytes():
    drives = [play([*drive(12), odom(at(12), (3, 0, 0)), *drive(8, first=13)])[1].heard for _ in range(2)]
    assert drives[0] == drives[1]
    assert len(drives[0]) > 20


def test_a_slow_worker_is_not_waited_for():
    """A mesh that takes longer than its period: frames go in all the same, and the next one is asked for afterwards."""
    node, tap = play(drive(30), changed(worker_latency_s=1.0, mesh=MeshParams(rate_hz=5.0)))
    assert node.used == 30
    assert tap.stamps("map/mesh") == [at(0), at(10), at(20)]


def test_live_the_mesh_comes_from_a_thread():
    node = MapNode(replace(PARAMS, worker="thread"))
    outs = [out for sample in drive(3) for out in node.on_sample(sample, sample.stamp_ns)]
    for _ in range(2000):
        if any(out.topic == "map/mesh" for out in outs):
            break
        time.sleep(0.005)
        outs = list(node.on_sample(odom(at(3)), at(3)))
    else:
        raise AssertionError("no mesh within ten seconds")
    assert "mesh" in node.stages.summary()
    node.close()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["frame", "bare", "holes", "rubbish", "odom", "jump", "nan", "frame id", "tf"]),
            st.integers(-15, 15),
            st.integers(0, 3),
        ),
        min_size=5,
        max_size=25,
    )
)
def test_whatever_comes_nothing_is_raised_and_nothing_is_newer_than_what_came(events):
    """Stamps that jump by up to 1.5 s, messages that are missing, wrong or no messages at all."""
    samples, stamps, now_ns = [static_tf()], set(), START_NS
    for i, (what, off, wait) in enumerate(events):
        now_ns += wait * FRAME_NS
        stamp = now_ns + off * FRAME_NS if i % 3 == 0 else now_ns
        made = {
            "frame": [odom(now_ns, stamp=stamp), *frame(now_ns, stamp=stamp)],
            "bare": frame(now_ns, stamp=stamp, topics=("depth/image_rect", "depth/camera_info")),
            "holes": frame(now_ns, stamp=stamp, depth_m=np.where(HERE > 1.5, np.nan, HERE)),
            "rubbish": [Sample("depth/confidence", now_ns, b"\0\1\0\0" + bytes(range(off + 15)))],
            "odom": [odom(now_ns, (0.01 * i, 0, 0), stamp=stamp)],
            "jump": [odom(now_ns, (50.0 * off, 0, 0), stamp=stamp)],
            "nan": [odom(now_ns, (np.nan, 0, 0), stamp=stamp)],
            "frame id": [odom(now_ns, stamp=stamp, frame="map" if off > 0 else "")],
            "tf": [Sample("tf", now_ns, static_tf(stamp, "odom").cdr)],
        }[what]
        samples += made
        stamps |= {stamp} if what in ("frame", "bare", "holes") else set()
    _, tap = play(samples)
    assert {s for topic in PRODUCTS for s in tap.stamps(topic)} <= stamps


# Files.


def test_a_volume_is_saved_at_the_end_and_begun_with(tmp_path):
    path = tmp_path / "room.npz"
    node, _ = play(drive(10), changed(save=str(path)))
    assert [p.name for p in tmp_path.iterdir()] == ["room.npz"]
    later = START_NS + 500 * SEC  # what was saved is as old as it was then, and not forgotten
    again, _ = play(
        [static_tf(later), odom(later), *frame(later, depth_m=seen(yaw=np.pi), rgb=(0, 0, 255))],
        changed(load=str(path)), until_ns=later + SEC,
    )  # fmt: skip
    known = {tuple(at) for at in again.world.volume.blocks().at.tolist()}
    assert known >= {tuple(at) for at in node.world.volume.blocks().at.tolist()}
    assert again.world.volume.stamp_ns == later


def test_an_empty_volume_does_not_replace_a_file(tmp_path):
    path = tmp_path / "room.npz"
    play(drive(10), changed(save=str(path)))
    before = path.read_bytes()
    play([static_tf()], changed(save=str(path)))
    assert path.read_bytes() == before


def test_files_that_cannot_be_used_are_told_at_once(tmp_path):
    path = tmp_path / "room.npz"
    play(drive(3), changed(save=str(path)))
    with pytest.raises(DataError, match=r"voxel_m 0\.05, this volume 0\.1"):
        MapNode(changed(load=str(path), volume=replace(PARAMS.volume, voxel_m=0.1)))
    with pytest.raises(DataError, match=r"nowhere\.npz is not a volume"):
        MapNode(changed(load=str(tmp_path / "nowhere.npz")))
    with pytest.raises(ConfigError, match="there is no folder"):
        MapNode(changed(save=str(tmp_path / "no" / "room.npz")))
    with pytest.raises(ConfigError, match=r"ends with \.npz"):
        changed(save=str(tmp_path / "room.txt"))
    other = tmp_path / "precious.npz"
    other.write_text("not a volume")
    with pytest.raises(ConfigError, match="exists and is no volume"):
        MapNode(changed(save=str(other)))
    assert other.read_text() == "not a volume"
    np.savez(other, depth=np.ones(3))
    before = other.read_bytes()
    with pytest.raises(ConfigError, match="exists and is no volume"):
        MapNode(changed(save=str(other)))
    assert other.read_bytes() == before


def test_a_disk_that_fails_is_told_and_nothing_half_written_stays(tmp_path, monkeypatch):
    path = tmp_path / "room.npz"
    node, _ = play(drive(3), PARAMS)
    node = MapNode(changed(save=str(path)))
    for sample in drive(3):
        list(node.on_sample(sample, sample.stamp_ns))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez_compressed", full)
    (out,) = node.close()
    assert b"No space left on device" in bytes(out.cdr)
    assert list(tmp_path.iterdir()) == []


def test_odometry_of_one_instant_is_judged_once():
    state = RobotState(at(0), "odom", SE3.identity(), np.zeros(6))
    again = Sample("odom", at(1), encode_odom(state))
    node, _ = play([*drive(5), again, again, *drive(5, first=6)])
    assert dict(node.health.counts) == {}
