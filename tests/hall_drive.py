"""A scripted drive through the hall as a list of samples, and the three nodes run over such a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import blake2b
from unittest.mock import patch

import numpy as np
from painted_once import painted_once

from engines.opencv import OpenCvEngine
from saccade.cli.session import make_nodes, modelled_latency
from saccade.clock import MS, SEC
from saccade.node import NEVER_NS, BusEnd, Sample, run
from saccade.stages import Stages
from saccade.types import Command
from saccade.wire.convert import decode, decode_command, decode_plan, decode_verdict, encode_command, encode_text
from saccade.wire.virtual import Source, VirtualBus
from sim.bus import open_world

INSTRUCTION = "go to the red box, then come back"
SEED = 25
"""A hall with three free metres ahead of the start."""


@lru_cache
def scripted_drive(seconds: int) -> tuple[Sample, ...]:
    """What the sensors of `sim:hall` say while a script drives a wavy line through open space."""
    world = open_world(f"hall?seed={SEED}&seconds={seconds}")
    bus = VirtualBus(world)
    samples, said_ns = [], 0
    with painted_once(), suppress(BusEnd):
        while True:
            now = bus.now_ns()
            if now - said_ns >= 50 * MS:
                said_ns, t = now, (now - world.start_ns) / SEC
                command = Command(now, ("vx", "wz"), np.array([0.3 if t > 1 else 0.0, 0.25 * np.sin(1.2 * t)]))
                world.heard("cmd_vel", encode_command(command), now)
            if sample := bus.recv(now + 50 * MS):
                samples.append(sample)
    return tuple(samples)


class ListSource:
    """Plays a list of samples."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = list(samples)
        self._samples.sort(key=lambda sample: sample.stamp_ns)
        self._i = 0
        self.start_ns = self._samples[0].stamp_ns

    def next_ns(self):
        return self._samples[self._i].stamp_ns if self._i < len(self._samples) else None

    def take(self):
        self._i += 1
        return self._samples[self._i - 1]

    def advance(self, to_ns): ...
    def heard(self, topic, cdr, now_ns): ...
    def close(self): ...


class Notes:
    """A node that writes down what the others say; times are seconds since the start."""

    name, writes = "notes", frozenset()
    reads = frozenset({"verdict", "plan", "cmd_vel", "diagnostics", "depth/image_rect", "local_map"})

    def __init__(self, start_ns):
        self.stages, self.start_ns = Stages(), start_ns
        self.verdicts, self.plans, self.commands, self.diagnoses, self.heard = [], [], [], [], []

    def next_ns(self, now_ns):
        return NEVER_NS

    def on_sample(self, sample, now_ns):
        t = (now_ns - self.start_ns) / SEC
        self.heard.append((t, sample.topic))
        if sample.topic == "plan":
            self.plans.append(decode_plan(sample.cdr))
        elif sample.topic == "verdict":
            self.verdicts.append((t, decode_verdict(sample.cdr)))
        elif sample.topic == "cmd_vel":
            self.commands.append((t, decode_command(sample.cdr).values))
        elif sample.topic == "diagnostics":
            for status in decode("diagnostics", sample.cdr).status:
                if status.level not in (0, b"\x00"):
                    self.diagnoses.append((t, f"{status.name}: {status.message}"))
        return ()

    def on_tick(self, now_ns):
        return ()

    def close(self):
        return ()

    def moved(self, begin_s: float, end_s: float) -> bool:
        """Whether any command between two times was not zero."""
        return any(bool(v.any()) for t, v in self.commands if begin_s <= t < end_s)

    def said(self, words: str) -> bool:
        """Whether a diagnosis contains these words."""
        return any(words in text for _, text in self.diagnoses)

    def reasons(self, begin_s: float, end_s: float) -> set[str]:
        """Reasons of the stops between two times."""
        return {v.reason for t, v in self.verdicts if begin_s <= t < end_s and v.decision.name == "STOP"}


_MATCHED: dict[tuple[str, bytes], dict[str, np.ndarray]] = {}


@contextmanager
def each_pair_matched_once() -> Iterator[None]:
    """Drives show the same pairs again and again: what the matcher said of one of the last 200 is kept."""
    matched = OpenCvEngine._matched

    def remembered(engine, inputs):
        key = engine.spec.name, blake2b(b"".join(inputs[side].tobytes() for side in ("left", "right"))).digest()
        if key not in _MATCHED:
            if len(_MATCHED) == 200:
                _MATCHED.clear()
            _MATCHED[key] = {name: array.copy() for name, array in matched(engine, inputs).items()}
        return {name: array.copy() for name, array in _MATCHED[key].items()}

    with patch.object(OpenCvEngine, "_matched", remembered):
        yield


def drive_nodes(source: Source, instruction: str = INSTRUCTION) -> Notes:
    """Run perception, vla and gate of the hall robot over a source; the instruction comes half a second in."""
    nodes, notes = [node for node in make_nodes("hall") if node.name != "map_node"], Notes(source.start_ns)
    bus = VirtualBus(source, latency_ns=modelled_latency("hall", nodes))
    bus.push(Sample("instruction", source.start_ns + SEC // 2, encode_text(instruction)))
    with each_pair_matched_once():
        run([*nodes, notes], bus)
    bus.close()
    return notes
