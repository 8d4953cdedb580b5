"""The fast half: the newest plan, the policy and the executor together; it says what to do and why not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from saccade.clock import MS, SEC, nanoseconds
from saccade.geometry import F64
from saccade.inbox import Reading
from saccade.types import ActionChunk, LocalMap, Plan, PlanKind, RobotState
from vla_node.embodiments.diff_drive import DIFF_DRIVE
from vla_node.executor import Executor, ramped, scheduler
from vla_node.params import VlaParams
from vla_node.policies.embedded import Policy, ahead, grid_floor
from vla_node.rollout import Motion, Style
from vla_node.track import Track

GATE_NS = 10 * MS
"""The gate reads a chunk this often; steps of that length are within its rate limits where longer ones jump."""
_EMBODIMENTS = {"diff_drive": DIFF_DRIVE}
_MISMATCH = 0.4
"""Speeds of the odometry that differ from the requested ones by this share of the limits show a request not obeyed."""


class Pilot:
    """Turns the newest plan into chunks; a plan that is missing or void ends in a standstill, never in a guess."""

    def __init__(self, params: VlaParams) -> None:
        self._dt_ns = round(SEC / params.policy.rate_hz)
        self._policy = self._policy_of(params)
        self._executor = Executor(scheduler(params.executor.scheduler, params.executor.ensemble_m), self._dt_ns)
        self._epoch = 0
        self._last: ActionChunk | None = None
        self._prior: ActionChunk | None = None
        self._track: Track | None = None
        self.plan: Plan | None = None
        self.arrived = self.blocked = False
        self.why = "no plan"

    def retune(self, params: VlaParams) -> None:
        """See `Tunable.retune`."""
        self._policy = self._policy_of(params)

    def begin(self, epoch: int) -> None:
        """Forget the plan; what was still to be executed is void."""
        self._epoch = epoch
        self.plan, self._track, self.arrived = None, None, False
        self._executor.begin(epoch)

    def adopt(self, plan: Plan) -> None:
        """Follow this plan from now on."""
        self.plan, self.arrived = plan, False
        usable = plan.kind is PlanKind.WAYPOINTS and len(plan.waypoints) and np.isfinite(plan.waypoints).all()
        self._track = Track(plan.waypoints) if usable else None

    def act(self, now_ns: int, odom: Reading, grid: Reading, held: bool) -> ActionChunk | None:
        """The chunk to publish now; None when nobody told the robot anything, or nothing holds any more.

        `held` says that the gate stands the robot still, whatever is requested.
        """
        t0_ns = grid_floor(now_ns, self._dt_ns)
        motion = self._motion(t0_ns, odom, held)
        self.why, self.blocked = self._refusal(now_ns, odom, grid), False
        if self.why:
            return self._brake(now_ns, t0_ns, grid, motion)
        assert self.plan is not None
        chart: LocalMap = grid.value
        self.arrived = self._track is not None and self._policy.arrived(self._track, motion)
        chunk = self._policy.act(t0_ns, self.plan, self._track, chart, motion)
        self.blocked = not self.arrived and not chunk.actions.any()
        return self._publish(chunk, now_ns, motion)

    def _policy_of(self, params: VlaParams) -> Policy:
        p = params.policy
        style = Style(p.cruise_m_s, p.turn_rad_s, p.reached_m, p.reached_rad, p.lookahead_m, p.lookahead_s)
        embodiment = _EMBODIMENTS[params.embodiment]
        return Policy(embodiment, params.limits, style, p.margin_m, p.horizon, self._dt_ns)

    def _refusal(self, now_ns: int, odom: Reading, grid: Reading) -> str:
        """Why the plan may not be followed now, without numbers that change by the tick; "" when it may."""
        plan = self.plan
        if plan is None:
            return "no plan"
        if plan.kind is PlanKind.STOP:
            return f"plan {plan.id} says stop"  # which does not expire
        if plan.expired(now_ns):
            return f"plan {plan.id} expired"
        for reading in (odom, grid):
            if not reading.fresh:
                return f"{reading.name} {reading.state.value}"
        if not plan.frame_id == odom.value.frame_id == grid.value.frame_id:
            return f"plan in {plan.frame_id!r}, odom in {odom.value.frame_id!r}, local_map in {grid.value.frame_id!r}"
        if plan.kind is PlanKind.VELOCITY or self._track is not None:
            return ""
        return f"plan {plan.id} of kind {plan.kind.name} cannot be followed"

    def _brake(self, now_ns: int, t0_ns: int, grid: Reading, motion: Motion) -> ActionChunk | None:
        plan = self.plan
        stand = plan.kind is PlanKind.STOP if plan else self._epoch > 0  # so too while the first plan is thought about
        if not stand and not self._moving(t0_ns):
            return None
        stamp_ns = grid.stamp_ns if grid.fresh else t0_ns
        chunk = self._policy.brake(t0_ns, stamp_ns, plan.id if plan else 0, self._epoch, motion)
        self._executor.begin(self._epoch)  # nothing older is mixed into a standstill
        return self._publish(chunk, now_ns, motion)

    def _publish(self, chunk: ActionChunk, now_ns: int, motion: Motion) -> ActionChunk | None:
        """Remember what is executed from now on; return it in the gate's steps, beginning at the speeds of `motion`."""
        if not self._executor.offer(replace(chunk, epoch=self._epoch), now_ns):
            return None
        output = self._executor.output(now_ns)
        if output is None:
            return None
        if self._last is not None and self._last.t0_ns < output.t0_ns:
            self._prior = self._last  # a map within a tick revises the chunk, not what was done before the tick
        self._last = output
        axes = self._policy.embodiment
        before = np.zeros(len(axes.axes))
        before[axes.forward], before[axes.turn] = motion.v, motion.w
        return ramped(output, before, max(1, self._dt_ns // GATE_NS))

    def _moving(self, t0_ns: int) -> bool:
        """Whether what was published last still moves the robot at or after an instant."""
        return self._last is not None and self._last.end_ns > t0_ns and bool(self._last.actions.any())

    def _asked(self, at_ns: int) -> F64 | None:
        """The action (d,) that was published for an instant, or None."""
        for chunk in (self._last, self._prior):
            action = chunk.at(at_ns) if chunk else None
            if action is not None:
                return action
        return None

    def _motion(self, t0_ns: int, odom: Reading, held: bool) -> Motion:
        """Where the robot is at `t0_ns`, and the speeds and accelerations it has been asked for until then."""
        axes = self._policy.embodiment
        before, after = self._asked(t0_ns - 1), self._asked(t0_ns)
        pose = Motion(0.0, 0.0, 0.0, 0.0, 0.0)
        if odom.fresh:
            state: RobotState = odom.value
            T = state.T_odom_from_body
            pose = Motion(float(T.t[0]), float(T.t[1]), T.yaw, float(state.twist[0]), float(state.twist[5]))
            pose = ahead(pose, t0_ns - state.stamp_ns)
        if held:
            return pose._replace(v=0.0, w=0.0)
        if before is None:
            return pose
        v, w = float(before[axes.forward]), float(before[axes.turn])
        limits = self._policy.limits
        off = max(abs(v - pose.v) / limits.v_m_s, abs(w - pose.w) / limits.w_rad_s)
        if odom.fresh and off > _MISMATCH:
            return pose
        if after is None:
            return pose._replace(v=v, w=w)
        dt = self._dt_ns / nanoseconds(1.0)
        a, aw = (float(after[axes.forward]) - v) / dt, (float(after[axes.turn]) - w) / dt
        return pose._replace(v=v, w=w, a=a, aw=aw)
