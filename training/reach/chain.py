"""Many arms at once: forward kinematics and Jacobians of one serial arm, as a product of exponentials."""

from __future__ import annotations

import mujoco
import numpy as np

from saccade.geometry import F64
from vla_node.arms.model import load_model
from vla_node.embodiments.arm import ArmParams


class Chain:
    """Hinges in a row (Brockett 1984): where each axis is when all are at zero, and the tool."""

    def __init__(self, arm: ArmParams) -> None:
        model = load_model(arm)
        data = mujoco.MjData(model)
        data.qpos[:] = 0.0
        mujoco.mj_forward(model, data)
        joints = [model.joint(name).id for name in arm.joints]
        self._axes: F64 = np.array(data.xaxis[joints])
        self._anchors: F64 = np.array(data.xanchor[joints])
        site = data.site(arm.tool)
        self._t, self._R = np.array(site.xpos), np.array(site.xmat).reshape(3, 3)

    def tool(self, q: F64) -> tuple[F64, F64, F64]:
        """For joints (n, d): tools' places (n, 3), rotations (n, 3, 3), and Jacobians (n, 6, d) in the base frame.

        The Jacobian's upper rows are linear speeds of the tool's point, its lower ones angular speeds.
        """
        count, joints = q.shape
        R, t = np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3))
        axes, anchors = [], []
        for j in range(joints):
            axes.append(R @ self._axes[j])
            anchors.append(R @ self._anchors[j] + t)
            turn = _about(self._axes[j], q[:, j])
            t = anchors[-1] - (R @ turn) @ self._anchors[j]
            R = R @ turn
        place = R @ self._t + t
        jacobian = [
            np.concatenate([np.cross(axis, place - anchor), axis], axis=1)
            for axis, anchor in zip(axes, anchors, strict=True)
        ]
        return place, R @ self._R, np.stack(jacobian, axis=2)


def _about(axis: F64, angle: F64) -> F64:
    """Rotations (n, 3, 3) about a unit axis (Rodrigues)."""
    x, y, z = axis
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    turns: F64 = np.eye(3) + sine * K + (1 - cosine) * (K @ K)
    return turns
