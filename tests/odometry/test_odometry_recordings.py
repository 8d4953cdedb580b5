"""Visual odometry of the real recordings, through the node: drift at the end, and that no frame is lost."""

from itertools import pairwise

import numpy as np
import pytest

from perception_node.odometry.node import OdometryNode
from perception_node.odometry.params import OdometryParams
from saccade.geometry import SE3
from saccade.node import run
from saccade.tf import TfBuffer, TransformError
from saccade.wire.bag import open_recording
from saccade.wire.convert import decode, decode_odom, decode_transforms
from saccade.wire.virtual import VirtualBus

pytestmark = pytest.mark.slow


def told(path):
    """[(stamp, T_odom_from_base)] that the node says, its diagnoses, and T_base_from_camera of what is played."""
    recording = open_recording(path, odometry=False)
    node, links, sent = OdometryNode(OdometryParams()), TfBuffer(), []
    bus = VirtualBus(recording.source(node.reads))
    send = bus.send
    bus.send = lambda topic, cdr: (sent.append((topic, bytes(cdr))), send(topic, cdr))
    on_tf = node._on_tf

    def keep(sample):
        for _, parent, child, T in decode_transforms(sample.cdr):
            if sample.topic == "tf_static":
                links.set_static(parent, child, T)
        on_tf(sample)

    node._on_tf = keep
    run([node], bus)
    bus.close()
    states = [decode_odom(cdr)[0] for topic, cdr in sent if topic == "odom"]
    status = [decode("diagnostics", cdr).status[0] for topic, cdr in sent if topic == "diagnostics"]
    camera = links.lookup("base_link", node._camera_frame, 0)
    return {s.stamp_ns: s.T_odom_from_body @ camera for s in states}, [s.message for s in status], node._camera_frame


def truth(path, camera):
    """T_world_from_camera at any stamp, by the recording's ground truth and fixed transforms."""
    tf, world = TfBuffer(keep_ns=10**12), ""
    recording = open_recording(path)
    reader = recording._reader
    wanted = {t.topic: t.type for t in reader.topics if t.topic in ("/tf_static", "/ground_truth/odom")}
    for topic, _, cdr in reader.records(wanted):
        if topic == "/tf_static":
            for _, parent, child, T in decode_transforms(cdr):
                tf.set_static(parent, child, T)
        else:
            state, child = decode_odom(cdr)
            tf.add(state.frame_id, child, state.stamp_ns, state.T_odom_from_body)
            world = state.frame_id
    recording.close()

    def at(stamp_ns) -> SE3 | None:
        try:
            return tf.lookup(world, camera, stamp_ns)
        except TransformError:
            return None

    return at


def drift(poses, at):
    """Metres of error at the end, the first pose being the true one, and metres driven."""
    known = [(T, at(stamp)) for stamp, T in sorted(poses.items()) if at(stamp) is not None]
    path_m = sum(float(np.linalg.norm(b.t - a.t)) for (_, a), (_, b) in pairwise(known))
    start = known[0][1] @ known[0][0].inverse()
    return float(np.linalg.norm((start @ known[-1][0]).t - known[-1][1].t)), path_m


@pytest.mark.parametrize(
    ("name", "frames", "most_percent", "least_m"), [("kitti_drive", 51, 1.5, 57.0), ("rgbd_7scenes", 167, 2.0, 3.0)]
)
def test_a_drive_is_followed_and_no_frame_is_lost(shared_data, name, frames, most_percent, least_m):
    path = shared_data / "recordings" / name
    poses, messages, camera = told(path)
    assert len(poses) >= frames - 2  # the first is not told, and another may come before its calibration
    assert not [m for m in messages if m.startswith("lost")]
    end_m, path_m = drift(poses, truth(path, camera))
    assert path_m > least_m
    assert 100 * end_m / path_m <= most_percent


def test_a_drone_that_stands_does_not_move(shared_data):
    poses, messages, _ = told(shared_data / "recordings" / "euroc_v101_start")
    assert len(poses) >= 38
    assert not [m for m in messages if m.startswith("lost")]
    first = next(iter(poses.values()))
    assert max(float(np.linalg.norm(T.t - first.t)) for T in poses.values()) <= 0.01
