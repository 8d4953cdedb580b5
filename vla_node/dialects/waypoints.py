"""Our own: one JSON object, for any model that can follow a format (Qwen-VL and other general ones).

    {"action": "waypoints", "points": [[x, y], ...]}   metres from where the picture was taken, x forward, y left
    {"action": "point", "pixel": [x, y]}               in the picture, 0 to 1000 from its left and its top
    {"action": "turn", "degrees": a}                   on the spot, left positive, -180 to 180
    {"action": "stop", "done": true or false}          stand still; done when the instruction has been carried out

Each may have a "reason" in words, which is recorded and not read. A ``` fence around it is allowed, nothing else is.
An arm is asked for a point, to take hold of, or a stop.
The scale of 0 to 1000 is what Qwen3-VL and Gemini point in; a model that points in pixels must be told, as here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from saccade.geometry import planar
from saccade.types import Plan
from vla_node.dialects.base import DialectError, Question, earlier, picture, rgb, told, understood, within
from vla_node.dialects.markup import keyed, number, numbers, plain_json
from vla_node.dialects.params import DialectParams
from vla_node.dialects.plans import STEPS, TOTAL_M, Turn, along, finished, halted, of_steps, pixel_of
from vla_node.dialects.pointing import Pointing
from vla_node.planner import Observation

HISTORY, LONGEST_PX = 3, 640
DRIVE = """You steer a wheeled robot by its front camera. Answer with one JSON object and nothing else, one of:
{"action": "waypoints", "points": [[x, y], ...], "reason": "..."}  metres from the robot, x forward, y left, in order
{"action": "point", "pixel": [x, y], "reason": "..."}  a place on the floor or a thing to drive up to, in the last
picture, 0 to 1000 from its left edge and from its top edge
{"action": "turn", "degrees": a, "reason": "..."}  on the spot, positive to the left, -180 to 180
{"action": "stop", "done": false, "reason": "..."}  stand still; done is true once the instruction is carried out
Prefer "point" for what you can see. Stop when you are not sure."""
GRASP = """You guide a robot arm with a gripper by a camera. Answer with one JSON object and nothing else, one of:
{"action": "point", "pixel": [x, y], "reason": "..."}  the thing to take hold of, in the middle of the side that the
gripper meets, in the last picture, 0 to 1000 from its left edge and from its top edge
{"action": "stop", "done": false, "reason": "..."}  stand still; done is true once the instruction is carried out
Stop when you are not sure."""

ABOVE = """The map from above, as far as it has been seen. The red arrow is the robot and points ahead, the blue line is
the way it came, the orange line its plan:"""


@dataclass(frozen=True, slots=True)
class Waypoints:
    """See the module."""

    name: ClassVar[str] = "waypoints"
    params: DialectParams
    pointing: Pointing

    def ask(self, observation: Observation) -> Question:
        """See `Dialect.ask`: up to three earlier pictures, the map, then the current one, at most 640 pixels long."""
        image = picture(observation)
        parts: list[Any] = []
        for shot in earlier(observation, HISTORY):
            parts += ["Earlier:", rgb(shot, *within(shot, LONGEST_PX // 2))]
        if observation.birdseye is not None:
            parts += [ABOVE, rgb(observation.birdseye, *within(observation.birdseye, LONGEST_PX))]
        parts += ["Now:", rgb(image, *within(image, LONGEST_PX)), f"Instruction: {told(observation)}"]
        return Question(DRIVE if self.pointing.drives else GRASP, tuple(parts), max_tokens=512)

    def read(self, text: str, observation: Observation) -> Plan:
        """See `Dialect.read`."""
        return understood(self._read, text, observation)

    def _read(self, text: str, observation: Observation) -> Plan:
        answer = plain_json(text)
        actions: dict[str, tuple[str, Callable[[Any, Observation], Plan]]] = {
            "waypoints": ("points", self._follow), "point": ("pixel", self._point), "turn": ("degrees", self._turn),
            "stop": ("done", self._stop),
        }  # fmt: skip
        if not self.pointing.drives:
            del actions["waypoints"], actions["turn"]
        action = answer.get("action") if isinstance(answer, dict) else None
        if not isinstance(action, str) or action not in actions:
            raise DialectError(f'"action" is {action!r:.40}; expected one of {", ".join(actions)}')
        key, act = actions[action]
        keyed(answer, f'"{action}"', ("action", key), ("reason",))
        if not isinstance(answer.get("reason", ""), str):
            raise DialectError(f'"reason" is {answer["reason"]!r:.40}; expected words')
        return act(answer[key], observation)

    def _follow(self, points: Any, observation: Observation) -> Plan:
        if not isinstance(points, list) or not 1 <= len(points) <= STEPS:
            raise DialectError(f'"points" is {points!r:.40}; expected a list of 1 to {STEPS} points')
        local = [[*numbers(point, "a point", 2, -TOTAL_M, TOTAL_M), 0.0] for point in points]
        here = observation.state.T_odom_from_body
        way = np.vstack([here.t, planar(here).apply(np.array(local))])
        return along(observation, way, f"{len(points)} waypoints")

    def _point(self, pixel: Any, observation: Observation) -> Plan:
        x, y = numbers(pixel, '"pixel"', 2, 0, 1000)
        u, v = pixel_of(observation, x, y, 1000)
        return self.pointing.to_pixels(observation, [(u, v)], f"pixel ({u:.0f}, {v:.0f})")

    def _turn(self, degrees: Any, observation: Observation) -> Plan:
        turn = Turn(number(degrees, '"degrees"', -180, 180))
        return of_steps(observation, [turn])

    def _stop(self, done: Any, observation: Observation) -> Plan:
        if not isinstance(done, bool):
            raise DialectError(f'"done" is {done!r:.40}; expected true or false')
        return finished(observation, observation.instruction) if done else halted(observation, "told to stand still")
