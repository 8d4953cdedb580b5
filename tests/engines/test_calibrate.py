"""Pairs of a recording as a model is given them, for int8 to take its ranges from."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engines.card import load_card
from engines.pictures import ModelInput
from engines.probe.scenes import slanted
from saccade.cli.engine.build import _pairs


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A folder of three pairs, and its left pictures."""
    folder, lefts = tmp_path_factory.mktemp("pairs"), []
    for i in range(3):
        scene = slanted((96, 160), 16, seed=i)
        lefts.append(scene.left)
        for side, picture in (("left", scene.left), ("right", scene.right)):
            (folder / side).mkdir(exist_ok=True)
            cv2.imwrite(str(folder / side / f"{i}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return folder, lefts


def test_a_stereo_model_is_given_both_pictures(recording):
    card = load_card("stereo-s")
    given = _pairs(card, recording[0])
    assert [set(inputs) for inputs in given] == [{"left", "right"}] * 3
    assert not np.array_equal(given[0]["left"], given[0]["right"])


def test_a_model_of_one_eye_is_given_the_left_one(recording):
    folder, lefts = recording
    stereo = load_card("stereo-s")
    output = replace(stereo.output, unit="relative_inverse")
    card = replace(stereo, kind="depth", left="image", output=output)
    given = _pairs(card, folder)
    assert [set(inputs) for inputs in given] == [{card.left}] * 3
    assert np.array_equal(given[1][card.left], ModelInput(card.colour, card.size)(lefts[1]))
