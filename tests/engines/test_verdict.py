"""A foreign model is opened only with the probe's verdict on exactly this card and this model."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
import yaml
from stand_ins import matcher, written

from engines.card import card_names, load_card
from engines.engine import EngineError
from engines.open import open_engine
from engines.options import OrtOptions, TrtOptions
from engines.probe import probe
from engines.prove import prove
from engines.stereo import StereoMatcher
from engines.verdict import digest, needs_verdict, read_verdict


@pytest.fixture(scope="module")
def proven(tmp_path_factory):
    path = written(tmp_path_factory.mktemp("proven"), matcher())
    assert prove(load_card(path)).passed
    return path


def changed(path, **fields):
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **fields}))


@pytest.fixture
def copied(proven, tmp_path):
    for file in proven.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / proven.name


def test_a_model_that_was_never_probed_is_refused(tmp_path):
    path = written(tmp_path, matcher())
    with pytest.raises(EngineError, match=f"never probed; run: saccade engine probe {path}"):
        open_engine(path)


def test_a_model_whose_weights_are_in_another_file_is_not_probed(tmp_path, monkeypatch):
    """They would be read from wherever the process is, and the verdict would say nothing of them."""
    graph = matcher()
    weights = graph.graph.initializer[0]
    monkeypatch.chdir(tmp_path)
    onnx.external_data_helper.set_external_data(weights, "weights.bin")
    onnx.external_data_helper.save_external_data(weights, str(tmp_path))
    weights.ClearField("raw_data")
    card = load_card(written(tmp_path, graph))
    with pytest.raises(EngineError, match="are in another file"):
        prove(card)
    assert read_verdict(card) is None


def test_a_model_that_passed_is_opened(copied):
    with open_engine(copied) as engine:
        left, right = (np.random.default_rng(1).integers(0, 255, (2, 64, 96, 3))).astype(np.uint8)
        assert StereoMatcher(engine, load_card(copied))(left, right).disparity.shape == (64, 96)


def test_a_model_that_failed_is_refused_with_its_findings(tmp_path):
    path = written(tmp_path, matcher(), output={"sign": "negative"})
    assert not prove(load_card(path)).passed
    with pytest.raises(EngineError, match=r"refused by the probe \(sign: output is -1.00 x expected"):
        open_engine(path)


@pytest.mark.parametrize(
    "fields",
    [{"output": {"sign": "negative"}}, {"probe": {"max_disparity": 16, "median_px": 9.0}}, {"sha256": "1" * 64}],
)
def test_another_card_or_model_needs_another_verdict(copied, fields):
    changed(copied, **fields)
    with pytest.raises(EngineError, match="have changed since it was probed"):
        open_engine(copied)


def test_another_model_under_the_same_card_is_refused(copied):
    (copied.parent / "stand-in.onnx").write_bytes(matcher(disparities=19).SerializeToString())
    with pytest.raises(EngineError, match="sha256"):
        open_engine(copied)


def test_how_a_model_is_run_and_comments_do_not_matter(copied):
    copied.write_text("# a comment\n" + copied.read_text())
    open_engine(copied, intra_threads=2).close()
    card = load_card(copied)
    run_otherwise = {"ort": OrtOptions(intra_threads=7), "tensorrt": TrtOptions(priority="high")}
    assert digest(card) == digest(dataclasses.replace(card, path="/elsewhere", **run_otherwise))


def test_defaults_that_are_written_out_are_the_same_card(copied):
    before = digest(load_card(copied))
    changed(copied, output={"name": "disparity", "sign": "positive"}, probe={"max_disparity": 16, "bad_px": 3.0})
    assert digest(load_card(copied)) == before
    changed(copied, output={"scale": 0.5})
    assert digest(load_card(copied)) != before


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"passed": true}'])
def test_a_verdict_that_cannot_be_read_is_none(copied, text):
    copied.with_suffix(".verdict.json").write_text(text)
    with pytest.raises(EngineError, match="never probed"):
        open_engine(copied)


def test_an_older_probes_verdict_is_not_enough(copied):
    file = copied.with_suffix(".verdict.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "probe": 0}))
    with pytest.raises(EngineError, match="have changed"):
        open_engine(copied)


def test_a_card_without_a_file_has_no_verdict(copied):
    card = dataclasses.replace(load_card(copied), path="")
    assert read_verdict(card) is None
    with pytest.raises(EngineError, match="never probed"):
        open_engine(card)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if "int8" in name else name for name in card_names()]
)
def test_shipped_cards_need_no_verdict_and_pass_the_probe_here(name):
    """The rule's other half: whatever ships is probed by this test, with the hash its card names."""
    card = load_card(name)
    assert not needs_verdict(card)
    if card.kind == "stereo" and card.backend == "onnx":
        with open_engine(card, intra_threads=1) as engine:
            report = probe(engine, card)
        assert report.passed, " | ".join(map(str, report.findings))
