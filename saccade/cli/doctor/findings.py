"""What a check of `saccade doctor` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from saccade.cli.doctor.host import Host


class Grade(str, Enum):
    """How a finding counts."""

    OK = "OK"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `advice` is what to do, empty when there is nothing to do."""

    grade: Grade
    what: str
    found: str
    advice: str = ""


Check = Callable[[Host], Iterator[Finding]]


def finding(well: bool, otherwise: Grade, what: str, found: str, advice: str) -> Finding:
    """OK without advice where all is well, else graded as told."""
    return Finding(Grade.OK if well else otherwise, what, found, "" if well else advice)


def examine(check: Check, host: Host) -> list[Finding]:
    """All that a check finds; that it failed itself is one more finding, and what it had found until then is kept."""
    found: list[Finding] = []
    try:
        found.extend(check(host))
    except Exception as error:  # whatever a machine answers, the other checks have to run
        said = f"this check failed: {type(error).__name__}: {error}"
        name = check.__name__.replace("_", " ")
        found.append(Finding(Grade.WARN, name, said, "please report it, with the output of saccade doctor --json"))
    return found
