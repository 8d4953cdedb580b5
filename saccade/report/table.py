"""The key figures of a run for the terminal, in plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saccade.report.words import number, outcome, share

_WIDTH = 100
_STAGES_SHOWN = 4
_PROBLEMS_SHOWN = 3


def result_table(
    summary: dict[str, Any],
    stages: dict[str, dict[str, dict[str, float]]],
    files: Sequence[Path],
    try_next: Sequence[str] = (),
) -> str:
    """The outcome in words, key figures, the slowest stages of each node, the files written, and what to try next."""
    rows = [*_figures(summary), *_stages(stages), *_problems(summary)]
    rows += _listed("written", [str(path) for path in files]) + _listed("try next", try_next)
    width = max(len(name) for name, _ in rows)
    told = textwrap.wrap(outcome(summary), _WIDTH)
    return "\n".join([*told, "", *(f"  {name:<{width}}  {value}" for name, value in rows)])


def _figures(summary: dict[str, Any]) -> list[tuple[str, str]]:
    verdicts, latency, commands = summary["verdicts"], summary["latency_ms"], summary["commands"]
    waited = summary["continuity"]
    shares = ", ".join(f"{name} {share(verdicts[name])}" for name in ("pass", "limited", "stop"))
    rows = [
        ("verdicts", f"{shares} of {verdicts['count']} ticks; {len(summary['stops'])} stops"),
        (
            "camera to command",
            "p50 {}, p95 {}, p99 {} ms (bus time)".format(*(number(latency[p], "") for p in ("p50", "p95", "p99"))),
        ),
        (
            "motion",
            f"at most {number(commands['max_speed_mps'], 'm/s', 2)}, {number(commands['max_accel_mps2'], 'm/s²', 2)}; "
            f"jerk {number(commands['jerk_rms_mps3'], 'm/s³ RMS', 2)}",
        ),
        ("smallest clearance", number(summary["min_clearance_m"], "m", 2)),
        ("plans", f"{len(summary['plans'])}"),
    ]
    if waited["waiting_ratio"] is not None:
        told = f"{share(waited['waiting_ratio'])} of {number(waited['mission_s'], 's')} under a plan; longest "
        rows.append(
            ("waited for actions", f"{told}{number(waited['visible_gap_s'], 's', 2)}, {waited['pauses']} > 0.5 s")
        )
    timing = summary.get("timing", {})
    if timing.get("times_real_time"):
        rows.append(("ran in", f"{timing['wall_s']:.1f} s, {timing['times_real_time']:.1f} x real time"))
    return rows


def _stages(stages: dict[str, dict[str, dict[str, float]]]) -> list[tuple[str, str]]:
    rows = []
    for node, by_stage in stages.items():
        slowest = sorted(by_stage.items(), key=lambda item: -item[1]["total_ms"])[:_STAGES_SHOWN]
        if slowest:
            times = ", ".join(f"{name} {s['p50_ms']:.2f} / {s['p99_ms']:.2f}" for name, s in slowest)
            rows.append((f"{node}, p50 / p99 ms", times))
    return rows


def _problems(summary: dict[str, Any]) -> list[tuple[str, str]]:
    worst = [f"{d['level']} {d['name']}: {d['message']} (×{d['count']})" for d in summary["diagnostics"]]
    found = [*summary["problems"], *worst]
    more = [f"and {len(found) - _PROBLEMS_SHOWN} more, see the report"] if len(found) > _PROBLEMS_SHOWN else []
    return _listed("problems", [*found[:_PROBLEMS_SHOWN], *more])


def _listed(name: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    """One row a line, the first with the name."""
    return [("" if i else name, line) for i, line in enumerate(lines)]
