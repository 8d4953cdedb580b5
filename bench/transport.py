"""Latency of stereo pictures between two processes over DDS: Saccade's raw bytes against typed classes, in one run.

A publisher process sends 640x480 pairs; the clock starts before a pair's first picture is encoded and stops when both
are decoded in the receiving process. `python -m bench.transport --help`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from rich.console import Console
from rich.table import Table

from bench.__main__ import ROOT, save
from saccade.clock import MS, SEC
from saccade.topics import topic
from saccade.types import U8
from saccade.wire.codec import codec
from saccade.wire.convert import header, stamp_ns
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address, reader_qos, writer_qos
from saccade.wire.dds_types import idl_class
from saccade.wire.live import keep_memory

WIDTH, HEIGHT, PERIOD_NS = 640, 480, SEC // 30
SIDES = ("left/image_rect", "right/image_rect")
CASES = ("raw mono8", "raw rgb8", "typed mono8", "typed rgb8")


def picture(encoding: str) -> U8:
    """(H, W) or (H, W, 3) uint8 noise."""
    shape = (HEIGHT, WIDTH) if encoding == "mono8" else (HEIGHT, WIDTH, 3)
    return np.random.default_rng(7).integers(0, 255, shape, np.uint8)


class RawWire:
    """Pictures through DdsBus and the codec."""

    def __init__(self, domain: int, publisher: bool) -> None:
        self.bus = DdsBus(Address(domain), () if publisher else SIDES, SIDES if publisher else ())

    def send(self, name: str, encoding: str, data: U8) -> None:
        msg = codec().new(
            "sensor_msgs/msg/Image", header=header(time.monotonic_ns(), name), height=HEIGHT, width=WIDTH,
            encoding=encoding, is_bigendian=0, step=data[0].nbytes, data=data.reshape(-1),
        )  # fmt: skip
        self.bus.send(name, codec().encode(msg))

    def receive(self, timeout_ns: int) -> tuple[int, str] | None:
        sample = self.bus.recv(self.bus.now_ns() + timeout_ns)
        if sample is None:
            return None
        msg = codec().decode("sensor_msgs/msg/Image", sample.cdr)
        msg.data.reshape(HEIGHT, -1)
        return stamp_ns(msg.header.stamp), sample.topic


class TypedWire:
    """The same pictures through cyclonedds-python's own classes, sequences as it declares them (lists)."""

    def __init__(self, domain: int, publisher: bool) -> None:
        self._raw = RawWire(domain, publisher)  # for its domain settings only
        self._participant = DomainParticipant(domain)
        self._image = idl_class("sensor_msgs/msg/Image")
        topics = {name: Topic(self._participant, f"typed/{name}", self._image) for name in SIDES}
        make: Any = (
            (lambda n: DataWriter(self._participant, topics[n], writer_qos(topic(n)))) if publisher
            else (lambda n: DataReader(self._participant, topics[n], reader_qos(topic(n))))
        )  # fmt: skip
        self._ends = {name: make(name) for name in SIDES}

    def send(self, name: str, encoding: str, data: U8) -> None:
        types = {f: idl_class(t) for f, t in (("h", "std_msgs/msg/Header"), ("t", "builtin_interfaces/msg/Time"))}
        now = time.monotonic_ns()
        head = types["h"](types["t"](now // SEC, now % SEC), name)
        self._ends[name].write(
            self._image(head, HEIGHT, WIDTH, encoding, 0, data[0].nbytes, data.reshape(-1).tolist())
        )  # fmt: skip

    def receive(self, timeout_ns: int) -> tuple[int, str] | None:
        end = time.monotonic_ns() + timeout_ns
        while time.monotonic_ns() < end:  # polled: its latency is tens of milliseconds anyway
            for name, reader in self._ends.items():
                for msg in reader.take():
                    if isinstance(msg, self._image):
                        np.asarray(msg.data, np.uint8).reshape(HEIGHT, -1)
                        return stamp_ns(msg.header.stamp), name
            time.sleep(0.0002)
        return None


def wire(case: str, domain: int, publisher: bool) -> RawWire | TypedWire:
    """The sending or receiving end of a case."""
    return (RawWire if case.startswith("raw") else TypedWire)(domain, publisher)


def publish(case: str, domain: int, seconds: float) -> None:
    """Send pairs at 30 Hz on an absolute grid, or as fast as they go if that is slower."""
    end, encoding = wire(case, domain, True), case.split()[1]
    data = picture(encoding)
    start = time.monotonic_ns() + SEC  # discovery
    for due in range(start, start + int(seconds * SEC), PERIOD_NS):
        time.sleep(max(0, due - time.monotonic_ns()) / SEC)
        for name in SIDES:
            end.send(name, encoding, data)


def latencies_ms(case: str, domain: int, seconds: float) -> Iterator[float]:
    """Time from the left picture's stamp to both pictures decoded, for each pair that arrived whole."""
    end = wire(case, domain, False)
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "bench.transport",
            "--publish",
            case,
            "--domain",
            str(domain),
            "--seconds",
            str(seconds),
        ],
        cwd=ROOT,
    )
    left_ns = None
    while child.poll() is None:
        got = end.receive(200 * MS)
        if got and got[1] == SIDES[0]:
            left_ns = got[0]
        elif got and left_ns is not None and 0 <= got[0] - left_ns < PERIOD_NS * 10:
            yield (time.monotonic_ns() - left_ns) / MS
            left_ns = None


def measure(case: str, domain: int, seconds: float) -> dict[str, float]:
    """Percentiles of a case after its first ten pairs, and the share of pairs that arrived."""
    got = list(latencies_ms(case, domain, seconds))
    sent = int(seconds * SEC) // PERIOD_NS
    p50, p99, worst = np.percentile(got[10:] or [np.nan], [50, 99, 100])
    return {"p50_ms": p50, "p99_ms": p99, "max_ms": worst, "arrived": len(got) / sent}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each case")
    parser.add_argument("--domain", type=int, default=211)
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--publish", choices=CASES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    keep_memory()
    if args.publish:
        publish(args.publish, args.domain, args.seconds)
        return 0
    results = {case: measure(case, args.domain + i, args.seconds) for i, case in enumerate(CASES)}
    table = Table(title=f"{WIDTH}x{HEIGHT} stereo pairs at 30 Hz between two processes, DDS on loopback")
    for column in ("case", "p50 ms", "p99 ms", "max ms", "arrived"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for case, row in results.items():
        times = (f"{row[key]:.2f}" for key in ("p50_ms", "p99_ms", "max_ms"))
        table.add_row(case, *times, f"{row['arrived']:.0%}")
    Console().print(table)
    save(results, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
