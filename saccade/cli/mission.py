"""Watches a run from the outside: when the mission is over, and whether two runs commanded the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from mcap.reader import make_reader

from saccade.clock import SEC
from saccade.node import NEVER_NS, Out, Sample
from saccade.stages import Stages
from saccade.topics import topic
from saccade.types import Plan, PlanKind
from saccade.wire.commands import decode_joint_trajectory, decode_twist
from saccade.wire.convert import decode_command, decode_plan


class MissionWatch:
    """A node that only listens: the mission is over a little after a final STOP plan."""

    name = "mission_watch"
    reads = frozenset({"plan"})
    writes: frozenset[str] = frozenset()

    def __init__(self, settle_ns: int = SEC) -> None:
        self.stages = Stages()
        self.last: Plan | None = None
        self._settle_ns = settle_ns
        self._over_ns = NEVER_NS
        self._now_ns = 0

    @property
    def over(self) -> bool:
        """Whether the last plan has been carried out or given up."""
        return self._now_ns >= self._over_ns

    @property
    def done(self) -> bool:
        """Whether the last plan says that everything was carried out."""
        return self.last is not None and self.last.final and self.last.progress >= 1.0

    @property
    def outcome(self) -> str:
        """What the planner last said."""
        return self.last.text if self.last else "no plan was made"

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        self._now_ns = now_ns
        return self._over_ns if now_ns < self._over_ns else NEVER_NS

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """See `Node.on_sample`."""
        self.last = decode_plan(sample.cdr)
        done = self.last.final and self.last.kind is PlanKind.STOP
        self._over_ns = now_ns + self._settle_ns if done else NEVER_NS
        return ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        """See `Node.on_tick`."""
        self._now_ns = now_ns
        return ()

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        return ()


def commands(
    recording: Path,
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """Stamps (n,) ns and values (n, d) of every command in a run.mcap: twists (6), or positions of an arm's joints."""
    stamps, values = [], []
    with recording.open("rb") as stream:
        for schema, channel, message in make_reader(stream).iter_messages():
            name = channel.topic.lstrip("/")
            if name == "cmd_vel":
                assert schema is not None
                stamped = schema.name == topic("cmd_vel").type
                command = decode_command(message.data) if stamped else decode_twist(message.data, message.log_time)
                stamps.append(command.stamp_ns)
                values.append(command.values)
            elif name == "joint_trajectory":
                stamps.append(message.log_time)
                values.append(decode_joint_trajectory(message.data)[1])
    return np.array(stamps, np.int64), np.array(values).reshape(len(values), -1)


def compare_commands(first: Path, second: Path) -> str:
    """One sentence on how far two runs commanded the same at the same stamps; starts with "identical" when they did."""
    (stamps_a, a), (stamps_b, b) = commands(first), commands(second)
    common, i, j = np.intersect1d(stamps_a, stamps_b, return_indices=True)
    if len(common) == 0:
        return f"different: no common stamp among {len(a)} and {len(b)} commands"
    differ = int((a[i] != b[j]).any(axis=1).sum())
    if differ == 0:
        return f"identical: all {len(common)} commands (of {len(a)} and {len(b)}) are equal to the bit"
    worst = float(np.abs(a[i] - b[j]).max())
    return f"different: {differ} of {len(common)} common commands, by up to {worst:.3g}"
