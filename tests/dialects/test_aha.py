"""AHA's question: one row of frames, and an answer that begins with yes or no."""

import numpy as np
import pytest
from dialect_world import look

from saccade.types import PlanKind
from vla_node.dialects.aha import FRAME_PX, MOST_FRAMES, Aha
from vla_node.dialects.base import DialectError

aha = Aha()


def test_it_is_shown_one_row_of_numbered_frames() -> None:
    question = aha.ask(look(history=9, instruction="lift the red box"))
    picture, words = question.parts
    assert picture.shape == (FRAME_PX[1] + 24, MOST_FRAMES * FRAME_PX[0], 3)
    assert [int(picture[100, i * FRAME_PX[0] + 10, 0]) for i in range(MOST_FRAMES)] == [1, 5, 9, 0]
    assert (picture[:24] == 255).mean() > 0.9
    assert "lift the red box" in words


@pytest.mark.parametrize(("answer", "progress", "why"), [
    ("Yes, the robot did it.", 1.0, "the robot did it."), ("yes", 1.0, ""),
    ("No, the gripper closed\n beside it", 0.0, "the gripper closed beside it"),
    ("NO. It slipped", 0.0, "It slipped"),
])  # fmt: skip
def test_an_answer_is_a_final_stop_that_says_how_far(answer: str, progress: float, why: str) -> None:
    plan = aha.read(answer, look())
    assert (plan.kind, plan.final, plan.progress, plan.text) == (PlanKind.STOP, True, progress, why)


@pytest.mark.parametrize("answer", ["", "Perhaps", "Yesterday it did", "Nothing", "No", "no.", "The answer is yes"])
def test_anything_else_is_not_understood(answer: str) -> None:
    with pytest.raises(DialectError):
        aha.read(answer, look())


def test_without_a_picture_nothing_is_asked() -> None:
    with pytest.raises(DialectError):
        aha.ask(look(image=None, blind="dark"))


def test_grey_frames_become_colours() -> None:
    seen = look()
    grey = np.full((60, 80), 7, np.uint8)
    picture = aha.ask(look(image=type(seen.image)(1, "c", grey))).parts[0]
    assert picture.shape == (FRAME_PX[1] + 24, FRAME_PX[0], 3)
