"""Calibrations that would give wrong geometry are named: which topic, what is wrong, what is expected."""

import numpy as np
import pytest
from perception_scenes import BASELINE_M, FX, HEIGHT, WIDTH, camera_model

from perception_node.calibration import check_size, depth_camera, stereo_rig
from saccade.errors import CalibrationError


def P(side="right", **entries):
    matrix = camera_model(side).P.copy()
    for name, value in entries.items():
        matrix[{"fx": (0, 0), "fy": (1, 1), "cx": (0, 2), "cy": (1, 2), "Tx": (0, 3), "Ty": (1, 3)}[name]] = value
    return matrix


def test_a_good_pair_gives_its_rig():
    rig = stereo_rig(camera_model("left"), camera_model("right", P=P(cx=85.0)), rectified=True)
    assert (rig.camera.fx, rig.camera.width, rig.camera.height) == (FX, WIDTH, HEIGHT)
    assert rig.cx_right == 85.0
    assert rig.baseline_m == pytest.approx(BASELINE_M)


def test_the_baseline_is_between_the_cameras_wherever_the_origin_is():
    left = camera_model("left", P=P("left", Tx=3.0))
    assert stereo_rig(left, camera_model("right", P=P(Tx=-9.0)), rectified=True).baseline_m == pytest.approx(0.12)


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ({"P": np.full((3, 4), np.nan)}, {}, ("left/camera_info", "P", "NaN")),
        ({}, {"P": np.full((3, 4), np.inf)}, ("right/camera_info", "infinity")),
        ({"P": np.zeros((3, 4))}, {}, ("left/camera_info", "all zero", "uncalibrated")),
        ({"K": np.zeros((3, 3))}, {}, ("left/camera_info", "K is all zero", "not calibrated")),
        ({}, {"K": np.zeros((3, 3)), "P": np.zeros((3, 4))}, ("right/camera_info", "K is all zero", "expected")),
        ({"P": P("left", fx=1e9)}, {}, ("left/camera_info", "focal")),
        ({}, {"P": P(fx=-FX)}, ("right/camera_info", "focal")),
        ({}, {"P": P(fy=1.0)}, ("right/camera_info", "focal")),
        ({"P": P("left", cx=-1e4)}, {}, ("left/camera_info", "principal point")),
        ({"width": 0}, {}, ("left/camera_info", "0x120")),
        ({"width": 320, "height": 240}, {}, ("320x240", "160x120", "one size")),
        ({}, {"P": P(Tx=0.0)}, ("right/camera_info", "no baseline", "single camera")),
        ({}, {"P": P(Tx=FX * BASELINE_M)}, ("-0.120 m", "swapped")),
        ({"P": P("right")}, {"P": P("left")}, ("-0.120 m", "swapped")),
        ({}, {"P": P(Tx=-FX * 120)}, ("120", "metres")),
        ({}, {"P": P(fx=110.0)}, ("focal", "110.00", "together")),
        ({}, {"P": P(cy=64.0)}, ("rows", "-4.50 px")),
        ({}, {"P": P(Ty=-12.0)}, ("rows", "horizontal")),
    ],
)
def test_a_wrong_projection_is_named(left, right, words):
    with pytest.raises(CalibrationError) as error:
        stereo_rig(camera_model("left", **left), camera_model("right", **right), rectified=True)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"K": np.full((3, 3), np.nan)}, ("K", "NaN")),
        ({"D": np.array([0.1, np.nan, 0, 0, 0])}, ("plumb_bob", "nan")),
        ({"D": np.zeros(3)}, ("plumb_bob", "0 or 4 or 5")),
        ({"distortion_model": "rational_polynomial"}, ("rational_polynomial", "8")),
        ({"distortion_model": "plumb_bop"}, ("did you mean 'plumb_bob'",)),
        ({"R": np.zeros((3, 3))}, ("R", "rotation")),
        ({"R": np.full((3, 3), np.nan)}, ("R", "rotation")),
    ],
)
def test_a_wrong_lens_matters_to_raw_pictures_only(changed, words):
    left, right = camera_model("left"), camera_model("right", **changed)
    stereo_rig(left, right, rectified=True)
    with pytest.raises(CalibrationError) as error:
        stereo_rig(left, right, rectified=False)
    assert all(word in str(error.value) for word in ("right/camera_info", *words)), str(error.value)


def test_an_uncalibrated_depth_camera_is_named():
    with pytest.raises(CalibrationError, match=r"rgbd/depth/camera_info: K is all zero.*not calibrated.*expected"):
        depth_camera("rgbd/depth/camera_info", camera_model(K=np.zeros((3, 3))))


def test_a_depth_camera_may_lack_P():
    assert depth_camera("rgbd/depth/camera_info", camera_model(P=np.zeros((3, 4)))).fx == FX
    assert depth_camera("rgbd/depth/camera_info", camera_model()).cx == 79.5
    for broken in (
        {"P": np.zeros((3, 4)), "K": np.zeros((3, 3))},
        {"P": np.zeros((3, 4)), "K": np.full((3, 3), np.nan)},
    ):
        with pytest.raises(CalibrationError, match="rgbd/depth/camera_info"):
            depth_camera("rgbd/depth/camera_info", camera_model(**broken))


def test_a_picture_of_another_size_is_named():
    check_size("left/image_rect", "left/camera_info", (120, 160, 3), 160, 120)
    with pytest.raises(CalibrationError, match=r"left/image_rect is 120x160, left/camera_info says 160x120"):
        check_size("left/image_rect", "left/camera_info", (160, 120), 160, 120)
