"""From what the robot sees to what a model is shown: `Look` to an observation, as a card says."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from saccade.clock import seconds
from saccade.errors import choices
from saccade.geometry import F64, SE3, planar
from saccade.types import PlanKind
from vla_node.clients.base import Array, Observation
from vla_node.policies.base import Look, PolicyError
from vla_node.policies.card import PolicyCard
from vla_node.policies.pictures import Picture, depth
from vla_node.policies.shown import POSE_AXES, TOOL_AXES, TWIST_AXES, Entry, Part, required
from vla_node.track import Track

_TO_UNIT = {"rad": 1.0, "deg": 180 / math.pi, "m": 1.0, "mm": 1000.0, "own": 1.0, None: 1.0}


class Observer:
    """Makes observations; their arrays are valid until the next one. PolicyError where something asked for is missing.

    `promised` turns rows (n, d) in SI into the model's own numbers.
    """

    def __init__(self, card: PolicyCard, promised: Callable[[F64, Look], F64]) -> None:
        self._card, self._promised = card, promised
        self._pictures = {i: Picture(entry.image) for i, entry in enumerate(card.observation) if entry.image}

    def observe(self, look: Look) -> Observation:
        """What the model is shown of a look."""
        out: dict[str, Array | str | Observation] = {}
        for i, entry in enumerate(self._card.observation):
            value = self._value(i, entry, look)
            if not isinstance(value, str) and entry.axes_before:
                value = value.reshape((1,) * entry.axes_before + value.shape)
            if entry.group:
                group = out.setdefault(entry.group, {})
                assert isinstance(group, dict)
                group[entry.key] = value
            else:
                out[entry.key] = value
        return out

    def blank(self) -> dict[str, Array]:
        """Zeros like the arrays of an observation without groups and texts, to try a model with."""
        out: dict[str, Array] = {}
        for i, entry in enumerate(self._card.observation):
            if entry.image:
                value: Array = np.zeros_like(self._pictures[i].make(np.zeros((2, 2, 3), np.uint8)))
            elif entry.depth:
                value = depth(entry.depth, np.zeros((2, 2), np.float32))
            else:
                size = sum(part.size for part in entry.vector)
                shape = (size,) if entry.vector else (entry.promised, len(self._card.moves.axes))
                value = np.zeros(shape, entry.dtype)
            out[entry.key] = value.reshape((1,) * entry.axes_before + value.shape)
        return out

    def _value(self, i: int, entry: Entry, look: Look) -> Array | str:
        if entry.image:
            image = look.images.get(entry.image.camera)
            if image is None:
                named = choices(entry.image.camera, look.images)
                raise PolicyError(f"{self._card.name}: no picture of camera {entry.image.camera!r}; {named}")
            return self._pictures[i].make(image.data)
        if entry.depth:
            if look.depth_m is None:
                raise PolicyError(f"{self._card.name}: no depth image for {entry.key!r}")
            return depth(entry.depth, look.depth_m)
        if entry.text:
            return look.plan.instruction if entry.text == "instruction" else look.plan.text
        if entry.promised:
            return self._rows(entry, look)
        numbers = np.concatenate([self._numbers(part, look) for part in entry.vector])
        if not np.isfinite(numbers).all():
            raise PolicyError(f"{self._card.name}: {entry.key!r} would be {numbers.tolist()}; expected finite numbers")
        if entry.normalise:
            numbers = (numbers - entry.normalise.centre) / entry.normalise.spread
        return numbers.astype(entry.dtype)

    def _rows(self, entry: Entry, look: Look) -> Array:
        """The promised rows, the last of them repeated; zeros where none is."""
        rows = look.promised[: entry.promised]
        if not len(rows):
            return np.zeros((entry.promised, len(self._card.moves.axes)), entry.dtype)
        full = np.concatenate([rows, np.repeat(rows[-1:], entry.promised - len(rows), axis=0)])
        return self._promised(full, look).astype(entry.dtype)

    def _numbers(self, part: Part, look: Look) -> F64:
        values = np.asarray(self._si(part, look), np.float64) * _TO_UNIT[part.unit]
        sent: F64 = values * np.array(part.scale) + np.array(part.offset)
        return sent

    def _si(self, part: Part, look: Look) -> F64 | list[float]:
        if part.joints:
            return [joint(self._card.name, look, name) for name in part.joints]
        if part.twist:
            return [float(look.state.twist[TWIST_AXES.index(axis)]) for axis in part.twist]
        if part.odometry:
            return _pose(look.state.T_odom_from_body, part.odometry)
        if part.tool:
            T = tool(self._card.name, look)
            pose = np.concatenate([T.t, rotation_vector(T.R)])
            return [float(pose[TOOL_AXES.index(axis)]) for axis in part.tool]
        if part.ego_motion:
            return _pose(look.T_plan_from_body, part.ego_motion)
        if part.number == "since_plan_s":
            return [seconds(look.since_plan_ns)]
        if part.number == "stop":
            return [float(look.plan.kind is PlanKind.STOP)]
        if part.number == "delay_rows":
            return [float(look.delay_rows)]
        points = self._waypoints(look)
        if part.goal:
            return [float(points[-1]["xyz".index(axis)]) for axis in part.goal]
        return _along(points, part.waypoints, required("spacing_m", part.spacing_m, ""))

    def _waypoints(self, look: Look) -> F64:
        """The plan's waypoints (n, 3) m in the body's level frame at the look's stamp."""
        plan, state = look.plan, look.state
        if plan.kind is not PlanKind.WAYPOINTS or not len(plan.waypoints):
            raise PolicyError(f"{self._card.name}: plan {plan.id} of kind {plan.kind.name} has no waypoints to show")
        if plan.frame_id != state.frame_id:
            raise PolicyError(f"{self._card.name}: plan in {plan.frame_id!r}, odometry in {state.frame_id!r}")
        return planar(state.T_odom_from_body).inverse().apply(plan.waypoints)


def joint(name: str, look: Look, of: str) -> float:
    """Position of a joint, rad or m."""
    if of not in look.joints:
        raise PolicyError(f"{name}: no position of joint {of!r}; {choices(of, look.joints)}")
    return float(look.joints[of])


def tool(name: str, look: Look) -> SE3:
    """The tool's pose in the arm's base frame."""
    if look.T_arm_from_tool is None:
        raise PolicyError(f"{name}: the pose of the tool is not known, and its card needs it")
    return look.T_arm_from_tool


def rotation_vector(R: F64) -> F64:
    """Axis times angle in rad, (3,), of a rotation (3, 3)."""
    return np.asarray(cv2.Rodrigues(R)[0], np.float64).reshape(3)


def rotation(vector: F64) -> F64:
    """The rotation (3, 3) of axis times angle in rad, (3,)."""
    return np.asarray(cv2.Rodrigues(np.asarray(vector, np.float64).reshape(3, 1))[0], np.float64)


def _pose(T: SE3, axes: tuple[str, ...]) -> list[float]:
    pose = (*T.t, T.yaw)
    return [float(pose[POSE_AXES.index(axis)]) for axis in axes]


def _along(points: F64, count: int, spacing_m: float) -> F64:
    """`count` points x y on a path, the first `spacing_m` beyond where it is nearest to the origin; (2 count,)."""
    track = Track(points)
    begin = track.nearest(0.0, 0.0)
    return np.array([track.point(begin + (i + 1) * spacing_m) for i in range(count)]).reshape(-1)
