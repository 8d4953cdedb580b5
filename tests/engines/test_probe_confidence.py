"""The probe of how sure a model says it is: what is no such thing is named, and done without."""

import numpy as np
import pytest
from stand_ins import PICTURE, PLANE, Graph, written

from engines.card import load_card
from engines.open import open_unproven
from engines.probe import probe

WITHOUT = {"output": {"confidence": ""}}


def least_cost(g, volume):
    """How unlike the best match is, 0 to about 1."""
    return g.mul(g("ReduceMin", volume, axes=[1], keepdims=1), 1 / 64)


def model(sure, disparities=20):
    """A block matcher that says, besides, what `sure(graph, doubt)` makes of its doubt."""
    g = Graph()
    volume = g.volume(g.grey("left"), g.grey("right"), disparities)
    doubt = g("Clip", least_cost(g, volume), g.const(np.float32(0)), g.const(np.float32(1)))
    outputs = {"disparity": (g.best(volume), PLANE), "sure": (sure(g, doubt), [1, 1, "v", "u"])}
    return g.model({"left": PICTURE, "right": PICTURE}, outputs)


def one_less(g, doubt):
    return g("Sub", g.const(np.float32(1)), doubt)


def probed(tmp_path, graph, confidence="sure"):
    card = load_card(written(tmp_path, graph, output={"name": "disparity", "confidence": confidence}))
    with open_unproven(card) as engine:
        return probe(engine, card)


@pytest.mark.parametrize(
    "sure", [one_less, lambda g, doubt: g.mul(one_less(g, doubt), 0.3), lambda g, doubt: g.mul(doubt, 0.0)]
)
def test_a_confidence_passes_however_little_it_says(tmp_path, sure):
    report = probed(tmp_path, model(sure))
    assert report.passed, report.findings


@pytest.mark.parametrize(
    ("sure", "confidence", "words"),
    [
        (lambda g, doubt: doubt, "sure", "where one alone does: it means doubt"),
        (lambda g, doubt: g.mul(one_less(g, doubt), 100.0), "sure", "is no number from 0 to 1 in 9"),
        (lambda g, doubt: g("Log", g.mul(one_less(g, doubt), 0.9)), "sure", "is no number from 0 to 1 in 100 %"),
        (
            lambda g, doubt: g("Transpose", one_less(g, doubt), perm=[0, 1, 3, 2]),
            "sure",
            "is 160 x 128 for a picture of 128 x 160",
        ),
        (one_less, "certainty", "the card names certainty as well"),
    ],
)
def test_what_is_no_confidence_is_named_and_left_out(tmp_path, sure, confidence, words):
    report = probed(tmp_path, model(sure), confidence)
    assert [finding.name for finding in report.findings] == ["confidence"]
    assert words in report.findings[0].text
    assert report.edit == WITHOUT
    assert report.mended
