"""Further rigs: what they see is in the map of the first one, and their faults are told and stop nothing."""

import dataclasses
import math

import numpy as np
import pytest
from perception_scenes import (
    FRAME_NS,
    PARAMS,
    START_NS,
    T_BASE_FROM_CAM,
    camera_model,
    depth_of,
    drive,
    play,
    static_tf,
    wall_pair,
)  # fmt: skip
from test_local_map import CAMERA, at, room

from perception_node.local_map import LocalMapper
from perception_node.node import PerceptionNode
from perception_node.params import MapParams, PerceptionParams
from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.topics import TOPICS
from saccade.types import Image
from saccade.wire.convert import decode_map, encode_camera
from saccade.wire.images import encode_depth, encode_image

RIG, FRAME = "side_left", "side_left_optical"
TO_LEFT = SE3.from_rpy(0.0, 0.0, math.pi / 2)
T_BASE_FROM_FLANK = TO_LEFT @ T_BASE_FROM_CAM
FLANKED = dataclasses.replace(PARAMS, rigs=(RIG,))
WALL_M = 1.0


def flank_infos(now_ns):
    return [
        Sample(f"{RIG}/{side}/camera_info", now_ns, encode_camera(now_ns, camera_model(side, frame_id=FRAME)))
        for side in ("left", "right")
    ]


def flank_pictures(now_ns, stamp_ns=None, seed=7):
    """A wall `WALL_M` from the flank's camera, where the first rig does not look."""
    pair = wall_pair(WALL_M, seed)
    return [
        Sample(f"{RIG}/{side}/image_rect", now_ns, encode_image(Image(stamp_ns or now_ns, FRAME, data)))
        for side, data in zip(("left", "right"), pair, strict=True)
    ]


def flank_tf(T=T_BASE_FROM_FLANK):
    return static_tf(START_NS, child=FRAME, T=T)


def flanked(frames=4, pictures=flank_pictures, head=True, places=True, late_ns=0):
    """`drive`, and a rig at the left flank that captures with it; without `head` only odometry is left of the first."""
    samples = [s for s in drive(frames) if head or not s.topic.startswith(("left/", "right/"))]
    samples += flank_infos(START_NS)
    if places:
        samples.append(flank_tf())
    for i in range(frames):
        stamp_ns = START_NS + i * FRAME_NS
        samples += pictures(stamp_ns + late_ns, stamp_ns, seed=i)
    return sorted(samples, key=lambda s: (s.stamp_ns, s.topic.endswith("image_rect"), not s.topic.startswith(RIG)))


def newest_map(tap):
    return decode_map(tap.of("local_map")[-1].cdr)


def place(ahead_m):
    """Where a flank's camera sees what is so far ahead of it: x, y in odom."""
    return (T_BASE_FROM_FLANK @ SE3(np.eye(3), np.array([0.0, 0.0, ahead_m]))).t[:2]


def test_what_a_flank_sees_is_in_the_map():
    alone, both = newest_map(play(drive(4))), newest_map(play(flanked(), FLANKED))
    x, y = place(WALL_M)
    assert at(alone, x, y) == -1, "the first rig does not look there"
    assert at(both, x, y) > 60
    x, y = place(0.6 * WALL_M)
    assert at(both, x, y) < 40
    assert both.clearance_at(np.array([x]), np.array([y]))[0] > 0.1


def test_a_depth_camera_does_as_well():
    depth = room(3.0, [(WALL_M, -2.0, 2.0, 2.0)])

    def pictures(now_ns, stamp_ns, seed):
        return [Sample(f"{RIG}/rgbd/depth/image_rect", now_ns, encode_depth(stamp_ns, FRAME, depth))]

    camera = camera_model("left", frame_id=FRAME, width=CAMERA.width, height=CAMERA.height)
    K = np.array([[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]])
    camera = dataclasses.replace(camera, K=K, P=np.hstack([K, np.zeros((3, 1))]))
    info = Sample(f"{RIG}/rgbd/depth/camera_info", START_NS, encode_camera(START_NS, camera))
    tap = play([info, *flanked(pictures=pictures)], FLANKED)
    assert at(newest_map(tap), 0.0, WALL_M + 0.02) > 60

    def seldom(now_ns, stamp_ns, seed):
        return [] if seed % 3 else pictures(now_ns, stamp_ns, seed)

    slow = play([info, *flanked(30, pictures=seldom)], FLANKED).named(RIG, "slow")
    assert slow[0].startswith(f"slow: {RIG}/rgbd/depth/image_rect comes at ")


