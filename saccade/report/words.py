"""The outcome of a run in a few sentences, for the head of the report and the terminal."""

from __future__ import annotations

from typing import Any


def outcome(summary: dict[str, Any]) -> str:
    """What was asked and what happened; says what is missing where there is nothing to tell."""
    return " ".join(part for part in (_asked(summary), _moved(summary), _judged(summary), _episode(summary)) if part)


def number(value: float | None, unit: str, digits: int = 1) -> str:
    """A number with its unit, or a dash."""
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f} {unit}".rstrip()


def share(value: float | None) -> str:
    """A share as per cent; never 0 % or 100 % unless it is exactly that."""
    if value is None:
        return "–"
    percent = value * 100
    if 0 < percent < 0.1 or 99.9 < percent < 100:
        return "< 0.1 %" if percent < 50 else "> 99.9 %"
    return f"{percent:.1f} %".replace(".0 %", " %")


def _asked(summary: dict[str, Any]) -> str:
    texts = [entry["text"] for entry in summary["instructions"] if entry["text"]]
    texts = texts or list(dict.fromkeys(plan["instruction"] for plan in summary["plans"] if plan["instruction"]))
    if not texts:
        return "The robot was told nothing."
    return "The robot was told " + ", then ".join(f"“{text}”" for text in texts) + "."


def _moved(summary: dict[str, Any]) -> str:
    if not summary["duration_s"]:
        return "The recording holds no time." if summary["topics"] else "The recording is empty."
    commanded, path = summary["commands"]["distance_m"], summary["path_m"]
    joints = summary["topics"].get("joint_trajectory")
    none = f"given {joints['count']} positions for its joints" if joints else "not commanded at all"
    parts = [none if commanded is None else f"commanded {commanded:.2f} m"]
    if path is not None:
        parts.append(f"travelled {path:.2f} m by odometry")
    return f"In {summary['duration_s']:.1f} s it was {' and '.join(parts)}."


def _judged(summary: dict[str, Any]) -> str:
    verdicts, stops = summary["verdicts"], summary["stops"]
    if not verdicts["count"]:
        return "No gate ran: there is no verdict."
    if verdicts["stop"] == 1:
        return f"The gate never let it move: {stops[0]['reason']}."
    text = f"The gate passed {share(verdicts['pass'])} of {verdicts['count']} ticks unchanged"
    text += f" and limited {share(verdicts['limited'])}" if verdicts["limited"] else ""
    if not stops:
        return f"{text}; it never stopped the robot."
    longest = max(stops, key=lambda stop: stop["duration_s"])
    times = "once" if len(stops) == 1 else f"{len(stops)} times"
    which = "for" if len(stops) == 1 else "the longest for"
    return f"{text}; it stopped the robot {times}, {which} {longest['duration_s']:.2f} s ({longest['reason']})."


def _episode(summary: dict[str, Any]) -> str:
    told = summary.get("episode", {}).get("outcome")
    return f"Its last answer: {told}." if told else ""
