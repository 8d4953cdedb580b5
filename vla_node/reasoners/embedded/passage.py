"""Through a gate: where along its axis a place is, and the way from there through the middle of its opening."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from saccade.geometry import F64
from vla_node.planner import Observation
from vla_node.reasoners.embedded.gates import GateSeen

FRONT_M, BEHIND_M, PASSED_M = 1.5, 1.1, 0.7
"""Places before and behind an opening that a passage leads through, and how far behind it a passage is done."""
COMMITTED_M = 0.5
"""Nearer than this before the opening there is no going back to try again."""
ALIGNED_M, SLANT = 0.30, 0.5
"""So far aside, or at such a slant, a robot before an opening can still line up with it; else it goes back to do so."""


def offsets(gate: GateSeen, ahead: F64, place: F64) -> tuple[float, float]:
    """How far a place (3,) is behind the opening, negative before it, and how far off the line through its middle."""
    along_m = float(ahead @ (place - gate.centre))
    return along_m, float(np.linalg.norm(place - gate.centre - along_m * ahead))


def until_opening(obs: Observation, gate: GateSeen, ahead: F64) -> Observation:
    """The observation with as much of its lead as is before the opening, where a robot can still line up with it.

    A lead is as exact as the robot is where it is free, and a gate is not much wider than the robot.
    """
    comes = (obs.lead[:, :3] - gate.centre) @ ahead > -COMMITTED_M
    return replace(obs, lead=obs.lead[: int(np.argmax(comes))]) if comes.any() else obs


def way_through(gate: GateSeen, ahead: F64, place: F64) -> tuple[list[F64], float | None]:
    """Points (3,) to fly through from a place, and the heading at the last one where it is to line up there."""
    along_m, aside_m = offsets(gate, ahead, place)
    line_up, front, behind = (gate.centre + m * ahead for m in (-COMMITTED_M, -FRONT_M, BEHIND_M))
    if along_m > -COMMITTED_M and aside_m < gate.width_m / 2:
        slide_in = along_m < 0.0 and aside_m >= ALIGNED_M
        return [gate.centre + along_m * ahead, gate.centre, behind] if slide_in else [behind], None
    if along_m <= -FRONT_M:
        return [front, gate.centre, behind], None
    if aside_m < max(ALIGNED_M, SLANT * (-along_m - COMMITTED_M)):
        return [line_up, gate.centre, behind], None
    return [front], math.atan2(ahead[1], ahead[0])