def hazed(**scene):
    return [(150 + 0.25 * (picture.astype(np.float64) - 128)).astype(np.uint8) for picture in wall_pair(**scene)]


def test_a_wall_beside_the_robot_is_no_fog():
    """Plain walls look veiled; only the first rig, which looks where there is room, tells of fog."""

    def pale(now_ns, stamp_ns, seed):
        images = zip(("left", "right"), hazed(z_m=WALL_M, seed=seed), strict=True)
        return [
            Sample(f"{RIG}/{side}/image_rect", now_ns, encode_image(Image(stamp_ns, FRAME, picture)))
            for side, picture in images
        ]

    tap = play(flanked(66, pictures=pale), FLANKED)
    assert at(newest_map(tap), *place(WALL_M)) > 60, "it sees the wall"
    assert not tap.named(RIG, "fog")
    assert play(drive(66, hazed)).named("sight", "fog")


def test_a_flank_alone_makes_no_map():
    """Or the map would look fresh while the robot does not see where it goes."""
    tap = play(flanked(head=False), FLANKED, START_NS + 2 * SEC)
    assert tap.of("local_map") == tap.of("depth/image_rect") == []
    assert tap.named("sync", "missing pictures")


def test_the_map_has_the_stamp_of_the_first_rig():
    tap = play(flanked(late_ns=30 * MS), FLANKED)
    stamps = [decode_map(sample.cdr).stamp_ns for sample in tap.of("local_map")]
    assert stamps == [START_NS + i * FRAME_NS for i in range(4)]


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (drive(12), "missing pictures: no pictures from left and right"),
        (flanked(12, places=False), f"missing transform: the pictures are of frame '{FRAME}'"),
        (flanked(12, late_ns=500 * MS), "late: 500 ms old on arrival, expected at most 400"),
        (
            [s for s in flanked(12) if s.topic != f"{RIG}/right/camera_info"],
            "missing calibration: no right/camera_info yet",
        ),
        (
            [s._replace(cdr=s.cdr[:40]) if s.topic == f"{RIG}/right/image_rect" else s for s in flanked(12)],
            "corrupt picture: right/image_rect",
        ),
    ],
)
def test_a_flanks_fault_is_told_under_its_name_and_stops_nothing(samples, says):
    tap = play(samples, FLANKED, START_NS + 3 * SEC)
    assert any(message.startswith(says) for stage, _, message in tap.diagnoses() if stage == RIG)
    assert len(tap.of("local_map")) == 12
    first = [level for stage, level, _ in tap.diagnoses() if stage == "map"]
    assert 0 in first
    assert 2 not in first, "the map itself has no fault"
    assert at(newest_map(tap), *place(WALL_M)) == -1


def test_a_flank_whose_clock_was_set_back_begins_anew_by_itself():
    now_ns = START_NS + 4 * FRAME_NS
    back = flank_pictures(now_ns, now_ns - 5 * SEC)
    tap = play([*drive(8), flank_tf(), *flank_infos(START_NS), *flank_pictures(START_NS), *back], FLANKED)
    assert tap.named(RIG, "clock went back")
    assert len(tap.of("local_map")) == 8
    assert not tap.named("sync", "clock went back")


