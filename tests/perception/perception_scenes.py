"""Scenes for the perception node: a textured wall before a small stereo camera, as messages on a bus."""

import cv2
import numpy as np

from perception_node.node import PerceptionNode
from perception_node.params import MapParams, PerceptionParams
from saccade.clock import MS, SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3, Pinhole
from saccade.node import NEVER_NS, Sample, run
from saccade.stages import Stages
from saccade.types import CameraModel, Depth, Image, RobotState
from saccade.wire.convert import decode, encode_camera, encode_odom, encode_transforms
from saccade.wire.images import encode_depth, encode_image
from saccade.wire.virtual import LocalBus

WIDTH, HEIGHT, FX, BASELINE_M = 160, 120, 100.0, 0.12
CAMERA = Pinhole(FX, FX, 79.5, 59.5, WIDTH, HEIGHT)
T_BASE_FROM_CAM = SE3(R_BODY_FROM_OPTICAL, np.array([0.1, 0.0, 0.35]))
START_NS = 1_700_000_000 * SEC
FRAME_NS = 100 * MS
PARAMS = PerceptionParams(map=MapParams(size_m=6.4))


def camera_model(side="left", **changed):
    """CameraInfo of the small rig; `changed` replaces fields."""
    K = np.array([[FX, 0, CAMERA.cx], [0, FX, CAMERA.cy], [0, 0, 1]])
    P = np.hstack([K, [[0.0 if side == "left" else -FX * BASELINE_M], [0], [0]]])
    fields = {
        "frame_id": f"{side}_optical", "width": WIDTH, "height": HEIGHT, "distortion_model": "plumb_bob",
        "D": np.zeros(5), "K": K, "R": np.eye(3), "P": P,
    }  # fmt: skip
    return CameraModel(**{**fields, **changed})


def wall_pair(z_m=2.0, seed=0):
    """left, right (H, W) uint8: a wall `z_m` ahead that fills the view; its disparity is a whole number of pixels."""
    disparity = round(FX * BASELINE_M / z_m)
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH + disparity), np.uint8)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.0), None, 0, 255, cv2.NORM_MINMAX)
    return scene[:, :WIDTH], scene[:, disparity:]


def infos(now_ns, left=None, right=None):
    return [
        Sample("left/camera_info", now_ns, encode_camera(now_ns, left or camera_model("left"))),
        Sample("right/camera_info", now_ns, encode_camera(now_ns, right or camera_model("right"))),
    ]


def static_tf(now_ns, parent="base_link", child="left_optical", T=T_BASE_FROM_CAM):
    return Sample("tf_static", now_ns, encode_transforms(now_ns, [(parent, child, T)]))


def odom(now_ns, T=None, twist=(0.0,) * 6):
    state = RobotState(now_ns, "odom", T or SE3.identity(), np.array(twist, np.float64))
    return Sample("odom", now_ns, encode_odom(state))


def pictures(now_ns, pair, stamp_ns=None, topics=("left/image_rect", "right/image_rect"), skew_ns=0):
    """Both pictures, arriving at `now_ns` with the capture stamp `stamp_ns`."""
    stamp_ns = now_ns if stamp_ns is None else stamp_ns
    return [
        Sample(topic, now_ns, encode_image(Image(stamp_ns + i * skew_ns, topic.split("/")[0] + "_optical", data)))
        for i, (topic, data) in enumerate(zip(topics, pair, strict=True))
    ]


def depth_sample(now_ns, depth_m, frame_id="left_optical"):
    return Sample("rgbd/depth/image_rect", now_ns, encode_depth(now_ns, frame_id, depth_m))


def drive(frames=4, pairs=wall_pair, **kwargs):
    """Samples of a healthy rig that stands still before a wall: calibration, frames, odometry at the same stamps."""
    samples = [static_tf(START_NS), *infos(START_NS)]
    for i in range(frames):
        now_ns = START_NS + i * FRAME_NS
        samples += [odom(now_ns, kwargs.get("T"), kwargs.get("twist", (0.0,) * 6)), *pictures(now_ns, pairs(seed=i))]
    return samples


class Tap:
    """Keeps everything that a node sends."""

    name, writes = "tap", frozenset()

    def __init__(self, reads):
        self.reads, self.stages, self.heard = frozenset(reads), Stages(), []

    def next_ns(self, now_ns):
        return NEVER_NS

    def on_sample(self, sample, now_ns):
        self.heard.append(sample)
        return ()

    def on_tick(self, now_ns):
        return ()

    def close(self):
        return ()

    def of(self, topic):
        return [sample for sample in self.heard if sample.topic == topic]

    def diagnoses(self):
        """(stage, level, message) of every status, in order."""
        status = [decode("diagnostics", sample.cdr).status[0] for sample in self.of("diagnostics")]
        return [
            (
                s.name.removeprefix("perception: "),
                int.from_bytes(s.level, "little") if isinstance(s.level, bytes) else int(s.level),
                s.message,
            )
            for s in status
        ]

    def named(self, stage, name):
        """Messages of a stage's statuses whose diagnosis has this name."""
        return [message for s, _, message in self.diagnoses() if s == stage and message.startswith(f"{name}: ")]


class _Until:
    """A source that says nothing and ends, so that time passes to `end_ns` and ticks are served."""

    start_ns = START_NS

    def __init__(self, end_ns):
        self.end_ns = end_ns

    def next_ns(self):
        return self.end_ns

    def take(self):
        end_ns, self.end_ns = self.end_ns, None
        return Sample("imu", end_ns, b"")

    def advance(self, to_ns):
        pass

    def heard(self, topic, cdr, now_ns):
        pass

    def close(self):
        pass


def play(samples, params=PARAMS, until_ns=None):
    """Run the node over scripted samples, and on to `until_ns`; the tap with what it sent."""
    bus = LocalBus(_Until(until_ns or max(s.stamp_ns for s in samples) + 200 * MS))
    for sample in samples:
        bus.push(sample)
    node = PerceptionNode(params)
    tap = Tap(node.writes)
    run([node, tap], bus)
    return tap


def depth_of(depth_m, camera=CAMERA, stamp_ns=START_NS, confidence=255):
    depth_m = np.asarray(depth_m, np.float32)
    return Depth(stamp_ns, "left_optical", depth_m, np.full(depth_m.shape, confidence, np.uint8), camera)
