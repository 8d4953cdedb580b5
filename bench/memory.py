"""Memory over time: the resident set of all nodes on `sim:hall`, by minute of bus time (asked for: no growth in 30).

Memory rises in steps while errands of a new kind touch code and pools for the first time; growth is the slope of a line
through the second half. That after minute five is told too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from bench.__main__ import save
from saccade.cli.session import make_nodes, modelled_latency
from saccade.clock import SEC
from saccade.node import Sample, run
from saccade.wire.convert import encode_text
from saccade.wire.virtual import VirtualBus
from sim.bus import open_world

WARM_UP_MIN, LIMIT_MB_PER_MIN = 5, 0.05


def main() -> int:
    """Run, sample, fit; exit code 1 when the memory grows by more than LIMIT_MB_PER_MIN in the second half."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    world = open_world(f"hall?seed=7&seconds={60 * args.minutes}")
    nodes = make_nodes("hall")
    bus = VirtualBus(world, latency_ns=modelled_latency("hall", nodes))
    for minute in range(args.minutes):  # a new errand every minute keeps every part at work
        text = ("go to the red box, then come back", "explore", "turn left 90 degrees, then explore")[minute % 3]
        bus.push(Sample("instruction", bus.now_ns() + minute * 60 * SEC + SEC, encode_text(text)))
    sizes_mb: list[float] = []

    def sample() -> bool:
        if (bus.now_ns() - world.start_ns) // (60 * SEC) > len(sizes_mb):
            sizes_mb.append(_resident_mb())
        return False

    run(nodes, bus, sample)
    bus.close()
    print("minute: resident MB  " + "  ".join(f"{i + 1}: {mb:.1f}" for i, mb in enumerate(sizes_mb) if i % 5 == 4))
    early, late = (_slope(sizes_mb[first:]) for first in (WARM_UP_MIN, len(sizes_mb) // 2))
    print(f"slope after minute {WARM_UP_MIN}: {early:+.3f} MB a minute; in the second half: {late:+.3f} MB a minute")
    save({"resident_mb": sizes_mb, "slope_mb_per_min": {"early": early, "late": late}}, args.json)
    return int(not late < LIMIT_MB_PER_MIN)


def _slope(sizes_mb: list[float]) -> float:
    return float(np.polyfit(np.arange(len(sizes_mb)), sizes_mb, 1)[0]) if len(sizes_mb) > 2 else float("nan")


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    sys.exit(main())
