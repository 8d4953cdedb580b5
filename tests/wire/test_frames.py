"""Whatever odometry is of, algorithms get a level base_link on the ground and see the same geometry."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saccade.clock import MS, SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.tf import FixedTree
from saccade.types import RobotState
from saccade.wire.convert import decode_odom, encode_odom
from saccade.wire.frames import CAMERA_HEIGHT_M, OdomRewriter, arrange
from saccade.wire.ground import Ground
from saccade.wire.mapping import MappingFile

LEVEL_CAMERA = SE3(R_BODY_FROM_OPTICAL, np.array([0.1, 0.05, 0.35]))
OPTICAL = SE3(R_BODY_FROM_OPTICAL, np.zeros(3))
PLAIN = MappingFile()
angles = st.floats(-3.0, 3.0)
poses = st.tuples(angles, st.floats(-1.4, 1.4), angles, st.tuples(*[st.floats(-50.0, 50.0)] * 3)).map(
    lambda p: SE3.from_rpy(p[0], p[1], p[2], p[3])
)


def state(T, stamp=0, frame="world", twist=None):
    return RobotState(stamp, frame, T, np.zeros(6) if twist is None else np.asarray(twist, float))


def rewritten(frames, states, child="x"):
    rewriter = OdomRewriter(frames)
    out = [decode_odom(rewriter(encode_odom(s, child))) for s in states]
    assert {child for _, child in out} == {"base_link"}
    return [s for s, _ in out]


def same(a, b, atol=1e-6):
    np.testing.assert_allclose(a.R, b.R, atol=atol)
    np.testing.assert_allclose(a.t, b.t, atol=atol)


def mount(frames, camera):
    return {child: T for parent, child, T in frames.links if parent == "base_link"}[camera]


def ground(height_m=1.2, down_rad=0.5):
    up = np.array([0.0, -math.cos(down_rad), -math.sin(down_rad)])
    return Ground(up, height_m, 0.3)


def test_the_ground_that_a_camera_sees_tells_how_it_is_mounted():
    first = state(OPTICAL @ SE3.from_rpy(0.0, 0.0, 1.0))
    frames = arrange([(first, "cam_optical")], ["cam_optical"], [], PLAIN, ground())
    T = mount(frames, "cam_optical")
    same(T, SE3(SE3.from_rpy(0.0, 0.5, 0.0).R @ R_BODY_FROM_OPTICAL, np.array([0.0, 0.0, 1.2])))
    assert "1.20 m above the ground and at the start looks 29 degrees down" in frames.assumptions[0]


def test_what_a_mapping_file_says_goes_before_the_ground():
    first = state(OPTICAL @ SE3.from_rpy(0.0, 0.0, 1.0))
    told = arrange([(first, "c")], ["c"], [], MappingFile(camera_height_m=0.7), ground())
    assert mount(told, "c").t[2] == 0.7
    assert mount(told, "c").R[2, 2] == pytest.approx(-math.sin(0.5))
    told = arrange([(first, "c")], ["c"], [], MappingFile(camera_pitch_deg=10.0), ground())
    assert mount(told, "c").R[2, 2] == pytest.approx(-math.sin(math.radians(10)))
    assert mount(told, "c").t[2] == CAMERA_HEIGHT_M


@pytest.mark.parametrize(("down_rad", "height_m"), [(0.0, 1.2), (0.5, CAMERA_HEIGHT_M)])
def test_where_the_world_is_level_the_ground_tells_the_height_if_it_is_level_too(down_rad, height_m):
    frames = arrange([(state(OPTICAL), "c")], ["c"], [], PLAIN, ground(down_rad=down_rad))
    assert mount(frames, "c").t[2] == pytest.approx(height_m)


@settings(max_examples=40)
@given(poses, st.lists(poses, min_size=1, max_size=4))
def test_a_hand_held_camera_keeps_its_motion_and_starts_at_the_origin(first, later):
    frames = arrange([(state(first), "cam_optical")], ["cam_optical"], [], MappingFile(camera_pitch_deg=0.0))
    assert not frames.keeps_odom
    played = rewritten(frames, [state(first), *(state(T, (i + 1) * SEC) for i, T in enumerate(later))])
    same(played[0].T_odom_from_body, SE3.identity())
    T_base_from_camera = mount(frames, "cam_optical")
    assert T_base_from_camera.t[2] == CAMERA_HEIGHT_M
    for before, after in zip(later, played[1:], strict=True):
        moved = T_base_from_camera.inverse() @ after.T_odom_from_body @ T_base_from_camera
        same(moved, first.inverse() @ before)


@settings(max_examples=40)
@given(angles, st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.floats(0.2, 2.0))
def test_a_drone_with_a_tilted_imu_is_levelled_by_a_world_whose_z_is_up(yaw, pitch, roll, height):
    T_world_from_camera = SE3.from_rpy(roll, pitch, yaw, (3.0, -4.0, 5.0)) @ OPTICAL
    T_imu_from_camera = SE3.from_rpy(0.3, 1.5, 0.1, (0.02, 0.06, 0.01))
    T_world_from_imu = T_world_from_camera @ T_imu_from_camera.inverse()
    links = [("imu", "left", T_imu_from_camera), ("imu", "right", T_imu_from_camera)]
    if T_world_from_imu.R[2, 2] > 0.7:
        return  # an IMU that happens to stand upright is a body
    frames = arrange([(state(T_world_from_imu), "imu")], ["left"], links, MappingFile(camera_height_m=height))
    if -T_world_from_camera.R[2, 1] <= math.cos(math.radians(45)):
        return  # a camera on its side: level is assumed instead
    (played,) = rewritten(frames, [state(T_world_from_imu)])
    same(played.T_odom_from_body, SE3.identity())
    T_base_from_camera = mount(frames, "left")
    assert T_base_from_camera.t == pytest.approx([0, 0, height])
    up_in_camera = T_world_from_camera.R.T @ [0, 0, 1]
    np.testing.assert_allclose(T_base_from_camera.R @ up_in_camera, [0, 0, 1], atol=1e-9)
    forward = T_base_from_camera.R[:, 2]
    assert forward[0] > 0
    assert forward[1] == pytest.approx(0, abs=1e-9)
    same(mount(frames, "imu"), T_base_from_camera @ T_imu_from_camera.inverse())
    assert any("z of 'world' is up" in text for text in frames.assumptions)


def test_the_mapping_file_tilts_the_camera():
    frames = arrange([(state(SE3.identity()), "cam")], ["cam"], [], MappingFile(None or {}, 1.2, 30.0))
    T = mount(frames, "cam")
    assert T.t == pytest.approx([0, 0, 1.2])
    np.testing.assert_allclose(T.R[:, 2], [math.cos(math.pi / 6), 0, -0.5], atol=1e-9)
    np.testing.assert_allclose(T.R[:, 0], [0, -1, 0], atol=1e-9)


def test_a_robot_that_has_all_frames_is_left_alone():
    links = [("base_link", "left", LEVEL_CAMERA)]
    frames = arrange(
        [(state(SE3.identity(), frame="odom", twist=[1, 0, 0, 0, 0, 0]), "base_link")], ["left"], links, PLAIN
    )
    assert frames.keeps_odom
    assert frames.links == links
    assert frames.assumptions == []


def test_a_footprint_is_the_body():
    down = SE3(np.eye(3), np.array([0, 0, -0.13]))
    links = [("base_link", "left", LEVEL_CAMERA), ("base_link", "base_footprint", down)]
    moving = state(SE3(np.eye(3), np.array([2.0, 0, 0.13])), frame="odom", twist=[1, 0, 0, 0, 0, 0.5])
    frames = arrange([(moving, "base_link")], ["left"], links, PLAIN)
    (played,) = rewritten(frames, [moving])
    np.testing.assert_allclose(played.T_odom_from_body.t, [2.0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(played.twist, [1, 0, 0, 0, 0, 0.5], atol=1e-9)
    assert mount(frames, "left").t == pytest.approx([0.1, 0.05, 0.35 + 0.13])


def test_a_mapping_file_puts_the_body_on_the_ground():
    links = [("base_link", "left", LEVEL_CAMERA)]
    first = state(SE3.identity(), frame="odom", twist=[1, 0, 0, 0, 0, 0])
    frames = arrange([(first, "base_link")], ["left"], links, MappingFile(camera_height_m=0.5))
    (played,) = rewritten(frames, [first])
    same(played.T_odom_from_body, SE3.identity())
    assert mount(frames, "left").t == pytest.approx([0.1, 0.05, 0.5])


def test_another_upright_body_is_renamed_with_its_mount():
    links = [("body", "left", LEVEL_CAMERA)]
    first = state(SE3.from_rpy(0, 0, 0.4, (1.0, 2.0, 0.0)), twist=[1, 0, 0, 0, 0, 0])
    frames = arrange([(first, "body")], ["left"], links, PLAIN)
    (played,) = rewritten(frames, [first])
    assert played.frame_id == "odom"
    same(played.T_odom_from_body, first.T_odom_from_body)
    same(mount(frames, "left"), LEVEL_CAMERA)
    np.testing.assert_allclose(played.twist, [1, 0, 0, 0, 0, 0])


def test_the_twist_of_a_body_is_felt_at_the_footprint():
    ahead = SE3.from_rpy(0, 0, math.pi / 2, (1.0, 0.0, 0.0))
    turning = state(SE3.identity(), frame="odom", twist=[0, 0, 0, 0, 0, 1.0])
    frames = arrange([(turning, "base_link")], [], [("base_link", "base_footprint", ahead)], PLAIN)
    (played,) = rewritten(frames, [turning])
    np.testing.assert_allclose(played.twist, [1.0, 0, 0, 0, 0, 1.0], atol=1e-9)  # 1 m ahead, turning left


@pytest.mark.parametrize("rate_hz", [10, 200])
@settings(max_examples=15)
@given(v=st.floats(-3, 3), w=st.floats(-2, 2))
def test_velocity_is_differenced_where_none_is_recorded(rate_hz, v, w):
    def pose(t):
        arc = (v * math.sin(w * t) / w, v * (1 - math.cos(w * t)) / w) if abs(w) > 1e-6 else (v * t, 0.0)
        return SE3.from_rpy(0, 0, w * t, (*arc, 0.0))

    states = [state(pose(i / rate_hz), i * SEC // rate_hz, "odom") for i in range(30)]
    frames = arrange([(s, "base_link") for s in states], [], [], PLAIN)
    assert not frames.has_twist
    played = rewritten(frames, states)
    np.testing.assert_array_equal(played[0].twist, np.zeros(6))
    assert played[-1].twist[5] == pytest.approx(w, abs=1e-6)
    step = (pose((30 - 1) / rate_hz).inverse() @ pose((30 - 1) / rate_hz - 1 / rate_hz)).t
    assert np.linalg.norm(played[-1].twist[:3]) == pytest.approx(np.linalg.norm(step) * rate_hz, rel=0.05, abs=1e-6)
    assert math.copysign(1, played[-1].twist[0]) == math.copysign(1, v) or abs(v) < 1e-3


def test_noise_of_fast_poses_is_not_amplified_over_single_steps():
    rng = np.random.default_rng(0)
    states = [state(SE3(np.eye(3), rng.normal(0, 1e-3, 3)), i * 5 * MS, "odom") for i in range(200)]
    frames = arrange([(states[0], "base_link")], [], [], PLAIN)
    speeds = [np.linalg.norm(s.twist[:3]) for s in rewritten(frames, states)[20:]]
    assert max(speeds) < 0.15  # single steps would give up to 1 m/s


def test_a_clock_that_jumps_back_and_a_repeated_stamp_give_no_mad_velocity():
    x_and_stamp = ((0, 0), (1, SEC), (1, SEC), (9, -5 * SEC), (12, -4 * SEC))
    states = [state(SE3(np.eye(3), np.array([x, 0.0, 0.0])), t, "odom") for x, t in x_and_stamp]
    frames = arrange([(states[0], "base_link")], [], [], PLAIN)
    assert [s.twist[0] for s in rewritten(frames, states)] == pytest.approx([0, 1, 1, 1, 3])


@settings(max_examples=30)
@given(poses, st.integers(0, 2**31 * SEC - 1))
@example(SE3.identity(), (2**31 - 1) * SEC + 2**32 - 1)
def test_the_template_writes_what_the_encoder_writes(T, stamp):
    frames = arrange([(state(T), "cam_optical")], [], [], PLAIN)
    rewriter = OdomRewriter(frames)
    twist = np.arange(6) / 7
    assert bytes(rewriter._encode(stamp, T, twist)) == bytes(encode_odom(RobotState(stamp, "odom", T, twist)))


def test_cameras_without_odometry_or_transforms_get_an_assumed_mount():
    frames = arrange([], ["depth", "color"], [], PLAIN)
    same(mount(frames, "depth"), SE3(R_BODY_FROM_OPTICAL, np.array([0, 0, CAMERA_HEIGHT_M])))
    same(mount(frames, "color"), mount(frames, "depth"))
    assert any("'color' is where 'depth' is" in text for text in frames.assumptions)


def test_a_rig_that_nobody_ties_to_the_base_is_mounted_whole():
    """Its sensors keep their places on it: a gyroscope is of use only where its camera is known from it."""
    links = [("imu", "left_optical", LEVEL_CAMERA), ("imu", "right_optical", OPTICAL)]
    frames = arrange([], ["left_optical"], links, PLAIN)
    tree = FixedTree(frames.links)
    same(tree.link("base_link", "left_optical"), SE3(R_BODY_FROM_OPTICAL, np.array([0.0, 0.0, CAMERA_HEIGHT_M])))
    same(tree.link("imu", "left_optical"), LEVEL_CAMERA)


def test_an_unconnected_camera_of_a_known_body_gets_an_assumed_mount():
    moving = state(SE3.identity(), frame="odom", twist=[1, 0, 0, 0, 0, 0])
    frames = arrange([(moving, "base_link")], ["left"], [("base_link", "lidar", LEVEL_CAMERA)], PLAIN)
    assert frames.keeps_odom
    assert mount(frames, "left").t == pytest.approx([0, 0, CAMERA_HEIGHT_M])
    same(mount(frames, "lidar"), LEVEL_CAMERA)


def test_odometry_of_a_camera_other_than_ours_is_said():
    frames = arrange([(state(SE3.from_rpy(1.5, 0, 0)), "tracking_optical")], ["left"], [], PLAIN)
    assert any("'tracking_optical', which odometry is of, is the camera 'left'" in text for text in frames.assumptions)
