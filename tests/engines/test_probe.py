"""The probe: right models pass, and each fault built into one is found, named and, where a card can, mended."""

import pytest
from faulty_graphs import (
    clipped,
    depth,
    every,
    inner,
    noisy,
    one_eyed,
    padded_inside,
    plus,
    times,
    tuned,
    two_headed,
    wants_multiples_of,
    wide,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import ITU, matcher, written

from engines.card import Card, Output, load_card
from engines.engine import EngineError
from engines.open import open_unproven
from engines.probe import probe


def probed(path):
    """The report, and that what it says mends the card does mend it."""
    card = load_card(path)
    with open_unproven(card) as engine:
        report = probe(engine, card)
        if report.findings and report.findings[-1].edit:
            assert report.mended, said(report)
    return report


def said(report):
    return " | ".join(map(str, report.findings))


def test_a_right_model_passes(tmp_path):
    report = probed(written(tmp_path, matcher()))
    assert report.passed, said(report)
    assert all(judged.passed for judged in report.judged)
    assert len(report.judged) == 9
    assert "rgb is right" in report.notes[0]


@pytest.mark.parametrize("weights", [(1 / 3,) * 3, (0.4, 0.3, 0.3), (0.2, 0.4, 0.4), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)])
def test_a_model_with_a_taste_of_its_own_for_colours_is_not_refused(tmp_path, weights):
    """What is no luminance says nothing of the order: networks weigh colours as they learned to."""
    report = probed(written(tmp_path, matcher(weights=weights)))
    assert report.passed, said(report)
    assert "no pair tells red from blue" in report.notes[0]


@pytest.mark.parametrize("name", ["sgbm", "sgbm-full"])
def test_opencv_passes(name):
    report = probed(name)
    assert report.passed, said(report)


def test_the_probe_repeats_itself(tmp_path):
    path = written(tmp_path, matcher(finish=times(0.5)))
    assert probed(path) == probed(path)


RGB = {"order": "rgb", "dtype": "float32", "layout": "nchw"}
MENDED = {
    "sign": (lambda: matcher(finish=times(-1)), {}, "output is -1.00 x expected: set output.sign: negative"),
    "sign in the card": (matcher, {"output": {"sign": "negative"}}, "-1.00 x expected: set output.sign: positive"),
    "scale": (lambda: matcher(finish=times(4)), {}, "output is 4.00 x expected: set output.scale: 0.25"),
    "sign and scale": (lambda: matcher(finish=times(-16)), {}, "set output.scale: 0.0625"),
    "offset": (lambda: matcher(finish=plus(3)), {}, "set output.offset_px: -3.0"),
    "share of the width": (lambda: matcher(finish=wide), {}, "set output.unit: width_fraction"),
    "no share of the width": (matcher, {"output": {"unit": "width_fraction"}}, "set output.unit: px"),
    "quarter size": (lambda: matcher(finish=every(4)), {}, "set output.resolution: 0.25"),
    "pixels of a quarter": (lambda: matcher(finish=every(4, 0.25)), {"output": {"resolution": 0.25}},
                            "output is 0.25 x expected: set output.unit_at: output"),
    "pixels of another width": (lambda: inner(256, 160), {}, "x on a picture 251 wide: set output.unit: width_fr"),
    "order of pictures": (lambda: matcher(swapped=True), {}, "left and right: "),
    "order of pictures, both ways": (lambda: matcher(swapped=True, both_ways=True), {}, "set left: right, right: left"),
    "pictures and sign": (lambda: matcher(swapped=True, both_ways=True, finish=times(-1)), {}, "left and right: "),
    "colour order": (lambda: matcher(weights=ITU[::-1]), {}, "colour order: "),
    "range 0..1": (lambda: matcher(prepare=clipped(0, 1)), {}, "set colour.white: 1.0"),
    "range 0..255": (lambda: matcher(prepare=lambda g, x: g("Floor", x)), {"colour": {**RGB, "white": 1.0}},
                     "set colour.white: 255.0"),
    "not normalised": (lambda: matcher(prepare=tuned(0.45, 0.225)), {}, "value range"),
    "range and colour order": (lambda: matcher(prepare=clipped(0, 1), weights=ITU[::-1]), {}, "colour order: "),
    "needs padding": (lambda: matcher(prepare=wants_multiples_of(32)), {}, "set size.rule: pad, size.stride: 32"),
    "not cropped": (padded_inside(32), {}, "set size.rule: pad, size.stride: 32"),
    "padded at the wrong side": (padded_inside(32, at_left=True, cropped=True), {}, "padding: "),
    "one size only": (lambda: matcher(shape=(96, 160)), {}, "set size.rule: resize, size.width: 160, size.height: 96"),
    "short range": (lambda: matcher(disparities=12), {}, "range: right up to 8 px, wrong at 14 px"),
    "names of inputs": (matcher, {"left": "image1", "right": "image2"}, "set left: left, right: right"),
    "name of the output": (matcher, {"output": {"name": "flow"}}, "set output.name: disparity"),
    "layout": (matcher, {"colour": {"order": "grey"}}, "set colour.dtype: float32"),
}  # fmt: skip


