"""Faults on purpose: a source that loses, delays, freezes, repeats or corrupts what another source produces.

A fault is written `NAME[:TOPIC][=VALUE][@START[+LENGTH]]`, several joined by commas, for example
`latency=80ms,drops=0.2@3s+2s,freeze:odom@5s+1s`. TOPIC is the beginning of canonical names (default: every camera);
START counts from the beginning of the recording. The same seed gives the same faults.
"""

from __future__ import annotations

import heapq
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saccade.clock import SEC, nanoseconds
from saccade.errors import ConfigError, DataError, choices
from saccade.node import NEVER_NS, Sample
from saccade.topics import RIGS, TOPICS
from saccade.wire.convert import header_stamp_ns, starts_with_header
from saccade.wire.virtual import Source

CAMERAS = tuple(
    f"{rig}{camera}/image"
    for rig in ("", *(f"{rig}/" for rig in RIGS))
    for camera in ("left", "right", "rgbd/color", "rgbd/depth")
)
_FAULT = re.compile(r"(?P<name>\w+)(:(?P<topic>[\w/]+))?(=(?P<value>[^@]+))?(@(?P<start>[^+]+)(\+(?P<length>.+))?)?")
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}

Apply = Callable[["Fault", Sample, np.random.Generator], list[Sample]]


@dataclass(slots=True)
class Fault:
    """One fault: which samples it strikes and how hard; `value` in seconds, a probability or grey levels by name."""

    name: str
    prefixes: tuple[str, ...]
    value: float
    start_ns: int
    end_ns: int
    frozen: dict[str, bytes]

    def strikes(self, sample: Sample, since_start_ns: int) -> bool:
        """Whether the fault concerns this sample at this time."""
        return self.start_ns <= since_start_ns < self.end_ns and sample.topic.startswith(self.prefixes)


def _latency(fault: Fault, sample: Sample, _: np.random.Generator) -> list[Sample]:
    return [sample._replace(stamp_ns=sample.stamp_ns + nanoseconds(fault.value))]


def _drops(fault: Fault, sample: Sample, rng: np.random.Generator) -> list[Sample]:
    return [] if rng.random() < fault.value else [sample]


def _gap(_: Fault, __: Sample, ___: np.random.Generator) -> list[Sample]:
    return []


def _duplicate(fault: Fault, sample: Sample, rng: np.random.Generator) -> list[Sample]:
    return [sample, sample] if rng.random() < fault.value else [sample]


def _freeze(fault: Fault, sample: Sample, _: np.random.Generator) -> list[Sample]:
    return [sample._replace(cdr=fault.frozen.setdefault(sample.topic, bytes(sample.cdr)))]


