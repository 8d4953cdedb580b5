"""The embedded reasoner of a robot that flies: gates by colour and depth, waypoints with heights."""

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
from vla_node.reasoners.embedded.aloft import at_height, fly, hovers_then, place_then
from vla_node.reasoners.embedded.gates import GateMemory
from vla_node.reasoners.embedded.language import Misunderstood, parse
from vla_node.reasoners.embedded.mission import Mission, Progress
from vla_node.reasoners.embedded.passage import PASSED_M, offsets, until_opening, way_through
from vla_node.reasoners.embedded.recovery import SEARCH_STEP_RAD
from vla_node.reasoners.embedded.routes import HEADING_M
from vla_node.reasoners.embedded.steps import Climb, Drive, GoTo, Pass, Return, Step, Stop, Turn, Wait

ALOFT_M = 1.0
"""Height above odometry's origin, which is on the ground where it started, that it takes off to and comes back at."""
GROUNDED_M = 0.6
"""Below this it takes off before anything else."""
ARRIVED_M, FACING_RAD, TURNED_RAD = 0.30, 0.20, 0.10
CLIMB_M, CLIMBS = 0.6, 2
"""A search that has gone all the way round goes on so much higher, so many times."""


@dataclass(slots=True)
class Flight:
    """A mission and what it has seen of gates; `side`: the way it goes through the current one, climbs of a search."""

    mission: Mission
    gates: GateMemory = field(default_factory=GateMemory)
    side: F64 | None = None
    climbs: int = 0
    height_m: float | None = None
    searched_rad: float = 0.0


