"""Record a live bus to an MCAP file that Foxglove, ROS 2 and `saccade replay` open; Ctrl-C finishes it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.status import Status

from saccade.cli import OK
from saccade.clock import SEC, TickGrid
from saccade.errors import ConfigError
from saccade.node import Out, Sample
from saccade.node import run as run_nodes
from saccade.stages import Stages
from saccade.topics import TOPICS, topic
from saccade.wire.live import keep_memory, stop_signals
from saccade.wire.open import open_bus
from saccade.wire.record import Recorder
from saccade.wire.record_keyframes import KeyframeRecorder

EXAMPLES = """examples:
  saccade record -o drive.mcap                              # everything on DDS domain 0 of this machine
  saccade record -o drive.mcap --topics odom,cmd_vel,verdict
  saccade record --bus dds:7?interface=eth0 -o drive.mcap
  saccade record -o shift.mcap --keyframes 200              # hours: all but pictures, and pictures of 200 places
"""
_DEPTH = 32
"""Samples kept per topic while the disk is slow: a recorder wants all of them, not the newest."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade record`."""
    parser.add_argument("--bus", default="dds:0", metavar="URL", help="live bus (default dds:0, loopback only)")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="MCAP file to write")
    parser.add_argument("--topics", metavar="NAMES", help="comma-separated topics (default: all that Saccade knows)")
    parser.add_argument(
        "--keyframes", type=int, metavar="N", help="of the pictures keep N moments, spread over where the robot was"
    )
    parser.add_argument("--force", action="store_true", help="overwrite FILE")


def run(args: argparse.Namespace) -> int:
    """Run `saccade record`."""
    if args.out.exists() and not args.force:
        raise ConfigError(f"{args.out} exists; give another name or --force")
    names = [topic(name.strip()).name for name in args.topics.split(",")] if args.topics else list(TOPICS)
    if args.keyframes is not None and args.keyframes < 1:
        raise ConfigError(f"--keyframes {args.keyframes}; expected 1 or more moments")
    keep_memory()
    needed = {"odom", "tf", "tf_static"} if args.keyframes else set()
    bus = open_bus(patient(args.bus), sorted({*names, *needed}))
    console = Console(stderr=True)
    with console.status("waiting for messages") as status:
        meter = Meter(args.out, names, status)
        recorder = KeyframeRecorder(args.out, names, args.keyframes) if args.keyframes else Recorder(args.out, names)
        try:
            with stop_signals(getattr(bus, "end", lambda: None)) as stopped:
                run_nodes([recorder, meter], bus, stopped)
        finally:
            bus.close()
    console.print(f"{args.out}: {meter.told()}", soft_wrap=True)
    if isinstance(recorder, KeyframeRecorder):
        console.print(f"pictures of {recorder.kept} of {recorder.seen} moments{_unplaced(recorder)}", soft_wrap=True)
    return OK


def _unplaced(recorder: KeyframeRecorder) -> str:
    if not recorder.unplaced:
        return ""
    return f"; {recorder.unplaced} could not be placed: they take odom, and the camera on tf_static, within a second"


def patient(url: str) -> str:
    """A DDS address that keeps more than the newest sample, unless it says how many itself."""
    if not url.startswith("dds:") or "depth=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}depth={_DEPTH}"


class Meter:
    """A node that counts what goes by and shows it once a second."""

    name = "meter"
    writes: frozenset[str] = frozenset()

    def __init__(self, path: Path, topics: Iterable[str], status: Status) -> None:
        self.reads, self.stages = frozenset(topics), Stages()
        self._path, self._status = path, status
        self._grid = TickGrid(SEC)
        self._counts: dict[str, int] = {}
        self._bytes = 0

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        return self._grid.due(now_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> tuple[Out, ...]:
        """See `Node.on_sample`."""
        self._counts[sample.topic] = self._counts.get(sample.topic, 0) + 1
        self._bytes += len(sample.cdr)
        return ()

    def on_tick(self, now_ns: int) -> tuple[Out, ...]:
        """See `Node.on_tick`."""
        self._grid.advance(now_ns)
        if self._counts:
            self._status.update(f"recording {self._path}: {self.told()}")
        return ()

    def close(self) -> tuple[Out, ...]:
        """See `Node.close`."""
        return ()

    def told(self) -> str:
        """What was counted, in words."""
        messages = sum(self._counts.values())
        return f"{messages} messages on {len(self._counts)} topics, {self._bytes / 2**20:.1f} MB"
