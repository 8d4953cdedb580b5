"""The map node on a bus: depth images of analytic scenes, their confidence and pictures, and odometry, as messages."""

from dataclasses import replace

import numpy as np
from volume_scenes import CAMERA, box, plane, render, union

from map_node.node import MapNode
from map_node.params import MapNodeParams, MeshParams, PicturesParams
from map_node.volume.base import VolumeParams
from saccade.clock import MS, SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.node import NEVER_NS, Sample, run
from saccade.stages import Stages
from saccade.types import CameraModel, Image, RobotState
from saccade.wire.convert import decode, encode_camera, encode_odom, encode_transforms, stamp_ns
from saccade.wire.images import encode_depth, encode_image, encode_mono8
from saccade.wire.virtual import LocalBus

START_NS = 1_700_000_000 * SEC
FRAME_NS = 100 * MS
T_BASE_FROM_CAM = SE3(R_BODY_FROM_OPTICAL, np.array([0.1, 0.0, 0.5]))
ROOM = union(plane((0, 0, 1), 0.0), plane((-1, 0, 0), -1.8), box((1.2, 0.3, 0.4), (0.2, 0.15, 0.4)))
"""A floor, a wall 1.8 m ahead, and a box before it to the left."""
RED = (200, 40, 20)
PARAMS = MapNodeParams(
    rate_hz=0.0, worker="modelled", mesh=MeshParams(rate_hz=0.5), pictures=PicturesParams(birdseye_hz=0.0),
    volume=VolumeParams(voxel_m=0.05, size_m=(4.0, 4.0, 2.4), max_range_m=5.0),
)  # fmt: skip


def model(**changed):
    K = np.array([[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]])
    fields = {
        "frame_id": "camera", "width": CAMERA.width, "height": CAMERA.height, "distortion_model": "plumb_bob",
        "D": np.zeros(5), "K": K, "R": np.eye(3), "P": np.hstack([K, np.zeros((3, 1))]),
    }  # fmt: skip
    return CameraModel(**{**fields, **changed})


def info(now_ns, **changed):
    return Sample("depth/camera_info", now_ns, encode_camera(now_ns, model(**changed)))


def static_tf(now_ns=START_NS, child="camera", T=T_BASE_FROM_CAM):
    return Sample("tf_static", now_ns, encode_transforms(now_ns, [("base_link", child, T)]))


def odom(now_ns, at=(0.0, 0.0, 0.0), yaw=0.0, stamp=None, frame="odom", child="base_link", twist=(0.0,) * 6):
    T = SE3.from_rpy(0.0, 0.0, yaw, np.array(at, float))
    state = RobotState(now_ns if stamp is None else stamp, frame, T, np.array(twist, float))
    return Sample("odom", now_ns, encode_odom(state, child))


def seen(at=(0.0, 0.0, 0.0), yaw=0.0):
    """Depth (H, W) of the room from the robot."""
    return render(ROOM, SE3.from_rpy(0.0, 0.0, yaw, np.array(at, float)) @ T_BASE_FROM_CAM).depth_m


HERE = seen()


def frame(now_ns, depth_m=HERE, stamp=None, frame_id="camera", sure=None, rgb=RED, topics=()):
    """Calibration, picture, depth and confidence as perception sends them; `topics` leaves out what is not in it."""
    stamp = now_ns if stamp is None else stamp
    confidence = np.full(depth_m.shape, 255, np.uint8) if sure is None else sure
    picture = np.broadcast_to(np.array(rgb, np.uint8), (*depth_m.shape, 3)).copy()
    messages = {
        "depth/camera_info": encode_camera(stamp, model()),
        "left/image_rect": encode_image(Image(stamp, frame_id, picture)),
        "depth/image_rect": encode_depth(stamp, frame_id, depth_m),
        "depth/confidence": encode_mono8(stamp, frame_id, confidence),
    }
    return [Sample(topic, now_ns, cdr) for topic, cdr in messages.items() if not topics or topic in topics]


def drive(frames=5, first=0, **changed):
    """A robot that stands before the room; `first` is the number of the first frame."""
    samples = [] if first else [static_tf()]
    for i in range(first, first + frames):
        now_ns = START_NS + i * FRAME_NS
        samples += [odom(now_ns), *frame(now_ns, **changed)]
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
        return [decode(topic, sample.cdr) for sample in self.heard if sample.topic == topic]

    def stamps(self, topic):
        return [stamp_ns(message.header.stamp) for message in self.of(topic)]

    def told(self, stage):
        """(level, message) of the statuses of a stage, in order."""
        status = [message.status[0] for message in self.of("diagnostics")]
        return [(int(s.level), s.message) for s in status if s.name == f"map_node/{stage}"]

    def named(self, stage, name):
        return [text for _, text in self.told(stage) if text.startswith(f"{name}: ")]


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

    def advance(self, to_ns): ...
    def heard(self, topic, cdr, now_ns): ...
    def close(self): ...


def play(samples, params=PARAMS, until_ns=None):
    """Run a node over scripted samples: the node, and a tap with what it sent."""
    bus = LocalBus(_Until(until_ns or max(s.stamp_ns for s in samples) + 300 * MS))
    for sample in samples:
        bus.push(sample)
    node = MapNode(params)
    tap = Tap(node.writes)
    run([node, tap], bus)
    return node, tap


def changed(**values):
    return replace(PARAMS, **values)
