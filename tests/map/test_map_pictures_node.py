"""The pictures that the map node sends: what is on them, their rates, and what they forget."""

from dataclasses import replace

import numpy as np
import pytest
from map_scenes import HERE, PARAMS, RED, START_NS, drive, odom, play
from test_map_pictures import where

from map_node.gaussians import pictures
from map_node.messages import decode_mesh, encode_mesh
from map_node.params import PicturesParams
from map_node.sights import Sights
from map_node.studio import Studio
from map_node.volume.mesh import Mesh
from saccade.clock import SEC
from saccade.errors import DataError
from saccade.geometry import SE3, Pinhole
from saccade.node import Sample
from saccade.types import Depth, Plan, PlanKind
from saccade.wire.convert import encode_plan
from saccade.wire.images import decode_image

WANTED = replace(PARAMS, pictures=PicturesParams(birdseye_hz=2.0, follow_hz=1.0, steps=1, parts=1))
PLAN = Plan(1, 1, "go", PlanKind.WAYPOINTS, START_NS, SE3.identity(), 0, 60 * SEC, "odom",
            np.array([(0.5, 0.0, 0.0), (1.0, -0.5, 0.0)]), np.zeros(0), 1.0, False, "")  # fmt: skip
ORANGE = np.divide(pictures._PLAN, 255)


def shown(tap, topic):
    return [decode_image(topic, sample.cdr).data for sample in tap.heard if sample.topic == topic]


def planned(plan=PLAN, at_ns=START_NS):
    return Sample("plan", at_ns, encode_plan(plan))


def test_from_above_the_wall_is_ahead_and_robot_and_plan_are_drawn():
    node, tap = play([planned(), *drive(12)], params=WANTED)
    above, behind = shown(tap, "map/birdseye"), shown(tap, "map/follow")
    assert (len(above), len(behind)) == (2, 1)
    assert above[0].shape == (200, 200, 3)
    robot = np.array(where(above[-1], np.divide(pictures._ROBOT, 255)))
    assert robot == pytest.approx((99.5, 99.5), abs=5)
    red = where(above[-1][:, 180:], np.divide(RED, 255))  # the wall, 1.8 m ahead, 50 px to a metre
    assert red[0] + 180 == pytest.approx(99.5 + 90, abs=5)
    assert where(above[-1], ORANGE)[1] > robot[1]  # the plan leads to the right
    assert behind[-1].shape == (360, 640, 3)
    assert node.health.counts == {}


def test_what_was_refined_is_red_as_it_was_seen():
    _, tap = play(drive(12), params=WANTED)
    last = shown(tap, "map/birdseye")[-1][80:120, 183:192].reshape(-1, 3)
    lit = last[last[:, 0] > 150]
    assert len(lit) > 20
    assert np.median(np.abs(lit.astype(int) - RED).max(axis=1)) < 40


def test_a_plan_that_cannot_be_read_is_named_and_the_map_goes_on():
    broken = Sample("plan", START_NS, planned().cdr[:30])
    node, tap = play([broken, *drive(6)], params=WANTED)
    assert tap.named("birdseye", "corrupt plan")
    assert node.used == 6
    assert len(shown(tap, "map/birdseye")) == 1


def test_nothing_is_drawn_where_nothing_is_wanted():
    _, tap = play(drive(6), params=replace(PARAMS, pictures=PicturesParams(birdseye_hz=0.0)))
    assert not shown(tap, "map/birdseye")
    assert not shown(tap, "map/follow")


def test_two_runs_draw_the_same_bytes():
    runs = [[s.cdr for s in play(drive(6), params=WANTED)[1].heard if s.topic == "map/birdseye"] for _ in range(2)]
    assert [bytes(one) for one in runs[0]] == [bytes(one) for one in runs[1]]


