"""A robot in the embedded world is told to go to the red box and come back; recorded, replayed from its own bag."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

EXAMPLES = """examples:
  saccade demo                                             # into out/demo
  saccade demo --seed 3 --instruction "go to the blue cylinder, wait two seconds, then come back"
  saccade demo --inject drops=0.2@5s+3s                    # the same, with a camera that loses every fifth frame
"""
INSTRUCTION = "go to the red box, then come back"
_LONGEST_S = 180


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade demo`."""
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder to write (default out/demo)")
    parser.add_argument("--seed", type=int, default=7, help="which hall (default 7)")
    parser.add_argument("--instruction", default=INSTRUCTION, help=f"default: {INSTRUCTION!r}")
    parser.add_argument("--inject", default="", metavar="FAULTS", help="faults, as in saccade replay")


def run(args: argparse.Namespace) -> int:
    """Run the demo; exit code 1 when the robot collided, did not finish, or its replay commanded otherwise."""
    from rich.console import Console

    from saccade.cli import FAILED, OK
    from saccade.cli.mission import MissionWatch, compare_commands
    from saccade.cli.progress import Bar
    from saccade.cli.session import fresh_folder, run_session
    from saccade.report.table import result_table
    from saccade.wire.bag import open_recording
    from saccade.wire.inject import InjectSource, parse_faults
    from saccade.wire.virtual import Source
    from sim.bus import open_world

    out = fresh_folder(args.out)
    say = Console(stderr=True).print
    say(f"[bold]The robot is told:[/] “{args.instruction}” (hall, seed {args.seed})")
    world = open_world(f"hall?seed={args.seed}&seconds={_LONGEST_S}")
    faults = parse_faults(args.inject)
    source: Source = InjectSource(world, faults, args.seed) if faults else world
    watch = MissionWatch()

    def judged() -> dict[str, Any]:
        return {"episode": {**world.judge(), "outcome": watch.outcome}}

    facts = {"source": f"sim:hall?seed={args.seed}", "robot": "hall", "bus": "virtual time"}
    shown = sys.stderr.isatty()
    with Bar("driving", world.start_ns, world.start_ns + _LONGEST_S * 10**9, shown) as bar:

        def progress(now_ns: int) -> None:
            bar.note = watch.outcome
            bar(now_ns)

        result = run_session(
            source, "hall", out, instruction=args.instruction, keep_inputs=True, watch=[watch],
            stop=lambda: watch.over, progress=progress, facts=facts, extra=judged, inputs=out / "run.mcap",
        )  # fmt: skip
    say(f"[bold]It answers:[/] {watch.outcome}\n[bold]Replaying[/] {out / 'run.mcap'} through the same nodes")
    recording = open_recording(out / "run.mcap", None)
    bag = recording.source()
    with Bar("replaying", bag.start_ns, bag.end_ns, shown) as bar:
        replayed = run_session(bag, "hall", out / "replay", progress=bar, facts={"source": str(out / "run.mcap")})
    same = compare_commands(out / "run.mcap", out / "replay" / "run.mcap")
    speed = replayed.summary["timing"]["times_real_time"]
    say(f"[bold]Commands of the run and of its replay ({speed:.1f}x real time):[/] {same}")
    print(result_table(result.summary, result.stages, result.files, try_next=_try_next(out)))
    episode = result.summary["episode"]
    good = (
        episode["collisions"] == 0 and watch.over and watch.outcome.startswith("done") and same.startswith("identical")
    )
    return OK if good else FAILED


def _try_next(out: Path) -> list[str]:
    return [
        f"open {out / 'report.html'} in a browser, {out / 'run.mcap'} in Foxglove (config/foxglove_layout.json)",
        "saccade replay YOUR_BAG          # your own recording: rosbag2, MCAP, SQLite or ROS 1",
        'saccade demo --seed 3 --instruction "go to the blue cylinder, wait two seconds, then come back"',
    ]
