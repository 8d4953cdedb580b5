"""Run the nodes over recordings on virtual time and write what the robot would have been told, and why."""

from __future__ import annotations

import argparse
import math
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saccade.cli.fleet import ADDRESSES, map_jobs
from saccade.errors import ConfigError, DataError, SaccadeError

if TYPE_CHECKING:
    from saccade.cli.session import Only

EXAMPLES = """examples:
  saccade replay drive.mcap                          # one recording, into out/replay/drive/
  saccade replay bags/* -j 2 --out out/night         # many; one that fails does not stop the rest
  saccade replay bags/* --ray 10.0.0.5:6379          # many, on the nodes of a Ray cluster
  saccade replay drive.mcap --only perception        # depth and local map, no plan and no commands
  saccade replay stereo.mcap --odometry visual       # the robot's pose from the pictures: no odometry is needed
  saccade replay drive.mcap --speed 1x               # at the speed it was recorded
  saccade replay drive.mcap --inject latency=80ms,drops=0.2@3s+2s,freeze:odom@5s+1s
  saccade replay drive.mcap --mapping my_robot.yaml  # when topics have unusual names
"""
_DEFAULT_INSTRUCTION = "drive forward"
AUTO = "auto"
CAR_M_S = 3.0
"""A recording that moves faster than this was made by a vehicle."""


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to replay; plain values, because it crosses a process boundary."""

    recording: Path
    out: Path
    robot: str
    only: Only
    odometry: str
    instruction: str
    mapping: Path | None
    inject: str
    seed: int
    pace: float | None
    keep_inputs: bool
    live: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade replay`."""
    parser.add_argument(
        "recordings", nargs="+", type=Path, metavar="RECORDING", help="rosbag2 (MCAP, SQLite) or ROS 1 bag"
    )
    parser.add_argument("--out", type=Path, help="folder to write (default out/replay; one subfolder each for several)")
    parser.add_argument("--robot", default=AUTO, help="name in config/robots or a YAML file (default: by its speed)")
    parser.add_argument("--only", choices=["perception", "map", "all"], default="all", help="which nodes to run")
    parser.add_argument("--odometry", choices=["robot", "visual"], default="robot",
                        help="as recorded (default), or told from the pictures")  # fmt: skip
    parser.add_argument("--instruction", default=_DEFAULT_INSTRUCTION, help="given unless the recording holds one")
    parser.add_argument("--mapping", type=Path, help="YAML that says which topic is which")
    parser.add_argument("--speed", default="max", help="max (default) or a multiple of real time such as 1x or 0.5x")
    parser.add_argument("--inject", default="", metavar="FAULTS", help="faults, e.g. latency=80ms,drops=0.1,noise=4")
    parser.add_argument("--seed", type=int, default=0, help="seed of the injected faults")
    parser.add_argument("--keep-inputs", action="store_true", help="record the sensors too")
    parser.add_argument("--ray", default="", metavar="ADDRESS",
                        help=f"on a Ray cluster whose nodes share these files: {ADDRESSES}")  # fmt: skip
    parser.add_argument("-j", "--jobs", type=int, default=1, metavar="N", help="recordings replayed at a time")


def run(args: argparse.Namespace) -> int:
    """Replay each recording; exit code 0, or 3 when some failed, or 2 when the only one did."""
    from saccade.cli import FAILED, OK, PARTIAL, USAGE

    jobs = _jobs(args)
    failed: list[tuple[Path, str]] = []
    several = min(args.jobs, len(jobs)) if not args.ray or args.jobs > 1 else None
    outcomes = list(map_jobs(_attempt, jobs, several, args.ray))
    for job, (text, error) in zip(jobs, outcomes, strict=True):
        print(text, end="")
        if error:
            failed.append((job.recording, error))
    for recording, error in failed:
        print(f"saccade replay: {recording}: {error}", file=sys.stderr)
    if not failed:
        return OK
    if len(failed) < len(jobs):
        print(f"{len(failed)} of {len(jobs)} recordings failed", file=sys.stderr)
        return PARTIAL
    return USAGE if len(jobs) == 1 else FAILED


