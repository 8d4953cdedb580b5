"""Replay speed end to end, on the real recordings beside the checkout: how many times faster than real time.

Asked for on 2 cores: kitti_drive (1226x370 stereo, PNG, SGBM) x1.5, rgbd_7scenes x10, recorded depth without image
decoding x200, and at most 0.5 ms a frame outside the stages. `nodes` counts opening the bag to the last word of the
nodes; `command` is the whole command with start-up, recording, summary and report.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.__main__ import ROOT, save
from saccade.clock import MS
from saccade.node import NEVER_NS, Out, Sample, run
from saccade.stages import Stages
from saccade.wire.bag import open_recording
from saccade.wire.images import encode_depth
from saccade.wire.record import Recorder
from saccade.wire.virtual import LocalBus, VirtualBus

RECORDINGS = ROOT.parent / "shared" / "data" / "recordings"
CASES = {"kitti_drive": 1.5, "rgbd_7scenes": 10.0, "euroc_v101_start": None}


def main() -> int:
    """Replay every recording once in a process of its own, and the synthetic depth recording through a bare node."""
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
        numbers["recorded_depth"] = _depth_through_the_bus(Path(folder))
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
    frames = summary["messages"].get("local_map", {}).get("count", 0)
    outside_ms = (timing["wall_s"] - inside_s) * 1000 / max(1, frames)
    print(f"    outside the stages: {outside_ms:.2f} ms a frame")
    return {"bus_s": bus_s, "command_s": whole_s, "outside_ms": outside_ms, **timing}


class _Listener:
    """Reads depth without decoding it: what remains is the bag, the bus and the loop."""

    name, reads, writes = "listener", frozenset({"rgbd/depth/image_rect"}), frozenset[str]()

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


def _depth_through_the_bus(folder: Path) -> dict[str, float]:
    frames, period_ns, path = 300, 100 * MS, folder / "depth.mcap"
    bus = LocalBus()
    depth = np.random.default_rng(0).uniform(0.5, 8, (480, 640)).astype(np.float32)
    for i in range(frames):
        bus.push(Sample("rgbd/depth/image_rect", i * period_ns, encode_depth(i * period_ns, "camera_optical", depth)))
    recorder = Recorder(path, frozenset({"rgbd/depth/image_rect"}))
    run([recorder], bus, stop=lambda: bus.now_ns() >= (frames - 1) * period_ns)
    listener = _Listener()
    begin = time.perf_counter()
    source = open_recording(path, None).source()
    run([listener], VirtualBus(source))
    wall_s = time.perf_counter() - begin
    speed = listener.heard * period_ns / 1e9 / wall_s
    each_ms = wall_s / listener.heard * 1000
    print(f"recorded depth, 640x480 32FC1 at 10 Hz, not decoded: {listener.heard} frames in {wall_s:.3f} s")
    print(f"    x{speed:.0f} (asked for 200), {each_ms:.3f} ms a frame")
    return {"frames": listener.heard, "wall_s": wall_s, "times_real_time": speed}


if __name__ == "__main__":
    sys.exit(main())
