"""Reads the recording of a run: every small message decoded, pictures only by their stamps."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from saccade.errors import DataError
from saccade.node import Sample
from saccade.report.canvas import MapCanvas
from saccade.topics import on_wire, topic
from saccade.types import ActionChunk, Command, Plan, RobotState, Verdict
from saccade.wire.commands import decode_twist
from saccade.wire.convert import (
    decode,
    decode_chunk,
    decode_command,
    decode_map,
    decode_odom,
    decode_plan,
    decode_verdict,
    header_stamp_ns,
    stamp_ns,
)
from saccade.wire.reader import open_reader

_PICTURES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


@dataclass(slots=True)
class Heard:
    """How many messages of a topic there are, and when on the bus' clock."""

    count: int
    first_ns: int
    last_ns: int


@dataclass(slots=True)
class Diagnostic:
    """One kind of complaint: level above OK, stage, the first message of its kind, how often and when."""

    level: int
    name: str
    message: str
    first_ns: int
    last_ns: int
    count: int = 1


@dataclass(slots=True)
class Run:
    """What a recording holds. Times are ns on the bus' clock; `plans` has (heard, plan), one for each id and epoch.

    `chunks` has (heard, chunk).
    """

    name: str
    start_ns: int = 0
    end_ns: int = 0
    problems: list[str] = field(default_factory=list)
    heard: dict[str, Heard] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    poses: list[RobotState] = field(default_factory=list)
    plans: list[tuple[int, Plan]] = field(default_factory=list)
    chunks: list[tuple[int, ActionChunk]] = field(default_factory=list)
    instructions: list[tuple[int, str]] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    stamps: dict[str, list[int]] = field(default_factory=dict)
    map: MapCanvas = field(default_factory=MapCanvas)


def kind_of(text: str) -> str:
    """A message without its numbers: what stays equal while ages and distances change."""
    return _NUMBER.sub("…", text)


def messages(recording: Path, problems: list[str], only: Collection[str] = ()) -> Iterator[Sample]:
    """Messages on canonical topics by log time; what is damaged or of another type is named in `problems`.

    DataError when there is nothing at `recording` that can be read.
    """
    reader = open_reader(recording)
    try:
        wanted: dict[str, str] = {}
        names: dict[str, str] = {}
        for found in reader.topics:
            rows = [row for row in on_wire(found.topic) if not only or row.name in only]
            if name := next((row.name for row in rows if row.type == found.type), ""):
                wanted[found.topic], names[found.topic] = found.type, name
            elif rows:
                expected = " or ".join(row.type for row in rows)
                problems.append(f"{found.topic.lstrip('/')} was recorded as {found.type}; expected {expected}")
        for record in reader.records(wanted):
            yield Sample(names[record.topic], record.stamp_ns, record.cdr)
        problems.extend(reader.problems)
    finally:
        reader.close()


def read_run(recording: Path) -> Run:
    """Read a whole recording once; what cannot be decoded is counted in `problems` and left out."""
    return _Reading(recording).run


class _Reading:
    def __init__(self, recording: Path) -> None:
        self.run = Run(recording.name)
        self._broken: dict[str, tuple[int, str]] = {}
        self._plans_seen: set[tuple[int, int]] = set()
        self._complaints: dict[tuple[str, int, str], Diagnostic] = {}
        take: dict[str, Callable[[Sample], None]] = {
            "verdict": lambda s: self.run.verdicts.append(decode_verdict(s.cdr)),
            "cmd_vel": lambda s: self.run.commands.append(decode_command(s.cdr)),
            "cmd_vel_unstamped": lambda s: self.run.commands.append(decode_twist(s.cdr, s.stamp_ns)),
            "odom": lambda s: self.run.poses.append(decode_odom(s.cdr)[0]),
            "local_map": lambda s: self.run.map.paste(decode_map(s.cdr)),
            "instruction": self._instruction,
            "plan": self._plan,
            "chunk": lambda s: self.run.chunks.append((s.stamp_ns, decode_chunk(s.cdr))),
            "diagnostics": self._diagnostics,
        }
        for sample in messages(recording, self.run.problems):
            self._count(sample)
            handler = self._stamp if topic(sample.topic).type in _PICTURES else take.get(sample.topic)
            try:
                if handler:
                    handler(sample)
            except (DataError, ValueError, IndexError) as error:
                count, first = self._broken.get(sample.topic, (0, str(error)))
                self._broken[sample.topic] = (count + 1, first)
        for name, (count, first) in sorted(self._broken.items()):
            self.run.problems.append(f"{name}: {count} messages could not be read, the first because {first}")

    def _count(self, sample: Sample) -> None:
        run, now_ns = self.run, sample.stamp_ns
        if not run.heard:
            run.start_ns = run.end_ns = now_ns
        run.start_ns, run.end_ns = min(run.start_ns, now_ns), max(run.end_ns, now_ns)
        heard = run.heard.setdefault(sample.topic, Heard(0, now_ns, now_ns))
        heard.count, heard.last_ns = heard.count + 1, now_ns

    def _stamp(self, sample: Sample) -> None:
        self.run.stamps.setdefault(sample.topic, []).append(header_stamp_ns(sample.cdr))

    def _instruction(self, sample: Sample) -> None:
        text = str(decode("instruction", sample.cdr).data)
        if not self.run.instructions or self.run.instructions[-1][1] != text:
            self.run.instructions.append((sample.stamp_ns, text))

    def _plan(self, sample: Sample) -> None:
        plan = decode_plan(sample.cdr)
        if (plan.epoch, plan.id) not in self._plans_seen:
            self._plans_seen.add((plan.epoch, plan.id))
            self.run.plans.append((sample.stamp_ns, plan))

    def _diagnostics(self, sample: Sample) -> None:
        msg = decode("diagnostics", sample.cdr)
        now_ns = stamp_ns(msg.header.stamp)
        for status in msg.status:
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            key = (status.name, level, kind_of(status.message))
            if level == 0:
                continue
            if key in self._complaints:
                self._complaints[key].count += 1
                self._complaints[key].last_ns = now_ns
            else:
                found = Diagnostic(level, status.name, status.message, now_ns, now_ns)
                self._complaints[key] = found
                self.run.diagnostics.append(found)
