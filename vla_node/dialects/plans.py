"""What an answer can amount to: waypoints in the odometry frame from where the picture was taken, or a standstill."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saccade.geometry import F64, wrap_angle
from saccade.types import Plan, PlanKind
from vla_node.dialects.base import DialectError, picture
from vla_node.lift import Goal, LiftError, goal_at, spot_at
from vla_node.planner import Observation, make_plan
from vla_node.reasoners.embedded.routes import facing

STEPS = 32
"""An answer of more steps or points than this is refused."""
STEP_M = (0.01, 3.0)
"""One step forward, metres."""
TOTAL_M = 10.0
"""Every point must lie within this of the robot, metres."""
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


def of_steps(observation: Observation, steps: Sequence[Step]) -> Plan:
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
    points, yaw, turned = [pose.t], pose.yaw, 0.0
    for step in steps:
        if isinstance(step, Forward):
            _limit("a step forward", step.metres, STEP_M, "m")
            points.append(points[-1] + step.metres * np.array([math.cos(yaw), math.sin(yaw), 0.0]))
            turned = 0.0
        elif isinstance(step, Turn):
            _limit("a turn", abs(step.degrees), STEP_DEG, "degrees")
            if turned * step.degrees < 0:
                raise DialectError("contradictory: turns left and right in a row")
            turned += step.degrees
            if abs(turned) > TURN_DEG:
                raise DialectError(f"turns of {abs(turned):g} degrees in a row; at most {TURN_DEG:g} are taken")
            yaw += math.radians(step.degrees)
    if turned:
        points[-1:] = list(facing(points[-1], wrap_angle(yaw)))
    return along(observation, np.array(points), text)


def _limit(what: str, value: float, limits: tuple[float, float], unit: str) -> None:
    if not limits[0] <= value <= limits[1]:
        raise DialectError(f"{what} of {value:g} {unit}; expected {limits[0]:g} to {limits[1]:g}")


def pixel_of(observation: Observation, x: float, y: float, scale: float) -> tuple[float, float]:
    """Pixel (u, v) of the observation's picture for x and y in 0..scale from its left and top edges."""
    height, width = picture(observation).data.shape[:2]
    u, v = x / scale * width - 0.5, y / scale * height - 0.5
    return min(max(u, 0.0), width - 1.0), min(max(v, 0.0), height - 1.0)


def to_pixels(observation: Observation, pixels: Sequence[tuple[float, float]], standoff_m: float, text: str) -> Plan:
    """Along pixels (u, v) of the observation's picture; all but the last must show the floor, the last may be a thing.

    The plan ends on the floor point, or `standoff_m` before the thing, facing it. DialectError or LiftError.
    """
    here = observation.state.T_odom_from_body
    way = [here.t]
    for u, v in pixels[:-1]:
        spot = spot_at(observation, u, v)
        if not spot.on_floor:
            raise LiftError(f"pixel ({u:.0f}, {v:.0f}) on the way is not on the floor, where a base can go")
        way.append(np.array([*spot.point[:2], here.t[2]]))
    return to_goal(observation, goal_at(observation, *pixels[-1], standoff_m, way[-1]), text, way)


def to_goal(observation: Observation, goal: Goal, text: str, way: Sequence[F64] = ()) -> Plan:
    """Along a way to a goal, ending with its heading; straight from here where no way is given."""
    what = "the floor" if goal.spot.on_floor else "a thing"
    points = np.vstack([*(way or [observation.state.T_odom_from_body.t]), facing(goal.point, goal.yaw)])
    return along(observation, points, f"{text}: {what}, {goal.spot.depth_m:.1f} m away")


def along(observation: Observation, points: F64, text: str) -> Plan:
    """A plan along waypoints (n, 3) in metres in the odometry frame. DialectError when one is not finite or too far."""
    if not np.isfinite(points).all():
        raise DialectError("a point is not finite")
    far_m = float(np.hypot(*(points - observation.state.T_odom_from_body.t)[:, :2].T).max())
    if far_m > TOTAL_M:
        raise DialectError(f"a point {far_m:.1f} m away; at most {TOTAL_M:g} m are driven")
    return make_plan(observation, PlanKind.WAYPOINTS, text, waypoints=points)


def finished(observation: Observation, text: str) -> Plan:
    """The model says that the instruction has been carried out."""
    return make_plan(observation, PlanKind.STOP, f"done: {text}", final=True, progress=1.0)


def halted(observation: Observation, text: str) -> Plan:
    """The model says to stand still; it will be asked again."""
    return make_plan(observation, PlanKind.STOP, text)
