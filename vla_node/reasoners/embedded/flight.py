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
from vla_node.reasoners.embedded.gates import GateMemory
from vla_node.reasoners.embedded.language import Misunderstood, parse
from vla_node.reasoners.embedded.mission import Mission, Progress
from vla_node.reasoners.embedded.recovery import SEARCH_STEP_RAD
from vla_node.reasoners.embedded.routes import facing
from vla_node.reasoners.embedded.steps import Climb, Drive, GoTo, Pass, Return, Stop, Turn, Wait

ALOFT_M = 1.0
"""Height above odometry's origin, which is on the ground where it started, that it takes off to and comes back at."""
GROUNDED_M = 0.6
"""Below this it takes off before anything else."""
FRONT_M, BEHIND_M, PASSED_M = 1.5, 1.1, 0.7
"""Places before and behind an opening that a passage leads through, and how far behind it a passage is done."""
COMMITTED_M = 0.5
"""Nearer than this before the opening there is no going back to try again."""
ALIGNED_M = 0.30
ARRIVED_M, FACING_RAD, TURNED_RAD = 0.30, 0.20, 0.10
CLIMB_M, CLIMBS = 0.6, 2
"""A search that has gone all the way round goes on so much higher, so many times."""
STANDING_M_S = 0.15


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
            behave: Callable[..., Plan | None] = _BEHAVIOURS[type(step)]
            plan = plan or behave(self, step, obs, flight, progress)
            if plan is not None:
                return replace(plan, progress=max(plan.progress, mission.index / len(mission.steps)))
            mission.index, mission.progress = mission.index + 1, None
            flight.side, flight.climbs, flight.height_m, flight.searched_rad = None, 0, None, 0.0
        return make_plan(obs, PlanKind.STOP, f"done: {obs.instruction}", final=True, progress=1.0)

    def _take_off(self, obs: Observation, flight: Flight) -> Plan | None:
        here = obs.state.T_odom_from_body.t
        if here[2] >= GROUNDED_M:
            return None
        text = f"{flight.mission.label()}: taking off, {ALOFT_M - here[2]:.1f} m to climb"
        return _fly(obs, text, [_at_height(here, ALOFT_M)])

    def _pass(self, step: Pass, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        gate = flight.gates.recall(step.colour)
        if gate is None:
            return self._search(step.name, obs, flight, progress)
        here, label = obs.state.T_odom_from_body.t, flight.mission.label()
        if flight.side is None:
            towards = gate.centre - here
            flight.side = gate.normal * math.copysign(1.0, float(gate.normal @ towards))
        ahead = gate.normal * math.copysign(1.0, float(gate.normal @ flight.side))
        flight.side = ahead
        way_m = float(ahead @ (here - gate.centre))
        if way_m > PASSED_M:
            return None
        aside_m = float(np.linalg.norm(here - gate.centre - way_m * ahead))
        text = f"{label}: {-way_m:.1f} m before it, {aside_m:.1f} m aside"
        front, behind = gate.centre - FRONT_M * ahead, gate.centre + BEHIND_M * ahead
        if way_m > -COMMITTED_M and aside_m < gate.width_m / 2:
            return _fly(obs, text, [behind])
        if way_m <= -FRONT_M:
            return _fly(obs, text, [front, gate.centre, behind])
        if aside_m < ALIGNED_M:
            return _fly(obs, text, [gate.centre, behind])
        return _fly(obs, text, [front], yaw=math.atan2(ahead[1], ahead[0]))

    def _search(self, name: str, obs: Observation, flight: Flight, progress: Progress) -> Plan:
        """Turn all the way round, then the same from higher up."""
        mission = flight.mission
        if obs.blind or obs.depth_m is None:
            return mission.halt(obs, f"cannot look for it: {obs.blind or 'there is no depth'}")
        if obs.image is not None and obs.image.data.ndim == 2:
            return mission.halt(obs, "the camera's picture is grey, so colours cannot be told", final=True)
        here, yaw = obs.state.T_odom_from_body.t, obs.state.T_odom_from_body.yaw
        if flight.height_m is not None and flight.height_m - here[2] > ARRIVED_M and not obs.held_ns:
            return _fly(obs, f"{mission.label()}: looking for it from higher up", [_at_height(here, flight.height_m)])
        turned_rad = abs(progress.turned_rad) - flight.searched_rad
        if turned_rad >= math.tau:
            if flight.climbs == CLIMBS:
                return mission.halt(obs, f"no {name} was seen, from {CLIMBS + 1} heights", final=True)
            flight.climbs, flight.searched_rad = flight.climbs + 1, abs(progress.turned_rad)
            flight.height_m, turned_rad = float(here[2]) + CLIMB_M, 0.0
        text = f"{mission.label()}: looking for it, turned {math.degrees(turned_rad):.0f} degrees so far"
        return mission.face(obs, yaw + SEARCH_STEP_RAD, text, last=False)

    def _go_to(self, step: GoTo, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        # Only now, as stereo ranges things badly that are far off; nothing is known of the ground below.
        flight.mission.memory.look(obs, [step], floor_z_m=-math.inf)
        target = flight.mission.memory.recall(step)
        if target is None:
            return self._search(step.name, obs, flight, progress)
        here, yaw = obs.state.T_odom_from_body.t, obs.state.T_odom_from_body.yaw
        towards = target.centre[:2] - here[:2]
        bearing = math.atan2(towards[1], towards[0])
        left_m = float(np.hypot(*towards)) - target.radius_m - self._standoff_m
        faces = abs(wrap_angle(bearing - yaw)) < FACING_RAD
        if left_m < ARRIVED_M and faces and standing(obs):
            return None
        text = f"{flight.mission.label()}: {max(0.0, left_m):.1f} m to go"
        if left_m < ARRIVED_M and standing(obs):
            return flight.mission.face(obs, bearing, text, last=flight.mission.last)
        end = np.array([*(here[:2] + max(0.0, left_m) * np.array([math.cos(bearing), math.sin(bearing)])), here[2]])
        return _fly(obs, text, [end], yaw=bearing, final=flight.mission.last)

    def _return(self, step: Return, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        here, yaw = obs.state.T_odom_from_body.t, obs.state.T_odom_from_body.yaw
        left_m = float(np.hypot(*(obs.start.t - here)[:2]))
        if left_m < ARRIVED_M and abs(wrap_angle(obs.start.yaw - yaw)) < FACING_RAD and standing(obs):
            return None
        home = _at_height(obs.start.t, max(ALOFT_M, float(obs.start.t[2])))
        text = f"{flight.mission.label()}: {left_m:.1f} m to go"
        return _fly(obs, text, [_at_height(home, float(here[2])), home], yaw=obs.start.yaw, final=flight.mission.last)

    def _drive(self, step: Drive, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        here, ahead = obs.state.T_odom_from_body.t, np.array([math.cos(progress.yaw), math.sin(progress.yaw), 0.0])
        start = np.array([progress.x, progress.y, float(here[2])])
        left_m = step.distance_m - float(ahead @ (here - start))
        if step.distance_m < 0:
            return flight.mission.halt(obs, "it flies where it looks, and never backwards; turn first", final=True)
        if left_m < ARRIVED_M and standing(obs):
            return None
        text = f"{flight.mission.label()}: {left_m:.1f} m to go"
        return _fly(obs, text, [start + step.distance_m * ahead], yaw=progress.yaw, final=flight.mission.last)

    def _climb(self, step: Climb, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        here = obs.state.T_odom_from_body.t
        if flight.height_m is None:
            flight.height_m = float(here[2]) + step.up_m
        left_m = flight.height_m - float(here[2])
        if abs(left_m) < ARRIVED_M / 2 and standing(obs):
            return None
        text = f"{flight.mission.label()}: {abs(left_m):.1f} m to go"
        return _fly(obs, text, [_at_height(here, flight.height_m)], final=flight.mission.last)

    def _turn(self, step: Turn, obs: Observation, flight: Flight, progress: Progress) -> Plan | None:
        left_rad = step.angle_rad - progress.turned_rad
        if abs(left_rad) < TURNED_RAD:
            return None
        ahead = math.copysign(min(abs(left_rad), SEARCH_STEP_RAD), left_rad)
        text = f"{flight.mission.label()}: {abs(math.degrees(left_rad)):.0f} degrees to go"
        return flight.mission.face(obs, obs.state.T_odom_from_body.yaw + ahead, text, last=flight.mission.last)

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


def standing(obs: Observation) -> bool:
    """Whether the robot hovers."""
    return bool(np.linalg.norm(obs.state.twist[:3]) < STANDING_M_S)


def _at_height(point: F64, z: float) -> F64:
    return np.array([point[0], point[1], z])


def _fly(obs: Observation, text: str, points: list[F64], yaw: float | None = None, final: bool = False) -> Plan:
    """From where it is through points (3,), ending with a heading where one is given."""
    way = np.array([obs.state.T_odom_from_body.t, *points])
    if yaw is not None:
        way = np.vstack([way[:-1], facing(way[-1], yaw)])
    return make_plan(obs, PlanKind.WAYPOINTS, text, waypoints=way, final=final)
