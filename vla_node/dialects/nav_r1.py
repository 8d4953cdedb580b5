"""Nav-R1 (Liu et al., 2025, arXiv:2509.10884; github.com/AIGeeksGroup/Nav-R1): thoughts, then steps of one size.

    <think>...</think><action>Move forward 25cm, Turn left 30 degrees</action>

Paper, code and data disagree: the paper's figures answer in <action>, the data builder writes <answer>; either tag is
taken here, not both. The steps are those of the paper's action space; the data builder puts lists of map coordinates
into <answer>, and the released evaluation reads no text at all but a classification head: neither is understood here.
The wording of the question is ours: none is published. Steps are separated by commas, semicolons or new lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from saccade.types import Plan
from vla_node.dialects.base import DialectError, Question, earlier, picture, rgb, told, understood
from vla_node.dialects.markup import answer_in
from vla_node.dialects.params import DialectParams
from vla_node.dialects.plans import Forward, Step, Stop, Turn, of_steps
from vla_node.planner import Observation

HISTORY, SIZE_PX = 5, 224
FORWARD_CM, TURN_DEG = 25, 30
_STEP = re.compile(
    r"move forward (?P<cm>\d{1,4}) ?cm|turn (?P<side>left|right) (?P<deg>\d{1,4}) ?(?:°|degrees?)|stop", re.ASCII
)
QUESTION = (
    "Think about the scene and the next move in <think></think>, then give the next moves in <action></action>, "
    "separated by commas. The moves are: Move forward 25cm, Turn left 30 degrees, Turn right 30 degrees, Stop."
)


@dataclass(frozen=True, slots=True)
class NavR1:
    """See the module."""

    name: ClassVar[str] = "nav_r1"
    params: DialectParams = field(default_factory=DialectParams)

    def ask(self, observation: Observation) -> Question:
        """See `Dialect.ask`: up to five pictures of the history, then the current one, 224x224 as it was trained."""
        now = rgb(picture(observation), SIZE_PX, SIZE_PX)
        history = [rgb(shot, SIZE_PX, SIZE_PX) for shot in earlier(observation, HISTORY)]
        parts: list[Any] = ["History:", *history] if history else []
        return Question("", (*parts, "Now:", now, f"Instruction: {told(observation)}\n{QUESTION}"))

    def read(self, text: str, observation: Observation) -> Plan:
        """See `Dialect.read`."""
        return understood(self._read, text, observation)

    def _read(self, text: str, observation: Observation) -> Plan:
        said = answer_in(text, "action", "answer").removesuffix(".")
        return of_steps(observation, [_step(step) for step in re.split(r"[,;\n]", said)])


def _step(text: str) -> Step:
    words = " ".join(text.split())
    match = _STEP.fullmatch(words.lower())
    if match is None:
        raise DialectError(f"{words[:40]!r} is no step of Nav-R1")
    if match["cm"]:
        if int(match["cm"]) != FORWARD_CM:
            raise DialectError(f"a step forward of {match['cm']} cm; Nav-R1's are {FORWARD_CM} cm")
        return Forward(FORWARD_CM / 100)
    if match["side"]:
        if int(match["deg"]) != TURN_DEG:
            raise DialectError(f"a turn of {match['deg']} degrees; Nav-R1's are {TURN_DEG} degrees")
        return Turn(float(TURN_DEG if match["side"] == "left" else -TURN_DEG))
    return Stop()
