"""A node that only listens, and knows the truth: what an episode's figures and its blame are made from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saccade.clock import MS, seconds
from saccade.geometry import F64
from saccade.node import NEVER_NS, Out, Sample
from saccade.report.continuity import continuity
from saccade.report.run import Run
from saccade.report.summary import summarise
from saccade.stages import Stages
from saccade.types import Decision
from saccade.wire.clearance import decode_clearance
from saccade.wire.commands import decode_joint_trajectory
from saccade.wire.convert import decode_chunk, decode_command, decode_map, decode_odom, decode_plan, decode_verdict

if TYPE_CHECKING:
    from sim.world import World

_LOOK_NS = 50 * MS
_CELL_M = 0.07
"""Half a diagonal of a map's cell: so much nearer an obstacle may be than the map can say."""


@dataclass(frozen=True, slots=True)
class Contact:
    """The first collision: when, with what, and whether the robot's own map showed something that near.

    `shown` is None where the robot has no map.
    """

    at_s: float
    name: str
    shown: bool | None


class Witness:
    """Hears plans, chunks, verdicts and commands, and looks at the judge's verdict twenty times a second."""

    name = "witness"
    reads = frozenset({"plan", "chunk", "verdict", "cmd_vel", "joint_trajectory", "local_map", "clearance", "odom"})
    writes: frozenset[str] = frozenset()

    def __init__(self, world: World) -> None:
        self.stages = Stages()
        self.run = Run("episode", start_ns=world.start_ns)
        self.verdict = world.judge()
        self.contact: Contact | None = None
        self._world = world
        self._due_ns = world.start_ns
        self._map: bytes | memoryview | None = None
        self._space: bytes | memoryview | None = None
        self._odom: bytes | memoryview | None = None
        self._joints: list[tuple[int, F64]] = []

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        return self._due_ns

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """See `Node.on_sample`."""
        run, cdr = self.run, sample.cdr
        run.end_ns = now_ns
        if sample.topic == "plan":
            run.plans.append((now_ns, decode_plan(cdr)))
        elif sample.topic == "chunk":
            run.chunks.append((now_ns, decode_chunk(cdr)))
        elif sample.topic == "verdict":
            run.verdicts.append(decode_verdict(cdr))
        elif sample.topic == "cmd_vel":
            run.commands.append(decode_command(cdr))
        elif sample.topic == "joint_trajectory":
            self._joints.append((now_ns, decode_joint_trajectory(cdr)[1]))
        elif sample.topic == "local_map":
            self._map = cdr
        elif sample.topic == "clearance":
            self._space = cdr
        else:
            self._odom = cdr
        return ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        """See `Node.on_tick`."""
        self._due_ns = now_ns + _LOOK_NS
        self.verdict = self._world.judge()
        if self.verdict["collisions"] and self.contact is None:
            at_s = seconds(now_ns - self._world.start_ns)
            shown = None if self._map is None else self._mapped_m() < self.verdict["radius_m"] + _CELL_M
            self.contact = Contact(at_s, self.verdict["hit"][0], shown)
        return ()

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        self._due_ns = NEVER_NS
        return ()

    def figures(self) -> dict[str, Any]:
        """Jerk of the commands, waiting and stops of the mission: see `summarise`, `continuity`."""
        summary, waits = summarise(self.run), continuity(self.run)
        begin_s = seconds(self.run.plans[0][0] - self.run.start_ns) if self.run.plans else 0.0
        stops = [stop for stop in summary["stops"] if stop["start_s"] + (stop["duration_s"] or 0.0) > begin_s + 1.0]
        jerk = self._joint_jerk() if self._joints else summary["commands"]["jerk_rms_mps3"]
        return {
            "jerk": None if jerk is None else round(jerk, 3),
            "waiting_ratio": waits["waiting_ratio"],
            "stops": sum(stop["start_s"] > begin_s for stop in stops),
            "plans": len(self.run.plans),
        }

    def ticks(self, last_s: float) -> list[tuple[Decision, str, bool, bool]]:
        """(decision, reason, whether motion was requested, whether it was granted) of the verdicts at the end."""
        begin_ns = self.run.end_ns - round(last_s * 1e9)
        return [
            (v.decision, v.reason, bool(np.nan_to_num(v.requested).any()), bool(v.granted.any()))
            for v in self.run.verdicts
            if v.stamp_ns >= begin_ns
        ]

    def _joint_jerk(self) -> float | None:
        """Root mean square of the third differences of the positions that joints were sent to; None for too few."""
        t_s = np.array([seconds(at_ns - self.run.start_ns) for at_ns, _ in self._joints])
        rates = np.array([positions for _, positions in self._joints])
        for _ in range(3):
            dt = np.diff(t_s)
            rates, t_s = np.diff(rates, axis=0)[dt > 0] / dt[dt > 0, None], ((t_s[1:] + t_s[:-1]) / 2)[dt > 0]
        return float(np.sqrt(np.mean(np.sum(rates**2, axis=1)))) if len(rates) else None

    def _mapped_m(self) -> float:
        """Clearance in metres where odometry says that the robot is, by its newest map: in space for one that flies."""
        if self._map is None or self._odom is None:
            return math.inf
        state, _ = decode_odom(self._odom)
        if self._space is not None:
            return float(decode_clearance(self._space).clearance_at(state.T_odom_from_body.t)[0])
        x, y = state.T_odom_from_body.t[:1], state.T_odom_from_body.t[1:2]
        return float(decode_map(self._map).clearance_at(x, y)[0])
