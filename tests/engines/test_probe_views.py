"""The probe of models of several views: right ones pass, each fault is named and, where a card can, mended."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_stand_ins import VIEWS, intrinsics, looking_up, poses, right, small

from engines.card import Card
from engines.engine import EngineError
from engines.options import OrtOptions
from engines.ort import OrtEngine
from engines.probe import edited
from engines.probe.room import walk
from engines.probe.views import probe_views
from engines.views.convention import Cameras
from engines.views.geometry import read_poses, write_poses
from engines.views.reconstruct import Reconstructor, ray_per_z
from saccade.errors import ConfigError
from saccade.geometry import SE3, Pinhole

VGGT = {"views": {"said": {"poses": "pose_enc", "form": "encoding"},
                  "confidence": "depth_conf", "confidence_is": "above_one"}}  # fmt: skip
DA3 = {"views": {"said": {"poses": "extrinsics", "intrinsics": "intrinsics"}}}
SPLAT = {"views": {"told": {"poses": "extrinsics", "direction": "world_from_camera", "intrinsics": "intrinsics",
                            "unit": "normalised"}, "near": "near", "far": "far"}}  # fmt: skip


def probed(card, graph):
    with OrtEngine("m", graph.SerializeToString(), "", OrtOptions(intra_threads=1)) as engine:
        report = probe_views(engine, card)
        if report.findings and report.findings[-1].edit:
            assert report.mended, said(report)
            assert probe_views(engine, edited(card, report.edit)).passed
    return report


def said(report):
    return " | ".join(map(str, report.findings))


@pytest.mark.parametrize("fields", [VGGT, DA3, SPLAT], ids=["vggt", "da3", "depthsplat"])
def test_right_models_pass(fields):
    card = small(fields)
    report = probed(card, looking_up(card, right(card)))
    assert report.passed, said(report)
    assert len(report.judged) == 2


CAMERAS = {
    "w2c for c2w": (DA3, {"said": {"direction": "world_from_camera"}}, "views.said.direction: world_from_camera"),
    "OpenGL": (DA3, {"said": {"axes": "opengl"}}, "views.said.axes: opengl"),
    "both": (DA3, {"said": {"direction": "world_from_camera", "axes": "opengl"}}, "views.said.axes: opengl"),
    "w first": (VGGT, {"said": {"quaternion": "wxyz"}}, "views.said.quaternion: wxyz"),
    "encoded c2w": (VGGT, {"said": {"direction": "world_from_camera"}}, "views.said.direction: world_from_camera"),
    "width first": (VGGT, {"said": {"fov": "width_height"}}, "intrinsics: they are width_height"),
    "normalised": (DA3, {"said": {"unit": "normalised"}}, "intrinsics: they are normalised, the card says pixels"),
    "told c2w": (SPLAT, {"told": {"direction": "camera_from_world"}}, "views.told.direction: camera_from_world"),
    "told OpenGL": (SPLAT, {"told": {"axes": "opengl"}}, "told cameras"),
    "told pixels": (SPLAT, {"told": {"unit": "pixels"}}, "views.told.unit: pixels"),
    "along the ray": (VGGT, {"depth_is": "ray"}, "views.depth_is: ray"),
    "unit confidence": (DA3, {"confidence": "sure", "confidence_is": "above_one"}, "confidence_is: above_one"),
}


@pytest.mark.parametrize("name", CAMERAS)
def test_conventions_other_than_the_cards_are_named_and_mended(name):
    fields, truly, expected = CAMERAS[name]
    card = small(fields)
    if "confidence" in truly:
        card = edited(card, {"views": {"confidence": truly["confidence"]}})
    graph = looking_up(edited(card, {"views": truly}), right(edited(card, {"views": truly})))
    assert expected in said(probed(card, graph))


def change(card, output, how):
    """What is right but for one output."""
    known = right(card)
    return lambda depth, camera, T: {**known(depth, camera, T), output: how(known(depth, camera, T)[output], camera)}


def each_its_own(depth, camera):
    return depth * np.linspace(1, 2, len(depth))[:, None, None]


def turned_round(extrinsics, camera):
    """A yaw that is not there: no convention makes it right."""
    more = np.array([SE3.from_rpy(0, 0, 0.4 * i).R for i in range(len(extrinsics))])
    return np.concatenate([more @ extrinsics[..., :3], extrinsics[..., 3:]], axis=-1)


def tilted(extrinsics, camera):
    """One camera turned by 11 degrees about where it is, which moves hardly any way by a quarter."""
    more = np.array([SE3.from_rpy(0, 0, 0.2 * (i == 1)).R for i in range(len(extrinsics))])
    return more @ extrinsics


REFUSED = {
    "one camera turned": (DA3, "extrinsics", tilted, "at best turns are off by 11"),
    "own scales": (DA3, "depth", each_its_own, "scale: the scale of its depth differs from view to view"),
    "no depth": (DA3, "depth", lambda depth, camera: np.sqrt(depth), "no match"),
    "constant": (DA3, "depth", lambda depth, camera: 0 * depth + 2, "no match"),
    "NaN": (DA3, "depth", lambda depth, camera: depth * np.nan, "NaN"),
    "order": (DA3, "depth", lambda depth, camera: depth[::-1], "order: it says the views in the order 3, 2, 1"),
    "poses": (DA3, "extrinsics", turned_round, "poses: in no convention are its poses right"),
    "no rotation": (DA3, "extrinsics", lambda e, camera: e * 2, "poses: the poses are no rotations"),
    "focal length": (DA3, "intrinsics", lambda K, camera: K * 1.5, "intrinsics: focal lengths and centre are off"),
    "of the size": (DA3, "depth", lambda depth, camera: depth / depth.mean(), "depth and poses have scales of"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_card_can_mend_is_refused(name):
    fields, output, how, expected = REFUSED[name]
    card = small(fields)
    report = probed(card, looking_up(card, change(card, output, how)))
    assert expected in said(report)
    assert not report.mended


@pytest.mark.parametrize("fields", [DA3, SPLAT], ids=["said", "told"])
def test_depth_in_another_unit_than_the_poses_is_mended(fields):
    card = small(fields)
    report = probed(card, looking_up(card, change(card, "depth", lambda depth, camera: depth / 4)))
    assert "set views.scale: 4.0" in said(report)


def test_the_range_and_the_order_of_colours_are_mended():
    card = small(DA3)
    for truly, expected in (({"white": 255.0}, "value range"), ({"order": "bgr"}, "colour order")):
        real = edited(card, {"colour": truly})
        assert expected in said(probed(card, looking_up(real, right(real))))


def test_a_model_with_chance_in_it_is_refused():
    card = small(DA3)
    assert "not repeatable" in said(probed(card, looking_up(card, right(card), steady=False)))


def test_names_counts_and_sizes_that_are_not_the_cards():
    card = small(DA3)
    graph = looking_up(card, right(card))
    wrong = {"pictures": "frames", "depth": "range", "least": 2, "most": 8}
    changed = edited(card, {"views": wrong, "size": {"width": 140, "height": 70}})
    report = probed(changed, graph)
    for expected in ("views.pictures: images", "views.depth: depth", "size.height: 60", "views.most: 3"):
        assert expected in said(report)
    assert "leave that key empty" in said(probed(edited(card, {"views": {"confidence": "sure"}}), graph))
    assert "name them in views" in said(probed(edited(card, {"views": {"near": "near"}}), graph))


def test_points_become_depth():
    def points(depth, camera, T, world):
        v, u = np.mgrid[: camera.height, : camera.width]
        at = np.stack([(u - camera.cx) / camera.fx * depth, (v - camera.cy) / camera.fy * depth, depth], axis=-1)
        return np.einsum("nij,nhwj->nhwi", T[:, :3, :3], at) + T[:, None, None, :3, 3] if world else at

    for world in (True, False):
        views = {**DA3["views"], "depth": "", "points": "points", "points_in": "world" if world else "camera"}
        card = small({"views": views})
        graph = looking_up(
            card,
            lambda d, camera, T, world=world: {
                "points": points(d, camera, T, world), "extrinsics": poses(T, Cameras(), camera),
                "intrinsics": intrinsics(len(d), camera, "pixels"),
            },
        )  # fmt: skip
        report = probed(card, graph)
        assert report.passed, said(report)


SPLATS = {"means": "at", "scales": "size", "rotations": "turn", "opacities": "sure", "colours": "rgb"}


@pytest.mark.parametrize(
    ("sizes", "sure", "expected"),
    [(0.02, 0.9, ""), (np.log(0.02), 0.9, "scale_is: log"), (0.02, 3.0, "opacity_is: logit")],
)
def test_gaussians(sizes, sure, expected):
    card = small({"views": {**DA3["views"], "gaussians": SPLATS}})

    def made(depth, camera, T):
        v, u = np.mgrid[0 : camera.height : 6, 0 : camera.width : 6]
        z = depth[:, ::6, ::6]
        at = np.stack([(u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z], axis=-1)
        world = np.einsum("nij,nhwj->nhwi", T[:, :3, :3], at) + T[:, None, None, :3, 3]
        means = world.reshape(len(depth), -1, 3)
        ones = np.ones((*means.shape[:2], 1))
        more = {"at": means, "size": sizes * np.ones_like(means), "turn": ones * [1, 0, 0, 0], "sure": sure * ones,
                "rgb": 0 * means}  # fmt: skip
        return {**right(card)(depth, camera, T), **more}

    report = probed(card, looking_up(card, made))
    assert expected in said(report)
    assert report.passed == (not expected)


directions = st.sampled_from(["camera_from_world", "world_from_camera"])


@settings(max_examples=30, deadline=None)
@given(directions, st.sampled_from(["opencv", "opengl"]), st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_poses_are_read_as_they_are_written(direction, axes, numbers):
    how = Cameras(direction=direction, axes=axes)
    T = np.eye(4)[None].copy()
    T[0, :3, :3], T[0, :3, 3] = SE3.from_rpy(*numbers[:3]).R, numbers[3:]
    np.testing.assert_allclose(read_poses(write_poses(T, how), how), T, atol=1e-5)


def test_the_rooms_depth_is_where_its_pictures_agree():
    """What one camera sees at a depth, another sees there in the same colour."""
    shown = walk("walk", (120, 160), 2)
    v, u = np.mgrid[10:110:3, 10:150:3].reshape(2, -1)
    at = shown.camera.unproject(np.column_stack([u, v]).astype(float), shown.depth_m[0, v, u].astype(float))
    T = shown.poses[1].inverse() @ shown.poses[0]
    moved = T.apply(at)
    seen = np.rint(shown.camera.project(moved)).astype(int)
    inside = (seen >= 0).all(1) & (seen < [160, 120]).all(1)
    a, b = shown.pictures[0, v, u][inside].astype(float), shown.pictures[1, seen[inside, 1], seen[inside, 0]]
    apart = np.abs(shown.depth_m[1, seen[inside, 1], seen[inside, 0]] - moved[inside, 2]) < 0.06
    assert apart.mean() > 0.9
    assert np.corrcoef(a[apart].ravel(), b[apart].astype(float).ravel())[0, 1] > 0.5


def test_a_reconstructor_asks_for_as_many_pictures_as_its_model_takes():
    card = small(DA3)
    with OrtEngine("m", looking_up(card, right(card)).SerializeToString(), "", OrtOptions(intra_threads=1)) as engine:
        with pytest.raises(EngineError, match="2 pictures and 2 poses; expected as many of each, 3 to 3"):
            Reconstructor(engine, card)([np.zeros((60, 80, 3), np.uint8)] * 2, CAMERA, [SE3.identity()] * 2)
        with pytest.raises(EngineError, match="80 x 60 pixels"):
            Reconstructor(engine, card)([np.zeros((66, 80, 3), np.uint8)] * VIEWS, CAMERA, [SE3.identity()] * VIEWS)


CAMERA = Pinhole(55.0, 55.0, 39.5, 29.5, 80, 60)


def test_rays_are_longer_than_depth_away_from_the_axis():
    bent = ray_per_z(Pinhole(50.0, 50.0, 50.0, 50.0, 101, 101))
    assert bent[50, 50] == 1
    assert bent[50, 0] == pytest.approx(2**0.5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"views": {"depth": ""}}, "name one"),
        ({"views": {"depth": "", "points": "p"}}, "points in the world need said.poses"),
        ({"views": {"said": {"form": "encoding", "poses": "p", "intrinsics": "K"}}}, "leave `intrinsics` empty"),
        ({"views": {}, "colour": {"order": "rgb", "dtype": "float32", "layout": "nhwc"}}, "colour.layout nchw"),
        ({"views": {}, "kind": "stereo"}, "`views` belongs to kind multiview"),
    ],
)
def test_cards_that_cannot_be(fields, message):
    with pytest.raises(ConfigError, match=message):
        small(fields)
    assert isinstance(small(DA3), Card)
