"""Start the nodes live, each in its own process, and keep them up: a node that dies is started again.

There are three, and a bridge or a map where the robot's file has a section for it. The gate gets real-time scheduling
where the system permits it. Ctrl-C stops the robot: the planner goes first, then perception, then the gate, so that its
closing stop command is on the wire, then the bridge, and the map last.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from saccade.cli import FAILED, OK, USAGE
from saccade.errors import ConfigError, choices
from saccade.robots import nodes, remapping, robot_file
from saccade.wire.live import stop_signals
from saccade.wire.open import open_bus

EXAMPLES = """examples:
  saccade up                                   # the robot of config/robots/hall.yaml on DDS domain 0, this machine only
  saccade up --robot go2 --bus 'dds:7?interface=eth0'
  saccade up --robot ./my_robot.yaml --bus 'dds:0?namespace=/robot1'
  saccade up --params ./tuned.yaml --nodes perception,safety
  saccade up --nodes safety,odometry,perception,vla   # odometry from the pictures, for a robot that has none
"""
NODES = ("map", "bridge", "safety", "odometry", "perception", "vla")
"""In starting order; they stop the other way round: the map last, as it may have a volume to write."""
_MODULES = {"odometry": "perception_node.odometry"}
"""Of nodes that are not `<name>_node`."""
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S, _HEALTHY_S = 0.5, 8.0, 30.0
_STOP_WITHIN_S = {"vla": 0.4, "perception": 0.4, "odometry": 0.4, "map": 5.0, "safety": 1.1, "bridge": 1.4}
_LAST_LINES_S = 0.2
"""How long to wait for what a dead node still had to say."""
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade up`."""
    parser.add_argument("--bus", default="dds:0", metavar="URL", help="live bus (default dds:0, loopback only)")
    parser.add_argument("--robot", default="hall", help="name in config/robots or a YAML file (default: hall)")
    parser.add_argument("--params", type=Path, metavar="FILE", help="parameter file instead of the robot's")
    parser.add_argument(
        "--nodes", help="which of perception, odometry, map, vla, safety, bridge (default: all that the robot needs)"
    )


def run(args: argparse.Namespace) -> int:
    """Run `saccade up`."""
    params = args.params or robot_file(args.robot)
    names, bus = chosen(args.nodes or ",".join(nodes(params))), with_remapping(args.bus, remapping(params))
    open_bus(bus).close()  # a wrong address is told here, once, and not by three processes
    console = Console(stderr=True)
    if "safety" not in names:
        console.print("no safety node: nothing will send a command", style="yellow")
    fleet = [Child(name, _command(name, bus, params), console) for name in NODES if name in names]
    return supervise(fleet, console)


def chosen(nodes: str) -> set[str]:
    """The nodes named in a comma-separated list."""
    names = {name.strip().removesuffix("_node") for name in nodes.split(",")}
    for name in sorted(names):
        if name not in NODES:
            raise ConfigError(f"no node {name!r}; {choices(name, NODES)}")
    return names


def with_remapping(bus: str, rules: dict[str, str]) -> str:
    """The address of a bus on which topics have the robot's own names; ConfigError where names go another way."""
    if not rules:
        return bus
    if bus.partition(":")[0] != "dds":
        raise ConfigError(f"bus {bus!r} knows no names of the robot's own; under ROS 2 use `ros2 launch saccade`")
    return f"{bus}{'&' if '?' in bus else '?'}" + "&".join(f"remap={name}:={own}" for name, own in rules.items())


def _command(name: str, bus: str, params: Path) -> list[str]:
    return [sys.executable, "-m", _MODULES.get(name, f"{name}_node"), "--bus", bus, "--params", str(params)]


