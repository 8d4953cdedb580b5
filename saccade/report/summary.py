"""A run in numbers: the same recording gives the same summary, ready for JSON, with None where there is no number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from saccade.clock import MS, SEC
from saccade.geometry import F64
from saccade.report.continuity import continuity
from saccade.report.followed import followed
from saccade.report.run import Run, kind_of
from saccade.topics import topic
from saccade.types import Decision, Verdict

_HOLD_S = 0.5
"""A command counts for this long at most when no other follows: bases stop by themselves then (twist_mux)."""
_STEP_M = 0.01
"""Odometry steps shorter than this are collected first, so that a standing robot's jitter adds up to little."""
_LEVELS = ("OK", "WARN", "ERROR", "STALE")


def summarise(run: Run) -> dict[str, Any]:
    """What happened in a recorded run, as values for JSON.

    Seconds are counted from the recording's first message, on the bus' clock. Latency is the tick's stamp minus the
    capture stamp of what the gate decided on, for every tick that was not a stop.
    """
    clearances = [(v.clearance_m, v.stamp_ns) for v in run.verdicts if math.isfinite(v.clearance_m)]
    nearest_m, nearest_ns = min(clearances, default=(math.nan, run.start_ns))
    return {
        "recording": run.name,
        "start_ns": run.start_ns,
        "duration_s": _number((run.end_ns - run.start_ns) / SEC),
        "problems": run.problems,
        "instructions": [{"at_s": _since(run, ns), "text": text} for ns, text in run.instructions],
        "topics": _topics(run),
        "verdicts": _verdicts(run),
        "stops": stops(run),
        "commands": _commands(run),
        "latency_ms": _percentiles(latencies_ms(run)),
        "plans": _plans(run),
        "continuity": continuity(run),
        "path_m": _number(_path_m(run)) if run.poses else None,
        "min_clearance_m": _number(nearest_m),
        "min_clearance_at_s": _since(run, nearest_ns) if clearances else None,
        "diagnostics": [
            {
                "level": _LEVELS[min(d.level, 3)], "name": d.name, "message": d.message, "count": d.count,
                "first_s": _since(run, d.first_ns), "last_s": _since(run, d.last_ns),
            }
            for d in run.diagnostics
        ],
    }  # fmt: skip


def latencies_ms(run: Run) -> F64:
    """Camera-to-command latency of every tick that let something through, (n,) milliseconds of bus time."""
    moving = (v for v in run.verdicts if v.decision != Decision.STOP and v.obs_stamp_ns > 0)
    return np.array([(v.stamp_ns - v.obs_stamp_ns) / MS for v in moving], np.float64)


def stops(run: Run) -> list[dict[str, Any]]:
    """Stop events in order: STOP ticks without another verdict between them are one event with all its reasons."""
    events = []
    for ticks, next_ns in _stop_runs(run.verdicts):
        reasons: dict[str, str] = {}
        for reason in (part for v in ticks for part in v.reason.split("; ")):
            reasons.setdefault(kind_of(reason), reason)
        events.append(
            {
                "start_s": _since(run, ticks[0].stamp_ns), "duration_s": _number((next_ns - ticks[0].stamp_ns) / SEC),
                "ticks": len(ticks), "reason": "; ".join(reasons.values()) or "no reason given",
            }
        )  # fmt: skip
    return events


def _stop_runs(verdicts: list[Verdict]) -> Iterator[tuple[list[Verdict], int]]:
    """Each run of STOP ticks, and when the next verdict of another kind came, or the last tick."""
    ticks: list[Verdict] = []
    for verdict in verdicts:
        if verdict.decision == Decision.STOP:
            ticks.append(verdict)
        elif ticks:
            yield ticks, verdict.stamp_ns
            ticks = []
    if ticks:
        yield ticks, ticks[-1].stamp_ns


def _topics(run: Run) -> dict[str, Any]:
    out = {}
    for name, heard in sorted(run.heard.items()):
        span_s = (heard.last_ns - heard.first_ns) / SEC
        rate_hz = _number((heard.count - 1) / span_s, 3) if span_s > 0 else None
        out[name] = {"type": topic(name).type, "count": heard.count, "rate_hz": rate_hz}
    return out


