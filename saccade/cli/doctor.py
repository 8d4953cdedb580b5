"""What works on this machine and what does not, with the command that mends it.

OK is fine, WARN costs speed or a feature, ERROR keeps Saccade from running; exit code 1 when there is an ERROR.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from saccade.cli import FAILED, OK
from saccade.cli.checks import Finding, Grade, inference, machine, python_and_packages, rendering
from saccade.cli.checks_wire import middleware, ros

EXAMPLES = """examples:
  saccade doctor
  saccade doctor --json > doctor.json
"""
CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python_and_packages, inference, rendering, middleware, ros, machine,
)  # fmt: skip
_STYLES = {Grade.OK: "green", Grade.WARN: "yellow", Grade.ERROR: "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade doctor`."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Run `saccade doctor`."""
    findings = [finding for check in CHECKS for finding in check()]
    if args.json:
        json.dump([asdict(finding) for finding in findings], sys.stdout, indent=2)
        print()
    else:
        Console().print(table(findings))
    return FAILED if any(finding.grade is Grade.ERROR for finding in findings) else OK


def table(findings: list[Finding]) -> Table:
    """The findings for people, advice under what was found."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "what", "found"):
        shown.add_column(column)
    for finding in findings:
        found = finding.found + (f"\n[dim]{finding.advice}[/dim]" if finding.advice else "")
        shown.add_row(f"[{_STYLES[finding.grade]}]{finding.grade.value}", finding.what, found)
    return shown
