"""The node on a bus: healthy frames become depth and a map, every fault is named and silences it."""

import dataclasses

import numpy as np
import pytest
from perception_scenes import (
    BASELINE_M,
    CAMERA,
    FRAME_NS,
    FX,
    HEIGHT,
    PARAMS,
    START_NS,
    T_BASE_FROM_CAM,
    WIDTH,
    Tap,
    _Until,
    camera_model,
    depth_sample,
    drive,
    infos,
    odom,
    pictures,
    play,
    static_tf,
    wall_pair,
)  # fmt: skip

from perception_node.node import PerceptionNode
from perception_node.params import DepthParams, MapParams, MonitorParams, PerceptionParams
from saccade.clock import MS, SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.node import Sample, run
from saccade.topics import TOPICS
from saccade.types import RobotState
from saccade.wire.convert import decode, decode_camera, decode_map, decode_odom, encode_odom, encode_transforms
from saccade.wire.images import decode_depth, decode_image
from saccade.wire.virtual import LocalBus

OUTPUTS = ("disparity", "depth/image_rect", "depth/camera_info", "depth/confidence", "local_map", "occupancy")


def stamps(tap, topic):
    out = []
    for sample in tap.of(topic):
        header = decode(topic, sample.cdr).header
        out.append(header.stamp.sec * SEC + header.stamp.nanosec)
    return out


def silent(tap):
    return not any(tap.of(topic) for topic in OUTPUTS)


def test_it_reads_and_writes_what_the_table_knows():
    assert PerceptionNode.reads | PerceptionNode.writes <= set(TOPICS)


def test_healthy_frames_become_depth_confidence_and_map():
    tap = play(drive(4))
    expected = [START_NS + i * FRAME_NS for i in range(4)]
    for topic in ("depth/image_rect", "depth/camera_info", "depth/confidence", "local_map"):
        assert stamps(tap, topic) == expected
    assert stamps(tap, "occupancy") == expected[:1]
    assert not tap.of("disparity")
    _, frame, depth_m = decode_depth("depth/image_rect", tap.of("depth/image_rect")[-1].cdr)
    assert frame == "left_optical"
    assert np.isfinite(depth_m).mean() > 0.9
    assert abs(np.nanmedian(depth_m) - 2.0) < 0.02
    confidence = decode_image("depth/confidence", tap.of("depth/confidence")[-1].cdr).data
    assert ((confidence > 0) == np.isfinite(depth_m)).mean() > 0.99
    _, info = decode_camera(tap.of("depth/camera_info")[-1].cdr)
    assert (info.P[0, 0], info.P[0, 2], info.width) == (FX, CAMERA.cx, WIDTH)
    grid = decode_map(tap.of("local_map")[-1].cdr)
    assert grid.frame_id == "odom"
    row, col = grid.cell(np.array([2.1 - 1e-6, 2.1 + 1e-6, 1.5]), np.zeros(3))
    assert grid.occupancy[row, col][:2].max() >= 50
    assert 0 <= grid.occupancy[row, col][2] < 50
    assert {(s, level) for s, level, _ in tap.diagnoses()[-6:]} == {
        (s, 0) for s in ("images", "sync", "calibration", "stereo", "sight", "map")
    }


def test_two_runs_give_the_same_bytes():
    runs = [[(s.topic, s.stamp_ns, bytes(s.cdr)) for s in play(drive(3)).heard] for _ in range(2)]
    assert runs[0] == runs[1]


def test_compressed_pictures_give_the_same_as_plain_ones():
    import cv2

    from saccade.wire.codec import codec
    from saccade.wire.convert import header

    def compressed(sample):
        if not sample.topic.endswith("image_rect"):
            return sample
        picture = decode_image(sample.topic, sample.cdr)
        msg = codec().new(
            "sensor_msgs/msg/CompressedImage", header=header(picture.stamp_ns, picture.frame_id), format="png",
            data=cv2.imencode(".png", picture.data)[1].reshape(-1),
        )  # fmt: skip
        return Sample(f"{sample.topic}/compressed", sample.stamp_ns, codec().encode(msg))

    plain, packed = play(drive(2)), play([compressed(s) for s in drive(2)])
    assert [bytes(s.cdr) for s in plain.of("depth/image_rect")] == [bytes(s.cdr) for s in packed.of("depth/image_rect")]


