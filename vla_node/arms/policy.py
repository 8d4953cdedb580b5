"""The arm's own policy: takes hold of what a plan's last waypoint points to, or puts it there. A policy like others."""

from __future__ import annotations

import numpy as np

from saccade.clock import seconds
from saccade.geometry import F64
from saccade.types import Plan, PlanKind
from vla_node.arms.kinematics import Kinematics
from vla_node.arms.reach import Reach
from vla_node.arms.target import puts
from vla_node.embodiments.arm import ArmParams
from vla_node.policies.base import ActionKind, Look, PolicyError, PolicySpec

SAME_M = 0.02
"""A plan whose target is this near to the one that is under way is about the same thing."""


class GraspPolicy:
    """Joint positions on absolute time: the whole grasp is worked out when a plan comes, and read off from then on.

    A newer plan of the same epoch changes nothing unless its target is another, or its `values` are: see
    `vla_node.arms.target.grasp_plan`. While the arm is stood still the way waits for it: see `stood_ns`. `act` takes
    tens of milliseconds when it works out a way, else microseconds.
    """

    def __init__(self, arm: ArmParams, dt_ns: int, horizon: int) -> None:
        self.spec = PolicySpec("grasp", ActionKind.JOINT_POSITION, arm.axes, dt_ns, horizon)
        self._T_arm_from_body = arm.T_body_from_arm.inverse()
        self._reach = Reach(arm, Kinematics(arm), seconds(dt_ns))
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """See `FastPolicy.begin`."""
        self._target: F64 | None = None
        self._values: tuple[float, ...] = ()
        self._rows: F64 | None = None
        self._begin_ns = self._seen_ns = 0

    def act(self, look: Look, timeout_ns: int) -> F64:
        """See `FastPolicy.act`; PolicyError also for plans that point to nothing, and for what is out of reach."""
        point, values = target_of(look.plan), tuple(look.plan.values.tolist())
        same = self._target is not None and float(np.linalg.norm(point - self._target)) <= SAME_M
        if not same or values != self._values:
            self._target = self._rows = None
            in_arm = (self._T_arm_from_body @ look.state.T_odom_from_body.inverse()).apply(point)
            way = self._reach.put if puts(look.plan) else self._reach.grasp
            self._rows = way(positions_of(look, self.spec.axes), in_arm)
            self._target, self._values, self._begin_ns = point, values, look.stamp_ns
        else:
            self._begin_ns += stood_ns(look, self._seen_ns, self.spec.dt_ns)
        self._seen_ns = look.stamp_ns
        assert self._rows is not None
        first = (look.stamp_ns - self._begin_ns) // self.spec.dt_ns
        index = np.clip(np.arange(first, first + self.spec.horizon), 0, len(self._rows) - 1)
        return self._rows[index]

    def done_ns(self) -> int | None:
        """When the grasp that is under way is over; None when there is none."""
        if self._rows is None:
            return None
        return self._begin_ns + len(self._rows) * self.spec.dt_ns

    def close(self) -> None:
        """See `FastPolicy.close`."""


def stood_ns(look: Look, seen_ns: int, dt_ns: int) -> int:
    """How much of the time since the look at `seen_ns` an arm that was under way did nothing of what it was to do.

    All of it where the gate stands it still, or where nothing was asked of it meanwhile and it braked: a way that went
    on without it would be cut short, and what is held would be let go of in mid-air.
    """
    gone_ns = look.stamp_ns - seen_ns
    braked = gone_ns > 2 * dt_ns and not len(look.promised)
    return gone_ns if look.held or braked else 0


def target_of(plan: Plan) -> F64:
    """The point (3,) in the odometry frame that a plan is about; PolicyError where it points to none."""
    if plan.kind is not PlanKind.WAYPOINTS or not len(plan.waypoints) or not np.isfinite(plan.waypoints).all():
        raise PolicyError(
            f"plan {plan.id} of kind {plan.kind.name} points to nothing to take hold of; expected a waypoint"
        )
    point: F64 = plan.waypoints[-1]
    return point


def positions_of(look: Look, axes: tuple[str, ...]) -> F64:
    """Where these joints are, (n,); PolicyError names those that are not heard of."""
    lacking = [axis for axis in axes if axis not in look.joints]
    if lacking:
        raise PolicyError(f"joint_states lacks {', '.join(lacking)}; it has {', '.join(look.joints) or 'no joints'}")
    return np.array([look.joints[axis] for axis in axes], np.float64)
