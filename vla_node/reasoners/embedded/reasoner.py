"""The embedded reasoner: it executes the bounded language on the picture, the odometry and the local map."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from saccade.clock import nanoseconds, seconds
from saccade.geometry import F64, wrap_angle
from saccade.types import Plan, PlanKind
from vla_node.planner import Answer, Observation, make_plan
from vla_node.reasoners.embedded.language import (
    Drive,
    Explore,
    GoTo,
    Misunderstood,
    Return,
    Step,
    Stop,
    Turn,
    Wait,
    parse,
)
from vla_node.reasoners.embedded.recovery import SEARCH_STEP_RAD, TRIES, Recovery
from vla_node.reasoners.embedded.routes import facing, free_behind, open_way, route
from vla_node.reasoners.embedded.sight import Memory

ARRIVED_M = 0.20
FACING_RAD = 0.20
STANDING_M_S = 0.10
TURNED_RAD = 0.08
BACK_UP_M_S = 0.2
HELD_SHORT_M = 0.4
"""A robot that the gate holds this near to its stand-off counts as arrived."""


@dataclass(slots=True)
class _Progress:
    """How far the current step has come."""

    x: float
    y: float
    yaw: float
    began_ns: int
    turned_rad: float = 0.0


@dataclass(slots=True)
class _Mission:
    steps: list[Step]
    memory: Memory = field(default_factory=Memory)
    recovery: Recovery = field(default_factory=Recovery)
    index: int = 0
    progress: _Progress | None = None
    last_yaw: float = 0.0

    def label(self) -> str:
        return f"step {self.index + 1} of {len(self.steps)}, {self.steps[self.index]}"


class EmbeddedReasoner:
    """Executes instructions of `language.py`, one mission an epoch; the default `Reasoner`."""

    def __init__(self, radius_m: float, standoff_m: float) -> None:
        self._radius_m = radius_m
        self._standoff_m = standoff_m
        self._epoch = -1
        self._mission: _Mission | None = None

    def refuses(self, instruction: str) -> str:
        """See `Reasoner.refuses`."""
        steps = parse(instruction)
        return str(steps) if isinstance(steps, Misunderstood) else ""

    def plan(self, observation: Observation) -> Answer:
        """See `Reasoner.plan`."""
        return Answer(self._plan(observation))

    def cancel(self) -> None:
        """See `Reasoner.cancel`; it never thinks for long."""

    def close(self) -> None:
        """See `Reasoner.close`."""

    def _plan(self, observation: Observation) -> Plan:
        if observation.epoch != self._epoch or self._mission is None:
            steps = parse(observation.instruction)
            if isinstance(steps, Misunderstood):
                return make_plan(observation, PlanKind.STOP, str(steps), final=True)
            self._mission, self._epoch = _Mission(steps), observation.epoch
        mission = self._mission
        mission.memory.look(observation, [step for step in mission.steps if isinstance(step, GoTo)])
        while mission.index < len(mission.steps):
            progress = _advance(mission, observation)
            step = mission.steps[mission.index]
            behave: Callable[..., Plan | None] = _BEHAVIOURS[type(step)]
            plan = behave(self, step, observation, mission, progress)
            if plan is not None:
                return replace(plan, progress=max(plan.progress, mission.index / len(mission.steps)))
            mission.index, mission.progress = mission.index + 1, None
        return make_plan(observation, PlanKind.STOP, f"done: {observation.instruction}", final=True, progress=1.0)

    def _go_to(self, step: GoTo, obs: Observation, mission: _Mission, progress: _Progress) -> Plan | None:
        target = mission.memory.recall(step)
        if target is None:
            return self._search(step, obs, mission, progress)
        here = obs.state.T_odom_from_body.t
        bearing = math.atan2(target.centre[1] - here[1], target.centre[0] - here[0])
        reach_m = target.width_m / 2 + self._standoff_m
        left_m = float(np.hypot(*(target.centre - here)[:2])) - reach_m
        turned = abs(wrap_angle(bearing - obs.state.T_odom_from_body.yaw)) < FACING_RAD
        if turned and _standing(obs) and (left_m < ARRIVED_M or (left_m < HELD_SHORT_M and obs.held_ns)):
            return None
        text = f"{mission.label()}: {max(0.0, left_m):.1f} m to go, {mission.memory.describe(step)}"
        if left_m < ARRIVED_M and _standing(obs):
            return _face(obs, mission, bearing, text, last=_last(mission))
        return self._follow(obs, mission, target.centre, reach_m, None, text, target.confidence)

    def _search(self, step: GoTo, obs: Observation, mission: _Mission, progress: _Progress) -> Plan:
        if obs.blind:
            return _halt(obs, mission, f"cannot look for it: {obs.blind}")
        if mission.memory.mono:
            return _halt(obs, mission, "the camera's picture is grey, so colours cannot be told", final=True)
        if abs(progress.turned_rad) >= math.tau:
            return _halt(obs, mission, f"not found after a full turn; {mission.memory.describe(step)}", final=True)
        text = f"{mission.label()}: looking for it, turned {math.degrees(progress.turned_rad):.0f} degrees so far"
        return _face(obs, mission, obs.state.T_odom_from_body.yaw + SEARCH_STEP_RAD, text, last=False)

    def _return(self, step: Return, obs: Observation, mission: _Mission, progress: _Progress) -> Plan | None:
        left_m = float(np.hypot(*(obs.start.t - obs.state.T_odom_from_body.t)[:2]))
        turned = abs(wrap_angle(obs.start.yaw - obs.state.T_odom_from_body.yaw)) < FACING_RAD
        if left_m < ARRIVED_M and turned and _standing(obs):
            return None
        text = f"{mission.label()}: {left_m:.1f} m to go"
        return self._follow(obs, mission, obs.start.t, 0.0, obs.start.yaw, text)

    def _drive(self, step: Drive, obs: Observation, mission: _Mission, progress: _Progress) -> Plan | None:
        ahead = np.array([math.cos(progress.yaw), math.sin(progress.yaw), 0.0])
        start = np.array([progress.x, progress.y, float(obs.state.T_odom_from_body.t[2])])
        left_m = step.distance_m - float(ahead @ (obs.state.T_odom_from_body.t - start))
        text = f"{mission.label()}: {abs(left_m):.2f} m to go"
        if step.distance_m < 0:
            return self._back_up(obs, mission, -left_m, text)
        if left_m < ARRIVED_M / 2 and _standing(obs):
            return None
        goal = start + step.distance_m * ahead
        return self._follow(obs, mission, goal, 0.0, progress.yaw, text, detour_m=0.5 * left_m + 0.5)

    def _back_up(self, obs: Observation, mission: _Mission, left_m: float, text: str) -> Plan | None:
        if left_m < 0.03:
            return None
        if not free_behind(obs, left_m, self._radius_m):
            return _halt(obs, mission, "the way behind is not known to be free, and no camera looks there", final=True)
        return make_plan(
            obs, PlanKind.VELOCITY, text, values=np.array([-BACK_UP_M_S, 0.0, 0.0]), final=_last(mission),
            valid_for_ns=nanoseconds(left_m / BACK_UP_M_S),
        )  # fmt: skip

    def _turn(self, step: Turn, obs: Observation, mission: _Mission, progress: _Progress) -> Plan | None:
        left_rad = step.angle_rad - progress.turned_rad
        if abs(left_rad) < TURNED_RAD:
            return None
        ahead = math.copysign(min(abs(left_rad), SEARCH_STEP_RAD), left_rad)
        text = f"{mission.label()}: {abs(math.degrees(left_rad)):.0f} degrees to go"
        return _face(obs, mission, obs.state.T_odom_from_body.yaw + ahead, text, last=_last(mission))

    def _wait(self, step: Wait, obs: Observation, mission: _Mission, progress: _Progress) -> Plan | None:
        left_ns = progress.began_ns + nanoseconds(step.seconds) - obs.stamp_ns
        if left_ns <= 0:
            return None
        text = f"{mission.label()}: {seconds(left_ns):.1f} s left"
        return make_plan(obs, PlanKind.STOP, text, valid_for_ns=left_ns)

    def _explore(self, step: Explore, obs: Observation, mission: _Mission, progress: _Progress) -> Plan:
        if obs.grid is None:
            return _halt(obs, mission, "there is no fresh local map")
        way = open_way(obs, self._radius_m)
        if way is None:
            return _halt(obs, mission, "no free way ahead")
        return make_plan(obs, PlanKind.WAYPOINTS, mission.label(), waypoints=way)

    def _stop(self, step: Stop, obs: Observation, mission: _Mission, progress: _Progress) -> Plan:
        return make_plan(obs, PlanKind.STOP, f"told to stop: {obs.instruction!r}", final=True, progress=1.0)

    def _follow(
        self, obs: Observation, mission: _Mission, goal: F64, reach_m: float, yaw: float | None, text: str,
        confidence: float = 1.0, detour_m: float = math.inf,
    ) -> Plan:  # fmt: skip
        """Waypoints to within `reach_m` of a goal, ending with heading `yaw`, or facing the goal when None."""
        if obs.grid is None:
            return _halt(obs, mission, "there is no fresh local map")
        recovery = mission.recovery
        strict = recovery.active or obs.held_ns > 0
        way = route(obs, goal, reach_m, yaw, self._radius_m, strict)
        if way is not None:
            recovery.end()
        elif strict:
            if recovery.tries == TRIES and not recovery.active:
                return _halt(obs, mission, "no way there is known to be free, wherever it looked from", final=True)
            turned_rad = mission.progress.turned_rad if mission.progress else 0.0
            move = recovery.step(obs, turned_rad, self._radius_m)
            if move is not None:
                return make_plan(obs, PlanKind.WAYPOINTS, f"{text}; looking for a way that is free", waypoints=move)
            way = route(obs, goal, reach_m, yaw, self._radius_m)
        straight_m = float(np.hypot(*(goal - obs.state.T_odom_from_body.t)[:2]))
        if way is None or float(np.hypot(*np.diff(way[:, :2], axis=0).T).sum()) > straight_m + detour_m:
            return _halt(obs, mission, "no path: the way is blocked")
        return make_plan(
            obs, PlanKind.WAYPOINTS, text, waypoints=way, confidence=confidence, final=_last(mission)
        )  # fmt: skip


_BEHAVIOURS: dict[type, Callable[..., Any]] = {
    GoTo: EmbeddedReasoner._go_to, Return: EmbeddedReasoner._return, Drive: EmbeddedReasoner._drive,
    Turn: EmbeddedReasoner._turn, Wait: EmbeddedReasoner._wait, Explore: EmbeddedReasoner._explore,
    Stop: EmbeddedReasoner._stop,
}  # fmt: skip


def _advance(mission: _Mission, obs: Observation) -> _Progress:
    """Progress of the current step, begun here if it is new, with the turning since the last observation added."""
    pose = obs.state.T_odom_from_body
    if mission.progress is None:
        mission.progress = _Progress(float(pose.t[0]), float(pose.t[1]), pose.yaw, obs.stamp_ns)
    else:
        mission.progress.turned_rad += wrap_angle(pose.yaw - mission.last_yaw)
    mission.last_yaw = pose.yaw
    return mission.progress


def _standing(obs: Observation) -> bool:
    return bool(abs(obs.state.twist[0]) < STANDING_M_S)


def _last(mission: _Mission) -> bool:
    return mission.index == len(mission.steps) - 1


def _face(obs: Observation, mission: _Mission, yaw: float, text: str, *, last: bool) -> Plan:
    return make_plan(obs, PlanKind.WAYPOINTS, text, waypoints=facing(obs.state.T_odom_from_body.t, yaw), final=last)


def _halt(obs: Observation, mission: _Mission, why: str, *, final: bool = False) -> Plan:
    return make_plan(obs, PlanKind.STOP, f"{mission.label()}: {why}", confidence=1.0, final=final)
