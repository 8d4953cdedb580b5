"""What a part of `saccade bench map` hands back: figures for machines, tables for people, and what fell short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Table(NamedTuple):
    """Rows of text under a title; `about` says how they were measured."""

    title: str
    about: str
    columns: tuple[str, ...]
    rows: list[list[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """One part's outcome. `missed`: what was asked for and not reached; `absent`: what was not measured, and why."""

    figures: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asks for: a folder of recordings, Open3D's Python if any, metres of the long drive."""

    data: Path
    open3d: Path | None = None
    drive_m: float = 200.0


def spans(ms: Sequence[float]) -> dict[str, float]:
    """p50, p95 and the worst of these times."""
    p50, p95 = np.percentile(ms, [50, 95]).tolist()
    return {"p50": p50, "p95": p95, "worst": float(max(ms))}


def told(ms: dict[str, float]) -> list[str]:
    """The three of `spans` as text."""
    return [f"{ms[key]:.1f}" for key in ("p50", "p95", "worst")]
