"""What turns a policy's rows into rows of speeds: one protocol, whatever the kind of action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from saccade.errors import ConfigError, choices
from saccade.geometry import F64, SE3
from vla_node.embodiments.base import AxisLimits
from vla_node.policies.base import PolicyError

NO_POSITIONS: F64 = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """The robot at the instant where the first row begins; arrays (d,) by the axes of its command.

    `speeds` and `rates` are the speeds asked for until then and how they were changing (per s). `positions` come from
    `positions_of`; empty where they are not known, or the robot is a base. `T_look_from_body` is the body's pose in the
    body's frame of the look.
    """

    speeds: F64
    rates: F64
    positions: F64 = field(default_factory=lambda: NO_POSITIONS)
    T_look_from_body: SE3 = field(default_factory=SE3.identity)


def positions_of(sent: F64, speeds: F64, dt_s: float, parts: int) -> F64:
    """Where rows have led joints (d,) that were last `sent` somewhere, while rows of `speeds` are sent as ramps.

    Positions are counted from what was sent, not from what is measured: a measured joint lags behind, and its lag
    would be made up for again and again. A ramp of `parts` steps (`executor.ramped`) is behind its row, whose speed
    holds from the row's beginning, by the share of a row that is added here.
    """
    return sent + speeds * dt_s * (parts - 1) / (2 * parts)


class Converter(Protocol):
    """Turns rows of one kind into speeds; pure: the same rows and start give the same speeds."""

    @property
    def limits(self) -> AxisLimits:
        """The axes of the command, and what they may do."""

    def speeds(self, rows: F64, start: Start, dt_s: float) -> F64:
        """Rows (k, n) of the policy to speeds (k, d) by `limits.axes`, finite and within limits.

        Row i is what is reached at the end of step i, `dt_s` long; rows that are past have been cut off before.
        PolicyError says why rows may not be executed: not finite, of the wrong width, out of reach.
        """


def checked(rows: F64, axes: Sequence[str]) -> F64:
    """Rows (k, len(axes)) float64; PolicyError when they have another shape or hold something that is no number."""
    rows = np.asarray(rows, np.float64)
    if rows.ndim != 2 or not len(rows) or rows.shape[1] != len(axes):
        raise PolicyError(f"actions of shape {rows.shape}; expected rows of {len(axes)}: {', '.join(axes)}")
    finite = np.isfinite(rows)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise PolicyError(f"action {row} has {axes[column]} = {rows[row, column]}; expected a finite number")
    return rows


def columns(axes: Sequence[str], limits: AxisLimits, of: str) -> list[int]:
    """Where each of a policy's axes is among the command's; ConfigError names one that the robot lacks or has twice."""
    for axis in axes:
        if axis not in limits.axes:
            raise ConfigError(f"{of} has an axis {axis!r} that the robot lacks; {choices(axis, limits.axes)}")
    if len(set(axes)) != len(axes) or not axes:
        raise ConfigError(f"{of} has axes {list(axes)}; expected at least one, each once")
    return [limits.axes.index(axis) for axis in axes]


def known_positions(start: Start, limits: AxisLimits) -> F64:
    """The joints' positions (d,); PolicyError where they are not known."""
    if start.positions.shape != limits.low.shape or not np.isfinite(start.positions).all():
        raise PolicyError(
            f"the positions of the joints {', '.join(limits.axes)} are not known; joint_states is missing"
        )
    return start.positions
