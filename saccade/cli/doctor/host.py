"""The machine as the checks of `saccade doctor` see it: files, commands, packages. Tests put another one there."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_LINGER_S = 2.0
"""What a killed command has to end in; one that hangs in a driver cannot be killed at all, and is left behind."""


class Answer(NamedTuple):
    """What a command said; `well` is whether it ended with 0, `found` whether there is such a command."""

    well: bool
    out: str
    error: str = ""
    found: bool = True

    @property
    def last(self) -> str:
        """The last line that counts: of what it said, or of its complaint."""
        lines = (self.out if self.well else self.error or self.out).strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"


def run_command(command: Sequence[str], timeout_s: float) -> Answer:
    """Run a command in a process group of its own, for at most so long; it is ended with its children.

    A command that does not exist, fails, or does not end is an answer, never an exception.
    """
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="replace", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Answer(False, "", f"{command[0]}: {error.strerror}", found=False)
    try:
        out, err = process.communicate(timeout=timeout_s)
        return Answer(process.returncode == 0, out, err or f"exit code {process.returncode}")
    except subprocess.TimeoutExpired:
        _end(process)
        return Answer(False, "", f"no answer in {timeout_s:g} s")


def _end(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=_LINGER_S)
    except (OSError, subprocess.TimeoutExpired):
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def installed() -> dict[str, str]:
    """Version of each Python package that this interpreter sees, by its normalised name (PEP 503)."""
    found: dict[str, str] = {}
    for package in importlib.metadata.distributions():
        name = package.metadata["Name"]
        if name:  # the first on the path is the one that is imported
            found.setdefault(name.lower().replace("_", "-"), package.version)
    return found


@dataclass(frozen=True, eq=False, slots=True)
class Host:
    """Where the checks look. `root` is put before every path of the system."""

    root: Path = Path("/")
    run: Callable[[Sequence[str], float], Answer] = run_command
    packages: Callable[[], Mapping[str, str]] = installed
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    machine: str = platform.machine()
    python: tuple[int, int] = sys.version_info[:2]

    def path(self, path: str) -> Path:
        """A path of the system, as "etc/hosts"."""
        return self.root / path

    def text(self, path: str) -> str:
        """The content of a file of the system; empty where it cannot be read."""
        try:
            return self.path(path).read_bytes().decode(errors="replace").strip("\0\n ")
        except OSError:
            return ""

    def paths(self, pattern: str) -> list[Path]:
        """Files and folders of the system that match, in order."""
        return sorted(self.root.glob(pattern))

    def tell(self, *command: str, timeout_s: float = 10.0) -> Answer:
        """What a command says."""
        return self.run(command, timeout_s)

    def ask(self, script: str, *args: str, timeout_s: float = 30.0) -> tuple[bool, str]:
        """(whether it ended well, its last line) of a Python script in a process of its own: it may crash or hang."""
        answer = self.run((sys.executable, "-c", script, *args), timeout_s)
        return answer.well, answer.last
