"""Joints for a pose of the tool: differential inverse kinematics with limits, solved by mink as a quadratic program.

mink (Zakka, https://github.com/kevinzakka/mink) weighs tasks for the tool and for the posture against each other, with
bounds on every joint; Levenberg-Marquardt damping keeps the steps small where the arm is singular.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np

from saccade.errors import ConfigError
from saccade.geometry import F64, SE3
from vla_node.arms.model import load_model, tool_kind
from vla_node.embodiments.arm import ArmParams
from vla_node.policies.base import PolicyError

NEAR_M, NEAR_RAD = 1e-3, 5e-3
"""A pose this near to the target is the target."""
_MOST_STEPS = 150
_STEP_RAD = 0.15
"""A joint moves no further in one step: the linearisation does not hold for longer."""
_PATIENCE = 12
"""After so many steps that bring it no hundredth nearer it has come as near as it can."""
_AT_LIMIT = 1e-3
_FARTHEST_M = 100.0


class Kinematics:
    """One arm's forward and inverse kinematics. Not for several threads at once.

    Poses are of the tool in the frame of the model's file, q (n,) float64 by `ArmParams.joints`.
    """

    def __init__(self, params: ArmParams) -> None:
        """ConfigError without mink, or when the model lacks what the parameters name."""
        self._mink = mink = _mink()
        model = load_model(params)
        kind = tool_kind(model, params.tool)
        self._configuration = mink.Configuration(model)
        self._at = np.array([model.joint(name).qposadr[0] for name in params.joints])
        self._moves = np.array([model.joint(name).dofadr[0] for name in params.joints])
        self._tool_task = mink.FrameTask(params.tool, kind, position_cost=1.0, orientation_cost=0.3, lm_damping=1e-2)
        self._posture = mink.PostureTask(model, cost=1e-4)
        self.joints, self._tool, self._kind = params.joints, params.tool, kind
        count = len(params.joints)
        self.low, self.high = np.array(params.position_min[:count]), np.array(params.position_max[:count])
        self.home = np.array(params.home)
        self._posture.set_target(self._whole(self.home))
        self._box = _Box(mink, model.nv)

    def pose(self, q: F64) -> SE3:
        """Where the tool is when the joints are at q."""
        self._configuration.update(self._whole(q))
        T = self._configuration.get_transform_frame_to_world(self._tool, self._kind)
        return SE3(T.rotation().as_matrix(), T.translation())

    def solve(self, target: SE3, begin: F64, what: str = "the target") -> F64:
        """Joints (n,) within their ranges that take the tool to a pose, found by moving from `begin` (n,).

        PolicyError says how far from the target the arm has come, and which joints are at the end of their range.
        """
        if not (np.isfinite(target.t).all() and np.isfinite(target.R).all()) or np.abs(target.t).max() > _FARTHEST_M:
            raise PolicyError(f"{what} is at {target.t.tolist()}; expected a finite pose within {_FARTHEST_M:g} m")
        self._tool_task.set_target(self._mink.SE3(np.array([*_wxyz(target), *target.t])))
        q = np.clip(begin, self.low, self.high)
        best, least, waited = (q, math.inf, math.inf), math.inf, 0
        for _ in range(_MOST_STEPS):
            self._configuration.update(self._whole(q))
            away_m, away_rad = self._away()
            if away_m < NEAR_M / 10 and away_rad < NEAR_RAD / 10:
                return q
            away = away_m / NEAR_M + away_rad / NEAR_RAD
            waited += 1
            if away < 0.99 * least:
                best, least, waited = (q, away_m, away_rad), away, 0
            if waited >= _PATIENCE:
                break
            q = np.clip(q + self._step(q), self.low, self.high)
        q, away_m, away_rad = best
        if away_m < NEAR_M and away_rad < NEAR_RAD:
            return q
        raise PolicyError(
            f"{what} at x {target.t[0]:.2f} y {target.t[1]:.2f} z {target.t[2]:.2f} m is out of reach: the tool comes "
            f"no nearer than {away_m:.3f} m and {math.degrees(away_rad):.0f} degrees{self._ends(q)}"
        )

    def _step(self, q: F64) -> F64:
        """The best step (n,) of the joints towards the target within their ranges."""
        mink, configuration = self._mink, self._configuration
        room = self._box.room
        room[0, self._moves] = np.clip(self.high - q, 0.0, _STEP_RAD)
        room[1, self._moves] = np.clip(q - self.low, 0.0, _STEP_RAD)
        tasks = [self._tool_task, self._posture]
        try:
            moved = mink.solve_ik(configuration, tasks, 1.0, "daqp", 1e-6, limits=[self._box])
        except mink.NoSolutionFound as error:
            raise PolicyError(f"no step towards the target: {error}") from error
        step: F64 = np.clip(moved[self._moves], -room[1, self._moves], room[0, self._moves])
        return step

    def _away(self) -> tuple[float, float]:
        """Distance m and angle rad between tool and target."""
        error = self._tool_task.compute_error(self._configuration)
        return float(np.linalg.norm(error[:3])), float(np.linalg.norm(error[3:]))

    def _ends(self, q: F64) -> str:
        """The joints at the ends of their ranges, as the tail of a message."""
        ends = [
            f"{name} at its limit of {end:g}"
            for name, at, low, high in zip(self.joints, q, self.low, self.high, strict=True)
            for end in (low, high)
            if abs(at - end) < _AT_LIMIT
        ]
        return f"; {', '.join(ends)}" if ends else ", fully stretched or turned"

    def _whole(self, q: F64) -> F64:
        """All positions of the model, those of other joints as the file has them."""
        whole = np.array(self._configuration.model.qpos0)
        whole[self._at] = q
        return whole


class _Box:
    """`room` (2, nv) of every degree of freedom in one step, up and down, in the form of mink's limits.

    What is no joint of the arm has none.
    """

    def __init__(self, mink: ModuleType, count: int) -> None:
        self._mink, self._G = mink, np.vstack([np.eye(count), -np.eye(count)])
        self.room = np.zeros((2, count))

    def compute_qp_inequalities(self, configuration: Any, dt: float) -> Any:
        """See `mink.Limit`."""
        return self._mink.Constraint(G=self._G, h=self.room.ravel())


def _wxyz(T: SE3) -> tuple[float, float, float, float]:
    x, y, z, w = T.quaternion()
    return w, x, y, z


def _mink() -> ModuleType:
    try:
        import mink
    except ImportError as error:
        raise ConfigError(f"arms need mink, which is not installed ({error}): pip install 'saccade[arm]'") from error
    module: ModuleType = mink
    return module
