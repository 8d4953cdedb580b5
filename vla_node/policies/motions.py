"""Actions that say how far to go, made into where to be, and back: `forwards` and `backwards` undo each other."""

from __future__ import annotations

import numpy as np

from saccade.geometry import F64, SE3, planar, wrap_angle
from vla_node.policies.answered import ActionPart, Actions
from vla_node.policies.base import ActionKind, Look
from vla_node.policies.observe import joint, rotation, rotation_vector, tool


def forwards(name: str, moves: Actions, values: F64, look: Look) -> F64:
    """Where to be, (k, d) SI in the frame of the kind, from a policy's own rows (k, d) SI, which may be deltas."""
    if moves.frame == "odom":
        return _moved(moves, values, planar(look.state.T_odom_from_body).inverse())
    rows: F64 = values.copy()
    for part, columns in _parts(moves):
        if part.delta in (None, "absolute"):
            continue
        if moves.action_kind is ActionKind.END_EFFECTOR:
            rows[:, :6] = _poses(values[:, :6], tool(name, look), moves.frame == "tool", part.delta == "step")
        elif part.delta == "step":
            rows[:, columns] = _begin(name, moves, part, look) + np.cumsum(values[:, columns], axis=0)
        else:
            rows[:, columns] += _begin(name, moves, part, look)
    return rows


def backwards(name: str, moves: Actions, rows: F64, look: Look) -> F64:
    """The rows of a policy's own that `forwards` makes into these."""
    if moves.frame == "odom":
        return _moved(moves, rows, planar(look.state.T_odom_from_body))
    values: F64 = rows.copy()
    for part, columns in _parts(moves):
        if part.delta in (None, "absolute"):
            continue
        if moves.action_kind is ActionKind.END_EFFECTOR:
            values[:, :6] = _apart(rows[:, :6], tool(name, look), moves.frame == "tool", part.delta == "step")
        elif part.delta == "step":
            values[:, columns] = np.diff(rows[:, columns], axis=0, prepend=_begin(name, moves, part, look)[None])
        else:
            values[:, columns] -= _begin(name, moves, part, look)
    return values


def _parts(moves: Actions) -> list[tuple[ActionPart, slice]]:
    """Each part and its columns; of the parts of a pose, which move together, only the first."""
    out, begin = [], 0
    for part in moves.parts:
        if not (moves.action_kind is ActionKind.END_EFFECTOR and begin):
            out.append((part, slice(begin, begin + len(part.axes))))
        begin += len(part.axes)
    return out


def _begin(name: str, moves: Actions, part: ActionPart, look: Look) -> F64:
    """What the deltas of a part begin from: the joints, or, for waypoints, where the body is."""
    if moves.action_kind is ActionKind.WAYPOINTS:
        return np.zeros(len(part.axes))
    return np.array([joint(name, look, axis) for axis in part.axes])


def _moved(moves: Actions, rows: F64, T: SE3) -> F64:
    """Waypoints x y [z] [yaw] in another frame, whose z axis is as vertical."""
    out: F64 = rows.copy()
    axes = moves.axes
    columns = [axes.index(axis) for axis in "xyz" if axis in axes]
    points = np.zeros((len(rows), 3))
    points[:, : len(columns)] = rows[:, columns]
    out[:, columns] = T.apply(points)[:, : len(columns)]
    if "yaw" in axes:
        out[:, axes.index("yaw")] = [wrap_angle(yaw + T.yaw) for yaw in rows[:, axes.index("yaw")]]
    return out


def _poses(deltas: F64, begin: SE3, in_tool: bool, step: bool) -> F64:
    """Poses (k, 6) from deltas (k, 6), position and rotation vector, in the tool's axes or those of the arm's base."""
    out, now = np.empty_like(deltas), begin
    for i, delta in enumerate(deltas):
        base = now if step else begin
        R = rotation(delta[3:])
        now = base @ SE3(R, delta[:3]) if in_tool else SE3(R @ base.R, base.t + delta[:3])
        out[i] = (*now.t, *rotation_vector(now.R))
    return out


def _apart(poses: F64, begin: SE3, in_tool: bool, step: bool) -> F64:
    out, base = np.empty_like(poses), begin
    for i, pose in enumerate(poses):
        now = SE3(rotation(pose[3:]), pose[:3])
        if in_tool:
            between = base.inverse() @ now
            out[i] = (*between.t, *rotation_vector(between.R))
        else:
            out[i] = (*(now.t - base.t), *rotation_vector(now.R @ base.R.T))
        base = now if step else begin
    return out