@pytest.mark.parametrize("fault", MENDED)
def test_a_fault_is_named_and_mended(tmp_path, fault):
    model, changed, words = MENDED[fault]
    report = probed(written(tmp_path, model(), **changed))
    assert not report.passed
    assert words in said(report)


HOPELESS = {
    "constant": (lambda: matcher(finish=lambda g, x: plus(7)(g, g.mul(x, 0.0))), "constant: the output is 7 "),
    "NaN": (lambda: matcher(finish=lambda g, x: g("Sqrt", g("Neg", plus(1)(g, x)))), "NaN: 100 % of the output"),
    "one-eyed": (one_eyed, "one-eyed: the output does not depend on the right picture"),
    "noise": (lambda: matcher(finish=noisy), "not repeatable: the same pair twice"),
    "depth": (lambda: matcher(finish=depth), "output x disparity is 80 px throughout: a depth"),
    "transposed": (lambda: matcher(finish=lambda g, x: g("Transpose", x, perm=[0, 1, 3, 2])), "transposed"),
    "upside down": (lambda: matcher(finish=lambda g, x: g("Slice", x, g.ints(-1), g.ints(-(2**31)), g.ints(2),
                                                          g.ints(-1))), "orientation: the output is upside down"),
}  # fmt: skip


@pytest.mark.parametrize("fault", HOPELESS)
def test_what_no_card_can_mend_is_refused_by_name(tmp_path, fault):
    model, words = HOPELESS[fault]
    report = probed(written(tmp_path, model()))
    assert not report.passed
    assert not report.mended
    assert words in said(report)
    assert "no card can mend this" in said(report)


def test_pictures_that_change_places_are_not_taken_for_a_wrong_sign(tmp_path):
    report = probed(written(tmp_path, matcher(swapped=True, both_ways=True)))
    assert [finding.name for finding in report.findings] == ["left and right"]
    assert report.edit == {"left": "right", "right": "left"}


def test_another_output_that_is_right_is_named(tmp_path):
    report = probed(written(tmp_path, two_headed()))
    assert "one-eyed" not in said(report)
    assert "that called stereo does: set output.name: stereo" in said(report)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(factor=st.floats(0.06, 16).filter(lambda k: abs(k - 1) > 0.1), sign=st.sampled_from([1, -1]))
def test_the_finding_names_the_factor(tmp_path_factory, factor, sign):
    report = probed(written(tmp_path_factory.mktemp("scaled"), matcher(finish=times(sign * factor))))
    finding = next(f for f in report.findings if f.name == "scale")
    assert float(finding.text.split()[2]) == pytest.approx(factor, rel=0.05)
    assert report.edit["output"]["scale"] == pytest.approx(1 / factor, rel=0.005)
    assert report.edit["output"].get("sign") == ("negative" if sign < 0 else None)


def test_only_a_stereo_card_can_be_probed():
    card = Card("x", "depth", "sgbm", "here", "MIT", output=Output("d", unit="relative_inverse"))
    with open_unproven(load_card("sgbm")) as engine, pytest.raises(EngineError, match="kind depth"):
        probe(engine, card)


def test_every_pair_is_told_before_it_is_shown(tmp_path):
    card, told = load_card(written(tmp_path, matcher())), []
    with open_unproven(card) as engine:
        probe(engine, card, told.append)
    assert len(told) == 12
    assert told[0] == "shift 2 px"
