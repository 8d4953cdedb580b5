"""How late the gate's 100 Hz ticks are while the rest of the machine is busy.

The gate runs as its own process on DDS, as `saccade up` runs it; every core is kept at full load by processes that
also send a robot's odometry, map and pictures. Lateness is from the tick's instant on the absolute grid to the
moment the node is asked to act. With `--clearance` it is a multirotor's gate, by config/limits/uav.yaml: the load sends
a field of 5 m x 5 m x 3 m and chunks that lead into its wall, so that a ratio is searched at every tick. What a tick
costs is told beside its lateness. `python -m bench.gate_tick --help`.
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
from saccade import params
from saccade.clearance import ClearanceField
from saccade.clock import MS, SEC, LiveClock, TickGrid, perf_ns
from saccade.geometry import SE3
from saccade.node import Node, Out, Sample, run
from saccade.paths import share
from saccade.stages import Stages
from saccade.types import ActionChunk, LocalMap, RobotState
from saccade.wire.clearance import encode_clearance
from saccade.wire.convert import encode_chunk, encode_map, encode_odom
from saccade.wire.images import encode_mono8
from saccade.wire.live import StageTimes, keep_memory, real_time
from saccade.wire.open import open_bus

UAV = share("config") / "limits" / "uav.yaml"


class Lateness:
    """A node whose ticks are watched: `late_ns`, and `took_ns` until all that it sends is there."""

    def __init__(self, node: Node) -> None:
        self._node, self._due_ns = node, 0
        self.name, self.reads, self.writes, self.stages = node.name, node.reads, node.writes, node.stages
        self.late_ns: list[int] = []
        self.took_ns: list[int] = []

    def next_ns(self, now_ns: int) -> int:
        self._due_ns = self._node.next_ns(now_ns)
        return self._due_ns

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        return self._node.on_sample(sample, now_ns)

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        self.late_ns.append(now_ns - self._due_ns)
        begin_ns = perf_ns()
        outs = list(self._node.on_tick(now_ns))
        self.took_ns.append(perf_ns() - begin_ns)
        return outs

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


def gate(url: str, seconds: float, trivial: bool, ordinary: bool, clearance: bool) -> None:
    """Run the gate and print what it saw as one line of JSON."""
    granted = "nothing, as asked" if ordinary else real_time()
    if trivial:
        node: Node = Ticker()
    else:
        from safety_node.node import SafetyNode
        from safety_node.params import SafetyParams

        limits = params.load(SafetyParams, UAV, "safety_node") if clearance else SafetyParams()
        node = SafetyNode(limits)
    watched = Lateness(node)
    keep_memory()
    bus = open_bus(url, node.reads, node.writes | {"stage_times"})
    end = time.monotonic() + seconds
    run([StageTimes(watched, bus.now_ns)], bus, lambda: time.monotonic() > end)
    bus.close()
    print(json.dumps({"granted": granted, "late_ns": watched.late_ns, "took_ns": watched.took_ns}))


def towards_a_wall(now: int) -> list[Out]:
    """A field with a wall 1 m ahead, and a chunk that leads there."""
    ahead = np.arange(50) * 10.0
    cells = np.clip(350 - ahead, 0, 255).astype(np.uint8)[:, None, None] * np.ones((1, 50, 30), np.uint8)
    field = ClearanceField(now, "odom", 0.1, (-2.5, -2.5, -1.5), 30.0, 0.01, cells)
    axes = ("vx", "vy", "vz", "wz")
    chunk = ActionChunk(now, now, 50 * MS, axes, np.tile([1.0, 0.2, 0.3, 0.4], (10, 1)), 1, 1)
    return [Out("clearance", encode_clearance(field)), Out("chunk", encode_chunk(chunk))]


def load(url: str, clearance: bool) -> None:
    """Burn one core and send odometry at 50 Hz, a map or field at 10 Hz, and 640x480 pictures at 30 Hz."""
    writes = ("odom", "local_map", "left/image_rect", *(("clearance", "chunk") if clearance else ()))
    bus, clock, grid = open_bus(url, (), writes), LiveClock(), TickGrid(10 * MS)
    cells, picture = np.zeros((100, 100)), np.zeros((480, 640), np.uint8)
    work = np.random.default_rng(1).random((300, 300))
    for tick in range(sys.maxsize):
        now = clock.now_ns()
        due = grid.start(now)
        if tick % 2:
            bus.send("odom", encode_odom(RobotState(now, "odom", SE3.identity(), np.zeros(6))))
        if tick % 10 == 0 and clearance:
            for out in towards_a_wall(now):
                bus.send(out.topic, out.cdr)
        elif tick % 10 == 0:
            grid_map = LocalMap(now, "odom", 0.1, (-5.0, -5.0), cells.astype(np.int8), cells.astype(np.float32))
            bus.send("local_map", encode_map(grid_map))
        if tick % 3 == 0:
            bus.send("left/image_rect", encode_mono8(now, "left_optical", picture))
        while clock.now_ns() < due:
            work = np.tanh(work @ work)


def measure(domain: int, seconds: float, loads: int, flags: list[str]) -> dict[str, object]:
    """Lateness percentiles in microseconds with `loads` processes at full load."""
    url, me = f"dds:{domain}", [sys.executable, "-m", "bench.gate_tick"]
    kind = [flag for flag in flags if flag == "--clearance"]
    burners = [subprocess.Popen([*me, "--load", url, *kind], cwd=ROOT) for _ in range(loads)]
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
    took_us = np.array(told["took_ns"][int(SEC / (10 * MS)) :]) / 1e3
    return {
        "granted": told["granted"], "ticks": len(late_us), "p50_us": p50, "p99_us": p99, "p99.9_us": p999,
        "max_us": worst, "tick p50_us": np.percentile(took_us, 50), "tick p99.9_us": np.percentile(took_us, 99.9),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument(
        "--loads", type=int, default=os.cpu_count(), help="processes at full load (default: one a core)"
    )
    parser.add_argument("--trivial", action="store_true", help="a node that does nothing instead of the gate")
    parser.add_argument("--clearance", action="store_true", help="a multirotor's gate, in three dimensions")
    parser.add_argument("--ordinary", action="store_true", help="ask for no priority, for comparison")
    parser.add_argument("--domain", type=int, default=212)
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--gate", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--load", metavar="URL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.load:
        load(args.load, args.clearance)
    if args.gate:
        gate(args.gate, args.seconds, args.trivial, args.ordinary, args.clearance)
        return 0
    flags = [f"--{name}" for name in ("trivial", "ordinary", "clearance") if getattr(args, name)]
    found = measure(args.domain, args.seconds, args.loads, flags)
    print(f"gate tick lateness at 100 Hz, {args.loads} processes at full load on {os.cpu_count()} cores")
    print(f"granted: {found['granted']}")
    print("  ".join(f"{key.removesuffix('_us')} {found[key]:.0f} us" for key in found if key.endswith("_us")))
    save(found, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
