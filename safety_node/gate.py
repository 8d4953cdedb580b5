"""The gate: every command passes here or does not pass. Pure: no clock, no bus, no state of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from saccade.clock import MS, seconds
from saccade.geometry import F64
from saccade.inbox import Reading
from saccade.types import ActionChunk, Decision, Verdict
from safety_node.flight import Flight
from safety_node.limits import TICK_NS, Limits
from safety_node.motion import Motion

RATIOS = 16
"""Steps in which clearance scales a command down."""
SLACK_M = 0.005
"""How much nearer than a full stop counts as no nearer, for a robot whose odometry never says quite zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What a decision rests on: a reading of each required topic, and what the node knows besides.

    `chunk` is the newest, `epoch` the newest of any chunk or plan, `last` (d,) the last command sent, and `fault` why
    the node itself wants a stop, or empty.
    """

    readings: Mapping[str, Reading]
    chunk: ActionChunk | None
    epoch: int
    operator_stop: bool
    last: F64
    fault: str


class Gate:
    """Decides, tick by tick, what of the requested command is sent."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._motion = Flight(limits) if limits.around == "clearance" else Motion(limits)
        self._max = np.array(limits.max_speed)
        self._accel_step = np.array(limits.max_accel) * seconds(TICK_NS)
        self._brake_step = np.array(limits.max_brake) * seconds(TICK_NS)
        self._ratios = np.linspace(1.0, 0.0, RATIOS + 1)

    def decide(self, inputs: Inputs, now_ns: int) -> Verdict:
        """The verdict for this tick: `granted` is finite and within limits whatever the inputs are, and a stop zero."""
        requested, nothing = self._request(inputs, now_ns)
        granted, ratio, clearance_m, decision = np.zeros(len(self._max)), 0.0, np.nan, Decision.STOP
        with np.errstate(all="ignore"):  # absurd numbers lead to a stop, not to warnings
            why = self._refusal(inputs) or nothing
            if not why:
                ratio, over_speed = self._share(np.abs(requested), self._max)
                command, over_rate = self._toward(requested * ratio, inputs.last)
                clear, clearance_m, near = self._clear(command, inputs)
                granted, ratio = command * clear + 0.0, ratio * clear  # + 0.0: no negative zero on the wire
                notes = (near, over_speed and f"speed of {over_speed}", over_rate and f"rate of {over_rate}")
                why = "; ".join(note for note in notes if note)
                decision = Decision.STOP if clear == 0.0 else Decision.LIMITED if why else Decision.PASS
        chunk, seen = inputs.chunk, inputs.readings.get(self.limits.around, inputs.readings["chunk"])
        return Verdict(
            now_ns, decision, why, self.limits.axes, np.where(np.isfinite(requested), requested, np.nan), granted,
            ratio, clearance_m, seen.stamp_ns, chunk.plan_id if chunk else 0, chunk.epoch if chunk else 0,
        )  # fmt: skip

    def _refusal(self, inputs: Inputs) -> str:
        """Why the robot must stop whatever is requested, or empty."""
        required = {name: inputs.readings[name] for name in self.limits.required}
        odom, around = (required[name].value if name in required else None for name in ("odom", self.limits.around))
        parts = {
            "chunk": [inputs.chunk.actions] if inputs.chunk else [],
            "odom": [odom.twist, odom.T_odom_from_body.R, odom.T_odom_from_body.t] if odom else [],
            self.limits.around: [around.scale] if around else [],
        }
        broken = [name for name, arrays in parts.items() if not math.isfinite(sum(a.sum() for a in arrays))]
        if broken:
            return f"{', '.join(broken)} not finite"
        stale = [reading.why() for reading in required.values() if not reading.fresh]
        if stale or inputs.fault:
            return "; ".join(filter(None, [inputs.fault, *stale]))
        if inputs.operator_stop:
            return "operator stop"
        if not (np.abs(inputs.last) <= self._max * (1 + 1e-9)).all():
            return f"last command {inputs.last.tolist()} not within limits"
        return self._motion.mismatch(required["odom"].value, around) if around else ""

    def _request(self, inputs: Inputs, now_ns: int) -> tuple[F64, str]:
        """The action for this instant (NaN if none), and why it is not to be followed."""
        chunk, axes = inputs.chunk, self.limits.axes
        none = np.full(len(axes), np.nan)
        if chunk is None:
            return none, "chunk missing"
        if chunk.axes != axes or chunk.actions.shape[1:] != (len(axes),):
            return none, f"chunk has axes {chunk.axes} x {chunk.actions.shape[1:]}, limits have {axes}"
        action = chunk.at(now_ns)
        if action is None:
            return none, f"chunk covers {(chunk.t0_ns - now_ns) / MS:+.0f} to {(chunk.end_ns - now_ns) / MS:+.0f} ms"
        old = f"chunk of epoch {chunk.epoch}, but {inputs.epoch} has begun" if chunk.epoch < inputs.epoch else ""
        return action, old

    def _share(self, wanted: F64, room: F64) -> tuple[float, str]:
        """The greatest ratio, at most 1, by which `wanted` fits into `room` on every axis, and the axis that binds."""
        shares = room / np.maximum(wanted, room)
        i = int(np.argmin(shares))
        return float(shares[i]), self.limits.axes[i] if shares[i] < 1.0 else ""

    def _toward(self, target: F64, last: F64) -> tuple[F64, str]:
        """As far on the straight line from the last command to the target as one tick's rates allow."""
        slower = target * last < last * last
        # A tick that brakes through zero may not gain more on the other side than one that starts at zero.
        room = np.where(slower, np.minimum(self._brake_step, np.abs(last) + self._accel_step), self._accel_step)
        share, axis = self._share(np.abs(target - last), room)
        return (1.0 - share) * last + share * target, axis

    def _clear(self, command: F64, inputs: Inputs) -> tuple[float, float, str]:
        """The greatest ratio of the command whose way keeps clear, the footprint's clearance on it, and a note.

        Where even a full stop would come too near, a stop is the measure, or the robot could never leave: slowly it may
        do what brings it no nearer than a stop would, and, were it at rest, no nearer than it is.
        """
        limits, ratios = self.limits, self._ratios
        if not limits.around:
            return 1.0, np.nan, ""
        need_m = limits.radius_m + limits.margin_m
        odom, around = inputs.readings["odom"], inputs.readings[limits.around]
        full, stop = self._motion.nearest(np.outer(ratios[[0, -1]], command), odom, around)
        if min(full, stop) >= need_m:
            return 1.0, float(full) - limits.radius_m, ""
        tight = stop < need_m
        if tight:
            ratios = ratios * self._share(np.abs(command), limits.escape_fraction * self._max)[0]
        commands = np.outer(ratios, command)
        near = self._motion.nearest(commands, odom, around)
        enough = near >= (near[-1] - SLACK_M if tight else need_m)
        if tight:
            resting = self._motion.nearest(commands, odom, around, from_rest=True)
            enough &= resting >= resting[-1]
            if not resting.any() and self._motion.translates(command):  # on unknown ground no way is known to lead out
                enough[:-1] = False
        i = int(np.argmax(enough))  # the first that is; the full stop, the last one, always is
        ratio, clearance_m = float(ratios[i]), float(near[i]) - limits.radius_m
        note = f"clearance {clearance_m:.2f} m{' inside the margin' if tight else ''}"
        return ratio, clearance_m, note if ratio < 1.0 else ""
