"""Gemini Robotics-ER (ai.google.dev/gemini-api/docs/robotics-overview and its cookbook): labelled points.

    [{"point": [y, x], "label": "doorway"}]                       y first, both 0 to 1000
    [{"point": [y, x], "label": "0"}, {"point": [y, x], "label": "1"}, ...]      a path, as in the cookbook

Often in a ``` fence. The format is the documented one; which point is meant is settled by the question, which is ours:
one point, or a path labelled by its order. The label "done" ends the mission (our convention), an empty list is a
standstill: nothing to point to. Several points with other labels are several things, and which one is meant is not
guessed. Models of this family come and go, so their names are configuration of the transport. Not used: boxes, tool
calls, progress of videos.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from saccade.types import Plan
from vla_node.dialects.base import DialectError, Question, picture, rgb, told, understood, within
from vla_node.dialects.markup import keyed, numbers, plain_json
from vla_node.dialects.params import DialectParams
from vla_node.dialects.plans import STEPS, finished, halted, pixel_of
from vla_node.dialects.pointing import Pointing
from vla_node.planner import Observation

LONGEST_PX, LABEL_CHARS = 800, 80
DRIVE = """A wheeled robot sees this picture. Its instruction: {told}
Point to the one place on the floor, or the one thing, that it should drive to next. If the way there is not straight,
point to the places on the floor along the way in order, labelled "0", "1" and so on, the last one being where to go.
If the instruction has been carried out, point to the middle of the picture with the label "done".
If there is nothing to drive to, the answer is [].
"""
GRASP = """A camera sees a robot arm's workplace in this picture. The arm's instruction: {told}
Point to the one thing that its gripper should take hold of next, in the middle of the side that the gripper meets.
If the instruction has been carried out, point to the middle of the picture with the label "done".
If there is nothing to take hold of, the answer is [].
"""
FORM = """The answer should follow the json format: [{"point": <point>, "label": <label1>}, ...]. The points are in
[y, x] format normalized to 0-1000."""


@dataclass(frozen=True, slots=True)
class GeminiEr:
    """See the module."""

    name: ClassVar[str] = "gemini_er"
    params: DialectParams
    pointing: Pointing

    def ask(self, observation: Observation) -> Question:
        """See `Dialect.ask`: the current picture alone, no longer than 800 pixels as in the examples, then words."""
        image = picture(observation)
        wanted = (DRIVE if self.pointing.drives else GRASP).format(told=told(observation))
        parts = (rgb(image, *within(image, LONGEST_PX)), wanted + FORM)
        return Question("", parts, temperature=0.5)

    def read(self, text: str, observation: Observation) -> Plan:
        """See `Dialect.read`."""
        return understood(self._read, text, observation)

    def _read(self, text: str, observation: Observation) -> Plan:
        answer = plain_json(text)
        if not isinstance(answer, list) or len(answer) > STEPS:
            raise DialectError(f"the answer is {answer!r:.40}; expected a list of at most {STEPS} points")
        pointed = [_point(item, observation) for item in answer]
        labels = [label for _, label in pointed]
        if not pointed:
            return halted(observation, "pointed to nothing")
        if "done" in labels:
            if len(labels) > 1:
                raise DialectError("contradictory: done, and other points")
            return finished(observation, observation.instruction)
        if len(labels) > 1 and labels != [str(i) for i in range(len(labels))]:
            raise DialectError(
                f"{len(labels)} points that are no path, labelled {', '.join(labels)[:80]}; expected one"
            )
        what = labels[0] if len(labels) == 1 else f"path of {len(labels)} points"
        return self.pointing.to_pixels(observation, [pixel for pixel, _ in pointed], what)


def _point(item: object, observation: Observation) -> tuple[tuple[float, float], str]:
    """Pixel (u, v) and label of one item."""
    value = keyed(item, "an item", ("point", "label"))
    if not isinstance(value["label"], str) or not 1 <= len(value["label"]) <= LABEL_CHARS:
        raise DialectError(f'"label" is {value["label"]!r:.40}; expected 1 to {LABEL_CHARS} characters')
    y, x = numbers(value["point"], '"point"', 2, 0, 1000)
    return pixel_of(observation, x, y, 1000), value["label"]
