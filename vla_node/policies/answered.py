"""The half of a policy card that says what the model answers: axes, columns, units, frame, timing, limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from saccade.clock import nanoseconds
from saccade.errors import choices
from vla_node.policies.base import ActionKind
from vla_node.policies.shown import POSE_AXES, TOOL_AXES, TWIST_AXES, Statistics, required

_LENGTH = {"m": 1.0, "cm": 0.01, "mm": 0.001}
_ANGLE = {"rad": 1.0, "deg": math.pi / 180}
_SPEED = {"m/s": 1.0, "cm/s": 0.01, "km/h": 1 / 3.6}
_RATE = {"rad/s": 1.0, "deg/s": math.pi / 180}
_CLOSED = {"closed": 1.0}
UNITS = {**_LENGTH, **_ANGLE, **_SPEED, **_RATE, **_CLOSED}
"""What one of a unit is in SI; `closed` is the share by which a gripper is closed."""
_FRAMES = {
    ActionKind.VELOCITY: ("body",), ActionKind.WAYPOINTS: ("body", "odom"),
    ActionKind.END_EFFECTOR: ("arm_base", "tool"), ActionKind.JOINT_POSITION: ("joint",),
    ActionKind.JOINT_VELOCITY: ("joint",),
}  # fmt: skip
_DELTAS = {
    ActionKind.WAYPOINTS: ("absolute", "step"), ActionKind.END_EFFECTOR: ("absolute", "step", "chunk"),
    ActionKind.JOINT_POSITION: ("absolute", "step", "chunk"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ActionPart:
    """Some axes of an action, and how their numbers are read out of the answer's array `key` (horizon, width).

    From `columns`, all where none are named: undo `normalise`; with a `threshold`, 1 above it and else 0; times `scale`
    plus `offset`; times the unit. `limits`, in SI, one pair or one an axis: beyond them nothing is executed.

    `delta`: step adds each row to the one before, chunk adds it to the state at the look's stamp.
    """

    axes: tuple[str, ...] = ()
    key: str = "actions"
    columns: tuple[int, ...] = ()
    units: tuple[str, ...] = ()
    delta: Literal["absolute", "step", "chunk"] | None = None
    limits: tuple[tuple[float, float], ...] = ()
    normalise: Statistics | None = None
    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    threshold: float | None = None

    def __post_init__(self) -> None:
        n = len(self.axes)
        required("actions.parts: axes", self.axes, "the names of the numbers in order, e.g. axes: [vx, wz]")
        required(f"units of {', '.join(self.axes)}", self.units, f"one, or one an axis, of {', '.join(UNITS)}")
        required(f"limits of {', '.join(self.axes)}", self.limits, "in SI, e.g. limits: [[-0.8, 0.8]]")
        for name in ("units", "limits", "scale", "offset"):
            if len(getattr(self, name)) not in (1, n):
                raise ValueError(f"{name} of {', '.join(self.axes)}: expected 1 or {n} of them")
        if self.normalise and len(self.normalise) not in (1, n):
            raise ValueError(f"normalise of {', '.join(self.axes)}: expected {n} numbers each")
        if self.columns and (len(set(self.columns)) != n or len(self.columns) != n or min(self.columns) < 0):
            raise ValueError(f"columns of {', '.join(self.axes)}: expected {n} different ones, counted from 0")
        if not all(math.isfinite(low) and math.isfinite(high) and low < high for low, high in self.limits):
            raise ValueError(f"limits of {', '.join(self.axes)}: expected finite pairs [least, most]")
        if self.threshold is not None and self.delta in ("step", "chunk"):
            raise ValueError(f"threshold of {', '.join(self.axes)}: a delta has none")
        if not all(map(math.isfinite, (*self.scale, *self.offset))) or 0.0 in self.scale:
            raise ValueError(f"scale of {', '.join(self.axes)} must be finite and not 0, offset finite")


@dataclass(frozen=True, slots=True)
class Actions:
    """What one answer is: `horizon` rows, `dt_s` apart.

    frame: body for velocities; body or odom for waypoints; arm_base for the end effector, or tool for deltas in the
    tool's own; joint for joints.
    """

    kind: Literal["velocity", "waypoints", "end_effector", "joint_position", "joint_velocity"] | None = None
    frame: Literal["body", "odom", "arm_base", "tool", "joint"] | None = None
    dt_s: float | None = None
    horizon: int | None = None
    parts: tuple[ActionPart, ...] = ()

    def __post_init__(self) -> None:
        required("actions.kind", self.kind, f"one of {', '.join(k.value for k in ActionKind)}")
        valid = _FRAMES[self.action_kind]
        required("actions.frame", self.frame, f"what the numbers are relative to: {' or '.join(valid)}")
        required("actions.dt_s", self.dt_s, "the seconds between two rows, e.g. dt_s: 0.05")
        required("actions.horizon", self.horizon, "how many rows an answer has, e.g. horizon: 16")
        required("actions.parts", self.parts, "at least one part with axes, units and limits")
        if self.frame not in valid:
            raise ValueError(f"actions.frame is {self.frame!r}; for {self.kind} it is {' or '.join(valid)}")
        if not 1 <= self.dt_ns <= 10**10 or not 1 <= (self.horizon or 0) <= 10_000:
            raise ValueError("actions: dt_s must be above 0 and at most 10, horizon from 1 to 10000")
        if len(set(self.axes)) != len(self.axes):
            raise ValueError(f"actions: axes {', '.join(self.axes)} name one twice")
        for part in self.parts:
            self._check_part(part)
        self._check_axes()

    @property
    def action_kind(self) -> ActionKind:
        """The kind as the enum."""
        return ActionKind(self.kind)

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of all parts in order."""
        return tuple(axis for part in self.parts for axis in part.axes)

    @property
    def dt_ns(self) -> int:
        """Time between two rows in ns."""
        return nanoseconds(self.dt_s or 0.0)

    def units_for(self, axis: str) -> dict[str, float]:
        """The units that an axis may be in, by what one of them is in SI; empty for an axis that the kind lacks."""
        kind = self.action_kind
        if kind is ActionKind.JOINT_POSITION:
            return {**_ANGLE, **_LENGTH}
        if kind is ActionKind.JOINT_VELOCITY:
            return {**_RATE, **_SPEED}
        if kind is ActionKind.VELOCITY:
            return dict.fromkeys(TWIST_AXES[:3], _SPEED).get(axis, _RATE if axis in TWIST_AXES else {})
        if kind is ActionKind.END_EFFECTOR and axis == "gripper":
            return _CLOSED
        known = POSE_AXES if kind is ActionKind.WAYPOINTS else TOOL_AXES
        return {} if axis not in known else _LENGTH if axis in ("x", "y", "z") else _ANGLE

    def _check_part(self, part: ActionPart) -> None:
        kind, where = self.action_kind, ", ".join(part.axes)
        for i, axis in enumerate(part.axes):
            valid = self.units_for(axis)
            unit = part.units[i % len(part.units)]
            if not valid:
                named = {ActionKind.VELOCITY: TWIST_AXES, ActionKind.WAYPOINTS: POSE_AXES}
                known = named.get(kind, (*TOOL_AXES, "gripper"))
                raise ValueError(f"actions: {self.kind} has no axis {axis!r}; {choices(axis, known)}")
            if unit not in valid:
                raise ValueError(f"units of {axis} is {unit!r}; {choices(unit, valid)}")
        deltas = () if part.axes == ("gripper",) else _DELTAS.get(kind, ())
        if part.delta is None and deltas:
            raise ValueError(f"delta of {where} is missing; write {' or '.join(deltas)}")
        if part.delta not in (None, "absolute", *deltas):
            raise ValueError(f"delta of {where} is {part.delta!r}; valid: {' or '.join(deltas or ('absolute',))}")

    def _check_axes(self) -> None:
        kind, moved = self.action_kind, {part.delta for part in self.parts if "gripper" not in part.axes}
        if kind is ActionKind.END_EFFECTOR:
            if self.axes not in (TOOL_AXES, (*TOOL_AXES, "gripper")) or len(moved) != 1:
                raise ValueError(
                    "actions: end_effector has axes x y z rx ry rz [gripper], of one delta but the gripper"
                )
            if self.frame == "tool" and "absolute" in moved:
                raise ValueError("actions.frame tool is for deltas; an absolute pose has frame arm_base")
        if kind is ActionKind.WAYPOINTS:
            if self.axes[:2] != ("x", "y") or len(moved) != 1:
                raise ValueError("actions: waypoints begin with axes x y, and all parts have one delta")
            if self.frame == "odom" and moved != {"absolute"}:
                raise ValueError("actions.frame odom is for absolute waypoints; deltas have frame body")
        if any("gripper" in part.axes and len(part.axes) > 1 for part in self.parts) and "absolute" not in moved:
            raise ValueError("actions: the gripper is no delta; give it a part of its own")