@dataclass(slots=True)
class Child:
    """One supervised node."""

    name: str
    command: list[str]
    console: Console
    process: subprocess.Popen[str] | None = None
    relay: threading.Thread = field(default_factory=threading.Thread)
    said: str = ""
    started_s: float = 0.0
    restarts: int = 0
    backoff_s: float = _FIRST_BACKOFF_S
    restart_at_s: float = 0.0

    def start(self) -> None:
        """Start it in a session of its own, so that the terminal's Ctrl-C reaches only the supervisor."""
        self.process = subprocess.Popen(
            self.command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, preexec_fn=_die_with_parent,  # noqa: PLW1509 (one bound C call)
        )  # fmt: skip
        self.started_s, self.said = time.monotonic(), ""
        self.relay = threading.Thread(target=self._relay, args=(self.process,), daemon=True)
        self.relay.start()

    def _relay(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said = line.strip() or self.said
            self.console.print(f"{self.name}: {line.rstrip()}", markup=False, highlight=False, soft_wrap=True)

    def watch(self, now_s: float) -> int | None:
        """Restart it when it is due; its exit code when it has just died."""
        if self.process is None:
            if now_s >= self.restart_at_s:
                self.restarts += 1
                self.start()
            return None
        code = self.process.poll()
        if code is None:
            return None
        if now_s - self.started_s > _HEALTHY_S:
            self.backoff_s = _FIRST_BACKOFF_S
        self.process, self.restart_at_s = None, now_s + self.backoff_s
        self.relay.join(_LAST_LINES_S)
        why = f"{self.name} died ({_how(code)}{f': {self.said}' if self.said else ''})"
        self.console.print(
            f"{why}; starting again in {self.backoff_s:g} s", style="red", markup=False, highlight=False, soft_wrap=True
        )
        self.backoff_s = min(2 * self.backoff_s, _LONGEST_BACKOFF_S)
        return code

    def stop(self) -> bool:
        """Ask it to stop and wait; False when it had to be killed."""
        if self.process is None:
            return True
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_WITHIN_S[self.name])
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.console.print(f"{self.name} did not stop in {_STOP_WITHIN_S[self.name]:g} s; killed", style="red")
            return False
        return True


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def supervise(fleet: list[Child], console: Console) -> int:
    """Keep the fleet up until a stop signal, then stop it in the safe order; the exit code of `saccade up`."""
    woken = threading.Event()
    outcome = OK
    with stop_signals(woken.set) as stopped, Live(console=console, refresh_per_second=2, transient=True) as live:
        for child in fleet:
            child.start()
        try:
            while not stopped():
                now_s = time.monotonic()
                codes = [child.watch(now_s) for child in fleet]
                if USAGE in codes:  # wrong parameters stay wrong
                    outcome = USAGE
                    break
                if console.is_terminal:
                    live.update(status(fleet, now_s))
                woken.wait(0.2)
        finally:
            live.update("stopping")
            clean = [child.stop() for child in reversed(fleet)]
    console.print("stopped: " + ", ".join(child.name for child in reversed(fleet)))
    return outcome if all(clean) else FAILED


def status(fleet: list[Child], now_s: float) -> Table:
    """The live status: node, process, uptime, restarts, scheduling."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("node", "pid", "up", "restarts", "scheduling"):
        table.add_column(column)
    for child in fleet:
        if child.process is None:
            table.add_row(child.name, "-", "down", str(child.restarts), "", style="red")
        else:
            uptime = f"{now_s - child.started_s:.0f} s"
            table.add_row(
                child.name, str(child.process.pid), uptime, str(child.restarts), scheduling(child.process.pid)
            )
    return table


def scheduling(pid: int) -> str:
    """What a process was granted, in a few words."""
    try:
        if os.sched_getscheduler(pid) == os.SCHED_FIFO:
            return f"SCHED_FIFO {os.sched_getparam(pid).sched_priority}"
        nice = os.getpriority(os.PRIO_PROCESS, pid)
    except ProcessLookupError:
        return ""
    return f"nice {nice}" if nice else "ordinary"
