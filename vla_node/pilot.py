"""The fast half: the newest plan, a policy and the executor together; it says what to do and why not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from saccade.clock import MS, SEC, nanoseconds, seconds
from saccade.errors import SaccadeError
from saccade.geometry import F64
from saccade.inbox import Reading
from saccade.types import ActionChunk, Plan, PlanKind, RobotState
from vla_node.asked import Asked
from vla_node.cameras import CAMERAS
from vla_node.embodiments.diff_drive import DIFF_DRIVE
from vla_node.executor import Executor, ramped, scheduler
from vla_node.params import VlaParams
from vla_node.policies.base import FastPolicy, Look
from vla_node.policies.embedded import EmbeddedPolicy
from vla_node.rollout import Motion, Style, at_end, brake
from vla_node.senses import Senses
from vla_node.track import Track
from vla_node.views import look
from vla_node.worker import ModelledWorker, ThreadWorker, Worker

GATE_NS = 10 * MS
"""The gate reads a chunk this often; steps of that length are within its rate limits where longer ones jump."""
TIMEOUT_NS = SEC
"""What came later would be past anyhow; a card may give its policy less."""
_EMBODIMENTS = {"diff_drive": DIFF_DRIVE}


class Acted(NamedTuple):
    """What a policy answered to a look: rows, or why there are none."""

    look: Look | None
    rows: F64 | None
    why: str


class Pilot:
    """Turns the newest plan into chunks; a plan that is missing or void ends in a standstill, never in a guess.

    The policy works in a worker: the embedded one has answered when it is asked, others answer later, and what was
    decided before is carried out until then.
    """

    def __init__(self, params: VlaParams, policy: FastPolicy | None = None) -> None:
        self._given = policy
        self._embodiment = _EMBODIMENTS[params.embodiment]
        self.retune(params)
        self._dt_ns = self._policy.spec.dt_ns
        self._cameras = {name: params.policy.camera(name) for name in self._policy.spec.cameras}
        self._executor = Executor(
            scheduler(params.executor, self._policy.spec.takes_promised), self._dt_ns, delays=params.executor.delays
        )
        self._asked = Asked(self._embodiment)
        self._begun = -1
        self._worker = self._worker_of(params)
        self._epoch = 0
        self._track: Track | None = None
        self.plan: Plan | None = None
        self.arrived = self.blocked = False
        self.why, self._trouble = "no plan", ""

    def retune(self, params: VlaParams) -> None:
        """See `Tunable.retune`; a model has no parameters to change while it drives."""
        p = params.policy
        self._limits = params.limits
        self._style = Style(p.cruise_m_s, p.turn_rad_s, p.reached_m, p.reached_rad, p.lookahead_m, p.lookahead_s)
        self._policy: FastPolicy = self._given or EmbeddedPolicy(
            self._embodiment, params.limits, self._style, p.margin_m, p.horizon, round(SEC / p.rate_hz)
        )

    @property
    def reads(self) -> frozenset[str]:
        """Topics that only this policy needs."""
        joints = {"joint_states"} if self._given else set()
        return frozenset(joints.union(*(CAMERAS[own] for own in self._cameras.values())))

    def begin(self, epoch: int) -> None:
        """Forget the plan; what was still to be executed is void."""
        self._epoch = epoch
        self.plan, self._track, self.arrived = None, None, False
        self._worker.cancel()
        self._executor.begin(epoch)

    def adopt(self, plan: Plan) -> None:
        """Follow this plan from now on."""
        self.plan, self.arrived = plan, False
        usable = plan.kind is PlanKind.WAYPOINTS and len(plan.waypoints) and np.isfinite(plan.waypoints).all()
        self._track = Track(plan.waypoints) if usable else None

    def act(self, now_ns: int, senses: Senses, held: bool) -> ActionChunk | None:
        """The chunk to publish now; None when nobody told the robot anything, or nothing holds any more.

        `held` says that the gate stands the robot still, whatever is requested.
        """
        t0_ns = now_ns - now_ns % self._dt_ns
        odom, grid = senses.odom(now_ns), senses.grid(now_ns)
        before, obeyed = self._asked.before(t0_ns, odom, self._limits, held)
        self.why, self.blocked = self._refusal(now_ns, odom, grid), False
        if self.why:
            self._worker.cancel()
            self._trouble = ""
            return self._brake(now_ns, t0_ns, grid, before)
        if self._track is not None:
            self.arrived = self._at_end(odom.value, before, self._track)
        self._take(now_ns)
        if not self._worker.busy and self.plan is not None:
            ahead = self._executor.output(now_ns) if obeyed else None
            promised = ahead.actions if ahead and ahead.t0_ns == t0_ns else before[:0].reshape(0, len(before))
            blank = partial(Look, epoch=self._epoch, plan=self.plan, asked=before, promised=promised, held=held)
            self._worker.offer(look(senses, now_ns, t0_ns, self._cameras, self._policy.spec.depth, blank), now_ns)
            self._take(now_ns)
        self.why = self._trouble
        return self._publish(now_ns, before)

    def close(self) -> None:
        """Stop working."""
        self._worker.close()
        self._policy.close()

    def _worker_of(self, params: VlaParams) -> Worker[Callable[[], Look], Acted]:
        if self._given is None:
            return ModelledWorker(self._answer, 0)
        if params.planner.worker == "modelled":
            return ModelledWorker(self._answer, nanoseconds(params.policy.latency_s))
        return ThreadWorker(self._answer, "policy")

    def _answer(self, looking: Callable[[], Look]) -> Acted:
        """What the policy says; whatever goes wrong is no action, and the reason."""
        try:
            seen = looking()
            if seen.epoch != self._begun:
                self._policy.begin(seen.epoch)  # here, where no `act` can be under way
                self._begun = seen.epoch
            return Acted(seen, self._policy.act(seen, TIMEOUT_NS), "")
        except SaccadeError as error:
            return Acted(None, None, str(error))
        except Exception as error:  # a policy may be any model; its bugs stop the robot, not the process
            return Acted(None, None, f"{type(error).__name__}: {error}")

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
        if plan.kind is PlanKind.WAYPOINTS and self._track is None:
            return f"plan {plan.id} has no waypoints that are finite"
        return ""

    def _take(self, now_ns: int) -> None:
        """Hand what the policy has finished to the executor; the executor knows what of it may still be done."""
        done = self._worker.poll(now_ns)
        if done is None:
            return
        seen, rows, self._trouble = done[0]
        if seen is None or rows is None:
            return
        if rows.ndim != 2 or rows.shape[1] != len(self._embodiment.axes):
            self._trouble = f"an answer with shape {rows.shape}; expected {len(self._embodiment.axes)} numbers a row"
            return
        t0_ns = round(seen.stamp_ns / self._dt_ns) * self._dt_ns
        stamp_ns = seen.stamp_ns if seen.images or seen.grid is None else seen.grid.stamp_ns
        chunk = ActionChunk(stamp_ns, t0_ns, self._dt_ns, self._embodiment.axes, rows, seen.plan.id, seen.epoch)
        if not self._executor.offer(chunk, now_ns):
            self._trouble = "the policy's answer is too late"
        self.blocked = not self.arrived and not rows.any()

    def _brake(self, now_ns: int, t0_ns: int, grid: Reading, before: F64) -> ActionChunk | None:
        plan = self.plan
        stand = plan.kind is PlanKind.STOP if plan else self._epoch > 0  # so too while the first plan is thought about
        if not stand and not self._asked.moves(t0_ns):
            return None
        motion = Motion(0.0, 0.0, 0.0, before[self._embodiment.forward], before[self._embodiment.turn])
        rows = np.zeros((20, len(before)))
        for row, m in zip(rows, brake(motion, self._limits, seconds(self._dt_ns), len(rows)), strict=True):
            row[self._embodiment.forward], row[self._embodiment.turn] = m.v, m.w
        stamp_ns = grid.stamp_ns if grid.fresh else t0_ns
        self._executor.begin(self._epoch)  # nothing older is mixed into a standstill
        plan_id = plan.id if plan else 0
        chunk = ActionChunk(stamp_ns, t0_ns, self._dt_ns, self._embodiment.axes, rows, plan_id, self._epoch)
        self._executor.offer(chunk, now_ns)
        return self._publish(now_ns, before)

    def _publish(self, now_ns: int, before: F64) -> ActionChunk | None:
        """Remember what is executed from now on; return it in the gate's steps, beginning at the speeds `before`."""
        output = self._executor.output(now_ns)
        if output is None:
            return None
        self._asked.put(output)
        return ramped(output, before, max(1, self._dt_ns // GATE_NS))

    def _at_end(self, state: RobotState, before: F64, track: Track) -> bool:
        """Whether the robot has reached a track's end and stands."""
        T, v, w = state.T_odom_from_body, before[self._embodiment.forward], before[self._embodiment.turn]
        m = Motion(float(T.t[0]), float(T.t[1]), T.yaw, float(v), float(w))
        return abs(m.v) < 0.05 and abs(m.w) < 0.1 and at_end(m, track, self._style)
