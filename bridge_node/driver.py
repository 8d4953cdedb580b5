"""What a robot that takes velocities has to know: its topics, and how a command and a stop are said in its words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from saccade.geometry import F64
from saccade.node import Out, Sample

AXES = ("vx", "vy", "vz", "wx", "wy", "wz")
"""Of a command: m/s and rad/s, forward, left and up of a level body."""


class Driver(Protocol):
    """One robot's words."""

    name: str
    reads: frozenset[str]
    writes: frozenset[str]

    @property
    def limits(self) -> Mapping[str, float]:
        """The largest size of each axis that the robot moves along; it has no others."""

    def hear(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """What the robot said, in Saccade's words; DataError when it cannot be used."""

    def drive(self, command: F64 | None, silent_ns: int, now_ns: int) -> Iterable[Out]:
        """What the robot is told now: to follow the command (6,) of `AXES`, or with None to stand still.

        `silent_ns` is for how long there has been no command.
        """

    def problem(self, now_ns: int) -> str:
        """What keeps the robot from obeying, as far as it is heard; empty for nothing."""

    def close(self, now_ns: int) -> Iterable[Out]:
        """The last that it is told."""


def refused(command: F64, limits: Mapping[str, float]) -> str:
    """Why a robot with these limits does not get a command, or empty: the gate's limits file is another robot's."""
    if not np.isfinite(command).all():
        return f"command {command.tolist()} is not finite"
    for axis, value in zip(AXES, command.tolist(), strict=True):
        most = limits.get(axis, 0.0)
        if abs(value) > most:
            takes = f"at most {most:g}" if axis in limits else "no such motion"
            return f"{axis} of {value:g} was granted, the robot takes {takes}: the gate's limits are another robot's"
    return ""
