"""The probe on a network as it is, of finite accuracy: our own, right and with faults put around it."""

import numpy as np
import pytest

from engines.card import card_names, load_card
from engines.engine import ClosesItself
from engines.open import open_unproven
from engines.probe import edited, probe

pytestmark = pytest.mark.skipif("stereo-s" not in card_names(), reason="no card stereo-s here")


class Around(ClosesItself):
    """An engine with a fault around it: what it gives, and whether its pictures change places."""

    def __init__(self, engine, gives=lambda disparity: disparity, swapped=False):
        self._engine, self._gives, self._swapped = engine, gives, swapped
        self.spec, self.report = engine.spec, engine.report

    def infer(self, inputs):
        left, right = inputs["left"], inputs["right"]
        outputs = self._engine.infer({"left": right, "right": left} if self._swapped else inputs)
        return {**outputs, "disparity": self._gives(outputs["disparity"])}

    def close(self):
        self._engine.close()


def probed(edit=None, **fault):
    card = edited(load_card("stereo-s", intra_threads=1), edit or {})
    with Around(open_unproven(card), **fault) as engine:
        return probe(engine, card)


@pytest.mark.parametrize("most", [16, pytest.param(96, marks=pytest.mark.slow)])
def test_it_passes_near_and_far(most):
    report = probed({"probe": {"max_disparity": most}})
    assert report.passed, report.findings


def slow(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("fault", "edit", "name", "mends"),
    [
        ({"gives": lambda d: -d}, {}, "sign", {"output": {"sign": "negative"}}),
        slow({"gives": lambda d: 4 * d}, {}, "scale", {"output": {"scale": 0.25}}),
        slow({"swapped": True}, {}, "left and right", {"left": "right", "right": "left"}),
        slow({}, {"colour": {"white": 1.0}}, "value range", {"colour": {"white": 255.0}}),
        slow({}, {"size": {"rule": "as_is", "stride": 1}}, "padding", {"size": {"rule": "pad", "stride": 32}}),
    ],
    ids=["sign", "scale", "swapped", "range", "padding"],
)
def test_a_fault_is_named_and_mended(fault, edit, name, mends):
    report = probed(edit, **fault)
    assert [finding.name for finding in report.findings] == [name]
    assert report.edit == mends
    assert report.mended


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gives", "name"),
    [
        (lambda d: 80 / np.maximum(d, 0.5), "units"),
        (lambda d: d[:, :, ::-1], "orientation"),
        (lambda d: d * 0, "constant"),
    ],
    ids=["depth", "upside down", "constant"],
)
def test_what_no_card_can_mend_is_refused(gives, name):
    report = probed(gives=gives)
    assert [finding.name for finding in report.findings] == [name]
    assert not report.mended


def test_the_card_alone_decides_on_the_order_of_colours():
    """Documented in docs/models.md: a network that weighs channels as it learned to cannot be judged by pairs."""
    report = probed()
    assert report.passed
    assert report.notes[0].startswith("colour order: rgb")
