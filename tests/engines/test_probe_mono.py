"""The probe of monocular models: the order of depth, steadiness, and that there are numbers at all."""

import dataclasses

import numpy as np
import pytest
from foreign_graphs import files

from engines.added import add
from engines.engine import EngineSpec, TensorSpec
from engines.open import open_unproven
from engines.probe import edited
from engines.probe.mono import probe_depth, scene


def test_the_yard_is_nearer_at_the_bottom_and_behind_it_is_sky():
    picture, depth = scene()
    assert picture.shape == (*depth.shape, 3)
    assert np.isnan(depth[:15, 210:290]).all()
    assert np.nanmean(depth[-10:]) < 3 < np.nanmean(depth[170:190, 210:290])
    assert (scene(mirrored=True)[1][:, ::-1] == depth)[np.isfinite(depth)].all()


@pytest.fixture(params=["depth-anything-v2", "da3metric-large"])
def card(request, tmp_path):
    return add(request.param, files(tmp_path, request.param), "", tmp_path / "dir")


def test_right_models_pass(card):
    with open_unproven(card) as engine:
        assert probe_depth(engine, card).passed


class Says:
    """An engine that answers with what `answer` makes of its picture."""

    report = {"backend": "test"}
    spec = EngineSpec(
        "says", (TensorSpec("image", "float32", (1, 3, -1, -1)),), (TensorSpec("depth", "float32", (1, -1, -1)),)
    )

    def __init__(self, answer):
        self.answer, self.calls = answer, 0

    def infer(self, inputs):
        self.calls += 1
        return {"depth": np.asarray(self.answer(inputs["image"], self.calls), np.float32)}


ROWS = lambda image, call: np.broadcast_to(np.arange(image.shape[2])[:, None], image.shape[2:])[None]  # noqa: E731
FAULTS = {
    "NaN": lambda image, call: np.full((1, *image.shape[2:]), np.nan),
    "constant": lambda image, call: np.full((1, *image.shape[2:]), 2.0),
    "not repeatable": lambda image, call: ROWS(image, call) * call,
    "no match": lambda image, call: np.broadcast_to(np.arange(image.shape[3]), image.shape[2:])[None],
    "interface": lambda image, call: np.zeros((3, 4, 5, 6)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(card, name):
    report = probe_depth(Says(FAULTS[name]), card)
    assert [finding.name for finding in report.findings] == [name]


def test_the_wrong_sense_is_named_and_mended(tmp_path):
    card = add("depth-anything-v2", files(tmp_path, "depth-anything-v2"), "", tmp_path / "dir")
    wrong = edited(card, {"output": {"sign": "negative"}})
    with open_unproven(card) as engine:
        report = probe_depth(engine, wrong)
        assert "falls as things come nearer" in str(report.findings[0])
        assert report.edit == {"output": {"sign": "positive"}}
        assert probe_depth(engine, edited(wrong, report.edit)).passed


def test_a_metric_model_that_gives_inverse_depth_is_refused(tmp_path):
    card = add("da3metric-large", files(tmp_path, "da3metric-large"), "", tmp_path / "dir")
    assert dataclasses.replace(card).output.unit == "canonical"
    with open_unproven(add("depth-anything-v2", files(tmp_path, "depth-anything-v2"), "", tmp_path / "dir")) as engine:
        assert [finding.name for finding in probe_depth(engine, card).findings] == ["no match"]