def _verdicts(run: Run) -> dict[str, Any]:
    total = len(run.verdicts)
    shares = {
        decision.name.lower(): _number(sum(v.decision == decision for v in run.verdicts) / total) if total else None
        for decision in Decision
    }
    reasons: dict[str, int] = {}
    for verdict in run.verdicts:
        if verdict.reason:
            kind = kind_of(verdict.reason)
            reasons[kind] = reasons.get(kind, 0) + 1
    return {"count": total, **shares, "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))}


def _commands(run: Run) -> dict[str, Any]:
    """Distance by zero-order hold; accelerations and jerks by differences of the linear velocity.

    The step into a stop does not count: a stop is zero at once, and the base's own brake decides how it comes about.
    """
    stopped = {v.stamp_ns for v in run.verdicts if v.decision is Decision.STOP}
    values = np.array([c.values for c in run.commands], np.float64).reshape(-1, 6)
    t_s = np.array([c.stamp_ns - run.start_ns for c in run.commands], np.float64) / SEC
    speed, turn = np.linalg.norm(values[:, :3], axis=1), np.linalg.norm(values[:, 3:], axis=1)
    dt = np.diff(t_s)
    counted = np.array([c.stamp_ns not in stopped for c in run.commands], bool)[1:][dt > 0]
    accel, turn_accel = _rates(values[:, :3], t_s)[counted], _rates(values[:, 3:], t_s)[counted]
    middles = ((t_s[1:] + t_s[:-1])[dt > 0] / 2)[counted]
    jerk = np.linalg.norm(_rates(accel, middles), axis=1)
    return {
        "count": len(values),
        "distance_m": _number(float(np.sum(speed[:-1] * np.clip(dt, 0, _HOLD_S)))) if len(values) else None,
        "max_speed_mps": _largest(speed),
        "max_turn_radps": _largest(turn),
        "max_accel_mps2": _largest(np.linalg.norm(accel, axis=1)),
        "max_turn_accel_radps2": _largest(np.linalg.norm(turn_accel, axis=1)),
        "jerk_rms_mps3": _number(float(np.sqrt(np.mean(jerk**2)))) if jerk.size else None,
    }


def _rates(values: F64, t_s: F64) -> F64:
    """Differences (n - 1, d) of values (n, d) over time, without the pairs that time does not part."""
    dt = np.diff(t_s)
    rates: F64 = np.diff(values, axis=0)[dt > 0] / dt[dt > 0, None]
    return rates


def _plans(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "id": plan.id, "epoch": plan.epoch, "kind": plan.kind.name, "observed_s": _since(run, plan.obs_stamp_ns),
            "heard_s": _since(run, heard_ns), "inference_ms": _number(plan.inference_ns / MS),
            "valid_s": _number(plan.valid_for_ns / SEC), "waypoints": len(plan.waypoints),
            "confidence": _number(plan.confidence), "final": plan.final,
            "instruction": plan.instruction, "text": plan.text, **compared,
        }
        for (heard_ns, plan), compared in zip(run.plans, followed(run), strict=True)
    ]  # fmt: skip


def _path_m(run: Run) -> float:
    """Length of the odometry's way, metres."""
    length, here = 0.0, run.poses[0].T_odom_from_body.t
    for state in run.poses[1:]:
        step = float(np.linalg.norm(state.T_odom_from_body.t - here))
        if step >= _STEP_M:
            length, here = length + step, state.T_odom_from_body.t
    return length + float(np.linalg.norm(run.poses[-1].T_odom_from_body.t - here))


def _percentiles(ms: F64) -> dict[str, Any]:
    p50, p95, p99 = np.percentile(ms, [50, 95, 99]) if ms.size else (math.nan,) * 3
    return {"count": int(ms.size), "p50": _number(p50), "p95": _number(p95), "p99": _number(p99)}


def _largest(values: F64) -> float | None:
    return _number(float(np.max(values))) if values.size else None


def _since(run: Run, ns: int) -> float | None:
    return _number((ns - run.start_ns) / SEC)


def _number(value: float, digits: int = 6) -> float | None:
    """A float for JSON: rounded so that it reads well, None when it is not finite."""
    return round(float(value), digits) + 0.0 if math.isfinite(value) else None
