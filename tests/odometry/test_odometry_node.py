"""The odometry node on a bus: poses of the base while it walks, silence and a reason while it cannot know."""

import cv2
import numpy as np
import pytest
from odometry_scenes import BASELINE_M, CAMERA, FRAME_NS, Room, walk

from perception_node.odometry.body import APART_M
from perception_node.odometry.node import OdometryNode
from perception_node.odometry.params import OdometryParams
from saccade.clock import MS, SEC, seconds
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.node import Sample, run
from saccade.types import CameraModel, Image, RobotState
from saccade.wire.codec import codec
from saccade.wire.convert import (
    decode,
    decode_odom,
    decode_transforms,
    encode_camera,
    encode_odom,
    encode_transforms,
    header,
    stamp_ns,
)
from saccade.wire.images import encode_depth, encode_image
from saccade.wire.virtual import LocalBus

T_BASE_FROM_CAM = SE3(SE3.from_rpy(0.0, 0.2, 0.3).R @ R_BODY_FROM_OPTICAL, np.array([0.2, -0.1, 0.6]))
START_NS = 1_700_000_000 * SEC
POSES = walk(8)
SIDES = ("left", "right")


class Heard:
    """What the node said: (arrival, state, message) of each odometry, transforms, and statuses."""

    def __init__(self, samples, params=None, latency_ns=0):
        node = OdometryNode(params)
        bus = LocalBus(start_ns=START_NS, latency_ns={"odom": latency_ns})
        for sample in samples:
            bus.push(sample)
        self.sent = []
        send = bus.send
        bus.send = lambda topic, cdr: (self.sent.append((topic, bytes(cdr))), send(topic, cdr))
        end_ns = max(sample.stamp_ns for sample in samples) + SEC
        run([node], bus, lambda: bus.now_ns() >= end_ns)
        self.states = [decode_odom(cdr)[0] for topic, cdr in self.sent if topic == "odom"]
        self.messages = [decode("odom", cdr) for topic, cdr in self.sent if topic == "odom"]
        self.status = [decode("diagnostics", cdr).status[0] for topic, cdr in self.sent if topic == "diagnostics"]

    def named(self, name):
        return [s.message for s in self.status if s.message.startswith(f"{name}: ")]

    def stamps(self):
        return [round((state.stamp_ns - START_NS) / FRAME_NS) for state in self.states]


def model(side):
    K = np.array([[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]])
    P = np.hstack([K, [[-CAMERA.fx * BASELINE_M if side == "right" else 0.0], [0], [0]]])
    return CameraModel("cam", CAMERA.width, CAMERA.height, "plumb_bob", np.zeros(5), K, np.eye(3), P)


def begun():
    """Calibrations and the camera's place on the robot."""
    infos = [Sample(f"{side}/camera_info", START_NS, encode_camera(START_NS, model(side))) for side in SIDES]
    return [Sample("tf_static", START_NS, encode_transforms(START_NS, [("base_link", "cam", T_BASE_FROM_CAM)])), *infos]


def picture(side, i, data, kind="image_rect", captured_ns=None):
    now_ns = START_NS + i * FRAME_NS
    captured_ns = now_ns if captured_ns is None else captured_ns
    return Sample(f"{side}/{kind}", now_ns, encode_image(Image(captured_ns, "cam", data)))


def pair(i, greys, **kwargs):
    return [picture(side, i, grey, **kwargs) for side, grey in zip(SIDES, greys, strict=True)]


@pytest.fixture(scope="module")
def greys():
    """Left and right of the walk, rendered once."""
    room = Room(0)
    return [(p.left, p.right) for p in (room.pair(T, 0) for T in POSES)]


@pytest.fixture(scope="module")
def elsewhere():
    """The same of another room."""
    room = Room(7)
    return [(p.left, p.right) for p in (room.pair(T, 0) for T in POSES)]


@pytest.fixture(scope="module")
def drive(greys):
    return begun() + [sample for i, both in enumerate(greys) for sample in pair(i, both)]


@pytest.fixture(scope="module")
def heard(drive):
    return Heard(drive)


def true_base(i):
    """T_odom_from_base of the walk: the frame begins where the base is at the first picture."""
    return T_BASE_FROM_CAM @ POSES[i] @ T_BASE_FROM_CAM.inverse()


def test_the_base_is_followed_from_where_it_is_first_seen(heard):
    assert heard.stamps() == [1, 2, 3, 4, 5, 6, 7]  # the first is told by the second that confirms it
    for state, i in zip(heard.states, heard.stamps(), strict=True):
        off = state.T_odom_from_body.inverse() @ true_base(i)
        assert np.linalg.norm(off.t) < 0.01
        assert np.linalg.norm(cv2.Rodrigues(off.R)[0]) < 0.005
        assert state.frame_id == "odom"
    assert {m.child_frame_id for m in heard.messages} == {"base_link"}


