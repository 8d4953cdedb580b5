"""Replay speed end to end, on the real recordings beside the checkout: how many times faster than real time.

Asked for on 2 cores: kitti_drive (1226x370 stereo, PNG, SGBM) x1.5, rgbd_7scenes x10, recorded depth without image
decoding x200, and at most 0.5 ms a frame outside the stages. `nodes` counts opening the bag to the last word of the
nodes; `command` is the whole command with start-up, recording, summary and report.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.__main__ import ROOT, save
from saccade.clock import SEC
from saccade.node import NEVER_NS, Out, Sample, run
from saccade.stages import Stages
from saccade.wire.bag import open_recording
from saccade.wire.virtual import VirtualBus

RECORDINGS = ROOT.parent / "shared" / "data" / "recordings"
CASES = {"kitti_drive": 1.5, "rgbd_7scenes": 10.0, "euroc_v101_start": None}


def main() -> int:
    """Replay every recording once in a process of its own, and one through a node that only listens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    numbers: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, wanted in CASES.items():
            if (recording := RECORDINGS / name).is_dir():
                numbers[name] = _replay(recording, Path(folder) / name, wanted)
            else:
                print(f"{name}: not found at {recording}")
    if (recording := RECORDINGS / "rgbd_7scenes").is_dir():
        numbers["recorded_depth"] = _depth_through_the_bus(recording)
    save(numbers, args.json)
    return 0


def _replay(recording: Path, out: Path, wanted: float | None) -> dict[str, object]:
    begin = time.perf_counter()
    command = [sys.executable, "-m", "saccade.cli", "replay", str(recording), "--out", str(out)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    whole_s = time.perf_counter() - begin
    summary = json.loads((out / "summary.json").read_text())
    timing, bus_s = summary["timing"], summary["duration_s"]
    target = f" (asked for {wanted:g})" if wanted else ""
    print(f"{recording.name}: {bus_s:.1f} s of recording")
    print(f"    nodes {timing['wall_s']:.2f} s = x{timing['times_real_time']:.2f}{target}")
    print(f"    command {whole_s:.2f} s = x{bus_s / whole_s:.2f}")
    inside_s = 0.0
    for node, stages in timing["stages"].items():
        for stage, s in stages.items():
            inside_s += s["total_ms"] / 1000
            print(f"    {node:<16} {stage:<14} {s['count']:6.0f} x  p50 {s['p50_ms']:7.2f}  p95 {s['p95_ms']:7.2f}  "
                  f"p99 {s['p99_ms']:7.2f} ms")  # fmt: skip
    frames = summary["topics"].get("local_map", {}).get("count", 0)
    outside_ms = (timing["wall_s"] - inside_s) * 1000 / max(1, frames)
    print(f"    outside the stages: {outside_ms:.2f} ms a frame")
    return {"bus_s": bus_s, "command_s": whole_s, "outside_ms": outside_ms, **timing}


class _Listener:
    """Reads depth without decoding it: what remains is the bag, the bus and the loop."""

    name, writes = "listener", frozenset[str]()
    reads = frozenset({"rgbd/depth/image_rect", "rgbd/depth/image_rect/compressedDepth"})

    def __init__(self) -> None:
        self.stages, self.heard = Stages(), 0

    def next_ns(self, now_ns: int) -> int:
        return NEVER_NS

    def on_sample(self, sample: Sample, now_ns: int) -> tuple[Out, ...]:
        self.heard += 1
        return ()

    def on_tick(self, now_ns: int) -> tuple[Out, ...]:
        return ()

    def close(self) -> tuple[Out, ...]:
        return ()


def _depth_through_the_bus(recording: Path) -> dict[str, float]:
    """The whole recording through the bus, three times; the medians, for the first time also reads the disk.

    Opening looks at the first messages, and at one depth image, for the ground; it is told apart.
    """
    walls_s, opens_s, listener, bus_s = [], [], _Listener(), 0.0
    for _ in range(3):
        listener = _Listener()
        begin = time.perf_counter()
        bus = VirtualBus(open_recording(recording, None).source())
        opens_s.append(time.perf_counter() - begin)
        start_ns = bus.now_ns()
        run([listener], bus)
        walls_s.append(time.perf_counter() - begin - opens_s[-1])
        bus_s = (bus.now_ns() - start_ns) / SEC
    wall_s, open_s = statistics.median(walls_s), statistics.median(opens_s)
    print(f"{recording.name} through the bus, depth not decoded: {listener.heard} depth images in {wall_s:.3f} s")
    print(f"    x{bus_s / wall_s:.0f} (asked for 200), {wall_s / listener.heard * 1000:.3f} ms a frame")
    print(f"    x{bus_s / (wall_s + open_s):.0f} with opening the recording, {open_s:.3f} s")
    return {"frames": listener.heard, "wall_s": wall_s, "open_s": open_s, "times_real_time": bus_s / wall_s}


if __name__ == "__main__":
    sys.exit(main())
