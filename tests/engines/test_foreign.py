"""Every template card from end to end: a stand-in with that model's interface is added, probed, opened and used."""

import cv2
import numpy as np
import pytest
import yaml
from foreign_graphs import FOREIGN, files

from engines.added import add, templates
from engines.card import TEMPLATES, load_card
from engines.depth import DepthEstimator
from engines.open import open_engine
from engines.probe import edited
from engines.probe.room import relative
from engines.probe.scenes import shift
from engines.probe.view_runs import walks
from engines.prove import prove
from engines.stereo import StereoMatcher
from engines.views.reconstruct import Reconstructor
from saccade.cli import FAILED, OK, USAGE, main

STEREO = [name for name in FOREIGN if yaml.safe_load((TEMPLATES / f"{name}.yaml").read_text())["kind"] == "stereo"]


def test_every_template_has_a_stand_in_and_says_what_was_verified():
    assert set(templates()) == set(FOREIGN)
    for name in templates():
        fields = yaml.safe_load((TEMPLATES / f"{name}.yaml").read_text())
        assert fields["name"] == name
        assert fields["verified"]
        assert fields["licence"]
        assert "onnx" not in fields


def slowly(names, fast):
    return [name if name in fast else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize(
    "name", slowly(FOREIGN, ("raft-stereo", "fast-foundation-stereo", "da3metric-large", "vggt", "depthsplat"))
)
def test_a_template_card_is_right_for_its_models_interface(tmp_path, name, capsys):
    graphs = [str(path) for path in files(tmp_path, name)]
    code = main(["engine", "add", "--card", name, "--onnx", *graphs, "--dir", str(tmp_path / "dir"), "--quiet"])
    assert code == OK, capsys.readouterr().out
    card = load_card(tmp_path / "dir" / f"{name}.yaml")
    with open_engine(card) as engine:
        if card.kind == "depth":
            assert DepthEstimator(engine, card)(np.zeros((60, 80, 3), np.uint8), 300.0).shape == (60, 80)
            return
        if card.views:
            assert (card.views.least, card.views.most, card.size.width, card.size.height) == (3, 3, 80, 60)
            shown = walks(card)[0]
            depths_m = 0.5 * float(shown.depth_m.min()), 2 * float(shown.depth_m.max())
            said = Reconstructor(engine, card)(list(shown.pictures), shown.camera, relative(shown.poses), depths_m)
            assert np.nanmedian(said.depth / shown.depth_m) == pytest.approx(1, abs=0.01)
            return
        scene = shift((128, 192), 20)
        larger = [cv2.resize(p, (288, 192), interpolation=cv2.INTER_CUBIC) for p in (scene.left, scene.right)]
        disparity = StereoMatcher(engine, card)(*larger).disparity
    assert np.nanmedian(disparity[20:-20, 60:-20]) == pytest.approx(30, abs=0.7)


WRONG = {
    "raft-stereo": {"output": {"sign": "positive"}},
    "foundation-stereo": {"colour": {"white": 1.0}},
    "crestereo": {"colour": {"order": "rgb"}},
    "ess": {"colour": {"mean": [0.0], "std": [1.0]}},
    "stereoadapter": {"colour": {"white": 255.0}},
    "stereoadapter-2": {"output": {"name": "flow", "sign": "positive"}},
    "vggt": {"views": {"said": {"direction": "world_from_camera"}}},
    "da3": {"views": {"said": {"unit": "normalised"}}},
    "depthsplat": {"views": {"told": {"direction": "camera_from_world"}}},
}


@pytest.mark.parametrize("name", slowly(WRONG, ("raft-stereo", "da3")))
def test_a_template_that_were_wrong_would_be_refused(tmp_path, name):
    """The control of the test above."""
    card = edited(add(name, files(tmp_path, name), "", tmp_path / "dir"), WRONG[name])
    report = prove(card)
    assert not report.passed
    assert report.mended


@pytest.mark.slow
def test_features_that_are_not_normalised_where_they_must_be_are_refused(tmp_path):
    card = add("fast-foundation-stereo", files(tmp_path, "fast-foundation-stereo"), "", tmp_path / "dir")
    assert not prove(edited(card, {"second": {"normalise": False}})).passed


def test_one_graph_for_two_is_refused(tmp_path, capsys):
    graph = str(files(tmp_path, "raft-stereo")[0])
    assert main(["engine", "add", "--card", "crestereo", "--onnx", graph, "--dir", str(tmp_path / "d")]) == USAGE
    assert "is 2" in capsys.readouterr().err
    assert FAILED != USAGE
