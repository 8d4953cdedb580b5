"""The safety node: keeps the newest inputs, asks the gate at every tick, and sends what it grants and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from saccade.clock import MS, SEC, TickGrid, seconds
from saccade.errors import DataError
from saccade.inbox import Arrival, Inbox
from saccade.node import Out, Sample
from saccade.stages import Stages
from saccade.topics import topic
from saccade.types import ActionChunk, Command, Decision, Verdict
from saccade.wire import commands, convert
from saccade.wire.clearance import decode_clearance
from saccade.wire.diagnostics import Level, encode_diagnostics
from saccade.wire.flow import Flow, timing
from safety_node.gate import Gate, Inputs
from safety_node.joints import Joints
from safety_node.limits import TICK_NS, Limits

CLOCK_JUMP_NS = 500 * MS
"""Two ticks further apart than this, or in the wrong order, mean that what is known cannot be dated any more."""
EPOCH_KEPT_NS = topic("plan").stale_ns
"""An epoch not heard of for so long is forgotten: a vla_node whose clock was set back must be heard again."""
COMMANDS = {"twist_stamped": "cmd_vel", "twist": "cmd_vel_unstamped", "joint_trajectory": "joint_trajectory"}
"""Topic by what the limits file calls `command`."""


class SafetyNode:
    """The gate on a bus: 100 Hz by the clock, never by its inputs; one command and one verdict a tick."""

    name = "safety_node"

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._topic = COMMANDS[limits.command]
        self._joints = Joints(limits) if limits.joints else None
        self.reads = frozenset({"chunk", "local_map", "odom", "operator_stop", "plan", *limits.required})
        self.writes = frozenset({self._topic, "verdict", "diagnostics"})
        self.stages = Stages()
        self._gate = Gate(limits)
        self._grid = TickGrid(TICK_NS)
        self._inbox = Inbox(limits.stale_ns())
        self._chunk: ActionChunk | None = None
        self._epoch = self._epoch_heard_ns = 0
        self._operator_stop = False
        self._ignored: dict[str, str] = {}
        self._ticked_ns: int | None = None
        self._flow = Flow("verdict")
        self._diagnosed_ns = 0
        self._last = self._stop(0, "not started")

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`; after a clock that went back the gate ticks at once."""
        return self._grid.due(now_ns)

    def retune(self, limits: Limits) -> None:
        """See `Tunable.retune`."""
        self.limits, self._gate = limits, Gate(limits)

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """Keep the newest of each topic, decoded once; a message that cannot be used refreshes nothing."""
        try:
            self._keep(sample, now_ns)
        except DataError as error:
            self._ignored[sample.topic] = str(error)
            if sample.topic == "operator_stop":  # whatever it was meant to say, stopping is the safe reading
                self._operator_stop = True
        return ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        """One decision: the command and the verdict; diagnostics when it stops or releases, and once a second."""
        self.stages.frame.clear()
        self._grid.advance(now_ns)
        with self.stages.timed("gate"):
            fault = self._clock_fault(now_ns)
            readings = {name: self._inbox.get(name, now_ns) for name in self.limits.required}
            last = self._last.granted
            inputs = Inputs(readings, self._chunk, self._epoch, self._operator_stop, last, fault)
            verdict = self._gate.decide(inputs, now_ns)
            if self._joints:
                verdict = self._joints.follow(verdict, readings["joint_states"], self._epoch)
        with self.stages.timed("encode"):
            return self._say(verdict)

    def close(self) -> Iterable[Out]:
        """A last zero command, and a verdict that says why."""
        return self._say(self._stop(self._last.stamp_ns, "shut down"))

    def _keep(self, sample: Sample, now_ns: int) -> None:
        name, cdr = sample.topic, sample.cdr
        if name == "chunk":
            self._keep_chunk(convert.decode_chunk(cdr), now_ns)
        elif name == "plan":
            self._follow_epoch(convert.decode_plan(cdr).epoch, now_ns)
        elif name == "local_map":
            grid = convert.decode_map(cdr)
            self._inbox.put(name, grid.stamp_ns, now_ns, grid)
        elif name == "clearance":
            field = decode_clearance(cdr)
            self._inbox.put(name, field.stamp_ns, now_ns, field)
        elif name == "odom":
            state, _ = convert.decode_odom(cdr)
            self._inbox.put(name, state.stamp_ns, now_ns, state)
        elif name == "joint_states":
            stamp_ns, positions = commands.decode_joint_state(cdr, self.limits.axes)
            self._inbox.put(name, stamp_ns, now_ns, positions)
        elif name == "operator_stop":
            self._operator_stop = bool(convert.decode(name, cdr).data)
            self._inbox.put(name, now_ns, now_ns, None)  # it has no stamp of its own

    def _keep_chunk(self, chunk: ActionChunk, now_ns: int) -> None:
        self._follow_epoch(chunk.epoch, now_ns)
        arrival = self._inbox.put("chunk", chunk.obs_stamp_ns, now_ns, chunk)
        # The policy runs faster than the camera: a second thought on the same picture has the same stamp, and counts.
        if arrival in (Arrival.ACCEPTED, Arrival.DUPLICATE):
            self._chunk = chunk

    def _follow_epoch(self, epoch: int, now_ns: int) -> None:
        if epoch < self._epoch and now_ns - self._epoch_heard_ns <= EPOCH_KEPT_NS:
            raise DataError(f"epoch {epoch}, but {self._epoch} has begun")
        self._epoch, self._epoch_heard_ns = epoch, now_ns

    def _clock_fault(self, now_ns: int) -> str:
        """After a step of the clock nothing known can be dated: forget the inputs and wait for fresh ones."""
        before, self._ticked_ns = self._ticked_ns, now_ns
        if before is None or 0 <= now_ns - before <= CLOCK_JUMP_NS:
            return ""
        self._inbox.forget()
        self._chunk, self._epoch_heard_ns = None, now_ns
        return f"clock stepped {seconds(now_ns - before):+.3f} s"

    def _stop(self, now_ns: int, why: str) -> Verdict:
        axes = self.limits.axes
        nothing, zero = np.full(len(axes), np.nan), np.zeros(len(axes))
        return Verdict(now_ns, Decision.STOP, why, axes, nothing, zero, 0.0, np.nan, 0, 0, 0)

    def _say(self, verdict: Verdict) -> Iterable[Out]:
        outs = [*self._command(verdict), Out("verdict", convert.encode_verdict(verdict))]
        self._flow.put(verdict.stamp_ns, verdict.stamp_ns)
        before, self._last = self._last, verdict
        turned = (verdict.decision is Decision.STOP) != (before.decision is Decision.STOP)
        if turned or not 0 <= verdict.stamp_ns - self._diagnosed_ns < SEC:
            self._diagnosed_ns = verdict.stamp_ns
            return chain(outs, self._diagnosed(verdict))
        return outs

    def _diagnosed(self, verdict: Verdict) -> Iterator[Out]:
        """Worked out when it is asked for: the command has been sent by then."""
        yield Out("diagnostics", self._diagnostics(verdict))

    def _command(self, verdict: Verdict) -> Iterator[Out]:
        """The command in the robot's form; nothing for joints that have not said where they are."""
        command = Command(verdict.stamp_ns, verdict.axes, verdict.granted)
        if self._joints is None:
            encode = commands.encode_twist if self.limits.command == "twist" else convert.encode_command
            yield Out(self._topic, encode(command))
        elif self._joints.goal is not None:
            yield Out(self._topic, commands.encode_joint_trajectory(verdict.axes, self._joints.goal, TICK_NS))

    def _diagnostics(self, verdict: Verdict) -> convert.Cdr:
        """The gate's status: STALE while an input is missing, WARN at any other stop or when it ticks too slowly."""
        now_ns = verdict.stamp_ns
        slow, text, values = self._flow.look(now_ns)
        readings = [self._inbox.get(name, now_ns) for name in self.limits.required]
        level, message = slow, "; ".join(filter(None, [verdict.reason, text])) or "passing"
        if verdict.decision is Decision.STOP:
            level = Level.WARN if all(reading.fresh for reading in readings) else Level.STALE
        values |= {f"{r.name} age ms": f"{r.age_ns / MS:.0f}" for r in readings if r.value is not None}
        values |= {"dropped": str(self._grid.missed), **timing(self.stages, ("gate", "encode"))}
        values |= {f"{name} {arrival.value}": str(count) for (name, arrival), count in self._inbox.refused.items()}
        values |= {f"{name} ignored": why for name, why in self._ignored.items()}
        return encode_diagnostics(now_ns, "safety_node/gate", level, message, values)
