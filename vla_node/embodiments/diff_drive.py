"""A differential-drive base: it goes where it looks."""

from __future__ import annotations

import numpy as np

from saccade.clock import MS
from saccade.types import ActionChunk
from vla_node.embodiments.base import Embodiment

AXES = ("vx", "wz")
"""m/s forward, rad/s to the left; a base that cannot move sideways has no vy."""

DIFF_DRIVE = Embodiment(
    name="diff_drive",
    axes=AXES,
    forward=0,
    turn=1,
    example=ActionChunk(
        obs_stamp_ns=0,
        t0_ns=0,
        dt_ns=50 * MS,
        axes=AXES,
        actions=np.array([[0.40, 0.2], [0.36, 0.2]]),
        plan_id=1,
        epoch=1,
    ),
)
