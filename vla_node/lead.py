"""Where the fast half takes the robot while the slow half thinks: a plan begins where the robot will be by then."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64
from vla_node.embodiments.base import BaseLimits
from vla_node.rollout import Motion, Style, follow
from vla_node.track import Track

STEP_S = 0.1
MOST_S = 30.0
"""Nobody knows where a robot will be after so long."""


def lead(
    motion: Motion, z_m: float, track: Track, style: Style, limits: BaseLimits, left_s: float, for_s: float
) -> F64:
    """The poses (n, 4), x, y, z in metres and yaw, `STEP_S` apart, of a robot that follows a track for `for_s` seconds.

    It stops where its plan ends, in `left_s`; that something may be in its way is for others to see.
    """
    count = math.ceil(min(for_s, MOST_S) / STEP_S)
    ahead = follow(motion, track, style, limits, STEP_S, count, left_s)
    return np.array([(m.x, m.y, z_m, m.yaw) for m in ahead], np.float64).reshape(-1, 4)