def test_parameters_choose_what_is_sent():
    depth = DepthParams(publish_disparity=True, publish_confidence=False, publish_stride=2)
    tap = play(drive(2), dataclasses.replace(PARAMS, depth=depth))
    assert len(tap.of("disparity")) == 2
    assert not tap.of("depth/confidence")
    assert decode_depth("depth/image_rect", tap.of("depth/image_rect")[0].cdr)[2].shape == (HEIGHT // 2, WIDTH // 2)
    assert decode_camera(tap.of("depth/camera_info")[0].cdr)[1].P[0, 0] == FX / 2
    message = decode("disparity", tap.of("disparity")[0].cdr)
    values = message.image.data.view(np.float32).reshape(HEIGHT, WIDTH)
    assert abs(np.nanmedian(message.f * message.t / values) - 2.0) < 0.02
    assert message.t == pytest.approx(BASELINE_M)
    nothing = play(drive(2), dataclasses.replace(PARAMS, depth=DepthParams(publish_depth=False)))
    assert not nothing.of("depth/image_rect")
    assert nothing.of("local_map")


def test_occupancy_comes_twice_a_second():
    assert stamps(play(drive(12)), "occupancy") == [START_NS, START_NS + 500 * MS, START_NS + 1000 * MS]


BAD_CALIBRATIONS = {
    "nan": ({"P": np.full((3, 4), np.nan)}, {}, "NaN"),
    "absurd": ({"P": np.array([[1e7, 0, 80, 0], [0, 1e7, 60, 0], [0, 0, 1, 0]])}, {}, "focal"),
    "zero": ({}, {"P": np.zeros((3, 4))}, "uncalibrated"),
    "mono": ({}, {"P": camera_model("left").P}, "baseline"),
    "swapped infos": ({"P": camera_model("right").P}, {"P": camera_model("left").P}, "swapped"),
    "sizes": ({}, {"width": 320, "height": 240}, "320x240"),
    "picture": ({"width": 320, "height": 240}, {"width": 320, "height": 240}, "left/image_rect is 160x120"),
}


@pytest.mark.parametrize("fault", BAD_CALIBRATIONS)
def test_a_bad_calibration_is_named_and_nothing_goes_out(fault):
    left, right, words = BAD_CALIBRATIONS[fault]
    samples = drive(3)
    samples[1:3] = infos(START_NS, camera_model("left", **left), camera_model("right", **right))
    tap = play(samples)
    assert silent(tap)
    assert any(words in text for text in tap.named("calibration", "unusable calibration"))


def test_pictures_without_calibration_wait_for_it():
    samples = drive(4)
    late = [Sample(s.topic, START_NS + 150 * MS, s.cdr) for s in samples[1:3]]
    tap = play([samples[0], *samples[3:], *late])
    assert stamps(tap, "local_map") == [START_NS + i * FRAME_NS for i in (2, 3)]
    assert "left/camera_info" in tap.named("calibration", "missing calibration")[0]


def test_a_changed_calibration_is_used_from_the_next_frame():
    wider = camera_model("right", P=np.hstack([camera_model().K, [[-FX * 2 * BASELINE_M], [0], [0]]]))
    changed = [Sample(s.topic, START_NS + 150 * MS, s.cdr) for s in infos(START_NS, right=wider)]
    tap = play([*drive(4), *changed])
    medians = [np.nanmedian(decode_depth("depth/image_rect", s.cdr)[2]) for s in tap.of("depth/image_rect")]
    np.testing.assert_allclose(medians, [2, 2, 4, 4], rtol=0.01)


def test_a_repaired_calibration_is_used_from_the_next_frame():
    samples = drive(4)
    bad = infos(START_NS, right=camera_model("right", P=np.zeros((3, 4))))
    repaired = [Sample(s.topic, START_NS + 150 * MS, s.cdr) for s in samples[1:3]]
    tap = play([samples[0], *bad, *samples[3:], *repaired])
    assert stamps(tap, "depth/image_rect") == [START_NS + i * FRAME_NS for i in (2, 3)]


def test_swapped_pictures_are_named():
    tap = play(drive(3, pairs=lambda seed: wall_pair(seed=seed)[::-1]))
    assert silent(tap)
    assert tap.named("stereo", "cameras swapped")


def test_an_unrectified_pair_called_rectified_is_named():
    def crooked(seed):
        left, right = wall_pair(seed=seed)
        return left, np.roll(right, 4, axis=0)

    tap = play(drive(3, pairs=crooked))
    assert silent(tap)
    told = tap.named("stereo", "rows disagree")[0]
    assert float(told.split()[4]) == pytest.approx(4, abs=0.5)  # "rows disagree: right lies +3.9 px below left"


@pytest.mark.parametrize(("grey", "name"), [(10, "blank"), (255, "over-exposed")])
def test_a_covered_or_blinded_camera_is_named(grey, name):
    tap = play(drive(3, pairs=lambda seed: (np.full((HEIGHT, WIDTH), grey, np.uint8), wall_pair(seed=seed)[1])))
    assert silent(tap)
    assert tap.named("stereo", name)


def test_frozen_pictures_of_a_moving_robot_are_named():
    tap = play(drive(8, pairs=lambda seed: wall_pair(), twist=(0.5, 0, 0, 0, 0, 0)))
    assert len(tap.of("depth/image_rect")) == 2
    assert tap.named("stereo", "frozen pictures")
    assert len(play(drive(8, pairs=lambda seed: wall_pair())).of("depth/image_rect")) == 8


def test_frozen_stamps_are_named_and_used_once():
    samples = drive(1)
    for i in range(1, 9):
        samples += pictures(START_NS + i * FRAME_NS, wall_pair(seed=i), stamp_ns=START_NS)
    tap = play(samples)
    assert stamps(tap, "local_map") == [START_NS]
    assert tap.named("sync", "frozen stamps")


def test_duplicate_frames_are_used_once_and_counted():
    samples = []
    for sample in drive(4):
        samples += [sample, sample] if sample.topic.endswith("image_rect") else [sample]
    tap = play(samples)
    assert stamps(tap, "local_map") == [START_NS + i * FRAME_NS for i in range(4)]
    assert tap.named("sync", "duplicate stamp")
    assert sum(stage == "sync" for stage, _, _ in tap.diagnoses()) <= 3  # it does not flicker


def test_late_frames_are_dropped():
    samples = drive(4)
    samples += pictures(START_NS + 350 * MS, wall_pair(), stamp_ns=START_NS + 150 * MS)
    tap = play(samples)
    assert stamps(tap, "local_map") == [START_NS + i * FRAME_NS for i in range(4)]
    assert tap.named("sync", "older than the newest")


def test_cameras_that_are_not_triggered_together_are_named():
    samples = [static_tf(START_NS), *infos(START_NS), odom(START_NS)]
    for i in range(12):
        samples += pictures(START_NS + i * FRAME_NS, wall_pair(seed=i), skew_ns=20 * MS)
    tap = play(samples)
    assert silent(tap)
    assert "+20.0 ms" in tap.named("sync", "stamps apart")[0]


def test_a_missing_camera_is_named():
    samples = [s for s in drive(12) if s.topic != "right/image_rect"]
    tap = play(samples)
    assert silent(tap)
    assert "right" in tap.named("sync", "missing pictures")[0]


def test_a_gap_is_named_and_survived():
    later = [
        *(odom(START_NS + 3 * SEC + i * FRAME_NS) for i in range(3)),
        *(s for i in range(3) for s in pictures(START_NS + 3 * SEC + i * FRAME_NS, wall_pair(seed=i))),
    ]
    tap = play([*drive(3), *later])
    assert tap.named("sync", "pictures stopped")
    assert len(stamps(tap, "local_map")) == 6
    assert [level for stage, level, _ in tap.diagnoses() if stage == "sync"][-1] == 0


@pytest.mark.parametrize("cut", ["message", "pixels"])
def test_a_corrupt_picture_is_named_and_the_next_one_used(cut):
    samples = drive(4)
    for i, sample in enumerate(samples):
        if sample.topic == "left/image_rect" and sample.cdr is not None and i > 8:
            broken = bytes(sample.cdr)
            if cut == "message":
                broken = broken[:100]
            else:
                at = broken.index(b"mono8") - 4 - 4  # the width, before the length of "mono8"
                broken = broken[:at] + (9999).to_bytes(4, "little") + broken[at + 4 :]
            samples[i] = Sample(sample.topic, sample.stamp_ns, broken)
            break
    tap = play(samples)
    assert len(tap.of("local_map")) == 3
    assert "left/image_rect" in tap.named("images", "corrupt picture")[0]


def test_a_raw_and_a_rectified_picture_are_no_pair():
    samples = [static_tf(START_NS), *infos(START_NS), odom(START_NS)]
    samples += pictures(START_NS, wall_pair(), topics=("left/image_rect", "right/image_raw"))
    tap = play(samples)
    assert silent(tap)
    assert tap.named("calibration", "mixed pair")


def test_rectified_pictures_win_over_raw_ones_and_plain_over_compressed():
    samples = drive(3)
    for i in range(3):
        now_ns = START_NS + i * FRAME_NS
        other_ns = now_ns + 50 * MS
        samples += pictures(other_ns, np.zeros((2, 7, 7), np.uint8), topics=("left/image_raw", "right/image_raw"))
    tap = play(samples)
    assert len(tap.of("local_map")) == 3
    assert not tap.named("images", "corrupt picture")
    assert not tap.named("calibration", "unusable calibration")


def test_raw_pictures_are_rectified():
    def raw(sample):
        return Sample(sample.topic.replace("image_rect", "image_raw"), sample.stamp_ns, sample.cdr)

    tap = play([raw(s) if s.topic.endswith("image_rect") else s for s in drive(2)])
    depth_m = decode_depth("depth/image_rect", tap.of("depth/image_rect")[-1].cdr)[2]
    assert abs(np.nanmedian(depth_m) - 2.0) < 0.02


def test_the_same_calibration_again_is_not_worked_on_again(monkeypatch):
    import perception_node.cameras

    made, build = [], perception_node.cameras.Rectifier
    monkeypatch.setattr(perception_node.cameras, "Rectifier", lambda model: made.append(model) or build(model))
    samples = []
    for sample in drive(3):
        raw = Sample(sample.topic.replace("image_rect", "image_raw"), sample.stamp_ns, sample.cdr)
        samples += [*infos(sample.stamp_ns), raw]
    assert len(play(samples).of("depth/image_rect")) == 3
    assert len(made) == 2


def test_rgbd_depth_goes_straight_to_depth_and_map():
    wall = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    wall[:, :20] = np.nan
    info = infos(START_NS)[0]
    samples = [static_tf(START_NS), Sample("rgbd/depth/camera_info", START_NS, info.cdr)]
    for i in range(4):
        samples += [odom(START_NS + i * FRAME_NS), depth_sample(START_NS + i * FRAME_NS, wall)]
    tap = play(samples)
    sent = decode_depth("depth/image_rect", tap.of("depth/image_rect")[0].cdr)[2]
    np.testing.assert_array_equal(sent, wall)
    assert "engine" not in _stages(samples)
    grid = decode_map(tap.of("local_map")[-1].cdr)
    assert (grid.occupancy >= 50).any()
    wrong = play(
        [
            *samples[:1],
            Sample("rgbd/depth/camera_info", START_NS, infos(START_NS, camera_model(width=99))[0].cdr),
            *samples[2:],
        ]
    )
    assert silent(wrong)
    assert "99x120" in wrong.named("calibration", "unusable calibration")[0]


def test_statuses_name_the_topic_that_was_heard():
    info, wall = infos(START_NS)[0], np.full((HEIGHT, WIDTH), 2.0, np.float32)
    depths = [static_tf(START_NS), Sample("rgbd/depth/camera_info", START_NS, info.cdr)]
    for i in range(4):
        depths += [odom(START_NS + i * FRAME_NS), depth_sample(START_NS + i * FRAME_NS, wall)]
    raw = [s._replace(topic=s.topic.replace("image_rect", "image_raw")) for s in drive(4)]
    for samples, heard in ((depths, "rgbd/depth/image_rect"), (drive(4), "left/image_rect"), (raw, "left/image_raw")):
        tap = play(samples, until_ns=START_NS + 3 * SEC)
        for stage in ("images", "calibration", "sight"):
            assert tap.named(stage, "stale")[0].startswith(f"stale: {heard} is "), (stage, heard)


def _stages(samples):
    node = PerceptionNode(PARAMS)
    for sample in samples:
        list(node.on_sample(sample, sample.stamp_ns))
    node.close()
    return node.stages.summary()


def test_every_stage_is_timed():
    assert set(_stages(drive(2))) == {
        "decode", "rectify", "monitor", "prepare", "engine", "finish", "sight", "depth", "encode", "map", "points"
    }  # fmt: skip


def numbers(tap):
    """Stage -> (level, message, details) as last told."""
    told = (decode("diagnostics", s.cdr).status[0] for s in tap.of("diagnostics"))
    return {
        s.name.removeprefix("perception: "): (int(s.level), s.message, {v.key: v.value for v in s.values}) for s in told
    }


def test_each_stage_tells_rate_age_and_drops_and_on_virtual_time_no_times():
    stages = numbers(play(drive(30)))
    assert set(stages) == {"images", "sync", "calibration", "stereo", "sight", "map"}
    for stage, (level, message, values) in stages.items():
        assert (level, message) == (0, "ok"), stage
        assert 9 <= float(values["rate Hz"]) <= 11
        assert 0 <= float(values["age ms"]) <= 100
        assert values["dropped"] == "0"
        assert not [key for key in values if key.startswith(("engine", "map p", "decode"))]


def test_unpaired_pictures_are_counted_with_the_tolerance():
    samples = [s for i, s in enumerate(drive(30)) if not (s.topic == "right/image_rect" and i % 12 == 5)]
    lost = len(drive(30)) - len(samples)
    _, _, values = numbers(play(samples))["sync"]
    assert lost > 5
    assert values["tolerance ms"] == "5"
    assert int(values["paired"]) == 30 - lost
    assert int(values["unpaired"]) == int(values["dropped"]) == lost


def test_a_slow_stage_is_told_by_the_table():
    stages = numbers(play([s for s in drive(40) if (s.stamp_ns - START_NS) % (200 * MS) == 0]))
    for stage in ("images", "sync", "calibration", "stereo"):
        level, message, _ = stages[stage]
        assert level == 1, stage
        assert message.startswith("slow: ")
        assert message.endswith("expected 30 Hz")
    assert stages["map"][0] == 0  # five maps a second are half of what is expected


def test_live_each_stage_tells_its_times():
    node = PerceptionNode(PARAMS)
    node.stages.live = True
    bus, tap = LocalBus(_Until(START_NS + 2500 * MS)), Tap(node.writes)
    for sample in drive(20):
        bus.push(sample)
    run([node, tap], bus)
    stages = numbers(tap)
    for stage, part in {"images": "decode", "stereo": "engine", "map": "map", "calibration": "rectify"}.items():
        assert {f"{part} {p} ms" for p in ("p50", "p95", "p99")} <= set(stages[stage][2])


def test_no_odometry_no_map_but_depth():
    tap = play([s for s in drive(4) if s.topic != "odom"])
    assert len(tap.of("depth/image_rect")) == 4
    assert not tap.of("local_map")
    assert "odom" in tap.named("map", "no odometry")[0]


def test_odometry_that_lags_too_far_gives_no_map():
    samples = [Sample(s.topic, s.stamp_ns, s.cdr) for s in drive(6)]
    lagging = [s for s in samples if s.topic != "odom" or s.stamp_ns == START_NS]
    tap = play(lagging)
    assert stamps(tap, "local_map") == [START_NS]
    assert "behind the picture" in tap.named("map", "no odometry")[0]


def test_the_map_waits_for_odometry_of_its_stamp():
    """Odometry that arrives 40 ms after the picture, and tells of a jump: the map is where the robot was, not is."""
    samples = [static_tf(START_NS), *infos(START_NS)]
    for i in range(4):
        now_ns = START_NS + i * FRAME_NS
        samples += pictures(now_ns, wall_pair(seed=i))
        late = odom(now_ns, SE3.from_rpy(0, 0, 0, (1.0 * i, 0, 0)))
        samples.append(Sample("odom", now_ns + 40 * MS, late.cdr))
    tap = play(samples)
    assert stamps(tap, "local_map") == [START_NS + i * FRAME_NS for i in range(4)]
    assert [s.stamp_ns - START_NS for s in tap.of("local_map")] == [i * FRAME_NS + 40 * MS for i in range(4)]
    middles = [decode_map(s.cdr).origin_m[0] + PARAMS.map.size_m / 2 for s in tap.of("local_map")]
    np.testing.assert_allclose(middles, [0, 1, 2, 3], atol=0.1)


def test_a_small_lag_is_bridged_by_the_twist():
    samples = [static_tf(START_NS), *infos(START_NS)]
    for i in range(3):
        now_ns = START_NS + i * FRAME_NS
        samples.append(odom(now_ns - 20 * MS, SE3.from_rpy(0, 0, 0, (5.0 * i, 0, 0)), (50.0, 0, 0, 0, 0, 0)))
        samples += pictures(now_ns, wall_pair(seed=i))
    tap = play(samples)
    middles = [decode_map(s.cdr).origin_m[0] + PARAMS.map.size_m / 2 for s in tap.of("local_map")]
    np.testing.assert_allclose(middles, [1, 6, 11], atol=0.1)


def test_an_unconnected_camera_is_named():
    tap = play([s for s in drive(3) if s.topic != "tf_static"])
    assert not tap.of("local_map")
    assert len(tap.of("depth/image_rect")) == 3
    told = tap.named("map", "missing transform")[0]
    assert "'left_optical'" in told
    assert "'base_link'" in told
    assert "tf_static" in told


def test_odometry_of_another_body_is_named():
    samples = drive(3)
    for i, sample in enumerate(samples):
        if sample.topic == "odom":
            state, _ = decode_odom(sample.cdr)
            samples[i] = Sample("odom", sample.stamp_ns, encode_odom(state, "imu_link"))
    tap = play(samples)
    assert not tap.of("local_map")
    told = tap.named("map", "missing transform")[0]
    assert "odom tells the pose of 'imu_link'; expected that of 'base_link'" in told


def test_pictures_in_a_body_frame_are_named():
    """The driver's most common slip: camera_link, x forward, instead of its optical frame."""
    samples = drive(3)
    samples[0] = static_tf(START_NS, T=SE3.from_rpy(0.0, 0.3, 0.0, (0.1, 0.0, 0.4)))
    tap = play(samples)
    assert not tap.of("local_map")
    told = tap.named("map", "wrong frame")[0]
    assert "'left_optical'" in told
    assert "expected an optical frame" in told


def test_a_camera_on_a_moving_head_is_placed_as_at_the_picture():
    """tf arrives before and after the picture: the camera is where it was in between, and so is the wall."""
    samples = [s for s in drive(1) if s.topic != "tf_static"]
    for k, x_m in ((-1, 0.0), (1, 1.0)):
        now_ns = START_NS + k * 40 * MS
        T = SE3(T_BASE_FROM_CAM.R, T_BASE_FROM_CAM.t + np.array([x_m, 0.0, 0.0]))
        samples.append(Sample("tf", START_NS - MS, encode_transforms(now_ns, [("base_link", "left_optical", T)])))
    (sample,) = play(samples).of("local_map")
    grid = decode_map(sample.cdr)
    still = decode_map(play(drive(1)).of("local_map")[0].cdr)
    ahead = [g.cell(np.linspace(1.0, 3.1, 300), np.zeros(300)) for g in (grid, still)]
    moved, unmoved = (
        np.linspace(1.0, 3.1, 300)[int(np.argmax(g.occupancy[cells] > 50))]
        for g, cells in zip((grid, still), ahead, strict=True)
    )
    assert moved - unmoved == pytest.approx(0.5, abs=PARAMS.map.resolution_m)


def test_odometry_that_is_not_a_pose_is_named():
    samples = drive(3)
    bad = odom(START_NS, SE3(np.full((3, 3), np.nan), np.zeros(3)))
    tap = play([Sample("odom", s.stamp_ns, bad.cdr) if s.topic == "odom" else s for s in samples])
    assert not tap.of("local_map")
    assert tap.named("map", "unusable odometry")


@pytest.mark.parametrize("x_m", [1e9, -1.7e308])
def test_odometry_beyond_any_drive_is_named(x_m):
    tap = play(drive(3, T=SE3(np.eye(3), np.array([x_m, 0.0, 0.0]))))
    assert tap.of("depth/image_rect")
    assert not tap.of("local_map")
    assert tap.named("map", "pose out of range")


@pytest.mark.parametrize("axis", [0, 2])
def test_a_camera_that_is_nowhere_on_a_robot_is_named(axis):
    far = SE3(R_BODY_FROM_OPTICAL, 1.7e308 * np.eye(3)[axis])
    tap = play([static_tf(START_NS, T=far) if s.topic == "tf_static" else s for s in drive(3)])
    assert not tap.of("local_map")
    assert tap.named("map", "pose out of range")


def turned(yaw, x_m):
    return SE3.from_rpy(0.0, 0.0, yaw, (x_m, 0.0, 0.0))


@pytest.mark.parametrize(
    ("frame_id", "T", "name"),
    [("odom", turned(0, 4), "pose jump"), ("odom", turned(2, 0), "pose jump"),
     ("world", turned(0, 0), "odometry frame changed")],
)  # fmt: skip
def test_a_jump_of_odometry_begins_the_map_anew(frame_id, T, name):
    def drives(T, frame_id):
        samples = drive(3)
        for i in range(3, 7):
            now_ns = START_NS + i * FRAME_NS
            told = encode_odom(RobotState(now_ns, frame_id, T, np.zeros(6)))
            before = pictures(now_ns, wall_pair(seed=i), stamp_ns=now_ns - 30 * MS)
            samples += [Sample("odom", now_ns, told), *before]
        return play(samples)

    def known(tap):
        return [int((decode_map(sample.cdr).occupancy != -1).sum()) for sample in tap.of("local_map")]

    tap, steady = drives(T, frame_id), drives(turned(0, 1), "odom")
    assert tap.named("map", name)
    assert tap.named("map", "odometry settles"), "the first picture is from before the jump"
    assert known(tap)[3] < known(tap)[2], "what was known is forgotten"
    assert not steady.named("map", name)
    assert known(steady)[3] > known(steady)[0], "what is a step and no jump is not"


def test_a_clock_set_back_begins_anew():
    samples = drive(3)
    back_ns = START_NS - 100 * SEC
    for i in range(4):
        now_ns, stamp_ns = START_NS + (3 + i) * FRAME_NS, back_ns + i * FRAME_NS
        late = odom(stamp_ns)
        samples += [Sample("odom", now_ns, late.cdr), *pictures(now_ns, wall_pair(seed=i), stamp_ns=stamp_ns)]
    tap = play(samples)
    assert tap.named("sync", "clock went back")
    assert stamps(tap, "local_map")[-3:] == [back_ns + i * FRAME_NS for i in (1, 2, 3)]
    first_after = decode_map(tap.of("local_map")[3].cdr)
    assert (first_after.occupancy != -1).sum() < (decode_map(tap.of("local_map")[2].cdr).occupancy != -1).sum()


def test_diagnostics_come_once_a_second_and_on_change():
    tap = play(drive(1), until_ns=START_NS + 3 * SEC + 10 * MS)
    times = {}
    for sample, (stage, _, _) in zip(tap.of("diagnostics"), tap.diagnoses(), strict=True):
        times.setdefault(stage, []).append(sample.stamp_ns - START_NS)
    assert set(times) == {"images", "sync", "calibration", "stereo", "sight", "map"}
    for heard in times.values():
        assert heard == [0, SEC, 2 * SEC, 3 * SEC]


def test_nothing_is_said_while_nothing_changes():
    tap = play(drive(8))
    assert [(stage, level) for stage, level, _ in tap.diagnoses()] == [
        (stage, 0) for stage in ("images", "sync", "calibration", "stereo", "sight", "map")
    ]


def test_silence_from_the_start_is_named():
    tap = play([static_tf(START_NS)], until_ns=START_NS + 2 * SEC)
    assert "left and right" in tap.named("sync", "missing pictures")[0]


def test_a_flood_of_nonsense_raises_nothing():
    rng = np.random.default_rng(0)
    samples = drive(3)
    for topic in sorted(PerceptionNode.reads):
        for n in (0, 4, 40, 400):
            samples.append(Sample(topic, START_NS + 50 * MS, rng.bytes(n)))
    tap = play(samples)
    assert stamps(tap, "depth/image_rect")[0] == START_NS


def test_parameters_are_checked():
    for make in (
        lambda: DepthParams(min_m=2.0, max_m=1.0), lambda: DepthParams(publish_stride=0),
        lambda: MapParams(resolution_m=5.0), lambda: MapParams(obstacle_min_m=2.0),
        lambda: MapParams(robot_radius_m=1.0), lambda: MapParams(half_life_s=0.0), lambda: MapParams(min_seen=0.0),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            make()
    assert PerceptionParams().monitor == MonitorParams()