class FlightReasoner:
    """Executes instructions of `language.py` in the air, one mission an epoch; a `Reasoner`."""

    def __init__(self, standoff_m: float) -> None:
        self._standoff_m = standoff_m
        self._epoch = -1
        self._flight: Flight | None = None

    def refuses(self, instruction: str) -> str:
        """See `Reasoner.refuses`."""
        steps = parse(instruction)
        if isinstance(steps, Misunderstood):
            return str(steps)
        unable = next((step for step in steps if type(step) not in _BEHAVIOURS), None)
        return f"this robot flies and cannot {unable}; it can go to things and through gates" if unable else ""

    def plan(self, observation: Observation) -> Answer:
        """See `Reasoner.plan`."""
        return Answer(self._plan(observation))

    def cancel(self) -> None:
        """See `Reasoner.cancel`; it never thinks for long."""

    def close(self) -> None:
        """See `Reasoner.close`."""

    def _plan(self, obs: Observation) -> Plan:
        if obs.epoch != self._epoch or self._flight is None:
            steps, why = parse(obs.instruction), self.refuses(obs.instruction)
            if why or isinstance(steps, Misunderstood):
                return make_plan(obs, PlanKind.STOP, why, final=True)
            self._flight, self._epoch = Flight(Mission(steps)), obs.epoch
        flight, mission = self._flight, self._flight.mission
        flight.gates.look(obs, list(dict.fromkeys(step.colour for step in mission.steps if isinstance(step, Pass))))
        while mission.index < len(mission.steps):
            progress = mission.advance(obs)
            step = mission.steps[mission.index]
            plan = None if isinstance(step, Stop) else self._take_off(obs, flight)
            plan = plan or self._behave(step, obs, flight, progress)
            if plan is not None:
                return replace(plan, progress=max(plan.progress, mission.index / len(mission.steps)))
            mission.index, mission.progress = mission.index + 1, None
            flight.side, flight.climbs, flight.height_m, flight.searched_rad = None, 0, None, 0.0
        return make_plan(obs, PlanKind.STOP, f"done: {obs.instruction}", final=True, progress=1.0)

    def _behave(self, step: Step, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        behave: Callable[..., Plan | None] = _BEHAVIOURS[type(step)]
        return behave(self, step, obs, flight, progress)

    def _onward(self, obs: Observation, flight: Flight, plan: Plan) -> Plan:
        """The plan, and from its end on what comes after its step, which counts as done once that is seen."""
        if flight.mission.last:
            return plan
        mission = replace(flight.mission, index=flight.mission.index + 1, progress=None)
        end = plan.waypoints[-1]
        ahead = end - plan.waypoints[-2]
        there = replace(obs, lead=np.array([[*end, math.atan2(ahead[1], ahead[0])]]))
        after = self._behave(mission.steps[mission.index], there, Flight(mission, flight.gates), mission.advance(obs))
        if after is None or after.kind is not PlanKind.WAYPOINTS:
            return plan
        rest = after.waypoints[int(np.linalg.norm(after.waypoints - end, axis=1).argmin()) + 1 :]
        back = len(rest) and np.linalg.norm(rest[0] - end) > 2 * HEADING_M and float((rest[0] - end) @ ahead) < 0.0
        if back or not len(rest):
            return plan  # as of a course that doubles back; see `fly`
        return replace(after, waypoints=np.vstack([plan.waypoints, rest]))

    def _take_off(self, obs: Observation, flight: Flight) -> Plan | None:
        then = place_then(obs)
        if then[2] >= GROUNDED_M:
            return None
        text = f"{flight.mission.label()}: taking off, {ALOFT_M - obs.state.T_odom_from_body.t[2]:.1f} m to climb"
        return fly(obs, text, [at_height(then, ALOFT_M)])

    def _pass(self, step: Pass, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        gate = flight.gates.recall(step.colour)
        if gate is None:
            return self._search(step.name, obs, flight, progress)
        if flight.side is None:
            towards = gate.centre - place_then(obs)
            flight.side = gate.normal * math.copysign(1.0, float(gate.normal @ towards))
        flight.side = ahead = gate.normal * math.copysign(1.0, float(gate.normal @ flight.side))
        behind_m, aside_m = offsets(gate, ahead, obs.state.T_odom_from_body.t)
        if behind_m > PASSED_M:
            return None
        text = f"{flight.mission.label()}: {-behind_m:.1f} m before it, {aside_m:.1f} m aside"
        before = until_opening(obs, gate, ahead)
        plan = fly(before, text, *way_through(gate, ahead, place_then(before)))
        passes = all(offsets(gate, ahead, at)[0] > PASSED_M for at in (place_then(obs), plan.waypoints[-1]))
        return self._onward(obs, flight, plan) if passes else plan

    def _search(self, name: str, obs: Observation, flight: Flight, progress: Progress) -> Plan:
        """Turn all the way round, then the same from higher up."""
        mission = flight.mission
        if obs.blind or obs.depth_m is None:
            return mission.halt(obs, f"cannot look for it: {obs.blind or 'there is no depth'}")
        if obs.image is not None and obs.image.data.ndim == 2:
            return mission.halt(obs, "the camera's picture is grey, so colours cannot be told", final=True)
        then = place_then(obs)
        if flight.height_m is not None and flight.height_m - then[2] > ARRIVED_M and not obs.held_ns:
            return fly(obs, f"{mission.label()}: looking for it from higher up", [at_height(then, flight.height_m)])
        turned_rad = abs(progress.turned_rad) - flight.searched_rad
        if turned_rad >= math.tau:
            if flight.climbs == CLIMBS:
                return mission.halt(obs, f"no {name} was seen, from {CLIMBS + 1} heights", final=True)
            flight.climbs, flight.searched_rad = flight.climbs + 1, abs(progress.turned_rad)
            flight.height_m, turned_rad = float(then[2]) + CLIMB_M, 0.0
        text = f"{mission.label()}: looking for it, turned {math.degrees(turned_rad):.0f} degrees so far"
        return fly(obs, text, [], obs.yaw_then + SEARCH_STEP_RAD)

    def _go_to(self, step: GoTo, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        # Only now, as stereo ranges things badly that are far off; nothing is known of the ground below.
        flight.mission.memory.look(obs, [step], floor_z_m=-math.inf)
        target = flight.mission.memory.recall(step)
        if target is None:
            return self._search(step.name, obs, flight, progress)
        then = place_then(obs)
        towards, left = target.centre[:2] - then[:2], target.centre[:2] - obs.state.T_odom_from_body.t[:2]
        bearing, off_m = math.atan2(towards[1], towards[0]), target.radius_m + self._standoff_m
        left_m, left_then_m = float(np.hypot(*left)) - off_m, float(np.hypot(*towards)) - off_m
        faces = abs(wrap_angle(bearing - obs.yaw_then)) < FACING_RAD
        if left_m < ARRIVED_M and faces and hovers_then(obs):
            return None
        text = f"{flight.mission.label()}: {max(0.0, left_m):.1f} m to go"
        if left_then_m < ARRIVED_M and hovers_then(obs):
            return fly(obs, text, [], bearing, final=flight.mission.last)
        end = then + max(0.0, left_then_m) * np.array([math.cos(bearing), math.sin(bearing), 0.0])
        return fly(obs, text, [end], yaw=bearing, final=flight.mission.last)

    def _return(self, step: Return, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        left_m = float(np.hypot(*(obs.start.t - obs.state.T_odom_from_body.t)[:2]))
        if left_m < ARRIVED_M and abs(wrap_angle(obs.start.yaw - obs.yaw_then)) < FACING_RAD and hovers_then(obs):
            return None
        home = at_height(obs.start.t, max(ALOFT_M, float(obs.start.t[2])))
        text, level = f"{flight.mission.label()}: {left_m:.1f} m to go", at_height(home, float(place_then(obs)[2]))
        return fly(obs, text, [level, home], yaw=obs.start.yaw, final=flight.mission.last)

    def _drive(self, step: Drive, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        here, ahead = obs.state.T_odom_from_body.t, np.array([math.cos(progress.yaw), math.sin(progress.yaw), 0.0])
        start = np.array([progress.x, progress.y, float(here[2])])
        left_m = step.distance_m - float(ahead @ (here - start))
        if step.distance_m < 0:
            return flight.mission.halt(obs, "it flies where it looks, and never backwards; turn first", final=True)
        if left_m < ARRIVED_M and hovers_then(obs):
            return None
        text = f"{flight.mission.label()}: {left_m:.1f} m to go"
        return fly(obs, text, [start + step.distance_m * ahead], yaw=progress.yaw, final=flight.mission.last)

    def _climb(self, step: Climb, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        here = obs.state.T_odom_from_body.t
        if flight.height_m is None:
            flight.height_m = float(here[2]) + step.up_m
        left_m = flight.height_m - float(here[2])
        if abs(left_m) < ARRIVED_M / 2 and hovers_then(obs):
            return None
        text = f"{flight.mission.label()}: {abs(left_m):.1f} m to go"
        return fly(obs, text, [at_height(place_then(obs), flight.height_m)], final=flight.mission.last)

    def _turn(self, step: Turn, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        left_rad = step.angle_rad - progress.turned_rad
        if abs(left_rad) < TURNED_RAD:
            return None
        left_then = left_rad - wrap_angle(obs.yaw_then - obs.state.T_odom_from_body.yaw)
        ahead = math.copysign(min(abs(left_then), SEARCH_STEP_RAD), left_then)
        text = f"{flight.mission.label()}: {abs(math.degrees(left_rad)):.0f} degrees to go"
        return fly(obs, text, [], obs.yaw_then + ahead, final=flight.mission.last)

    def _wait(self, step: Wait, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        left_ns = progress.began_ns + nanoseconds(step.seconds) - obs.stamp_ns
        if left_ns <= 0:
            return None
        text = f"{flight.mission.label()}: {seconds(left_ns):.1f} s left"
        return make_plan(obs, PlanKind.STOP, text, valid_for_ns=left_ns)

    def _stop(self, step: Stop, obs: Observation, flight: Flight, progress: Progress) -> Plan:
        return make_plan(obs, PlanKind.STOP, f"told to stop: {obs.instruction!r}", final=True, progress=1.0)


_BEHAVIOURS: dict[type, Callable[..., Any]] = {
    Pass: FlightReasoner._pass, GoTo: FlightReasoner._go_to, Return: FlightReasoner._return,
    Drive: FlightReasoner._drive, Climb: FlightReasoner._climb, Turn: FlightReasoner._turn,
    Wait: FlightReasoner._wait, Stop: FlightReasoner._stop,
}  # fmt: skip
