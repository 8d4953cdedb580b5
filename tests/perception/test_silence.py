"""Silence of cameras is told when they are silent, and not when what they send cannot be used."""

import numpy as np
import pytest
from perception_scenes import (
    FRAME_NS,
    HEIGHT,
    PARAMS,
    START_NS,
    WIDTH,
    camera_model,
    depth_sample,
    drive,
    infos,
    odom,
    pictures,
    play,
    static_tf,
    wall_pair,
)
from test_flank import FLANKED, RIG, flank_infos, flank_pictures, flank_tf

from perception_node.node import PerceptionNode
from saccade.clock import SEC
from saccade.node import Sample
from saccade.wire.convert import decode

COVERED = np.full((HEIGHT, WIDTH), 12, np.uint8)
FRAMES = 30


def covered(seed):
    return wall_pair(seed=seed)[0], COVERED


def uncalibrated(samples):
    right = camera_model("right", K=np.zeros((3, 3)), P=np.zeros((3, 4)))
    return [samples[0], *infos(START_NS, right=right), *samples[3:]]


def mixed(samples):
    return [s._replace(topic="right/image_raw") if s.topic == "right/image_rect" else s for s in samples]


def last(tap, stage):
    return [message for s, _, message in tap.diagnoses() if s == stage][-1]


def sent(node, samples):
    """Topics of what the node sends, and its statuses at the next tick."""
    topics = [out.topic for s in samples for out in node.on_sample(s, s.stamp_ns)]
    at_ns = node.next_ns(samples[-1].stamp_ns)
    told = [decode("diagnostics", out.cdr).status[0] for out in node.on_tick(at_ns)]
    return topics, {status.name.removeprefix("perception: "): status.message for status in told}


def test_after_a_clock_set_back_silence_is_told_and_another_topic_heard():
    node, back_ns = PerceptionNode(PARAMS), START_NS - 3600 * SEC
    assert "local_map" in sent(node, drive(3))[0]
    topics, told = sent(node, [odom(back_ns + i * FRAME_NS) for i in range(5)])
    assert "local_map" not in topics
    assert told["sync"].startswith("missing pictures"), told
    assert told["map"] == "stale: no local_map yet"
    raw = ("left/image_raw", "right/image_raw")
    later = [back_ns + 2 * SEC + i * FRAME_NS for i in range(3)]
    topics, _ = sent(node, [s for t in later for s in (odom(t), *pictures(t, wall_pair(), topics=raw))])
    assert topics.count("local_map") == 3
    node.close()


@pytest.mark.parametrize(
    ("samples", "stage", "name"),
    [
        (drive(FRAMES, covered), "stereo", "blank"),
        (uncalibrated(drive(FRAMES)), "calibration", "unusable calibration"),
        (mixed(drive(FRAMES)), "calibration", "mixed pair"),
    ],
)
def test_pairs_that_come_and_are_refused_have_not_stopped(samples, stage, name):
    tap = play(samples)
    assert tap.named(stage, name)
    assert not tap.named("sync", "pictures stopped")
    assert last(tap, "sync") == "ok"


def test_depth_images_that_come_and_are_refused_have_not_stopped():
    wrong = infos(START_NS, camera_model(width=99))[0]
    depth_m = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    samples = [static_tf(START_NS), Sample("rgbd/depth/camera_info", START_NS, wrong.cdr)]
    tap = play([*samples, *(depth_sample(START_NS + i * FRAME_NS, depth_m) for i in range(FRAMES))])
    assert tap.named("calibration", "unusable calibration")
    assert last(tap, "sync") == "ok"
    assert not tap.named("sync", "pictures stopped")


def test_pictures_that_come_back_covered_have_come_back():
    after_ns = START_NS + 3 * SEC
    back = [s for i in range(3) for s in pictures(after_ns + i * FRAME_NS, covered(i))]
    tap = play([*drive(3), *back])
    assert tap.named("sync", "pictures stopped")
    assert tap.named("stereo", "blank")
    assert last(tap, "sync") == "ok"


def test_covered_pictures_that_stop_have_stopped():
    tap = play(drive(5, covered), until_ns=START_NS + 3 * SEC)
    assert tap.named("stereo", "blank")
    assert last(tap, "sync").startswith("pictures stopped: ")


def flanked(right, frames=FRAMES):
    """A healthy first rig, and a flank whose right pictures `right` makes of what they would be."""
    samples = [*drive(FRAMES), flank_tf(), *flank_infos(START_NS)]
    for i in range(frames):
        pair = flank_pictures(START_NS + i * FRAME_NS, seed=i)
        samples += [pair[0], right(pair[1])]
    return samples


def blind(sample):
    return sample._replace(cdr=pictures(sample.stamp_ns, (COVERED, COVERED))[1].cdr)


def test_a_flank_keeps_the_true_reason_while_pairs_come():
    tap = play(flanked(blind), FLANKED)
    assert last(tap, RIG).startswith("blank: ")
    assert not tap.named(RIG, "pictures stopped")


def test_a_flank_whose_pairs_stop_says_so():
    tap = play(flanked(blind, frames=5), FLANKED, START_NS + 3 * SEC)
    assert tap.named(RIG, "blank")
    assert last(tap, RIG).startswith("pictures stopped: ")


@pytest.mark.parametrize(("side", "other"), [("left", "right"), ("right", "left")])
def test_the_camera_that_fell_silent_is_named(side, other):
    stopped_ns = START_NS + 5 * FRAME_NS
    tap = play([s for s in drive(FRAMES) if not s.topic.startswith(side) or s.stamp_ns < stopped_ns])
    assert last(tap, "sync").startswith(f"pictures stopped: no pictures from {side} for ")
    assert f"({other} comes)" in last(tap, "sync")