def test_sights_are_bounded_and_forgotten_with_the_map():
    sights, camera = Sights(4), Pinhole(320.0, 320.0, 319.5, 239.5, 640, 480)
    depth = Depth(0, "camera", np.ones((480, 640), np.float32), np.full((480, 640), 255, np.uint8), camera)
    rgb = np.full((480, 640, 3), 50, np.uint8)
    for n in range(40):
        T = SE3(np.eye(3), np.array([0.5 * n, 0, 0]))
        sights.add(depth, T, T, rgb)
        sights.add(depth, T, T, None)
    sights.follow(PLAN)
    seen = sights.copy("odom", START_NS)
    assert len(seen.views) == 4
    assert seen.views[0].rgb.shape == (240, 320, 3)
    assert seen.views[0].camera == camera.scaled(320, 240)
    assert seen.path.shape == (40, 3)
    np.testing.assert_array_equal(seen.plan, PLAN.waypoints)
    assert len(sights.copy("map", START_NS).plan) == len(sights.copy("odom", START_NS + 61 * SEC).plan) == 0
    sights.clear()
    after = sights.copy("odom", START_NS)
    assert (after.views, len(after.path), after.segment) == ((), 0, seen.segment + 1)
    for n in range(5000):
        sights.add(depth, SE3(np.eye(3), np.array([0.1 * n, 0, 0])), SE3.identity(), None)
    assert len(sights.copy("odom", 0).path) == 4000


def test_a_jump_begins_the_pictures_anew():
    frames = drive(6)
    later = START_NS + 6 * SEC // 10
    node, tap = play([*frames, odom(later, at=(30.0, 0, 0)), *drive(12, first=7, depth_m=HERE)], params=WANTED)
    assert node.world.sights.copy("odom", 0).segment >= 1
    assert len(shown(tap, "map/birdseye")) >= 2


@pytest.mark.parametrize(
    "wrong", [{"birdseye_hz": 11.0}, {"px_per_m": 0.5}, {"keyframes": 0}, {"parts": 9}, {"below_m": 0.0}, {"steps": -1}]
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="pictures"):
        PicturesParams(**wrong)


def test_a_studio_without_views_draws_what_was_fused():
    node, _ = play(drive(4), params=WANTED)
    studio = Studio(WANTED.pictures)
    seen = node.world.sights.copy("odom", START_NS)._replace(views=())
    drawn = studio.birdseye(1, node.world.snapshot(), seen, SE3.identity())
    assert (drawn[..., 0] > 150).sum() > 100


@pytest.mark.parametrize("frame_id", ["odom", "a", "map_frame"])
def test_a_mesh_that_was_sent_is_read_again(frame_id):
    rng = np.random.default_rng(1)
    mesh = Mesh(rng.random((5, 3), np.float32), rng.integers(0, 256, (5, 3), np.uint8),
                np.array([(0, 1, 2), (2, 3, 4)], np.int32))  # fmt: skip
    sent = encode_mesh(7, frame_id, mesh)
    read = decode_mesh(sent)
    np.testing.assert_allclose(read.vertices[read.triangles], mesh.vertices[mesh.triangles])
    np.testing.assert_array_equal(read.rgb[read.triangles], mesh.rgb[mesh.triangles])
    none = Mesh(mesh.vertices[:0], mesh.rgb[:0], mesh.triangles[:0])
    assert len(decode_mesh(encode_mesh(7, frame_id, none)).triangles) == 0
    for damaged in (sent[:20], sent[:250], sent.replace(np.int32(11).tobytes(), np.int32(5).tobytes(), 1)):
        with pytest.raises(DataError, match="map/mesh"):
            decode_mesh(damaged)


def test_a_studio_learns_from_views_until_the_map_begins_anew():
    node, _ = play(drive(4), params=WANTED)
    studio, volume = Studio(PicturesParams(steps=6, parts=1)), node.world.snapshot()
    seen = node.world.sights.copy("odom", START_NS)
    blue = seen._replace(views=tuple(view._replace(rgb=view.rgb[..., ::-1].copy()) for view in seen.views))

    def redness(stamp_ns, what):
        rgb = studio.birdseye(stamp_ns, volume, what, SE3.identity()).astype(int)[80:120, 183:192]
        return np.median((rgb[..., 0] - rgb[..., 2])[rgb.max(axis=2) > 100])

    fused = redness(1, seen._replace(views=()))
    learned = redness(2, blue)
    assert fused > 150
    assert learned < fused - 30
    assert redness(2, blue) == learned  # pictures of one moment share what was learned
    assert redness(3, blue) < learned - 20
    assert redness(3, blue._replace(views=(), segment=seen.segment + 1)) == fused
