"""VLA-R1 (Ye et al., 2025, arXiv:2510.01623; github.com/GigaAI-research/VLA-R1): a box, or a path in the picture.

    <think>...</think> ... <output>{"x": 0.5, "y": 0.4, "width": 0.2, "height": 0.3}</output>
    <think>...</think> ... <output>[[0.5, 0.9], [0.45, 0.7], [0.4, 0.55]]</output>

Everything in 0..1 from the left and the top; x and y are the box's centre (the reward code converts it so). The suffix
of the question and the temperature are the published ones. Words between the thoughts and the output mean nothing.
Upstream clips numbers that are out of range, takes the absolute value of sizes and the first output of several: here
all of these stop. Its path is meant for an arm's end effector, but has no depth: for a base its points must lie on
the floor, the last one may be a thing; an arm takes hold of a box, or of a path's only point. It knows no word for
"done", so it never ends a mission.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from saccade.types import Plan
from vla_node.dialects.base import DialectError, Question, bounded, picture, rgb, told, understood, within
from vla_node.dialects.markup import answer_in, keyed, number, numbers, plain_json
from vla_node.dialects.params import DialectParams
from vla_node.dialects.plans import STEPS, pixel_of
from vla_node.dialects.pointing import Pointing
from vla_node.planner import Observation

LONGEST_PX = 640
BOX = (
    " Please output the 2D affordance region define by bounding box of the object in the format "
    '<output>{"x": value, "y": value, "width": value, "height": value}</output>.'
)
PATH = (
    " Please output the optimal trajectory of the end-effector to the target object in the format "
    "<output>[[x1, y1], [x2, y2], ...]</output>."
)


@dataclass(frozen=True, slots=True)
class Box:
    """Centre and size, 0..1 of the picture's width and height."""

    x: float
    y: float
    width: float
    height: float


Path = tuple[tuple[float, float], ...]
"""Points (x, y), 0..1 of the picture's width and height, in order."""


@dataclass(frozen=True, slots=True)
class VlaR1:
    """See the module. One form is asked for, `DialectParams.vla_r1_asks`; either is understood."""

    name: ClassVar[str] = "vla_r1"
    params: DialectParams
    pointing: Pointing

    def ask(self, observation: Observation) -> Question:
        """See `Dialect.ask`: the current picture alone, after the words."""
        image = picture(observation)
        suffix = BOX if self.params.vla_r1_asks == "box" else PATH
        parts = (f"{told(observation)}.{suffix}", rgb(image, *within(image, LONGEST_PX)))
        return Question("", parts, temperature=0.7, max_tokens=2048)

    def read(self, text: str, observation: Observation) -> Plan:
        """See `Dialect.read`."""
        return understood(self._read, text, observation)

    def _read(self, text: str, observation: Observation) -> Plan:
        said = outline(text)
        if isinstance(said, Box):
            (u, v), (height, width) = pixel_of(observation, said.x, said.y, 1.0), picture(observation).data.shape[:2]
            half_u, half_v = 0.5 * said.width * width, 0.5 * said.height * height
            return self.pointing.to_box(observation, (u - half_u, v - half_v), (u + half_u, v + half_v), "box")
        pixels = [pixel_of(observation, *point, 1.0) for point in said]
        return self.pointing.to_pixels(observation, pixels, f"path of {len(said)} points")


def outline(text: str) -> Box | Path:
    """The box or the path of an answer, without any depth. DialectError for anything else."""
    value = plain_json(answer_in(bounded(text), "output", prose=True))
    if isinstance(value, dict):
        keyed(value, "the box", ("x", "y", "width", "height"))
        box = Box(**{key: number(item, f"the box's {key}", 0.0, 1.0) for key, item in value.items()})
        if not (box.width > 0 and box.height > 0):
            raise DialectError("the box is empty")
        return box
    if not isinstance(value, list) or not 1 <= len(value) <= STEPS:
        raise DialectError(f"the output is {value!r:.40}; expected a box, or a list of 1 to {STEPS} points")
    pairs = [numbers(point, "a point", 2, 0.0, 1.0) for point in value]
    return tuple((x, y) for x, y in pairs)
