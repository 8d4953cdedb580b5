"""How late the gate's 100 Hz ticks are while the rest of the machine is busy.

The gate runs as its own process on DDS, as `saccade up` runs it; every core is kept at full load by processes that
also send a robot's odometry, map and pictures. Lateness is from the tick's instant on the absolute grid to the
moment the node is asked to act. `python -m bench.gate_tick --help`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bench.__main__ import ROOT, save
from saccade.clock import MS, SEC, LiveClock, TickGrid
from saccade.geometry import SE3
from saccade.node import Node, Out, Sample, run
from saccade.stages import Stages
from saccade.types import LocalMap, RobotState
from saccade.wire.convert import encode_map, encode_odom
from saccade.wire.images import encode_mono8
from saccade.wire.live import StageTimes, keep_memory, real_time
from saccade.wire.open import open_bus


class Lateness:
    """A node whose ticks are watched; `late_ns` and, per tick, how long the node then took are kept."""

    def __init__(self, node: Node) -> None:
        self._node, self._due_ns = node, 0
        self.name, self.reads, self.writes, self.stages = node.name, node.reads, node.writes, node.stages
        self.late_ns: list[int] = []

    def next_ns(self, now_ns: int) -> int:
        self._due_ns = self._node.next_ns(now_ns)
        return self._due_ns

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        return self._node.on_sample(sample, now_ns)

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        self.late_ns.append(now_ns - self._due_ns)
        return self._node.on_tick(now_ns)

    def close(self) -> Iterable[Out]:
        return self._node.close()


class Ticker:
    """The least a gate can be: ticks at 100 Hz and reads what the gate reads."""

    name = "ticker"
    reads = frozenset({"chunk", "local_map", "odom"})
    writes = frozenset[str]()

    def __init__(self) -> None:
        self.stages, self.grid = Stages(), TickGrid(10 * MS)

    def next_ns(self, now_ns: int) -> int:
        return self.grid.next_ns or self.grid.start(now_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        return ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        self.grid.advance(now_ns)
        return ()

    def close(self) -> Iterable[Out]:
        return ()


def gate(url: str, seconds: float, trivial: bool, ordinary: bool) -> None:
    """Run the gate and print what it saw as one line of JSON."""
    granted = "nothing, as asked" if ordinary else real_time()
    if trivial:
        node: Node = Ticker()
    else:
        from safety_node.node import SafetyNode
        from safety_node.params import SafetyParams

        node = SafetyNode(SafetyParams())
    watched = Lateness(node)
    keep_memory()
    bus = open_bus(url, node.reads, node.writes | {"stage_times"})
    end = time.monotonic() + seconds
    run([StageTimes(watched, bus.now_ns)], bus, lambda: time.monotonic() > end)
    bus.close()
    print(json.dumps({"granted": granted, "late_ns": watched.late_ns}))


def load(url: str) -> None:
    """Burn one core and send odometry at 50 Hz, a map at 10 Hz, and 640x480 pictures at 30 Hz."""
    bus, clock, grid = open_bus(url, (), ("odom", "local_map", "left/image_rect")), LiveClock(), TickGrid(10 * MS)
    cells, picture = np.zeros((100, 100)), np.zeros((480, 640), np.uint8)
    work = np.random.default_rng(1).random((300, 300))
    for tick in range(sys.maxsize):
        now = clock.now_ns()
        due = grid.start(now)
        if tick % 2:
            bus.send("odom", encode_odom(RobotState(now, "odom", SE3.identity(), np.zeros(6))))
        if tick % 10 == 0:
            grid_map = LocalMap(now, "odom", 0.1, (-5.0, -5.0), cells.astype(np.int8), cells.astype(np.float32))
            bus.send("local_map", encode_map(grid_map))
        if tick % 3 == 0:
            bus.send("left/image_rect", encode_mono8(now, "left_optical", picture))
        while clock.now_ns() < due:
            work = np.tanh(work @ work)


def measure(domain: int, seconds: float, loads: int, flags: list[str]) -> dict[str, object]:
    """Lateness percentiles in microseconds with `loads` processes at full load."""
    url, me = f"dds:{domain}", [sys.executable, "-m", "bench.gate_tick"]
    burners = [subprocess.Popen([*me, "--load", url], cwd=ROOT) for _ in range(loads)]
    try:
        time.sleep(2)
        command = [*me, "--gate", url, "--seconds", str(seconds), *flags]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    late_us = np.array(told["late_ns"][int(SEC / (10 * MS)) :]) / 1e3  # the first second warms up
    p50, p99, p999, worst = np.percentile(late_us, [50, 99, 99.9, 100])
    return {
        "granted": told["granted"], "ticks": len(late_us), "p50_us": p50, "p99_us": p99, "p99.9_us": p999,
        "max_us": worst,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument(
        "--loads", type=int, default=os.cpu_count(), help="processes at full load (default: one a core)"
    )
    parser.add_argument("--trivial", action="store_true", help="a node that does nothing instead of the gate")
    parser.add_argument("--ordinary", action="store_true", help="ask for no priority, for comparison")
    parser.add_argument("--domain", type=int, default=212)
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--gate", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--load", metavar="URL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.load:
        load(args.load)
    if args.gate:
        gate(args.gate, args.seconds, args.trivial, args.ordinary)
        return 0
    flags = [f"--{name}" for name in ("trivial", "ordinary") if getattr(args, name)]
    found = measure(args.domain, args.seconds, args.loads, flags)
    print(f"gate tick lateness at 100 Hz, {args.loads} processes at full load on {os.cpu_count()} cores")
    print(f"granted: {found['granted']}")
    print("  ".join(f"{key.removesuffix('_us')} {found[key]:.0f} us" for key in found if key.endswith("_us")))
    save(found, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
