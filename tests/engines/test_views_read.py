"""What a model of several views says, read by its card: confidence, padding, Gaussians, intrinsics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_stand_ins import VIEWS, Pretends, intrinsics, small

from engines.engine import EngineError
from engines.probe import edited
from engines.views.convention import Cameras, Splatting
from engines.views.geometry import read_intrinsics, read_poses, write_intrinsics
from engines.views.reconstruct import Reconstructor, read
from engines.views.splats import read_splats
from saccade.geometry import SE3, Pinhole

CAMERA = Pinhole(55.0, 50.0, 39.0, 30.0, 80, 60)
CARD = small({"views": {"confidence": "sure"}})


def said(card, depth, sure=None, **more):
    return read(card, {"depth": depth, "sure": np.ones_like(depth) if sure is None else sure, **more}, CAMERA)


@settings(max_examples=30)
@given(
    st.sampled_from(["unit", "above_one", "logit"]),
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=20),
)
def test_confidence_is_0_to_1_and_does_not_fall(kind, numbers):
    card = edited(CARD, {"views": {"confidence_is": kind}})
    values = np.sort(np.array(numbers, np.float32))[None, None]
    sure = said(card, np.ones_like(values), values).confidence[0, 0]
    assert ((sure >= 0) & (sure <= 1)).all()
    assert (np.diff(sure) >= 0).all()


def test_confidence_by_its_kind():
    values = np.array([[[1.0, 2.0, 11.0]]], np.float32)
    for kind, expected in (("unit", [1, 1, 1]), ("above_one", [0, 0.5, 10 / 11]), ("logit", [0.7311, 0.8808, 1.0])):
        card = edited(CARD, {"views": {"confidence_is": kind}})
        np.testing.assert_allclose(said(card, values, values).confidence[0, 0], expected, atol=1e-3)


def test_what_is_no_depth_is_none_and_not_sure():
    depth = np.array([[[1.0, 0.0, -1.0, np.nan, np.inf]]], np.float32)
    found = said(CARD, depth)
    np.testing.assert_array_equal(np.isnan(found.depth[0, 0]), [False, True, True, True, True])
    np.testing.assert_array_equal(found.confidence[0, 0], [1, 0, 0, 0, 0])


def test_depth_is_scaled_and_turned_round_by_the_card():
    depth = np.full((1, 60, 80), 4.0, np.float32)
    assert said(edited(CARD, {"views": {"scale": 0.5}}), depth).depth[0, 0, 0] == 2.0
    inverse = edited(CARD, {"views": {"depth_is": "inverse_z", "scale": 2.0}})
    assert said(inverse, depth).depth[0, 0, 0] == 0.5
    ray = said(edited(CARD, {"views": {"depth_is": "ray"}}), depth).depth[0]
    assert ray[30, 39] == pytest.approx(4.0, rel=1e-3)
    assert ray[30, 0] == pytest.approx(4 / np.hypot(1, 39 / 55), rel=1e-3)


@pytest.mark.parametrize("shape", [(2, 60, 80), (1, 2, 60, 80), (1, 2, 60, 80, 1), (2, 1, 60, 80)])
def test_planes_come_in_many_shapes(shape):
    depth = np.arange(2 * 60 * 80, dtype=np.float32).reshape(shape) + 1
    np.testing.assert_array_equal(said(CARD, depth).depth, depth.reshape(2, 60, 80))


def test_what_was_padded_is_cut_off():
    card = edited(CARD, {"size": {"rule": "pad", "stride": 16, "width": 0, "height": 0}})
    whole = np.ones((2, 64, 80), np.float32)
    whole[:, 60:] = 9
    found = said(card, whole)
    assert found.depth.shape == (2, 60, 80)
    assert (found.depth == 1).all()
    half = said(card, whole[:, ::2, ::2])
    assert (half.camera.width, half.camera.height) == (40, 30)
    assert half.camera.fx == pytest.approx(27.5)


def test_intrinsics_are_those_of_the_picture_not_of_what_the_model_sees():
    card = edited(CARD, {"views": {"said": {"intrinsics": "K"}}, "size": {"width": 160, "height": 90}})
    seen = CAMERA.scaled(160, 90)
    found = said(card, np.ones((2, 90, 160), np.float32), K=intrinsics(2, seen, "pixels")).intrinsics
    np.testing.assert_allclose(found, [[55, 50, 39.25, 30.17]] * 2, atol=0.1)


@settings(max_examples=20)
@given(st.sampled_from(["pixels", "normalised"]), st.lists(st.floats(20, 90), min_size=4, max_size=4))
def test_intrinsics_are_read_as_they_are_written(unit, numbers):
    how, camera = Cameras(unit=unit), Pinhole(*numbers, 80, 60)
    K = write_intrinsics(camera, how)[None]
    np.testing.assert_allclose(read_intrinsics(K, how, 80, 60), [numbers], rtol=1e-5)


def test_poses_that_are_none_are_named():
    for how in (Cameras(), Cameras(form="encoding")):
        with pytest.raises(EngineError, match="no rotations"):
            read_poses(np.zeros((2, 9) if how.form == "encoding" else (2, 3, 4)), how)


SPLATS = Splatting("m", "s", "r", "o", "c")


def gaussians(**changed):
    values = {
        "m": np.zeros((1, 5, 3)), "s": np.full((1, 5, 3), 0.02), "r": np.tile([2.0, 0, 0, 0], (1, 5, 1)),
        "o": np.full((1, 5), 0.5), "c": np.zeros((1, 5, 3, 4)),
    }  # fmt: skip
    return {name: np.asarray(array, np.float32) for name, array in {**values, **changed}.items()}


def test_gaussians_are_read_into_one_convention():
    found = read_splats(gaussians(), SPLATS)
    np.testing.assert_allclose(found.wxyz, [[1, 0, 0, 0]] * 5)
    np.testing.assert_allclose(found.rgb, 0.5)
    last = Splatting("m", "s", "r", "o", "c", rotation_is="xyzw", colour_is="rgb", scale_is="log", opacity_is="logit")
    turned = np.tile([0.1, 0.2, 0.3, 0.9], (1, 5, 1))
    found = read_splats(gaussians(r=turned, c=np.full((1, 5, 3), 0.25)), last)
    np.testing.assert_allclose(found.wxyz[0] / found.wxyz[0, 1], [9, 1, 2, 3], rtol=1e-5)
    np.testing.assert_allclose(found.rgb, 0.25)
    np.testing.assert_allclose(found.scale, np.exp(0.02), rtol=1e-5)
    np.testing.assert_allclose(found.opacity, 1 / (1 + np.exp(-0.5)), rtol=1e-5)


def test_gaussians_that_are_not_finite_are_left_out_and_counts_must_agree():
    means = np.zeros((1, 5, 3))
    means[0, 2] = np.nan
    assert len(read_splats(gaussians(m=means), SPLATS).at) == 4
    with pytest.raises(EngineError, match="not equally many"):
        read_splats(gaussians(o=np.zeros((1, 4))), SPLATS)
    with pytest.raises(EngineError, match="rows of 4"):
        read_splats(gaussians(r=np.zeros((1, 5, 3))), SPLATS)


def test_outputs_that_are_not_there_are_named():
    with pytest.raises(EngineError, match="names the output 'sure'; the model has depth"):
        read(CARD, {"depth": np.ones((2, 60, 80), np.float32)}, CAMERA)


EYES = np.tile(np.eye(4, dtype=np.float32), (2, 1, 1))


@pytest.mark.parametrize(
    ("views", "outputs", "words"),
    [
        ({"said": {"poses": "p"}}, {"p": EYES[:, :2]}, r"output p is \(2, 2, 4\).* ends in \(4, 4\)"),
        ({"said": {"poses": "p"}}, {"p": EYES[[0, 0, 1]]}, r"output p is \(3, 4, 4\); expected 2"),
        ({"said": {"poses": "p", "form": "encoding"}}, {"p": EYES[:, :1, :4]}, r"output p .* ends in \(9,\)"),
        ({"said": {"intrinsics": "K"}}, {"K": EYES[:, :2, :2]}, r"output K .* ends in \(3, 3\)"),
        ({"said": {"intrinsics": "K"}}, {"K": EYES[:1, :3, :3]}, r"output K is \(1, 3, 3\); expected 2"),
        ({"depth": "", "points": "q", "points_in": "camera"}, {"q": np.ones((2, 60, 80, 2), np.float32)}, "output q"),
    ],
)
def test_what_is_said_in_another_shape_is_named(views, outputs, words):
    with pytest.raises(EngineError, match=words):
        said(edited(CARD, {"views": views}), np.ones((2, 60, 80), np.float32), **outputs)


def test_depth_of_fewer_views_than_pictures_is_named():
    class Fewer(Pretends):
        def infer(self, inputs):
            return {"depth": np.ones((1, VIEWS - 1, 60, 80), np.float32)}

    card = small({"views": {}})
    pictures = [np.zeros((60, 80, 3), np.uint8)] * VIEWS
    with pytest.raises(EngineError, match="depth of 2 views for 3 pictures"):
        Reconstructor(Fewer(card.views), card)(pictures, CAMERA, [SE3.identity()] * VIEWS)
