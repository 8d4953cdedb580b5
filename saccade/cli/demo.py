"""A robot in an embedded world is told what to do; recorded, judged, replayed from its own bag, reported."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saccade.cli.episodes.errand import Errand
    from saccade.cli.mission import MissionWatch
    from saccade.cli.session import Result

EXAMPLES = """examples:
  saccade demo                                             # a dog in the yard, among people, into out/demo
  saccade demo gates                                       # a quadrotor among coloured gates
  saccade demo table                                       # an arm at a table
  saccade demo hall --seed 3 --instruction "go to the blue cylinder, wait two seconds, then come back"
  saccade demo --inject drops=0.2@5s+3s                    # the same, with a camera that loses every fifth frame
"""
SEEDS = {"yard": 109, "gates": 3, "table": 8, "hall": 7}
"""World -> which one is shown."""
_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Demo:
    """What is shown: `errand` judges it; `text` is what the robot is told, the errand's own words unless others."""

    errand: Errand
    seed: int
    text: str
    own_words: bool

    @property
    def address(self) -> str:
        """Of the world."""
        return f"{self.errand.world}?seed={self.seed}&seconds={_SECONDS}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade demo`."""
    parser.add_argument("world", nargs="?", default="yard", choices=SEEDS, help="default yard")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder to write (default out/demo)")
    parser.add_argument("--seed", type=int, help="which of the worlds of this kind")
    parser.add_argument("--instruction", help="what it is told (default: an errand of this world)")
    parser.add_argument("--inject", default="", metavar="FAULTS", help="faults, as in saccade replay")


def run(args: argparse.Namespace) -> int:
    """Run the demo; exit code 1 when the errand was not done or the robot's replay commanded otherwise."""
    from rich.console import Console

    from saccade.cli import FAILED, OK
    from saccade.cli.mission import MissionWatch, compare_commands
    from saccade.cli.session import fresh_folder
    from saccade.report.table import result_table

    out = fresh_folder(args.out)
    demo = _demo(args.world, args.seed, args.instruction)
    say = Console(stderr=True).print
    say(f"[bold]The robot is told:[/] “{demo.text}” ({args.world}, seed {demo.seed})")
    watch = MissionWatch()
    result = _played(demo, out, watch, args.inject)
    say(f"[bold]It answers:[/] {watch.outcome}")
    say(f"[bold]The judge, who sees the truth, says:[/] {_told(result.summary['episode'])}")
    say(f"[bold]Replaying[/] {out / 'run.mcap'} through the same nodes")
    replayed = _replayed(demo, out)
    same = compare_commands(out / "run.mcap", out / "replay" / "run.mcap")
    speed = replayed.summary["timing"]["times_real_time"]
    say(f"[bold]Commands of the run and of its replay ({speed:.1f}x real time):[/] {same}")
    print(result_table(result.summary, result.stages, result.files, try_next=_try_next(out)))
    return OK if result.summary["episode"]["success"] and same.startswith("identical") else FAILED


def _demo(world: str, seed: int | None, text: str | None) -> Demo:
    from sim.bus import open_world

    errand, seed = _errand(world), SEEDS[world] if seed is None else seed
    with closing(open_world(f"{world}?seed={seed}")) as there:
        return Demo(errand, seed, text or errand.words(there.judge()), text is None)


def _errand(world: str) -> Errand:
    from saccade.cli.episodes.fly import Fly
    from saccade.cli.episodes.nav import Nav
    from saccade.cli.episodes.reach import Reach

    errands: dict[str, Errand] = {"gates": Fly(), "table": Reach()}
    return errands.get(world) or Nav(back=True, world=world, robot=world)


def _played(demo: Demo, out: Path, watch: MissionWatch, inject: str) -> Result:
    from saccade.cli.collect.film import Film
    from saccade.cli.collect.rollout import Assignment, Rollout, overheard_nodes
    from saccade.cli.collect.truth import judged_stages
    from saccade.cli.progress import Bar
    from saccade.cli.session import run_session
    from saccade.wire.inject import InjectSource, parse_faults
    from saccade.wire.virtual import Source
    from sim.bus import open_world

    world, faults = open_world(demo.address), parse_faults(inject)
    source: Source = InjectSource(world, faults, demo.seed) if faults else world
    nodes, reasoner, arm = overheard_nodes(demo.errand.robot, points=True)
    film = Film(world, arm.axes if arm else (), pictures=False)

    def judged() -> dict[str, Any]:
        """What was done; with words of the user's own it cannot be said whether that was what they mean."""
        verdict, done = world.judge(), watch.done
        figures = demo.errand.figures(verdict, done) if demo.own_words else {"success": done, **verdict}
        scene, end_ns = world.simulation.scene, film.truth[-1].stamp_ns
        rollout = Rollout(
            Assignment(demo.errand.world, demo.seed, "", demo.text), world.start_ns, end_ns, film, reasoner.thoughts,
            watch.outcome, done, scene.things if scene else (), arm,
        )  # fmt: skip
        return {"episode": {**figures, "outcome": watch.outcome}, "stages": judged_stages(rollout)}

    facts = {"source": f"sim:{demo.errand.world}?seed={demo.seed}", "robot": demo.errand.robot, "bus": "virtual time"}
    with Bar("playing", world.start_ns, world.start_ns + _SECONDS * 10**9, sys.stderr.isatty()) as bar:

        def progress(now_ns: int) -> None:
            bar.note = watch.outcome
            bar(now_ns)

        return run_session(
            source, demo.errand.robot, out, instruction=demo.text, keep_inputs=True, nodes=nodes,
            watch=[film, watch],
            stop=lambda: watch.over, progress=progress, facts=facts, extra=judged, inputs=out / "run.mcap",
        )  # fmt: skip


def _replayed(demo: Demo, out: Path) -> Result:
    from saccade.cli.progress import Bar
    from saccade.cli.session import run_session
    from saccade.wire.bag import open_recording

    bag = open_recording(out / "run.mcap", None).source()
    with Bar("replaying", bag.start_ns, bag.end_ns, sys.stderr.isatty()) as bar:
        facts = {"source": str(out / "run.mcap")}
        return run_session(bag, demo.errand.robot, out / "replay", progress=bar, facts=facts)


def _told(episode: dict[str, Any]) -> str:
    done = "done" if episode["success"] else "not done"
    left_out = ("success", "outcome")
    return f"{done} ({', '.join(f'{name} {value}' for name, value in episode.items() if name not in left_out)})"


def _try_next(out: Path) -> list[str]:
    return [
        f"open {out / 'report.html'} in a browser, {out / 'run.mcap'} in Foxglove (config/foxglove_layout.json)",
        "saccade replay YOUR_BAG          # your own recording: rosbag2, MCAP, SQLite or ROS 1",
        "saccade demo table               # an arm; gates: a quadrotor; saccade bench nav: many errands of the dog",
    ]
