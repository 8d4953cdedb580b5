"""NaVILA (Cheng et al., RSS 2025, arXiv:2412.04453; github.com/AnjieCheng/NaVILA): one step in words.

    The next action is move forward 75 cm.          The next action is turn left 30 degree.          ... is stop.

The question is the published one, word for word, and so are the eight pictures: seven of the past, black where there
are none yet, and the current one. Upstream rounds distances to 25, 50 or 75 cm and angles to 15, 30 or 45 degrees
because its simulator can do nothing else, and takes an amount it cannot read for the smallest; here an amount is taken
as it is, within bounds, and anything else stops. Not certain: whether answers come without "The next action is"; both
are taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from saccade.types import U8, Plan
from vla_node.dialects.base import DialectError, Question, earlier, picture, rgb, told, understood
from vla_node.dialects.params import DialectParams
from vla_node.dialects.plans import Forward, Step, Stop, Turn, of_steps
from vla_node.planner import Observation

PAST, SIZE_PX = 7, 448
_STEP = re.compile(
    r"(?:the next action is )?"
    r"(?:move forward (?P<cm>\d{1,4}) ?cm|turn (?P<side>left|right) (?P<deg>\d{1,4}) ?(?:°|degrees?)|stop)\.?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Navila:
    """See the module."""

    name: ClassVar[str] = "navila"
    params: DialectParams = field(default_factory=DialectParams)

    def ask(self, observation: Observation) -> Question:
        """See `Dialect.ask`: seven pictures and the current one, 448x448 as the encoder takes them."""
        now = rgb(picture(observation), SIZE_PX, SIZE_PX)
        past = [rgb(shot, SIZE_PX, SIZE_PX) for shot in earlier(observation, PAST)]
        black: U8 = np.zeros_like(now)
        past = [black] * (PAST - len(past)) + past
        return Question(
            "",
            (
                "Imagine you are a robot programmed for navigation tasks. You have been given a video of historical "
                "observations", *past, ", and current observation", now,
                f'. Your assigned task is: "{told(observation)}" Analyze this series of images to decide your next '
                "action, which could be turning left or right by a specific degree, moving forward a certain distance, "
                "or stop if the task is completed.",
            ),
            max_tokens=64,
        )  # fmt: skip

    def read(self, text: str, observation: Observation) -> Plan:
        """See `Dialect.read`."""
        return understood(lambda said, seen: of_steps(seen, [step_of(said)]), text, observation)


def step_of(text: str) -> Step:
    """One step in NaVILA's words. DialectError for any other."""
    words = " ".join(text.split())
    match = _STEP.fullmatch(words.lower())
    if match is None:
        raise DialectError(f"{words[:60]!r} is no step of NaVILA")
    if match["cm"]:
        return Forward(int(match["cm"]) / 100)
    if match["side"]:
        return Turn(float(match["deg"]) * (1 if match["side"] == "left" else -1))
    return Stop()