@pytest.mark.parametrize("head_first", [True, False])
def test_a_flank_that_names_the_frame_of_the_first_rig_is_not_believed(head_first):
    """Or what it sees would be free, and stand, before the robot."""

    def pictures(now_ns, stamp_ns, seed):
        pair = wall_pair(3.0, seed)
        return [
            Sample(f"{RIG}/{side}/image_rect", now_ns, encode_image(Image(stamp_ns, "left_optical", data)))
            for side, data in zip(("left", "right"), pair, strict=True)
        ]

    own = drive(12, pairs=lambda seed: wall_pair(1.5, seed))
    if not head_first:  # it is heard half a second later
        heard_ns = START_NS + 5 * FRAME_NS
        own = [s for s in own if not s.topic.endswith("image_rect") or s.stamp_ns >= heard_ns]
    stamps = [START_NS + i * FRAME_NS for i in range(12)]
    theirs = [s for stamp_ns in stamps for s in pictures(stamp_ns + 10 * MS, stamp_ns, seed=3)]
    samples = sorted([*own, *flank_infos(START_NS), *theirs], key=lambda s: s.stamp_ns)
    tap = play(samples, FLANKED)
    assert "also those of the first rig; expected a frame for each camera" in tap.named(RIG, "wrong frame")[0]
    ahead_m = 0.1 + 1.5
    grid = newest_map(tap)
    assert at(grid, ahead_m, 0.0) > 60
    assert at(grid, ahead_m + 0.6, 0.0) == -1, "what the flank sees through is not known to be free"


def test_only_the_rigs_that_it_has_are_listened_to():
    reads = PerceptionNode(FLANKED).reads
    assert reads <= set(TOPICS)
    assert {f"{RIG}/left/image_rect", f"{RIG}/rgbd/depth/camera_info"} <= reads
    assert not any(name.startswith(("side_right", "rear")) for name in reads)
    assert not any(name.startswith(RIG) for name in PerceptionNode().reads)


@pytest.mark.parametrize(("rigs", "says"), [(("side_lft",), "did you mean 'side_left'"), ((RIG, RIG), "each once")])
def test_rigs_are_checked(rigs, says):
    with pytest.raises(ValueError, match=says):
        PerceptionParams(rigs=rigs)


def test_who_comes_from_the_side_is_given_way_before_the_first_rig_sees_anybody():
    """A person who walks up to the flank at 1 m/s, from 3.5 m."""
    mapper, ahead_only = LocalMapper(MapParams(berth_m=1.0)), LocalMapper(MapParams(berth_m=1.0))
    for i in range(22):
        stamp_ns = SEC + i * 100 * MS
        ahead = depth_of(room(6.0), CAMERA, stamp_ns)
        person_m = 3.5 - 0.1 * max(0, i - 12)
        side = depth_of(room(6.0, [(person_m, -0.25, 0.25, 1.5)]), CAMERA, stamp_ns)
        mapper.look(dataclasses.replace(side, frame_id=FRAME), SE3.identity(), T_BASE_FROM_FLANK)
        grid, plain = (m.update(ahead, SE3.identity(), T_BASE_FROM_CAM, "odom") for m in (mapper, ahead_only))
    before = place(person_m - 1.0 + 0.45)
    assert at(grid, *before) == -1, "it will be there before the robot has stopped"
    assert at(grid, *place(person_m - 1.0 - 0.35)) >= 0
    assert at(plain, *before) == -1, "nobody looked there"


def test_a_camera_that_falls_silent_shows_nobody():
    """Who walked beside a flank whose camera has died is believed in for longer: no one sees that nobody is there."""
    mapper, watched = LocalMapper(MapParams(berth_m=1.0)), LocalMapper(MapParams(berth_m=1.0))
    for i in range(36):
        stamp_ns = SEC + i * 100 * MS
        person_m = 3.0 - 0.1 * max(0, i - 12)
        boxes = [(person_m, -0.25, 0.25, 1.5)] if i < 20 else []
        side = dataclasses.replace(depth_of(room(6.0, boxes), CAMERA, stamp_ns), frame_id=FRAME)
        for m in (mapper, watched):
            if m is watched or i < 20:
                m.look(side, SE3.identity(), T_BASE_FROM_FLANK)
        ahead = depth_of(room(6.0), CAMERA, stamp_ns)
        dead, alive = (m.update(ahead, SE3.identity(), T_BASE_FROM_CAM, "odom") for m in (mapper, watched))
        if i == 28:
            assert at(dead, *place(1.6)) == -1
            assert at(alive, *place(1.6)) >= 0