def test_the_twist_is_that_between_the_poses_in_the_bases_axes(heard):
    for state, i in zip(heard.states, heard.stamps(), strict=True):
        step = true_base(i - 1).inverse() @ true_base(i)
        assert state.twist[:3] == pytest.approx(step.t / seconds(FRAME_NS), abs=0.06)
        assert state.twist[3:] == pytest.approx(cv2.Rodrigues(step.R)[0].ravel() / seconds(FRAME_NS), abs=0.03)


def test_covariances_are_those_of_the_base(heard):
    """They are whole, grow, cover the error, and a lever between camera and base makes the base less sure."""
    for message, state, i in zip(heard.messages, heard.states, heard.stamps(), strict=True):
        pose, twist = (np.reshape(c, (6, 6)) for c in (message.pose.covariance, message.twist.covariance))
        for covariance in (pose, twist):
            assert covariance == pytest.approx(covariance.T, abs=1e-12)
            assert (np.linalg.eigvalsh(covariance) > 0).all()
        assert (np.abs(state.T_odom_from_body.t - true_base(i).t) < 5 * np.sqrt(np.diag(pose)[:3])).all()
        step = true_base(i - 1).inverse() @ true_base(i)
        assert (np.abs(state.twist[:3] - step.t / 0.1) < 5 * np.sqrt(np.diag(twist)[:3])).all()
    first, last = (np.reshape(heard.messages[i].pose.covariance, (6, 6)) for i in (0, -1))
    assert np.trace(last) > np.trace(first)


def test_the_transform_says_the_same_and_can_be_left_out(heard, drive):
    links = [decode_transforms(cdr)[0] for topic, cdr in heard.sent if topic == "tf"]
    for (stamp, parent, child, T), state in zip(links, heard.states, strict=True):
        assert (stamp, parent, child) == (state.stamp_ns, "odom", "base_link")
        assert T.t.tolist() == state.T_odom_from_body.t.tolist()
    short = [sample for sample in drive if sample.stamp_ns <= START_NS + FRAME_NS]
    silent = Heard(short, OdometryParams(publish_tf=False))
    assert silent.states
    assert not [topic for topic, _ in silent.sent if topic == "tf"]


def test_two_runs_say_the_same_bytes(heard, drive):
    assert Heard(drive).sent == heard.sent


def test_diagnostics_tell_health_and_state(heard):
    (told,) = [s for s in heard.status if s.name == "odometry: pose" and s.message == "ok"][-1:]
    details = {v.key: v.value for v in told.values}
    assert (details["state"], details["segment"], details["gyroscope"]) == ("tracking", "0", "none")
    assert float(details["health"]) > 0.8


def test_raw_pictures_are_rectified_and_kept(greys):
    """The rectifier gives the same buffer each time; whoever keeps a picture must have copied it."""
    samples = begun() + [s for i, both in enumerate(greys[:4]) for s in pair(i, both, kind="image_raw")]
    found = Heard(samples)
    assert found.stamps() == [1, 2, 3]
    assert np.linalg.norm(found.states[-1].T_odom_from_body.t - true_base(3).t) < 0.01


