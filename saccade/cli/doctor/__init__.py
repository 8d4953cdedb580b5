"""What works on this machine and what does not, with the command that mends it.

With --topics it listens to a robot, or a simulator or a recording of one, and tells for each topic that its nodes need
what is missing, too slow, wrongly typed, wrongly framed or unsynchronised.

OK is fine, WARN costs speed or a feature, ERROR keeps Saccade from running. Nothing is changed. Exit code 1 when there
is an ERROR, with --strict also when there is a WARN, else 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from saccade.cli import FAILED, OK
from saccade.cli.doctor.findings import Check, Finding, Grade, examine
from saccade.cli.doctor.fit_checks import fit
from saccade.cli.doctor.gpu_checks import gpu, inference
from saccade.cli.doctor.host import Host
from saccade.cli.doctor.jetson_checks import jetson
from saccade.cli.doctor.limit_checks import limits, store
from saccade.cli.doctor.machine_checks import machine, python_and_packages, rendering
from saccade.cli.doctor.wire_checks import middleware, ros
from saccade.errors import ConfigError

EXAMPLES = """examples:
  saccade doctor
  saccade doctor --json > doctor.json
  saccade doctor --strict && saccade up --robot hall --bus dds
  saccade doctor --topics --robot go2 --bus 'dds:0?interface=eth0'
  saccade doctor --topics --robot ./my_robot.yaml --bus ros: --seconds 10
  saccade doctor --topics --robot ./my_robot.yaml --bus bag:drive.mcap
"""
CHECKS: tuple[Check, ...] = (
    python_and_packages, gpu, jetson, inference, fit, store, rendering, middleware, ros, machine, limits,
)  # fmt: skip
_LONGEST_S = 3600
_STYLES = {Grade.OK: "green", Grade.WARN: "yellow", Grade.ERROR: "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade doctor`."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON: grade, what, found, advice")
    parser.add_argument("--topics", action="store_true", help="listen to a robot instead, and check its topics")
    parser.add_argument("--robot", default="hall", help="with --topics: name in config/robots or a YAML file")
    parser.add_argument("--bus", default="dds:0", metavar="URL", help="with --topics: dds:N, ros:, bag:FILE, sim:WORLD")
    parser.add_argument("--seconds", type=float, help="with --topics: how long (default 5; of a recording all)")
    parser.add_argument("--strict", action="store_true", help="exit code 1 when there is a WARN, too")


def run(args: argparse.Namespace) -> int:
    """Run `saccade doctor`."""
    findings = _topics(args) if args.topics else _machine()
    if args.json:
        json.dump([asdict(finding) for finding in findings], sys.stdout, indent=2)
        print()
    else:
        Console().print(table(findings), summary(findings), sep="\n")
    bad = (Grade.ERROR, Grade.WARN) if args.strict else (Grade.ERROR,)
    return FAILED if any(finding.grade in bad for finding in findings) else OK


def _machine() -> list[Finding]:
    host = Host()
    return [finding for check in CHECKS for finding in examine(check, host)]


def _topics(args: argparse.Namespace) -> list[Finding]:
    from saccade.cli.doctor.topics import check_topics  # it loads what perception loads

    if args.seconds is not None and not 0 < args.seconds <= _LONGEST_S:
        raise ConfigError(f"--seconds {args.seconds:g}; expected more than 0, at most {_LONGEST_S}")
    return check_topics(args.robot, args.bus, args.seconds)


def summary(findings: list[Finding]) -> str:
    """All of it in one line."""
    errors, warnings = (sum(f.grade is grade for f in findings) for grade in (Grade.ERROR, Grade.WARN))
    if errors:
        return f"{errors} ERROR, {warnings} WARN: Saccade will not run before the errors are mended"
    return f"no ERROR, {warnings} WARN: Saccade runs{', with less speed or without a feature' if warnings else ''}"


def table(findings: list[Finding]) -> Table:
    """The findings for people, advice under what was found."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "what", "found"):
        shown.add_column(column)
    for finding in findings:
        found = Text(finding.found)  # brackets in it, as of 'saccade[gpu]', are no markup
        if finding.advice:
            found.append(f"\n{finding.advice}", style="dim")
        shown.add_row(Text(finding.grade.value, style=_STYLES[finding.grade]), finding.what, found)
    return shown
