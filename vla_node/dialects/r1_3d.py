"""3D-R1 (Huang et al., 2025, arXiv:2507.23478; github.com/AIGeeksGroup/3D-R1): a plan of steps, each with a place.

    <think>...</think><answer><plan><step>Go to the table <loc>128, 200</loc></step><step>...</step></plan></answer>

A place is one of
    <loc>x, y</loc>                          a point of the picture, 0 to 255 from its left and its top
    <obj>cx, cy, cz, w, h, l</obj>           a box by centre and size (BOX_FORMAT of the repository)
    box: [x1, y1, z1, x2, y2, z2]            a box by two corners (its reward code)
The tags are the repository's; how they nest is not fixed there, nor is what <loc> counts (its grid has 256 cells, so 0
to 255 here). Its boxes are cells of a normalised scan of the whole scene, which a robot does not have: they are refused
unless the operator declares that the model that is served answers in metres, and in which frame (`r1_3d_boxes`). The
first step is carried out, then it is asked again; each step must have one place, so that it is clear what is meant. A
plan of the one step "stop" ends the mission. The wording of the question is ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from saccade.geometry import F64
from saccade.types import Plan
from vla_node.dialects.base import DialectError, Question, earlier, picture, rgb, told, understood, within
from vla_node.dialects.markup import answer_in, number, numbers, plain_json, repeated
from vla_node.dialects.params import DialectParams
from vla_node.dialects.plans import STEPS, finished, pixel_of, to_goal, to_pixels
from vla_node.lift import Spot, stand
from vla_node.planner import Observation

HISTORY, LONGEST_PX, GRID = 4, 640, 255
SIZE_M = (0.01, 10.0)
"""An edge of a box."""
FAR_M = 100.0
"""Its coordinates are within this of its frame's origin; how far it is from the robot is limited besides."""
_STEP = re.compile(r"([^<>\[\]]*)(?:<(loc|obj)>([^<>]*)</\2>|box: *(\[[^<>\[\]]*\]))\.?")
QUESTION = (
    "These are views of a 3D scene by a robot, the last one is what it sees now. Create a plan to {told}. Output "
    "only:\n<think>your reasoning in 3-8 short sentences</think><answer><plan><step>what to do <loc>x, y</loc></step>"
    "...</plan></answer>\nEach step has the place to drive to in the last view as <loc>x, y</loc>, 0 to 255 from its "
    "left and its top. Once nothing is left to do, the plan is <plan><step>stop</step></plan>."
)


@dataclass(frozen=True, slots=True)
class R13d:
    """See the module."""

    name: ClassVar[str] = "r1_3d"
    params: DialectParams = field(default_factory=DialectParams)

    def ask(self, observation: Observation) -> Question:
        """See `Dialect.ask`: up to four earlier views and the current one, then the words."""
        image = picture(observation)
        views = [rgb(shot, *within(shot, LONGEST_PX)) for shot in earlier(observation, HISTORY)]
        now = rgb(image, *within(image, LONGEST_PX))
        return Question("", (*views, "Now:", now, QUESTION.format(told=told(observation))))

    def read(self, text: str, observation: Observation) -> Plan:
        """See `Dialect.read`."""
        return understood(self._read, text, observation)

    def _read(self, text: str, observation: Observation) -> Plan:
        steps = repeated(answer_in(answer_in(text, "answer"), "plan"), "step")
        if len(steps) > STEPS:
            raise DialectError(f"{len(steps)} steps; at most {STEPS} are taken")
        if [step.lower().rstrip(".") for step in steps] == ["stop"]:
            return finished(observation, observation.instruction)
        places = [_place(step) for step in steps]
        words, kind, values = places[0]
        label = f"step 1 of {len(steps)}, {words}"
        if kind == "loc":
            x, y = values
            return to_pixels(observation, [pixel_of(observation, x, y, GRID)], self.params.standoff_m, label)
        return self._to_box(kind, values, label, observation)

    def _to_box(self, kind: str, values: list[float], label: str, observation: Observation) -> Plan:
        frame = self.params.r1_3d_boxes
        if frame == "refused":
            raise DialectError(
                "a box, whose frame and unit are those of a scene scan; if the model that is served answers in metres, "
                'set r1_3d_boxes to "body" or "odom"'
            )
        here = observation.state.T_odom_from_body
        centre, size = _centred(kind, numbers(values, "a box", 6, -FAR_M, FAR_M))
        if frame == "body":
            centre = here.apply(centre)
        spot = Spot(centre, float(np.hypot(*(centre - here.t)[:2])), False)
        reach_m = self.params.standoff_m + 0.5 * float(np.hypot(*size[:2]))
        return to_goal(observation, stand(here.t, spot, reach_m), label)


def _place(step: str) -> tuple[str, str, list[float]]:
    """Words, kind and numbers of a step's one place."""
    match = _STEP.fullmatch(step)
    if match is None:
        raise DialectError(f"the step {step[:60]!r} is not words and one place")
    words, tag, inside, corners = match.groups()
    if tag == "loc":
        return words.strip(), tag, numbers(_split(inside), "<loc>", 2, 0, GRID)
    listed: Any = _split(inside) if tag else plain_json(corners)
    return words.strip(), tag or "box", numbers(listed, "a box", 6, -1e6, 1e6)


def _split(text: str) -> list[float]:
    """Numbers between commas."""
    return [number(plain_json(part), "a number", -1e6, 1e6) for part in text.split(",")[:8]]


def _centred(kind: str, values: list[float]) -> tuple[F64, F64]:
    """Centre and size of a box, (3,) each; DialectError when it is empty, inside out or too large."""
    first, second = np.array(values[:3]), np.array(values[3:])
    centre, size = (first, second) if kind == "obj" else ((first + second) / 2, second - first)
    if not ((size >= SIZE_M[0]) & (size <= SIZE_M[1])).all():
        edges = ", ".join(f"{edge:g}" for edge in size)
        raise DialectError(f"a box with edges of {edges} m; expected {SIZE_M[0]:g} to {SIZE_M[1]:g}")
    return centre, size
