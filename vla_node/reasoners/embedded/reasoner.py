"""The embedded reasoner: it executes the bounded language on the picture, the odometry and the local map."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from saccade.clock import SEC, nanoseconds, seconds
from saccade.geometry import wrap_angle
from saccade.types import Plan, PlanKind
from vla_node.planner import Answer, Observation, make_plan
from vla_node.reasoners.embedded.language import Misunderstood, parse
from vla_node.reasoners.embedded.mission import Mission, Progress, rests_then, standing
from vla_node.reasoners.embedded.patience import Kept
from vla_node.reasoners.embedded.recovery import SEARCH_STEP_RAD
from vla_node.reasoners.embedded.routes import free_behind
from vla_node.reasoners.embedded.sight import Memory
from vla_node.reasoners.embedded.steps import (
    Climb,
    Drive,
    Explore,
    GoTo,
    Pass,
    Return,
    Stop,
    Turn,
    Until,
    Wait,
)  # fmt: skip
from vla_node.reasoners.embedded.travel import ARRIVED_M, FACING_RAD, approach, follow, roam

TURNED_RAD = 0.08
BACK_UP_M_S = 0.2
SEARCH_TURNS = 2
"""Whoever stood before a thing in the first turn may have gone on in the second."""
WAY_ENDED_NS = 5 * SEC
"""A way that has been closed for so long has ended; before, whoever stands in it may go."""


class EmbeddedReasoner:
    """Executes instructions of `language.py`, one mission an epoch; the default `Reasoner`."""

    def __init__(self, radius_m: float, standoff_m: float, patience_s: float = 0.0) -> None:
        self._radius_m = radius_m
        self._standoff_m = standoff_m
        self._patience_ns = nanoseconds(patience_s)
        self._epoch = -1
        self._mission: Mission | None = None

    def refuses(self, instruction: str) -> str:
        """See `Reasoner.refuses`."""
        steps = parse(instruction)
        if isinstance(steps, Misunderstood):
            return str(steps)
        unable = next((step for step in steps if type(step) not in _BEHAVIOURS), None)
        if unable is None:
            return ""
        lacks = "does not fly" if isinstance(unable, Pass | Climb) else "has no hand"
        return f"this robot {lacks} and cannot {unable}; it can go there"

    def plan(self, observation: Observation) -> Answer:
        """See `Reasoner.plan`."""
        return Answer(self._plan(observation))

    def cancel(self) -> None:
        """See `Reasoner.cancel`; it never thinks for long."""

    def close(self) -> None:
        """See `Reasoner.close`."""

    def _plan(self, observation: Observation) -> Plan:
        if observation.epoch != self._epoch or self._mission is None:
            steps, why = parse(observation.instruction), self.refuses(observation.instruction)
            if why or isinstance(steps, Misunderstood):
                return make_plan(observation, PlanKind.STOP, why, final=True)
            kept = Kept(self._patience_ns)
            self._mission, self._epoch = Mission(steps, kept=kept), observation.epoch
        mission = self._mission
        mission.memory.look(observation, [step for step in mission.steps if isinstance(step, GoTo)])
        while mission.index < len(mission.steps):
            progress = mission.advance(observation)
            step = mission.steps[mission.index]
            behave: Callable[..., Plan | None] = _BEHAVIOURS[type(step)]
            plan = behave(self, step, observation, mission, progress)
            if plan is not None:
                return replace(plan, progress=max(plan.progress, mission.index / len(mission.steps)))
            mission.index, mission.progress = mission.index + 1, None
        return make_plan(observation, PlanKind.STOP, f"done: {observation.instruction}", final=True, progress=1.0)

    def _go_to(self, step: GoTo, obs: Observation, mission: Mission, progress: Progress) -> Plan | None:
        target = mission.memory.recall(step)
        if target is None:
            return self._search(step, obs, mission, progress)
        note = mission.memory.describe(step)
        return approach(obs, mission, target, note, self._radius_m, self._standoff_m)

    def _search(self, step: GoTo, obs: Observation, mission: Mission, progress: Progress) -> Plan:
        unable = _cannot_look(step, obs, mission, mission.memory)
        if unable is not None:
            return unable
        if abs(progress.turned_rad) >= SEARCH_TURNS * math.tau:
            why = f"not found after {SEARCH_TURNS} full turns; {mission.memory.describe(step)}"
            return mission.halt(obs, why, final=True)
        text = f"{mission.label()}: looking for it, turned {math.degrees(progress.turned_rad):.0f} degrees so far"
        return mission.face(obs, obs.yaw_then + SEARCH_STEP_RAD, text, last=False)

    def _return(self, step: Return, obs: Observation, mission: Mission, progress: Progress) -> Plan | None:
        left_m = float(np.hypot(*(obs.start.t - obs.state.T_odom_from_body.t)[:2]))
        turned = abs(wrap_angle(obs.start.yaw - obs.yaw_then)) < FACING_RAD
        if left_m < ARRIVED_M and turned and rests_then(obs):
            return None
        text = f"{mission.label()}: {left_m:.1f} m to go"
        return follow(obs, mission, self._radius_m, obs.start.t, 0.0, obs.start.yaw, text)

    def _drive(self, step: Drive, obs: Observation, mission: Mission, progress: Progress) -> Plan | None:
        ahead = np.array([math.cos(progress.yaw), math.sin(progress.yaw), 0.0])
        start = np.array([progress.x, progress.y, float(obs.state.T_odom_from_body.t[2])])
        left_m = step.distance_m - float(ahead @ (obs.state.T_odom_from_body.t - start))
        text = f"{mission.label()}: {abs(left_m):.2f} m to go"
        if step.distance_m < 0:
            return self._back_up(obs, mission, -left_m, text)
        if left_m < ARRIVED_M / 2 and rests_then(obs):
            return None
        goal = start + step.distance_m * ahead
        return follow(obs, mission, self._radius_m, goal, 0.0, progress.yaw, text, detour_m=0.5 * left_m + 0.5)

    def _back_up(self, obs: Observation, mission: Mission, left_m: float, text: str) -> Plan | None:
        if left_m < 0.03:
            return None
        if not free_behind(obs, left_m, self._radius_m):
            return mission.halt(obs, "the way behind is not known to be free, and no camera looks there", final=True)
        return make_plan(
            obs, PlanKind.VELOCITY, text, values=np.array([-BACK_UP_M_S, 0.0, 0.0]), final=mission.last,
            valid_for_ns=nanoseconds(left_m / BACK_UP_M_S),
        )  # fmt: skip

    def _turn(self, step: Turn, obs: Observation, mission: Mission, progress: Progress) -> Plan | None:
        left_rad = step.angle_rad - progress.turned_rad
        if abs(left_rad) < TURNED_RAD:
            return None
        left_then = left_rad - wrap_angle(obs.yaw_then - obs.state.T_odom_from_body.yaw)
        ahead = math.copysign(min(abs(left_then), SEARCH_STEP_RAD), left_then)
        text = f"{mission.label()}: {abs(math.degrees(left_rad)):.0f} degrees to go"
        return mission.face(obs, obs.yaw_then + ahead, text, last=mission.last)

    def _wait(self, step: Wait, obs: Observation, mission: Mission, progress: Progress) -> Plan | None:
        left_ns = progress.began_ns + nanoseconds(step.seconds) - obs.stamp_ns
        if left_ns <= 0:
            return None
        text = f"{mission.label()}: {seconds(left_ns):.1f} s left"
        return make_plan(obs, PlanKind.STOP, text, valid_for_ns=left_ns)

    def _explore(self, step: Explore, obs: Observation, mission: Mission, progress: Progress) -> Plan:
        plan = roam(obs, mission, progress, self._radius_m, mission.label())
        return plan or mission.halt(obs, "no free way ahead")

    def _until(self, step: Until, obs: Observation, mission: Mission, progress: Progress) -> Plan | None:
        progress.seen.look(obs, [step.landmark])
        target = progress.seen.recall(step.landmark)
        if target is None:
            return self._onward(step, obs, mission, progress)
        note = progress.seen.describe(step.landmark)
        if not step.sight:
            return approach(obs, mission, target, note, self._radius_m, self._standoff_m)
        if standing(obs):
            return None
        return mission.halt(obs, f"seen, {note}")

    def _onward(self, step: Until, obs: Observation, mission: Mission, progress: Progress) -> Plan:
        """Drive on where the landmark has not been seen; a way that has ended for a while ends the mission."""
        unable = _cannot_look(step.landmark, obs, mission, progress.seen)
        if unable is not None:
            return unable
        plan = roam(
            obs, mission, progress, self._radius_m, f"{mission.label()}: {progress.seen.describe(step.landmark)} yet"
        )
        if plan is not None:
            progress.ended_ns = None
            return plan
        if progress.ended_ns is None:
            progress.ended_ns = obs.stamp_ns
        why = f"no free way ahead; the {step.landmark.name} was not seen on the way"
        return mission.halt(obs, why, final=obs.stamp_ns - progress.ended_ns >= WAY_ENDED_NS)

    def _stop(self, step: Stop, obs: Observation, mission: Mission, progress: Progress) -> Plan:
        return make_plan(obs, PlanKind.STOP, f"told to stop: {obs.instruction!r}", final=True, progress=1.0)


_BEHAVIOURS: dict[type, Callable[..., Any]] = {
    GoTo: EmbeddedReasoner._go_to, Return: EmbeddedReasoner._return, Drive: EmbeddedReasoner._drive,
    Turn: EmbeddedReasoner._turn, Wait: EmbeddedReasoner._wait, Explore: EmbeddedReasoner._explore,
    Until: EmbeddedReasoner._until, Stop: EmbeddedReasoner._stop,
}  # fmt: skip


def _cannot_look(landmark: GoTo, obs: Observation, mission: Mission, memory: Memory) -> Plan | None:
    """The halt of a robot that cannot see what it looks for, or None when it can."""
    if obs.blind:
        return mission.halt(obs, f"cannot look for it: {obs.blind}")
    if memory.mono:
        return mission.halt(obs, "the camera's picture is grey, so colours cannot be told", final=True)
    if landmark.shape == "door" and obs.depth_m is None:
        return mission.halt(obs, "cannot look for it: a door is told by depth, and there is none")
    return None
