"""A mission under way: its steps, how far the current one has come, and plans that say so."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from saccade.geometry import F64, wrap_angle
from saccade.types import Plan, PlanKind
from vla_node.planner import LEAD_S, Observation, make_plan
from vla_node.reasoners.embedded.patience import Kept
from vla_node.reasoners.embedded.recovery import Recovery
from vla_node.reasoners.embedded.routes import facing
from vla_node.reasoners.embedded.sight import Memory
from vla_node.reasoners.embedded.steps import Step

STANDING_M_S = 0.10
SETTLED_ROWS = 6
COAST_S = 0.4
"""For about so long a body goes on turning as fast as it does when it is told to stand."""


@dataclass(slots=True)
class Progress:
    """How far the current step has come, and what it has seen that only counts since it began.

    `ended_ns` is since when the open way has ended.
    """

    x: float
    y: float
    yaw: float
    began_ns: int
    turned_rad: float = 0.0
    ended_ns: int | None = None
    seen: Memory = field(default_factory=lambda: Memory(nearer=True))


@dataclass(slots=True)
class Mission:
    """The steps of one instruction. `closed_ns` is since when there is no way to where the current one leads."""

    steps: list[Step]
    memory: Memory = field(default_factory=Memory)
    recovery: Recovery = field(default_factory=Recovery)
    index: int = 0
    progress: Progress | None = None
    last_yaw: float = 0.0
    kept: Kept = field(default_factory=Kept)
    closed_ns: int | None = None

    @property
    def last(self) -> bool:
        """Whether nothing comes after the current step."""
        return self.index == len(self.steps) - 1

    def label(self) -> str:
        """The current step, for the plan's text."""
        return f"step {self.index + 1} of {len(self.steps)}, {self.steps[self.index]}"

    def advance(self, obs: Observation) -> Progress:
        """Progress of the current step, begun here if it is new, with the turning since the last observation added."""
        pose = obs.state.T_odom_from_body
        if self.progress is None:
            self.progress = Progress(float(pose.t[0]), float(pose.t[1]), pose.yaw, obs.stamp_ns)
        else:
            self.progress.turned_rad += wrap_angle(pose.yaw - self.last_yaw)
        self.last_yaw = pose.yaw
        return self.progress

    def face(self, obs: Observation, yaw: float, text: str, *, last: bool) -> Plan:
        """Turn in place to a heading."""
        way = facing(obs.state.T_odom_from_body.t, yaw)
        return make_plan(obs, PlanKind.WAYPOINTS, text, waypoints=way, final=last)

    def halt(self, obs: Observation, why: str, *, final: bool = False) -> Plan:
        """Stand, and say why."""
        return make_plan(obs, PlanKind.STOP, f"{self.label()}: {why}", final=final)


def standing(obs: Observation) -> bool:
    """Whether the robot has come to rest."""
    return bool(abs(obs.state.twist[0]) < STANDING_M_S)


def rests_then(obs: Observation) -> bool:
    """Whether the robot will have come to rest when the plan comes: by its lead, where it has one."""
    if len(obs.lead) < 2:
        return standing(obs)
    return settles(obs.lead, STANDING_M_S)


def settles(lead: F64, standing_m_s: float) -> bool:
    """Whether the last half second of a lead (n, 4), n >= 2, is a standstill: a body comes to rest after its plan."""
    rows = min(len(lead), SETTLED_ROWS)
    way_m = float(np.linalg.norm(lead[-1, :3] - lead[-rows, :3]))
    return way_m < standing_m_s * LEAD_S * (rows - 1)


def coasted_yaw(obs: Observation) -> float:
    """The heading in odom of a robot that is told to stand when the plan comes: it turns on for a moment."""
    if len(obs.lead) < 2:
        return obs.state.T_odom_from_body.yaw + COAST_S * float(obs.state.twist[5])
    return obs.yaw_then + COAST_S / LEAD_S * wrap_angle(float(obs.lead[-1, 3] - obs.lead[-2, 3]))
