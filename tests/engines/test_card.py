"""Cards: strict, complete, and helpful when they are wrong."""

import pytest
import yaml

from engines.added import add
from engines.card import card_names, load_card
from engines.open import open_engine
from saccade.errors import ConfigError


def written(tmp_path, **fields):
    good = {"name": "x", "kind": "stereo", "backend": "sgbm", "source": "here", "licence": "MIT"}
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in {**good, **fields}.items() if v is not None}))
    return path


def test_every_shipped_card_opens_and_names_source_and_licence():
    assert {"sgbm", "sgbm-full"} <= set(card_names())
    for name in card_names():
        card = load_card(name)
        assert card.name == name
        assert card.source
        assert card.licence
        with open_engine(card) as engine:
            assert engine.report


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"licnce": "MIT"}, "did you mean 'licence'"),
        ({"licence": None}, "licence"),
        ({"colour": {"odrer": "rgb"}}, "did you mean 'order'"),
        ({"colour": {"order": "gbr"}}, "'gbr'"),
        ({"colour": {"order": "rgb"}}, "layout"),
        ({"colour": {"mean": [0.5]}}, "dtype: float32"),
        ({"colour": {"order": "rgb", "layout": "nchw", "dtype": "float32", "std": [1.0, 2.0]}}, "1 or 3"),
        ({"colour": {"dtype": "float32", "std": [0.0]}}, "positive"),
        ({"colour": {"dtype": "float32", "mean": [float("nan")]}}, "finite"),
        ({"colour": {"dtype": "float32", "white": float("inf")}}, "finite"),
        ({"output": {"scale": float("nan")}}, "finite"),
        ({"output": {"offset_px": float("-inf")}}, "finite"),
        ({"output": {"max_disparity": -64}}, "max_disparity must not be negative"),
        ({"size": {"rule": "halve"}}, "max_pixels"),
        ({"size": {"stride": 0}}, "stride"),
        ({"sgbm": {"disparities": 50}}, "multiple of 16"),
        ({"sgbm": {"disparities": 2064}}, "up to 2048"),
        ({"bm": {"disparities": 2**40}}, "up to 2048"),
        ({"sgbm": {"left_right_px": 0}}, "at least 1"),
        ({"bm": {"left_right_px": 2**31}}, "at least 1"),
        ({"sgbm": {"speckle_px": 2**31}}, "speckle_px"),
        ({"bm": {"texture": 2**31}}, "texture"),
        ({"sgbm": {"block": 101}}, "1 to 99"),
        ({"sgbm": {"p2": 32767}}, "p2 <= 30000"),
        ({"sgbm": {"block": 4}}, "odd"),
        ({"sgbm": {"p1": 9, "p2": 9}}, "p1 < p2"),
        ({"backend": "onnx"}, "sha256"),
        ({"backend": "tensorflow"}, "'tensorflow'"),
    ],
)
def test_a_wrong_card_says_what_is_wrong(tmp_path, fields, words):
    with pytest.raises(ConfigError) as error:
        load_card(written(tmp_path, **fields))
    assert words in str(error.value)
    assert "x.yaml" in str(error.value)


def test_options_reach_the_backend_and_wrong_ones_do_not(tmp_path):
    assert load_card("sgbm", disparities=32).sgbm.disparities == 32
    assert load_card("sgbm", disparities=32).sgbm.speckle_px == load_card("sgbm").sgbm.speckle_px
    with pytest.raises(ConfigError, match="did you mean 'disparities'"):
        load_card("sgbm", disparites=32)


def test_an_unknown_card_lists_the_known_ones():
    with pytest.raises(ConfigError, match="did you mean 'sgbm-full'"):
        load_card("sgbm-ful")
    with pytest.raises(ConfigError, match="cannot read card"):
        load_card("no/such/card.yaml")


def test_a_file_that_is_no_card_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("- 1\n")
    with pytest.raises(ConfigError, match="no card"):
        load_card(path)


@pytest.mark.parametrize("text", ["a: [", "a: 2024-13-45", "a: !!timestamp now", "a: !!int ''", "[" * 5000])
def test_a_card_that_yaml_stumbles_over_is_refused(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"x\.yaml is not YAML"):
        load_card(path)
    with pytest.raises(ConfigError, match=r"cannot read card .*x\.yaml"):
        add(str(path), [], "", tmp_path)
