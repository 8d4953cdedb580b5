"""The fast half: the newest plan, a policy and the executor together; it says what to do and why not."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from saccade.clock import MS, SEC, seconds
from saccade.errors import SaccadeError
from saccade.geometry import F64
from saccade.inbox import Reading
from saccade.types import ActionChunk, Plan, PlanKind
from vla_node.acting import Acted, Acting, Now, chunk_of
from vla_node.actions.choose import converter
from vla_node.asked import Asked
from vla_node.bodies import body_of
from vla_node.cameras import CAMERAS
from vla_node.course import Course
from vla_node.executor import Executor, ramped, scheduler
from vla_node.gliding import Flying
from vla_node.gliding import at_end as flown
from vla_node.lead import lead
from vla_node.params import VlaParams
from vla_node.planner import NO_LEAD
from vla_node.policies.base import FastPolicy, Look
from vla_node.policies.default import default_policy
from vla_node.rollout import Motion, Style, at_end, moved
from vla_node.seam import Bounds, standstill
from vla_node.senses import Senses
from vla_node.track import Track
from vla_node.views import look, look_stamp, sent_positions

GATE_NS = 10 * MS
"""The gate reads a chunk this often; steps of that length are within its rate limits where longer ones jump."""
_STANDING_NS = SEC
"""How far ahead a standstill is told."""


class Pilot:
    """Turns the newest plan into chunks; a plan that is missing or void ends in a standstill, never in a guess.

    The policy works in a worker: the embedded one has answered when it is asked, others answer later, and what was
    decided before is carried out until then.
    """

    def __init__(self, params: VlaParams, policy: FastPolicy | None = None) -> None:
        self._own = policy is None
        self._body = body_of(params)
        given = policy or default_policy(params, self._body)
        modelled_s = params.policy.latency_s if params.planner.worker == "modelled" else None
        self._acting = Acting(given, self._own, modelled_s)
        spec = given.spec
        self._dt_ns, self._parts = spec.dt_ns, max(1, spec.dt_ns // GATE_NS)
        self._cameras, self._depth = {name: params.policy.camera(name) for name in spec.cameras}, spec.depth
        self._converter = converter(spec, params)
        limits = self._body.limits
        bounds = Bounds(np.zeros(len(limits.axes), bool), limits.accel, limits.speed)
        chosen = scheduler(params.executor, spec.takes_promised)
        self._executor = Executor(chosen, self._dt_ns, bounds, params.executor.delays)
        self._least_rows = params.executor.least_rows
        self._asked = Asked(self._body)
        self._epoch = 0
        self._track: Track | Course | None = None
        self._braking = False
        self.plan: Plan | None = None
        self.arrived = self.blocked = False
        self.why, self._trouble = "no plan", ""
        self.retune(params)

    @property
    def reads(self) -> frozenset[str]:
        """Topics that this robot and this policy need beyond those that every robot has."""
        joints = {"joint_states", "joint_trajectory"} if self._body.drive is None else set()
        joints |= set() if self._own else {"joint_states"}
        return frozenset(joints.union(*(CAMERAS[own] for own in self._cameras.values())))

    def retune(self, params: VlaParams) -> None:
        """See `Tunable.retune`; a model has no parameters to change while it drives."""
        p = params.policy
        self._style = Style(p.cruise_m_s, p.turn_rad_s, p.reached_m, p.reached_rad, p.lookahead_m, p.lookahead_s)
        if self._own:
            self._acting.policy = default_policy(params, self._body)

    def begin(self, epoch: int) -> None:
        """Forget the plan; what was still to be executed is void."""
        self._epoch = epoch
        self.plan, self._track, self.arrived, self._braking = None, None, False, True
        self._acting.cancel()
        self._executor.begin(epoch)

    def forget(self) -> None:
        """Forget what was executed when, and what was to be."""
        self._executor.forget()
        self._asked.forget()

    def adopt(self, plan: Plan) -> None:
        """Follow this plan from now on."""
        self.plan, self.arrived = plan, False
        usable = plan.kind is PlanKind.WAYPOINTS and len(plan.waypoints) and np.isfinite(plan.waypoints).all()
        curve = Course if self._body.flies else Track
        self._track = curve(plan.waypoints) if usable else None

    def act(self, now_ns: int, senses: Senses, held: bool) -> ActionChunk | None:
        """The chunk to publish now; None when nobody told the robot anything, or nothing holds any more.

        `held` says that the gate stands the robot still, whatever is requested.
        """
        t0_ns = now_ns - now_ns % self._dt_ns
        before, obeyed = self._asked.before(t0_ns, senses.odom(now_ns), held)
        self.why, self.blocked = self._refusal(now_ns, senses), False
        if self.why or self.plan is None:
            return self._brake(now_ns, t0_ns, senses.grid(now_ns), before)
        self._braking = False
        self._take(now_ns, senses, before, obeyed)
        if not self._acting.busy and (self._own or self._executor.due(now_ns, self._least_rows)):
            stamp_ns = look_stamp(senses, now_ns, t0_ns, self._cameras)
            promised, delay_rows = self._promised(now_ns, stamp_ns, obeyed)
            blank = partial(
                Look, epoch=self._epoch, plan=self.plan, asked=before, promised=promised, delay_rows=delay_rows,
                held=held,
            )  # fmt: skip
            self._acting.ask(look(senses, now_ns, t0_ns, self._cameras, self._depth, blank), now_ns)
            self._take(now_ns, senses, before, obeyed)
        self.why = self._trouble
        return self._publish(self._executor.output(now_ns), before)

    def lead(self, now_ns: int, senses: Senses, for_ns: int) -> F64:
        """The poses (n, 4) that the robot goes through in the next `for_ns`; see `Observation.lead`."""
        plan, odom = self.plan, senses.odom(now_ns)
        if plan is None or self._braking or not odom.fresh:
            return NO_LEAD
        before, _ = self._asked.before(now_ns, odom, False)
        left_s = seconds(plan.obs_stamp_ns + plan.valid_for_ns - now_ns)
        return lead(self._body, odom.value, before, self._track, self._style, left_s, seconds(for_ns))

    def close(self) -> None:
        """Stop working."""
        self._acting.close()

    def _refusal(self, now_ns: int, senses: Senses) -> str:
        """Why the plan may not be followed now, without numbers that change by the tick; "" when it may."""
        plan = self.plan
        lacking = [reading for name in self._body.needs if not (reading := senses.inbox.get(name, now_ns)).fresh]
        lacks = ", ".join(f"{reading.name} {reading.state.value}" for reading in lacking)
        if plan is None:
            return f"no plan; {lacks}" if lacks else "no plan"
        if plan.kind is PlanKind.STOP:
            return f"plan {plan.id} says stop"  # which does not expire
        if plan.expired(now_ns):
            return f"plan {plan.id} expired"
        if lacks:
            return lacks
        odom, around = senses.odom(now_ns), (senses.grid(now_ns), senses.space(now_ns))
        frames = {"odom": odom.value.frame_id} | {seen.name: seen.value.frame_id for seen in around if seen.fresh}
        if any(frame != plan.frame_id for frame in frames.values()):
            return f"plan in {plan.frame_id!r}, " + ", ".join(f"{name} in {frame!r}" for name, frame in frames.items())
        if plan.kind is PlanKind.WAYPOINTS and self._track is None:
            return f"plan {plan.id} has no waypoints that are finite"
        return ""

    def _promised(self, now_ns: int, stamp_ns: int, obeyed: bool) -> tuple[F64, int]:
        """The rows (n, d) that run from a look at `stamp_ns` on, and how many of them whatever is answered."""
        none = np.zeros((0, len(self._body.axes)))
        if not obeyed:
            return none, 0
        if self._own:  # it has answered before the next row begins
            ahead = self._executor.output(now_ns)
            return (ahead.actions if ahead and ahead.t0_ns == stamp_ns else none), 0
        promise = self._executor.promise(stamp_ns)
        return (promise.rows if len(promise.rows) else none), promise.delay_rows

    def _take(self, now_ns: int, senses: Senses, before: F64, obeyed: bool) -> None:
        """Hand what the policy has finished to the executor, which knows what of it may still be done."""
        if self._track is not None:
            self.arrived = self._at_end(senses, now_ns, before, self._track)
        acted = self._acting.poll(now_ns)
        if acted is None:
            return
        self._trouble = acted.why
        if acted.look is None or acted.rows is None or acted.look.epoch != self._epoch:
            return
        try:
            self._offer(acted, now_ns, senses, before, obeyed)
        except SaccadeError as error:
            self._trouble = str(error)
        self.blocked = self._own and not self.arrived and not acted.rows.any()

    def _offer(self, acted: Acted, now_ns: int, senses: Senses, before: F64, obeyed: bool) -> None:
        assert acted.look is not None
        assert acted.rows is not None
        seen, plan = acted.look, acted.look.plan
        at = None if obeyed else standstill(before)
        t0_ns, first_ns = self._executor.begins(seen.stamp_ns, now_ns, at)
        sent = sent_positions(senses, now_ns, self._body.axes) if self._body.drive is None else before[:0]
        running = self._executor.at(now_ns) if obeyed and first_ns > now_ns else None
        last = before if running is None else running  # a row that has begun is executed to its end
        now = Now(now_ns, first_ns, moved(senses.odom(now_ns).value, first_ns), last, sent, self._parts)
        chunk = chunk_of(seen, acted.rows, t0_ns, self._converter, self._dt_ns, now)
        if not self._executor.offer(chunk, now_ns, plan.obs_stamp_ns + plan.valid_for_ns, at):
            self._trouble = "the policy's answer came too late"

    def _brake(self, now_ns: int, t0_ns: int, grid: Reading, before: F64) -> ActionChunk | None:
        """To a standstill, and to stay there where somebody told the robot to."""
        plan = self.plan
        if not self._braking:
            self._acting.cancel()
            self._executor.begin(self._epoch)
            self._braking, self._trouble = True, ""
        rest = self._executor.output(now_ns)
        stand = plan.kind is PlanKind.STOP if plan else self._epoch > 0  # so too while the first plan is thought about
        if rest is None and not stand:
            return None
        if rest is None:
            rows = np.zeros((_STANDING_NS // self._dt_ns, len(self._body.axes)))
            rest = ActionChunk(0, t0_ns, self._dt_ns, self._body.axes, rows, 0, self._epoch)
        # What is older than the chunk that it replaces the gate takes for late, and goes on with the other.
        stamp_ns = max(grid.stamp_ns if grid.fresh else t0_ns, self._asked.stamp_ns)
        return self._publish(replace(rest, obs_stamp_ns=stamp_ns, plan_id=plan.id if plan else 0), before)

    def _publish(self, output: ActionChunk | None, before: F64) -> ActionChunk | None:
        """Remember what is executed from now on; return it in the gate's steps, beginning at the speeds `before`."""
        if output is None:
            return None
        self._asked.put(output)
        return ramped(output, before, self._parts)

    def _at_end(self, senses: Senses, now_ns: int, before: F64, track: Track | Course) -> bool:
        """Whether a robot that travels has reached a track's end and stands."""
        drive = self._body.drive
        if drive is None:
            return False
        T = senses.odom(now_ns).value.T_odom_from_body
        if isinstance(track, Course):
            still = bool((np.abs(before[:3]) < 0.05).all() and abs(before[drive.turn]) < 0.1)
            x, y, z = T.t.tolist()
            return still and flown(Flying(x, y, z, T.yaw, 0.0, 0.0, 0.0, 0.0), track, self._style)
        m = Motion(float(T.t[0]), float(T.t[1]), T.yaw, float(before[drive.forward]), float(before[drive.turn]))
        return abs(m.v) < 0.05 and abs(m.w) < 0.1 and at_end(m, track, self._style)
