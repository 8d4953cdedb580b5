"""Stereo pictures between two processes on loopback: Saccade's buses against what they replace, in one run.

A publisher process sends mono8 pairs at 30 Hz; the clock starts before a pair's first picture is encoded and stops when
both are decoded in the receiving process. CPU is of both processes. The rows with rclpy are there in a sourced ROS 2.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.__main__ import ROOT, save
from saccade.clock import MS, SEC
from saccade.types import U8
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr
from saccade.wire.images import encode_mono8
from saccade.wire.live import keep_memory

PERIOD_NS = SEC // 30
SIDES = ("left/image_rect", "right/image_rect")
SIZES = {"640x480": (480, 640), "1280x720": (720, 1280)}
TUNED = (ROOT / "config" / "cyclonedds.xml").as_uri()
PLAIN = """<CycloneDDS><Domain Id="any"><General>
    <Interfaces><NetworkInterface address="127.0.0.1" multicast="false"/></Interfaces>
    <AllowMulticast>false</AllowMulticast>
</General><Discovery><ParticipantIndex>auto</ParticipantIndex>
    <Peers><Peer Address="127.0.0.1"/></Peers></Discovery></Domain></CycloneDDS>"""
"""CycloneDDS on loopback, for the rest as it comes."""


class Case(NamedTuple):
    """What carries the pictures, and CycloneDDS' settings for ROS (DdsBus brings its own)."""

    wire: str
    settings: str = TUNED

    @property
    def name(self) -> str:
        return self.wire + (", CycloneDDS untuned" if self.settings != TUNED else "")


CASES = (
    Case("DdsBus"), Case("CycloneDDS typed"), Case("RosBus"), Case("RosBus", PLAIN), Case("rclpy raw"),
    Case("rclpy raw", PLAIN), Case("rclpy typed"), Case("rclpy typed", PLAIN),
)  # fmt: skip


class Wire(Protocol):
    """One end of a case."""

    def send(self, name: str, picture: U8) -> None:
        """Encode and send a picture, stamped now."""

    def receive(self, timeout_ns: int) -> tuple[int, str] | None:
        """(stamp, topic) of the next picture, decoded."""


def wire(name: str, domain: int, publisher: bool) -> Wire:
    """The sending or receiving end of a case."""
    if name in ("DdsBus", "CycloneDDS typed"):
        from bench import transport_dds as ends
    else:
        from bench import transport_ros as ends  # type: ignore[no-redef]
    return ends.wire(name, domain, publisher)


def publish(end: Wire, size: str, seconds: float) -> None:
    """Send pairs at 30 Hz on an absolute grid, or as fast as they go if that is slower."""
    picture = np.random.default_rng(7).integers(0, 255, SIZES[size], np.uint8)
    start = time.monotonic_ns() + 3 * SEC  # discovery
    for due in range(start, start + int(seconds * SEC), PERIOD_NS):
        time.sleep(max(0, due - time.monotonic_ns()) / SEC)
        for name in SIDES:
            end.send(name, picture)


def receive(end: Wire, seconds: float) -> list[float]:
    """Time in ms from the left picture's stamp to both pictures decoded, for each pair that arrives whole."""
    taken: list[float] = []
    left_ns, until_ns = None, time.monotonic_ns() + int((seconds + 20) * SEC)
    while time.monotonic_ns() < until_ns:
        got = end.receive(2 * SEC if taken else 10 * SEC)
        if got is None:
            break
        if got[1] == SIDES[0]:
            left_ns = got[0]
        elif left_ns is not None and 0 <= got[0] - left_ns < PERIOD_NS * 10:
            taken.append((time.monotonic_ns() - left_ns) / MS)
            left_ns = None
    return taken


def one_end(which: str, name: str, domain: int, size: str, seconds: float, path: Path) -> None:
    """Be the `publish`ing or `receive`ing process of a case; leaves its numbers in a file."""
    keep_memory()
    codec().prepare(["sensor_msgs/msg/Image"])
    end = wire(name, domain, which == "publish")
    print("ready", flush=True)
    before = _cpu_s()
    taken = publish(end, size, seconds) if which == "publish" else receive(end, seconds)
    path.write_text(json.dumps({"ms": taken, "cpu_s": _cpu_s() - before}))
    os._exit(0)  # leaving a graph in good order is not what is measured


def measure(case: Case, domain: int, size: str, seconds: float) -> dict[str, float | str]:
    """Percentiles of a case after its first ten pairs, pairs sent and lost, and CPU seconds of both processes."""
    environment = os.environ | {"CYCLONEDDS_URI": case.settings, "ROS_DOMAIN_ID": str(domain)}
    with tempfile.TemporaryDirectory() as folder:
        files = {which: Path(folder) / which for which in ("receive", "publish")}
        command = [sys.executable, "-m", "bench.transport", "--domain", str(domain), "--seconds", str(seconds)]
        children = []
        for which, path in files.items():
            whole = [*command, "--end", which, case.wire, size, str(path)]
            children.append(subprocess.Popen(whole, cwd=ROOT, env=environment, stdout=subprocess.PIPE))
            children[-1].stdout.readline()  # that it is there
        for child in children:
            child.communicate()
        ends = {which: json.loads(path.read_text()) for which, path in files.items()}
    got, sent = ends["receive"]["ms"], len(range(0, int(seconds * SEC), PERIOD_NS))
    p50, p99, worst = np.percentile(got[10:] or [np.nan], [50, 99, 100])
    cpu_s = sum(end["cpu_s"] for end in ends.values())
    return {"case": case.name, "size": size, "p50_ms": p50, "p99_ms": p99, "max_ms": worst, "sent": sent,
            "lost": sent - len(got), "cpu_s": cpu_s}  # fmt: skip


def encode(name: str, picture: U8) -> Cdr:
    """A picture stamped now, as the CDR of an Image."""
    return encode_mono8(time.monotonic_ns(), name, picture)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each case")
    parser.add_argument("--domain", type=int, default=111)
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--end", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.end:
        which, name, size, path = args.end
        one_end(which, name, args.domain, size, args.seconds, Path(path))
    has_ros = importlib.util.find_spec("rclpy") is not None
    cases = [case for case in CASES if has_ros or case.wire in ("DdsBus", "CycloneDDS typed")]
    jobs = [(case, size) for size in SIZES for case in cases]
    results = [measure(case, args.domain + i, size, args.seconds) for i, (case, size) in enumerate(jobs)]
    table = Table(title="Stereo pairs at 30 Hz between two processes on loopback", caption_justify="left")
    for column in ("size", "case", "p50 ms", "p99 ms", "max ms", "sent", "lost", "CPU s"):
        table.add_column(column, justify="left" if column in ("size", "case") else "right")
    for row in results:
        times = (f"{row[key]:.2f}" for key in ("p50_ms", "p99_ms", "max_ms"))
        table.add_row(row["size"], row["case"], *times, str(row["sent"]), str(row["lost"]), f"{row['cpu_s']:.1f}")
    Console(width=110).print(table)
    if not has_ros:
        print("rclpy is not installed here: source ROS 2 for the rows that compare with it")
    save(results, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
