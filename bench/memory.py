"""Memory over time: the resident set of all nodes on `sim:hall`, by minute of bus time (asked for: no growth in 30).

The first five minutes fill histories that are bounded by design; growth is the slope of a line through the rest.
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

WARM_UP_MIN = 5


def main() -> int:
    """Run, sample, fit; exit code 1 when the memory grows by more than 0.1 MB a minute."""
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
    settled = np.array(sizes_mb[WARM_UP_MIN:])
    slope = float(np.polyfit(np.arange(len(settled)), settled, 1)[0]) if len(settled) > 2 else float("nan")
    print("minute: resident MB  " + "  ".join(f"{i + 1}: {mb:.1f}" for i, mb in enumerate(sizes_mb) if i % 5 == 4))
    print(f"slope after minute {WARM_UP_MIN}: {slope:+.3f} MB a minute over {len(settled)} minutes of bus time")
    save({"resident_mb": sizes_mb, "slope_mb_per_min": slope}, args.json)
    return int(not slope < 0.1)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    sys.exit(main())
