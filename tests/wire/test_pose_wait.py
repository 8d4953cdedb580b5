"""Frames that wait for odometry: the newest of each camera, none held up by another's."""

import numpy as np
import pytest

from saccade.clock import MS, SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.node import Sample
from saccade.types import RobotState
from saccade.wire.convert import encode_odom, encode_transforms
from saccade.wire.health import Refused
from saccade.wire.pose_wait import PoseWait

T0 = 1_700_000_000 * SEC
MOUNT = SE3(R_BODY_FROM_OPTICAL, np.zeros(3))


def waiting(*cameras):
    wait = PoseWait("base_link", "map", 60.0, 0.0)
    for name in cameras:
        wait.on_tf(Sample("tf_static", T0, encode_transforms(T0, [("base_link", name, MOUNT)])))
    return wait


def odom(wait, stamp_ns):
    state = RobotState(stamp_ns, "odom", SE3.identity(), np.zeros(6))
    wait.on_odom(Sample("odom", stamp_ns, encode_odom(state)))


def taken(wait, now_ns):
    frames = []
    while (posed := wait.take(now_ns)) is not None:
        frames.append(posed.frame)
    return frames


def test_each_camera_waits_with_its_newest_frame():
    wait = waiting("head", "flank")
    assert not wait.put("old", T0 + 10 * MS, "head", T0)
    assert not wait.put("side", T0 + 10 * MS, "flank", T0)
    assert wait.put("new", T0 + 20 * MS, "head", T0 + 5 * MS), "the older one of the same camera is dropped"
    assert taken(wait, T0 + 6 * MS) == []
    assert wait.until_ns == T0 + 60 * MS, "the flank's came first"
    odom(wait, T0 + 10 * MS)
    assert taken(wait, T0 + 20 * MS) == ["side"], "the head's is still ahead of odometry"
    odom(wait, T0 + 20 * MS)
    assert taken(wait, T0 + 30 * MS) == ["new"]
    assert wait.until_ns is None


def test_a_frame_that_gives_up_takes_no_other_along():
    wait = waiting("head", "flank")
    odom(wait, T0)
    wait.put("ahead", T0 + 500 * MS, "flank", T0)
    wait.put("new", T0, "head", T0 + 60 * MS)
    with pytest.raises(Refused, match="500 ms behind"):
        wait.take(T0 + 60 * MS)
    assert taken(wait, T0 + 60 * MS) == ["new"]


def test_a_camera_whose_place_is_not_known_is_told():
    wait = waiting("head")
    wait.check(T0, "head")
    with pytest.raises(Refused, match="frame 'flank'; expected its place"):
        wait.check(T0, "flank")
