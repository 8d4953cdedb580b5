"""What every dialect is built from: bounded answers, quoted errors, pictures in the size and order asked for."""

from __future__ import annotations

import numpy as np
import pytest

from saccade.geometry import SE3
from saccade.types import Image, RobotState
from vla_node.dialects.base import (
    MOST_CHARS,
    QUOTED_CHARS,
    DialectError,
    Question,
    bounded,
    clipped,
    earlier,
    picture,
    rgb,
    told,
    within,
)
from vla_node.planner import Keyframe, Observation


def frame(grey: int, shape=(6, 8)) -> Image:
    return Image(grey, "left_optical", np.full(shape, grey, np.uint8))


def observation(image=None, history=(), **more) -> Observation:
    state = RobotState(0, "odom", SE3.identity(), np.zeros(6))
    return Observation(
        0, 1, "go to the door.", state, SE3.identity(), image, None, None, None, None, "no camera yet", 0,
        history=tuple(Keyframe(shot, SE3.identity()) for shot in history), **more,
    )  # fmt: skip


def test_an_answer_is_bounded_before_anything_reads_it():
    assert bounded("  \n stop \t") == "stop"
    assert len(bounded("x" * MOST_CHARS)) == MOST_CHARS
    with pytest.raises(DialectError, match="at most 16384"):
        bounded("x" * (MOST_CHARS + 1))
    for nothing in ("", " \n"):
        with pytest.raises(DialectError, match="nothing was answered"):
            bounded(nothing)


def test_an_error_quotes_both_ends_of_a_long_answer_and_no_more():
    error = DialectError("it is too long", "begin" + "x" * 10_000 + "end")
    assert error.reason == "it is too long"
    assert error.text.startswith("begin")
    assert error.text.endswith("end")
    assert len(str(error)) < QUOTED_CHARS + 100
    assert clipped("short") == "short"
    assert str(DialectError("there is no picture")) == "there is no picture"


def test_there_must_be_a_picture_to_ask_about():
    with pytest.raises(DialectError, match="no camera yet"):
        picture(observation())


def test_pictures_are_rgb_in_the_size_that_is_asked_for():
    assert rgb(frame(7)).shape == (6, 8, 3)
    assert (rgb(frame(7)) == 7).all()
    small = rgb(frame(7, (6, 8, 3)), 4, 3)
    assert (small.shape, small.dtype) == ((3, 4, 3), np.uint8)
    assert within(frame(7, (480, 640)), 320) == (320, 240)
    assert within(frame(7, (480, 640)), 1000) == (640, 480)


def test_the_history_is_thinned_evenly_and_stays_in_order():
    shots = [frame(i) for i in range(10)]
    assert [shot.stamp_ns for shot in earlier(observation(history=shots), 4)] == [0, 3, 6, 9]
    assert [shot.stamp_ns for shot in earlier(observation(history=shots[:2]), 4)] == [0, 1]
    assert earlier(observation(), 4) == ()


def test_what_the_operator_said_since_follows_the_instruction():
    assert told(observation(feedback=("the left one", "slower"))) == "go to the door. the left one. slower"
    assert told(observation()) == "go to the door"


def test_a_question_is_recorded_in_words():
    question = Question("be brief", ("before", rgb(frame(1)), "now"))
    assert question.words == "be brief\nbefore\n[8x6 picture]\nnow"
