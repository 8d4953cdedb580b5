"""What an answer can amount to: waypoints in the odometry frame from where the picture was taken, or a standstill."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saccade.clock import nanoseconds
from saccade.geometry import F64, wrap_angle
from saccade.types import Plan, PlanKind
from vla_node.dialects.base import DialectError
from vla_node.lift import Goal
from vla_node.planner import Observation, make_plan
from vla_node.reasoners.embedded.routes import facing

STEPS = 32
"""An answer of more steps or points than this is refused."""
STEP_M = (0.01, 3.0)
"""One step forward, metres."""
TOTAL_M = 10.0
"""All steps of an answer together, metres; points must lie within this of the robot."""
STEP_DEG = (1.0, 180.0)
"""One turn, degrees."""
TURN_DEG = 180.0
"""Turns in a row together: beyond half a circle the robot would turn the other way round."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Straight ahead."""

    metres: float

    def __str__(self) -> str:
        return f"forward {self.metres:g} m"


@dataclass(frozen=True, slots=True)
class Turn:
    """On the spot; positive to the left."""

    degrees: float

    def __str__(self) -> str:
        return f"turn {'left' if self.degrees > 0 else 'right'} {abs(self.degrees):g} degrees"


@dataclass(frozen=True, slots=True)
class Stop:
    """The instruction has been carried out."""

    def __str__(self) -> str:
        return "stop"


Step = Forward | Turn | Stop


def of_steps(observation: Observation, steps: Sequence[Step], valid_for_s: float) -> Plan:
    """The plan of steps taken one after the other from the pose of the picture.

    A Stop alone ends the mission; as the last of several it lets the robot get there and be asked again. DialectError:
    none, too many, too far, a Stop among others, turns that take each other back or go round the other way.
    """
    if not steps:
        raise DialectError("no steps")
    if len(steps) > STEPS:
        raise DialectError(f"{len(steps)} steps; at most {STEPS} are taken")
    if any(isinstance(step, Stop) for step in steps[:-1]):
        raise DialectError("contradictory: a stop, and steps after it")
    text = ", ".join(map(str, steps))
    if isinstance(steps[0], Stop):
        return finished(observation, text)
    pose = observation.state.T_odom_from_body
    points, yaw, turned, driven_m = [pose.t], pose.yaw, 0.0, 0.0
    for step in steps:
        if isinstance(step, Forward):
            _limit("a step forward", step.metres, STEP_M, "m")
            points.append(points[-1] + step.metres * np.array([math.cos(yaw), math.sin(yaw), 0.0]))
            driven_m, turned = driven_m + step.metres, 0.0
        elif isinstance(step, Turn):
            _limit("a turn", abs(step.degrees), STEP_DEG, "degrees")
            if turned * step.degrees < 0:
                raise DialectError("contradictory: turns left and right in a row")
            turned += step.degrees
            if abs(turned) > TURN_DEG:
                raise DialectError(f"turns of {abs(turned):g} degrees in a row; at most {TURN_DEG:g} are taken")
            yaw += math.radians(step.degrees)
    if driven_m > TOTAL_M:
        raise DialectError(f"{driven_m:g} m in all; at most {TOTAL_M:g} m are driven")
    if turned:
        points[-1:] = list(facing(points[-1], wrap_angle(yaw)))
    return along(observation, np.array(points), text, valid_for_s)


def _limit(what: str, value: float, limits: tuple[float, float], unit: str) -> None:
    if not limits[0] <= value <= limits[1]:
        raise DialectError(f"{what} of {value:g} {unit}; expected {limits[0]:g} to {limits[1]:g}")


def to_goal(observation: Observation, goal: Goal, text: str, valid_for_s: float) -> Plan:
    """Straight to a goal, ending with its heading."""
    end = facing(goal.point, goal.yaw)
    where = "the floor" if goal.spot.on_floor else "a thing"
    words = f"{text}: {where}, {goal.spot.depth_m:.1f} m away"
    return along(observation, np.vstack([observation.state.T_odom_from_body.t, end]), words, valid_for_s)


def along(observation: Observation, points: F64, text: str, valid_for_s: float) -> Plan:
    """A plan along waypoints (n, 3) in metres in the odometry frame. DialectError when one is not finite or too far."""
    if not np.isfinite(points).all():
        raise DialectError("a point is not finite")
    far_m = float(np.hypot(*(points - observation.state.T_odom_from_body.t)[:, :2].T).max())
    if far_m > TOTAL_M:
        raise DialectError(f"a point {far_m:.1f} m away; at most {TOTAL_M:g} m are driven")
    return make_plan(
        observation, PlanKind.WAYPOINTS, text, waypoints=points, valid_for_ns=nanoseconds(valid_for_s)
    )  # fmt: skip


def finished(observation: Observation, text: str) -> Plan:
    """The model says that the instruction has been carried out."""
    return make_plan(observation, PlanKind.STOP, f"done: {text}", final=True, progress=1.0)


def halted(observation: Observation, text: str) -> Plan:
    """The model says to stand still; it will be asked again."""
    return make_plan(observation, PlanKind.STOP, text)
