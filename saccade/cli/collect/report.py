"""What came of a collection, as tables on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table


def table(summary: dict[str, Any]) -> Group:
    """Stages by kind, and how far each verifier agrees with the truth."""
    stages = Table(title=f"{summary['episodes']} episodes, {summary['done']} done, {summary['failed']} failed")
    for column in ("stage", "tried", f"kept, by {summary['by']}"):
        stages.add_column(column, justify="left" if column == "stage" else "right")
    for kind, counts in summary["stages"].items():
        stages.add_row(kind, str(counts["all"]), str(counts["kept"]))
    return Group(stages, *(_agreement(name, kinds) for name, kinds in summary["agreement"].items() if kinds))


def _agreement(name: str, kinds: dict[str, dict[str, Any]]) -> Table:
    out = Table(title=f"{name} against the truth")
    heads = ("stage", "both good", "both bad", "wrongly good", "wrongly bad", "unknown", "agree")
    for head in heads:
        out.add_column(head, justify="left" if head == "stage" else "right")
    for kind, row in kinds.items():
        agree = "" if row["agree"] is None else f"{row['agree']:.0%}"
        counts = (row["both_good"], row["both_bad"], row["wrongly_good"], row["wrongly_bad"], row["unknown"])
        out.add_row(kind, *map(str, counts), agree)
    return out