def _back(fault: Fault, sample: Sample, _: np.random.Generator) -> list[Sample]:
    try:
        stamp = header_stamp_ns(sample.cdr) - nanoseconds(fault.value)
    except DataError:  # it is corrupt already
        return [sample]
    cdr = bytearray(sample.cdr)
    struct.pack_into("<iI" if cdr[1] & 1 else ">iI", cdr, 4, stamp // SEC, stamp % SEC)
    return [sample._replace(cdr=bytes(cdr))]


def _noise(fault: Fault, sample: Sample, rng: np.random.Generator) -> list[Sample]:
    # Imported here: images.py needs OpenCV, which a plain bus does not.
    from saccade.types import Image
    from saccade.wire.images import decode_image, encode_image

    if TOPICS[sample.topic].type != "sensor_msgs/msg/Image":
        return [sample]
    try:
        image = decode_image(sample.topic, sample.cdr)
    except DataError:  # a depth image, whose values are no grey levels, or corrupt already
        return [sample]
    noisy = image.data + rng.normal(0, fault.value, image.data.shape)
    data = noisy.clip(0, 255).astype(np.uint8)
    return [sample._replace(cdr=encode_image(Image(image.stamp_ns, image.frame_id, data)))]


def _corrupt(fault: Fault, sample: Sample, rng: np.random.Generator) -> list[Sample]:
    if rng.random() >= fault.value:
        return [sample]
    keep = int(rng.integers(0, max(1, len(sample.cdr) // 2)))
    return [sample._replace(cdr=bytes(sample.cdr[:keep]))]


# name: (what it does, default value or None when one must be given, value's unit)
FAULTS: dict[str, tuple[Apply, float | None, str]] = {
    "latency": (_latency, None, "time"),
    "drops": (_drops, None, "probability"),
    "noise": (_noise, None, "grey levels"),
    "gap": (_gap, 0.0, "none"),
    "freeze": (_freeze, 0.0, "none"),
    "duplicate": (_duplicate, 1.0, "probability"),
    "corrupt": (_corrupt, 1.0, "probability"),
    "back": (_back, None, "time"),
}


def parse_faults(spec: str) -> list[Fault]:
    """Faults from their text; ConfigError says which part is wrong and what is valid."""
    faults = []
    for part in filter(None, (p.strip() for p in spec.split(","))):
        match = _FAULT.fullmatch(part)
        if match is None or match["name"] not in FAULTS:
            name = match["name"] if match else part
            raise ConfigError(
                f"unknown fault {part!r}, expected NAME[:TOPIC][=VALUE][@START[+LENGTH]]; {choices(name, FAULTS)}"
            )
        _, default, unit = FAULTS[match["name"]]
        prefixes = (match["topic"],) if match["topic"] else CAMERAS
        struck = [row for name, row in TOPICS.items() if name.startswith(prefixes)]
        if not struck:
            raise ConfigError(f"fault {part!r} names no topic; {choices(prefixes[0], TOPICS)}")
        if match["name"] == "back" and (bare := [row.name for row in struck if not starts_with_header(row.type)]):
            raise ConfigError(f"fault {part!r}: messages on {bare[0]} have no header stamp to set back")
        value = _value(part, match["value"], default, unit)
        start_ns = nanoseconds(_time(part, match["start"])) if match["start"] else 0
        length_ns = nanoseconds(_time(part, match["length"])) if match["length"] else NEVER_NS
        faults.append(Fault(match["name"], prefixes, value, start_ns, min(NEVER_NS, start_ns + length_ns), {}))
    return faults


def _value(part: str, text: str | None, default: float | None, unit: str) -> float:
    if text is None:
        if default is None:
            raise ConfigError(f"fault {part!r} needs a value: {part}=<{unit}>")
        return default
    value = _time(part, text) if unit == "time" else _number(part, text)
    if not 0 <= value < math.inf or (unit == "probability" and value > 1):
        raise ConfigError(f"fault {part!r}: {text} is not a valid {unit}")
    return value


def _time(part: str, text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(ns|us|ms|s)", text.strip())
    if match is None:
        raise ConfigError(f"fault {part!r}: {text!r} is not a time; expected for example 80ms or 2.5s")
    return _number(part, match[1]) * _UNITS[match[2]]


def _number(part: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"fault {part!r}: {text!r} is not a number") from None


class InjectSource:
    """A source with faults: wraps another one and keeps its own small queue of delayed samples."""

    def __init__(self, inner: Source, faults: list[Fault], seed: int = 0) -> None:
        self.start_ns = inner.start_ns
        self._inner = inner
        self._faults = [(fault, np.random.default_rng([seed, i])) for i, fault in enumerate(faults)]
        self._queue: list[tuple[int, int, Sample]] = []
        self._count = 0

    def next_ns(self) -> int | None:
        """See `Source.next_ns`."""
        upcoming, queued = self._inner.next_ns(), self._queue[0][0] if self._queue else None
        times = [t for t in (upcoming, queued) if t is not None]
        return min(times) if times else None

    def take(self) -> Sample | None:
        """See `Source.take`."""
        upcoming = self._inner.next_ns()
        if upcoming is not None and upcoming == self.next_ns():
            sample = self._inner.take()
            for struck in [] if sample is None else self._strike(sample):
                heapq.heappush(self._queue, (struck.stamp_ns, self._count, struck))
                self._count += 1
            if not self._queue or self._queue[0][0] > upcoming:
                return None
        return heapq.heappop(self._queue)[2]

    def advance(self, to_ns: int) -> None:
        """See `Source.advance`."""
        self._inner.advance(to_ns)

    def heard(self, topic: str, cdr: bytes | memoryview, now_ns: int) -> None:
        """See `Source.heard`."""
        self._inner.heard(topic, cdr, now_ns)

    def close(self) -> None:
        """See `Source.close`."""
        self._inner.close()

    def _strike(self, sample: Sample) -> list[Sample]:
        samples = [sample]
        for fault, rng in self._faults:
            if fault.strikes(sample, sample.stamp_ns - self.start_ns):
                apply = FAULTS[fault.name][0]
                samples = [struck for s in samples for struck in apply(fault, s, rng)]
        return samples
