"""A line on the terminal while a bench of errands plays: how many are over, and of each variant how many went well."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from saccade.cli.progress import Shown


class Tally(Shown):
    """Called with each episode that is over. Nothing is shown where nobody looks."""

    def __init__(self, variants: Iterable[str], total: int, shown: bool | None = None) -> None:
        self._counts = {name: [0, 0] for name in variants}
        layout = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
        off = not (sys.stderr.isatty() if shown is None else shown)
        self._progress = Progress(*layout, console=Console(stderr=True), disable=off)
        self._task = self._progress.add_task("", total=total)

    def __call__(self, variant: str, success: bool) -> None:
        """Count one more."""
        won_of = self._counts[variant]
        won_of[0] += success
        won_of[1] += 1
        self._progress.update(self._task, advance=1, description=self.text)

    @property
    def text(self) -> str:
        """Successes of episodes by variant."""
        return ", ".join(f"{name} {won} of {of}" for name, (won, of) in self._counts.items())
