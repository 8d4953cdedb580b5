"""MobileVLA-R1 (Huang et al., 2025, arXiv:2511.17889; github.com/AIGeeksGroup/MobileVLA-R1): velocities, or a step.

    <think>...</think><answer>[0.35, 0.0, 0.40, -0.01, 2.0, 0.5, 0.0, 0.0, 0.17, 0.0, 0.0, 0.19]</answer>
    <think>...</think><answer>{"velocity": [0.35, 0.0, 0.40], "action": "go forward"}</answer>
    <think>...</think><answer>move forward 75 cm</answer>

Twelve numbers: vx, vy, yaw rate, body height, step frequency, gait (3), foot swing height, pitch, roll, stance width.
Newer code of the same repository calls them legacy and answers with an object, or with a step in NaVILA's words; all
three are understood. Units, signs and duration of velocities are published nowhere: they are obeyed only once the
operator has declared them (`MobileVlaUnits`). Of the twelve only the first three can be carried out; the others must be
sane, and are recorded with the answer. The question is ours around the published format. Depth and point clouds, which
the full model also takes, cannot be sent in a chat; a server that needs them makes them itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from saccade.clock import nanoseconds
from saccade.types import Plan, PlanKind
from vla_node.dialects.base import DialectError, Question, earlier, picture, rgb, told, understood
from vla_node.dialects.markup import answer_in, keyed, numbers, plain_json
from vla_node.dialects.navila import step_of
from vla_node.dialects.params import DialectParams
from vla_node.dialects.plans import halted, of_steps
from vla_node.planner import Observation, make_plan

PAST, SIZE_PX = 7, 448
NUMBERS, MOST = 12, 10.0
"""How many numbers, and how large any of them may be as answered."""
MOST_M_S, MOST_RAD_S = 3.0, 4.0
SIDEWAYS_M_S = 0.02
"""A sideways speed up to this is none."""
SIGNS = {"stop": (0, 0), "go forward": (1, None), "turn left": (None, 1), "turn right": (None, -1)}
"""Signs of forward speed and yaw rate that an action word allows; None is any."""
QUESTION = (
    "You are a quadruped robot. Instruction: {told}\nReason in <think>...</think>, then answer in <answer>...</answer> "
    "with one list of 12 numbers: vx, vy, yaw rate, body height, step frequency, 3 of the gait, foot swing height, "
    "pitch, roll, stance width; or with one of: move forward N cm, turn left N degree, turn right N degree, stop."
)


@dataclass(frozen=True, slots=True)
class MobileVlaR1:
    """See the module."""

    name: ClassVar[str] = "mobilevla_r1"
    params: DialectParams = field(default_factory=DialectParams)

    def ask(self, observation: Observation) -> Question:
        """See `Dialect.ask`: up to seven pictures of the past and the current one, 448x448, then the words."""
        now = rgb(picture(observation), SIZE_PX, SIZE_PX)
        past = [rgb(shot, SIZE_PX, SIZE_PX) for shot in earlier(observation, PAST)]
        parts: tuple[Any, ...] = ("RGB observations:", *past, now, QUESTION.format(told=told(observation)))
        return Question("", parts, temperature=0.7, max_tokens=1024)

    def read(self, text: str, observation: Observation) -> Plan:
        """See `Dialect.read`."""
        return understood(self._read, text, observation)

    def _read(self, text: str, observation: Observation) -> Plan:
        said = answer_in(text, "answer")
        if said[0] not in "[{":
            return of_steps(observation, [step_of(said)])
        value = plain_json(said)
        if isinstance(value, dict):
            return self._move(*_named(value), observation)
        return self._move(numbers(value, "the answer", NUMBERS, -MOST, MOST)[:3], "", observation)

    def _move(self, raw: list[float], action: str, observation: Observation) -> Plan:
        units = self.params.mobilevla_r1
        if not units.declared:
            raise DialectError(
                "units, signs and duration of its velocities are not declared; find them out for the model that is "
                "served, then set mobilevla_r1.linear, angular, sign_x, sign_y, sign_yaw, duration_s and declared"
            )
        vx, vy, wz = (
            raw[0] * units.linear * units.sign_x, raw[1] * units.linear * units.sign_y,
            raw[2] * units.angular * units.sign_yaw,
        )  # fmt: skip
        if math.hypot(vx, vy) > MOST_M_S or abs(wz) > MOST_RAD_S:
            raise DialectError(f"{math.hypot(vx, vy):.2f} m/s, {wz:.2f} rad/s; at most {MOST_M_S:g} and {MOST_RAD_S:g}")
        if abs(vy) > SIDEWAYS_M_S and not units.sideways:
            raise DialectError(f"{vy:.2f} m/s sideways, and mobilevla_r1.sideways says that the robot cannot do that")
        _agree(action, vx, wz)
        if not (vx or vy or wz):
            return halted(observation, "told to stand still")
        return make_plan(
            observation, PlanKind.VELOCITY, f"vx {vx:.2f} m/s, vy {vy:.2f} m/s, wz {wz:.2f} rad/s",
            values=np.array([vx, vy, wz]), valid_for_ns=nanoseconds(units.duration_s),
        )  # fmt: skip


def _named(value: dict[str, Any]) -> tuple[list[float], str]:
    """Velocity as answered, and the action's word."""
    keyed(value, "the answer", ("velocity", "action"))
    action = value["action"]
    if not isinstance(action, str) or action not in SIGNS:
        raise DialectError(f'"action" is {action!r:.40}; a base can do {", ".join(SIGNS)}')
    return numbers(value["velocity"], '"velocity"', 3, -MOST, MOST), action


def _agree(action: str, vx: float, wz: float) -> None:
    """DialectError when a velocity does not go where its action's word says."""
    for value, sign in zip((vx, wz), SIGNS.get(action, (None, None)), strict=True):
        if sign is not None and np.sign(value) != sign:
            raise DialectError(f"contradictory: {action!r} with {vx:.2f} m/s and {wz:.2f} rad/s")
