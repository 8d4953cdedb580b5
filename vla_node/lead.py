"""Where the fast half takes the robot while the slow half thinks: a plan begins where the robot will be by then."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64
from saccade.types import RobotState
from vla_node.bodies import Body
from vla_node.course import Course
from vla_node.gliding import flying, glide
from vla_node.planner import LEAD_S, NO_LEAD
from vla_node.rollout import Motion, Style, follow
from vla_node.track import Track

MOST_S = 30.0
"""Nobody knows where a robot will be after so long."""


def lead(
    body: Body, state: RobotState, asked: F64, track: Track | Course | None, style: Style, left_s: float, for_s: float
) -> F64:
    """The poses (n, 4), x, y, z in metres and yaw, `LEAD_S` apart, of a robot that follows a track for `for_s` seconds.

    `asked` (d,) is what it was asked for last, along the body's axes. It stops where its plan ends, in `left_s`; that
    something may be in its way is for others to see. None of a body that does not travel.
    """
    count = math.ceil(min(for_s, MOST_S) / LEAD_S)
    ahead: list[tuple[float, float, float, float]] = []
    if isinstance(track, Course) and body.flight is not None:
        way = glide(flying(state, asked), track, style, body.flight, LEAD_S, count, left_s)
        ahead = [(m.x, m.y, m.z, m.yaw) for m in way]
    elif isinstance(track, Track) and body.drive is not None:
        x, y, z = state.T_odom_from_body.t.tolist()
        motion = Motion(
            x, y, state.T_odom_from_body.yaw, float(asked[body.drive.forward]), float(asked[body.drive.turn])
        )
        ahead = [(m.x, m.y, z, m.yaw) for m in follow(motion, track, style, body.base, LEAD_S, count, left_s)]
    return np.array(ahead, np.float64) if ahead else NO_LEAD
