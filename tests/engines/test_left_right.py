"""The left-right check of models that do not check themselves."""

import numpy as np
from test_stereo import NCHW, Recording, card

from engines.card import Output, Size, load_card
from engines.open import open_engine
from engines.stereo import StereoMatcher, agree


def checked(left_px, mirrored_px, limit_px=1.5):
    disparity, confidence = np.array(left_px, np.float32), np.full(np.shape(left_px), 200, np.uint8)
    agree(disparity, np.array(mirrored_px, np.float32), limit_px, confidence)
    return disparity, confidence


def test_what_the_right_picture_contradicts_or_does_not_know_is_none():
    """Six columns, disparity 2 from the left; the mirrored plane is the right picture's, read from its right end."""
    right = np.array([2.0, 2.0, 3.4, 3.6, np.nan, 2.0])
    disparity, confidence = checked([[2.0] * 6], [right[::-1]])
    # Columns 0 and 1 look outside of the right picture; 2..5 look at its columns 0..3.
    np.testing.assert_array_equal(np.isnan(disparity[0]), [True, True, False, False, False, True])
    np.testing.assert_array_equal(confidence[0] == 0, np.isnan(disparity[0]))


def test_none_stays_none():
    disparity, _ = checked([[np.nan, np.nan]], [[1.0, 1.0]])
    assert np.isnan(disparity).all()


def test_a_model_that_invents_what_it_cannot_see_is_caught():
    """It says 8 px everywhere; seen from the right there is a wall at 8 px at the left and one at 20 at the right."""
    answers = []

    def answer(left):
        height, width = left.shape[-2:]
        plane = np.full((height, width), 8.0, np.float32)
        if answers:  # the second call is the mirrored pair
            plane[:, : width // 2] = 20.0  # the right half, mirrored
        answers.append(plane)
        return {"disparity": plane[None, None], "sure": np.ones((height, width))}

    matcher = StereoMatcher(Recording(answer), card(colour=NCHW, size=Size("pad", stride=32)))
    disparity, confidence = matcher(*np.full((2, 64, 96), 77, np.uint8), left_right_px=1.5)
    assert len(answers) == 2
    known = np.isfinite(disparity)
    assert not known[:, :8].any()  # nothing to the left of the right picture
    assert known[:, 8:56].all()
    assert not known[:, 57:].any()
    assert (confidence[~known] == 0).all()
    answers.clear()
    assert np.isfinite(matcher(*np.full((2, 64, 96), 77, np.uint8)).disparity).all()
    assert len(answers) == 1


def test_a_real_graph_keeps_what_is_right_and_loses_its_blind_strip(blocks_card):
    blue = np.random.default_rng(3).integers(0, 256, (50, 97), np.uint8)
    left, right = np.full((2, 50, 90, 3), 90, np.uint8)
    left[..., 2], right[..., 2] = blue[:, :-7], blue[:, 7:]
    with open_engine(blocks_card) as engine:
        disparity, _ = StereoMatcher(engine, load_card(blocks_card))(left, right, left_right_px=1.0)
    assert np.isnan(disparity[:, :7]).all()
    assert (disparity[:, 12:-8] == 7).mean() > 0.99


def test_more_than_the_model_can_mean_is_none():
    def answer(left):
        plane = np.full(left.shape[-2:], 50.0, np.float32)
        plane[:, 40:] = 64.5
        return {"disparity": plane[None, None], "sure": np.ones(left.shape[-2:])}

    matcher = StereoMatcher(Recording(answer), card(colour=NCHW, output=Output(max_disparity=64)))
    disparity, _ = matcher(*np.zeros((2, 64, 96), np.uint8))
    assert (disparity[:, :40] == 50).all()
    assert np.isnan(disparity[:, 40:]).all()


def test_the_largest_disparity_is_told_in_pixels_of_the_picture():
    for size, expected in (
        (Size(), 64), (Size("pad", stride=32), 64), (Size("halve", max_pixels=2000), 128),
        (Size("resize", width=48, height=32), 128), (Size("resize", width=192, height=128), 32),
    ):  # fmt: skip
        matcher = StereoMatcher(Recording(None), card(colour=NCHW, size=size, output=Output(max_disparity=64)))
        assert matcher.max_disparity((60, 96)) == expected
