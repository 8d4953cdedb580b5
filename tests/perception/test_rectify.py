"""Rectification against OpenCV's forward projection: where a rectified pixel's ray falls in the raw picture."""

import cv2
import numpy as np
import pytest
from perception_scenes import camera_model

from perception_node.rectify import Rectifier

W, H = 320, 240
K = np.array([[210.0, 0, 155], [0, 205, 124], [0, 0, 1]])
P = np.array([[190.0, 0, 160, -22.8], [0, 190, 120, 0], [0, 0, 1, 0]])
R, _ = cv2.Rodrigues(np.array([0.03, -0.05, 0.02]))
LENSES = {
    "none": ("plumb_bob", []),
    "plumb_bob": ("plumb_bob", [-0.28, 0.07, 2e-4, 2e-5, 0.0]),
    "rational_polynomial": ("rational_polynomial", [0.5, 0.1, 1e-4, -2e-4, 0.02, 0.8, 0.15, 0.03]),
    "equidistant": ("equidistant", [-0.02, 0.01, -0.004, 0.001]),
    "fisheye": ("fisheye", [-0.02, 0.01, -0.004, 0.001]),
}


def raw_grey(x, y):
    """A smooth picture, known at every point and not only at pixels."""
    return 128 + 55 * np.sin(x / 23) + 55 * np.cos(y / 17 + x / 41)


@pytest.mark.parametrize("lens", LENSES)
def test_a_rectified_pixel_shows_what_its_ray_meets(lens):
    name, D = LENSES[lens]
    D = np.array(D, np.float64)
    model = camera_model(width=W, height=H, distortion_model=name, D=D, K=K, R=R, P=P)
    y, x = np.indices((H, W), np.float64)
    rectified = Rectifier(model)(np.rint(raw_grey(x, y)).astype(np.uint8))

    u, v = np.meshgrid(np.arange(30, W - 30, 7), np.arange(30, H - 30, 7))
    rays = np.stack([(u - P[0, 2]) / P[0, 0], (v - P[1, 2]) / P[1, 1], np.ones(u.shape)], -1).reshape(-1, 1, 3)
    in_camera = rays @ R  # R takes raw axes to rectified ones
    if name in ("equidistant", "fisheye"):
        seen, _ = cv2.fisheye.projectPoints(in_camera, np.zeros(3), np.zeros(3), K, D)
    else:
        seen, _ = cv2.projectPoints(in_camera, np.zeros(3), np.zeros(3), K, D if D.size else None)
    x, y = seen.reshape(-1, 2).T
    inside = (x > 1) & (x < W - 2) & (y > 1) & (y < H - 2)
    assert inside.mean() > 0.8
    wanted = raw_grey(x, y)[inside]
    got = rectified[v.ravel(), u.ravel()][inside].astype(float)
    assert np.abs(got - wanted).max() < 2.5


def test_colour_stays_colour_and_the_buffer_is_kept():
    rectify = Rectifier(camera_model(width=W, height=H, D=np.array([-0.2, 0, 0, 0, 0]), K=K, R=R, P=P))
    picture = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    first = rectify(picture)
    assert first.shape == picture.shape
    assert rectify(picture) is first
    assert rectify(picture[..., 0].copy()).shape == (H, W)