def _jobs(args: argparse.Namespace) -> list[Job]:
    from saccade.wire.inject import parse_faults

    parse_faults(args.inject)  # so that a wrong fault is told before anything runs
    if args.jobs < 1 or args.seed < 0:
        raise ConfigError(f"--jobs {args.jobs} --seed {args.seed}: expected at least one job, and a seed of 0 or more")
    recordings: list[Path] = [_whole(path, args) for path in args.recordings]
    several = len(recordings) > 1
    names = _unique([path.stem for path in recordings])
    robot = str(_whole(Path(args.robot), args)) if Path(args.robot).is_file() else args.robot
    mapping = _whole(args.mapping, args) if args.mapping else None
    base = _whole(args.out or Path("out/replay"), args)
    return [
        Job(
            recording=path, out=base / name if several or args.out is None else base, robot=robot, only=args.only,
            odometry=args.odometry, instruction=args.instruction, mapping=mapping, inject=args.inject,
            seed=args.seed, pace=_pace(args.speed), keep_inputs=args.keep_inputs,
            live=args.jobs == 1 and not args.ray and sys.stderr.isatty(),
        )
        for path, name in zip(recordings, names, strict=True)
    ]  # fmt: skip


def _whole(path: Path, args: argparse.Namespace) -> Path:
    """A path as a cluster's node needs it, which works in another folder."""
    return path.absolute() if args.ray else path


def _unique(names: list[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name}-{i}" for i, name in enumerate(names)]


def _pace(speed: str) -> float | None:
    if speed == "max":
        return None
    try:
        pace = float(speed.removesuffix("x"))
    except ValueError:
        pace = 0.0
    if not 0 < pace < math.inf:
        raise ConfigError(f"--speed {speed!r}: expected max, or a multiple of real time such as 1x")
    return pace


def _attempt(job: Job) -> tuple[str, str]:
    """(what to print, error or ''); an unexpected error is kept whole beside the output."""
    try:
        return _replay(job), ""
    except SaccadeError as error:
        return "", str(error)
    except Exception as error:
        job.out.mkdir(parents=True, exist_ok=True)
        (job.out / "error.txt").write_text(traceback.format_exc())
        return "", f"{type(error).__name__}: {error} (see {job.out / 'error.txt'})"


def _replay(job: Job) -> str:
    from saccade.cli.progress import Bar
    from saccade.cli.session import fresh_folder, replay_params, run_session
    from saccade.report.table import result_table
    from saccade.wire.bag import open_recording
    from saccade.wire.inject import InjectSource, parse_faults
    from saccade.wire.virtual import Source

    robot, why = (job.robot, "asked for") if job.robot != AUTO else choose_robot(job.recording, job.mapping)
    visual = job.odometry == "visual"
    recording = open_recording(job.recording, job.mapping, replay_params(robot).camera_height_m, odometry=not visual)
    lines = [f"{job.recording}", str(recording.mapping), f"robot: {robot} ({why})"]
    lines += [f"! {problem}" for problem in recording.problems]
    bag = recording.source()
    faults = parse_faults(job.inject)
    source: Source = InjectSource(bag, faults, job.seed) if faults else bag
    told = "instruction" in recording.mapping.topics
    with Bar(job.recording.stem, bag.start_ns, bag.end_ns, shown=job.live) as bar:
        result = run_session(
            source, robot, fresh_folder(job.out), only=job.only, odometry="visual" if visual else "robot",
            instruction=job.instruction if job.only == "all" and not told else None, keep_inputs=job.keep_inputs,
            pace=job.pace, progress=bar, facts=_facts(job, robot), inputs=job.recording,
        )  # fmt: skip
    late = [f"! {problem}" for problem in recording.problems if f"! {problem}" not in lines]
    return "\n".join([*lines, *late, result_table(result.summary, result.stages, result.files)]) + "\n"


def choose_robot(path: Path, mapping: Path | None) -> tuple[str, str]:
    """(robot file's name, why) by how fast the recording moves: `car` or `walker`."""
    import numpy as np

    from saccade.node import NEVER_NS, BusEnd
    from saccade.wire.bag import open_recording
    from saccade.wire.convert import decode_odom
    from saccade.wire.virtual import VirtualBus

    recording = open_recording(path, mapping)
    speeds_m_s = [0.0]
    bus = VirtualBus(recording.source({"odom"}))
    try:
        while (sample := bus.recv(NEVER_NS)) is not None:
            if sample.topic == "odom":
                speeds_m_s.append(float(np.linalg.norm(decode_odom(sample.cdr)[0].twist[:3])))
    except (BusEnd, DataError):
        pass
    finally:
        bus.close()
        recording.close()
    typical_m_s = float(np.median(speeds_m_s))
    return "car" if typical_m_s > CAR_M_S else "walker", f"it moves at {typical_m_s:.1f} m/s"


def _facts(job: Job, robot: str) -> dict[str, str]:
    facts = {"source": f"recording {job.recording.name}", "robot": robot, "bus": "virtual time"}
    if job.inject:
        facts["injected faults"] = f"{job.inject} (seed {job.seed})"
    facts["cores"] = str(os.cpu_count())
    return facts
