"""AHA (Duan et al., 2024, arXiv:2410.00371; github.com/NVlabs/AHA): whether a sub-task was done, and if not, why not.

The model is shown one picture, a row of numbered frames from the beginning to the end, and says "Yes, ..." or
"No, ...". This is no way to drive: it asks about what is over, and its plan says STOP, final where it was understood,
with `progress` 1 for yes and 0 for no, and the reason as text. Its grid has more rows where there are more views; here
there is one. The wording of the question is ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from saccade.types import U8, Plan, PlanKind
from vla_node.dialects.base import DialectError, Question, earlier, picture, rgb, understood
from vla_node.planner import Observation, make_plan

MOST_FRAMES, FRAME_PX = 4, (320, 240)
"""Frames a row, and width and height of each."""
_BAR_PX = 24
_ANSWER = re.compile(r"(?P<said>yes|no)\b[\s,.:;-]*(?P<why>.*)", re.ASCII | re.DOTALL | re.IGNORECASE)
QUESTION = (
    "The picture is a row of frames from one camera. The number above each is its time step; time goes from left to "
    "right. They show a robot performing this sub-task: {task}. Did it succeed at the sub-task by the last frame? "
    'Begin your answer with "Yes" or "No", and then give the reason.'
)


@dataclass(frozen=True, slots=True)
class Aha:
    """See the module."""

    name: ClassVar[str] = "aha"

    def ask(self, observation: Observation) -> Question:
        """See `Dialect.ask`: the sub-task is the instruction, its last frame the picture, those before the history."""
        last = picture(observation)
        frames = [rgb(image, *FRAME_PX) for image in (*earlier(observation, MOST_FRAMES - 1), last)]
        return Question("", (row_of(frames), QUESTION.format(task=observation.instruction)), max_tokens=256)

    def read(self, text: str, observation: Observation) -> Plan:
        """See `Dialect.read`."""
        return understood(_read, text, observation)


def row_of(frames: list[U8]) -> U8:
    """Frames (h, w, 3) RGB side by side under a white bar with their numbers, (h + 24, n w, 3)."""
    cells = []
    for number, frame in enumerate(frames):
        bar = np.full((_BAR_PX, frame.shape[1], 3), 255, np.uint8)
        cv2.putText(bar, str(number), (6, _BAR_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
        cells.append(np.vstack([bar, frame]))
    return np.hstack(cells)


def _read(text: str, observation: Observation) -> Plan:
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise DialectError('an answer begins with "Yes" or "No"')
    yes, why = match["said"].lower() == "yes", " ".join(match["why"].split())
    if not yes and not why:
        raise DialectError("a No without a reason")
    return make_plan(observation, PlanKind.STOP, why, final=True, progress=1.0 if yes else 0.0)