BAD = {
    "blank": lambda good, last, other: (np.full_like(good[0], 90), np.full_like(good[1], 90)),
    "swapped": lambda good, last, other: (good[1], good[0]),
    "frozen": lambda good, last, other: last,
    "another place": lambda good, last, other: other,
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_answered_by_silence_and_a_reason(greys, elsewhere, kind):
    bad = BAD[kind](greys[3], greys[2], elsewhere[3])
    frames = [*greys[:3], bad, *greys[4:6]]
    found = Heard(begun() + [s for i, both in enumerate(frames) for s in pair(i, both)])
    assert 3 not in found.stamps()
    assert found.stamps()[-1] == 5  # and goes on after it
    assert np.linalg.norm(found.states[-1].T_odom_from_body.t - true_base(5).t) < 0.015
    assert found.named("lost")
    assert not found.named("new segment")


def test_after_a_cut_the_poses_are_a_kilometre_away(greys, elsewhere):
    """Nobody knows how the robot moved meanwhile: a map that went on as before would be wrong without a sign."""
    found = Heard(begun() + [s for i, both in enumerate([*greys[:3], *elsewhere]) for s in pair(i, both)])
    assert found.stamps() == [1, 2, 9, 10]  # lost five times, anchored, confirmed
    before, after = found.states[1].T_odom_from_body, found.states[2].T_odom_from_body
    assert np.linalg.norm(after.t - before.t - [APART_M, 0, 0]) < 0.2
    step = POSES[5].inverse() @ POSES[6]
    assert np.linalg.norm(found.states[2].twist[:3]) == pytest.approx(np.linalg.norm(step.t) / 0.1, abs=0.3)
    (text,) = set(found.named("new segment"))
    assert "segment 1" in text


def test_time_that_goes_back_begins_a_new_segment(greys):
    frames = [s for i, both in enumerate(greys[:3]) for s in pair(i, both)]
    back = [
        s for i, both in enumerate(greys[:5]) for s in pair(i + 3, both, captured_ns=START_NS + (i - 50) * FRAME_NS)
    ]
    found = Heard(begun() + frames + back)
    assert found.stamps()[:2] == [1, 2]
    assert all(stamp < 0 for stamp in found.stamps()[2:])
    assert found.states[2].T_odom_from_body.t[0] > APART_M / 2
    assert found.named("clock went back")


def test_silence_is_told_after_a_clock_set_back(drive):
    node = OdometryNode()
    for sample in drive:
        list(node.on_sample(sample, sample.stamp_ns))
    told = [decode("diagnostics", out.cdr).status[0].message for out in node.on_tick(START_NS - 3600 * SEC)]
    assert any(message.startswith("pictures stopped") for message in told), told


def foreign(now_ns):
    return Sample("odom", now_ns, encode_odom(RobotState(now_ns, "odom", SE3.identity(), np.zeros(6))))


def test_two_writers_of_odometry_are_none(drive):
    """The robot has its own after all: this node keeps silent, for good, and says so every second."""
    at_ns = START_NS + 2 * FRAME_NS + 10 * MS
    found = Heard(sorted([*drive, foreign(at_ns)], key=lambda s: s.stamp_ns))
    assert found.stamps() == [1, 2]
    assert "somebody else tells odom" in found.named("two writers")[0]
    assert found.status[-1].message.startswith("two writers") or found.named("two writers")[1:]


def test_its_own_words_are_known_again_however_late(drive):
    found = Heard(drive, latency_ns=150 * MS)
    assert found.stamps() == [1, 2, 3, 4, 5, 6, 7]
    assert not found.named("two writers")


@pytest.mark.parametrize(
    ("missing", "name", "text"),
    [
        ("tf_static", "missing transform", "expected its place on the robot"),
        ("right/camera_info", "missing calibration", "no right/camera_info yet"),
        ("right/image_rect", "missing pictures", "no pictures from right"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_guessed(drive, missing, name, text):
    found = Heard([s for s in drive if s.topic != missing and s.stamp_ns <= START_NS + 2 * FRAME_NS])
    assert found.states == []
    assert text in found.named(name)[0]


def imu(now_ns, rate_base, no_rates=False):
    """A sensor in the base's axes."""
    new = codec().new
    vector = [
        new("geometry_msgs/msg/Vector3", x=float(v[0]), y=float(v[1]), z=float(v[2])) for v in (rate_base, [0] * 3)
    ]
    covariance = np.zeros(9)
    covariance[0] = -1.0 if no_rates else 0.0
    message = new(
        "sensor_msgs/msg/Imu", header=header(now_ns, "base_link"), angular_velocity=vector[0],
        linear_acceleration=vector[1], orientation=new("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        orientation_covariance=np.zeros(9), angular_velocity_covariance=covariance,
        linear_acceleration_covariance=np.zeros(9),
    )  # fmt: skip
    return Sample("imu", now_ns, codec().encode(message))


def test_a_jerk_is_followed_with_the_gyroscope_in_the_robots_axes_and_not_without():
    """The base yaws by a third of the view between two pictures."""
    room, T_base = Room(0), SE3.from_rpy(0.0, 0.0, 0.3)
    T_cam = T_BASE_FROM_CAM.inverse() @ T_base @ T_BASE_FROM_CAM
    poses = [SE3.identity(), T_cam]
    shots = [room.pair(T, 0) for T in poses]
    frames = begun() + [s for i, p in enumerate(shots) for s in pair(i, (p.left, p.right))]
    rates = [imu(START_NS + 1 + t * MS, (0.0, 0.0, 3.0)) for t in range(0, 100, 5)]
    with_imu = Heard(sorted([*frames, *rates], key=lambda s: s.stamp_ns))
    assert with_imu.states[-1].T_odom_from_body.yaw == pytest.approx(0.3, abs=0.01)
    broken = [imu(START_NS + 1 + t * MS, (0.0, 0.0, 3.0), no_rates=True) for t in range(0, 100, 5)]
    without = Heard(sorted([*frames, *broken], key=lambda s: s.stamp_ns))
    assert without.named("lost")


def test_depth_and_colour_do_as_well():
    room, samples = Room(0), begun()[:1]
    info = encode_camera(START_NS, model("left"))
    samples.append(Sample("rgbd/depth/camera_info", START_NS, info))
    for i, T in enumerate(POSES[:5]):
        grey, depth_m = room.render(T)
        now_ns, depth_m = START_NS + i * FRAME_NS, np.where(np.isfinite(depth_m), depth_m, np.nan).astype(np.float32)
        colour = Image(now_ns + 8 * MS, "colour", np.repeat(grey[..., None], 3, axis=2))
        samples.append(Sample("rgbd/depth/image_rect", now_ns, encode_depth(now_ns, "cam", depth_m)))
        samples.append(Sample("rgbd/color/image_rect", now_ns + 8 * MS, encode_image(colour)))
    found = Heard(samples)
    assert [stamp_ns(m.header.stamp) for m in found.messages] == [START_NS + i * FRAME_NS + 8 * MS for i in range(1, 5)]
    assert np.linalg.norm(found.states[-1].T_odom_from_body.t - true_base(4).t) < 0.015
