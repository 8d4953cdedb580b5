"""Learned reconstruction in the map node: the mesh that people see is filled, and nothing else is another."""

from dataclasses import replace

import numpy as np
import pytest
from learned_scenes import UNIT, card_at, changed, keyframes
from map_scenes import START_NS, T_BASE_FROM_CAM, Tap, _Until, static_tf

from map_node.learned.params import LearnedParams
from map_node.node import MapNode
from map_node.params import MapNodeParams, MeshParams, PicturesParams
from map_node.volume.base import VolumeParams
from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.node import Sample, run
from saccade.types import CameraModel, Image, RobotState
from saccade.wire.convert import encode_camera, encode_odom
from saccade.wire.images import encode_depth, encode_image, encode_mono8
from saccade.wire.virtual import LocalBus

LARGER = 2.0
"""The walk in a room of twice the size, so that its cameras are far enough apart to be keyframes."""


def samples():
    """The three views of the walk, half a second apart, then three seconds at the last."""
    sent, views = [static_tf()], keyframes()
    for i in range(34):
        now_ns = START_NS + (i * 500 * MS if i < 4 else 1500 * MS + (i - 3) * 100 * MS)
        view = views[min(i, 2)]
        T = SE3(view.T_odom_from_cam.R, view.T_odom_from_cam.t * LARGER) @ T_BASE_FROM_CAM.inverse()
        camera = view.camera
        K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
        seen_by = CameraModel("camera", camera.width, camera.height, "plumb_bob", np.zeros(5), K, np.eye(3),
                              np.hstack([K, np.zeros((3, 1))]))  # fmt: skip
        messages = {
            "odom": encode_odom(RobotState(now_ns, "odom", T, np.zeros(6)), "base_link"),
            "depth/camera_info": encode_camera(now_ns, seen_by),
            "left/image_rect": encode_image(Image(now_ns, "camera", view.picture)),
            "depth/image_rect": encode_depth(now_ns, "camera", view.depth.depth_m * np.float32(LARGER)),
            "depth/confidence": encode_mono8(now_ns, "camera", view.depth.confidence),
        }
        sent += [Sample(topic, now_ns, cdr) for topic, cdr in messages.items()]
    return sent


SAMPLES = samples()


def played(**learned):
    volume = VolumeParams(voxel_m=0.2, size_m=(14.0, 11.0, 8.0), max_range_m=12.0)
    params = MapNodeParams(
        rate_hz=0.0,
        worker="modelled",
        worker_latency_s=0.4,
        volume=volume,
        learned=LearnedParams(**learned),
        mesh=MeshParams(rate_hz=1.0),
        pictures=PicturesParams(birdseye_hz=0.0),
    )
    bus = LocalBus(_Until(SAMPLES[-1].stamp_ns + SEC))
    for sample in SAMPLES:
        bus.push(sample)
    node = MapNode(params)
    tap = Tap(node.writes)
    run([node, tap], bus)
    return node, tap


def values(tap):
    """What the diagnostics say last of the learned stage."""
    status = [message.status[0] for message in tap.of("diagnostics")]
    last = [s for s in status if s.name == "map_node/learned"][-1]
    return last.message, {v.key: v.value for v in last.values}


@pytest.fixture(scope="module")
def without():
    return played()


def test_the_mesh_is_filled_and_nothing_else_changes(tmp_path, without):
    node, tap = played(card=card_at(tmp_path))
    _, told = values(tap)
    assert f"scale {LARGER * UNIT:g}" in told["last run"]
    assert (told["runs"], told["used"]) == ("1", "1")
    plain, other = without
    assert not [s for s in other.of("diagnostics") if s.status[0].name == "map_node/learned"]
    assert len(tap.of("map/mesh")[-1].points) > 1.3 * len(other.of("map/mesh")[-1].points)
    assert len(tap.of("map/mesh")[0].points) == len(other.of("map/mesh")[0].points)
    occupancy = [[s.cdr for s in t.heard if s.topic == "map/occupancy"] for t in (tap, other)]
    assert occupancy[0] == occupancy[1]
    assert node.world.labels.labels.tobytes() == plain.world.labels.labels.tobytes()
    for a, b in zip(node.world.volume.blocks(), plain.world.volume.blocks(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_refusal_is_told_and_changes_nothing(tmp_path, without):
    _, tap = played(card=card_at(tmp_path, changed("depth", lambda depth: depth**1.6)))
    assert any("not learned: no scale" in text for _, text in tap.told("learned"))
    assert values(tap)[1]["used"] == "0"
    assert [s.cdr for s in tap.heard if s.topic == "map/mesh"] == [
        s.cdr for s in without[1].heard if s.topic == "map/mesh"
    ]


def test_how_often_it_runs_can_be_changed_while_it_runs(tmp_path):
    params = MapNodeParams(worker="modelled", learned=LearnedParams(card=card_at(tmp_path), every_s=60.0))
    node = MapNode(params)
    node.retune(replace(params, learned=replace(params.learned, every_s=2.0)))
    assert node._learned.params.every_s == 2.0
