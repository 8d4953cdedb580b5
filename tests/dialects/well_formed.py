"""What a well-formed answer that moves the robot looks like, written down a second time and without the parsers.

Each function says whether a whole text may move the robot, by one regular expression or by the JSON library's values.
They are about form and range, not about depth: a text that they allow may still be refused for what is in the picture.
"""

from __future__ import annotations

import json
import math
import re

_TAG = r"</?(?:think|action|answer|output|plan|step|loc|obj)>"
_FREE = rf"(?:(?!{_TAG}).)*"
_THINK = rf"(?:\s*<think>{_FREE}</think>)?\s*"
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_FLAGS = re.DOTALL | re.IGNORECASE
_TURNS = r"turn\s+(?:left|right)\s+"


def nav_r1(text: str) -> bool:
    step = rf"\s*(?:move\s+forward\s+0*25\s*cm|{_TURNS}0*30\s*(?:°|degrees?)|stop)\s*"
    return _tagged(rf"{step}(?:[,;\n]{step})*\.?\s*", "action|answer", text)


def navila(text: str) -> bool:
    return bool(re.fullmatch(rf"\s*(?:the\s+next\s+action\s+is\s+)?{_NAVILA}\.?\s*", text, _FLAGS))


_NAVILA = rf"(?:move\s+forward\s+[0-9]{{1,4}}\s*cm|{_TURNS}[0-9]{{1,4}}\s*(?:°|degrees?)|stop)"


def mobilevla_r1(text: str) -> bool:
    if _tagged(rf"\s*(?:the\s+next\s+action\s+is\s+)?{_NAVILA}\.?\s*", "answer", text):
        return True
    body = re.fullmatch(rf"{_THINK}<answer>({_FREE})</answer>\s*", text, _FLAGS)
    value = _json(body[1]) if body else None
    if isinstance(value, dict):
        right = value.keys() == {"velocity", "action"} and value["action"] in ("go forward", "turn left", "turn right")
        return right and _numbers(value["velocity"], 3, 10)
    return _numbers(value, 12, 10)


def dualvln(text: str) -> bool:
    pixel = r"[0-9]{1,4}(?: *, *| +)[0-9]{1,4}|\[ *[0-9]{1,4} *, *[0-9]{1,4} *\]"
    if re.fullmatch(rf"\s*(?:{pixel}|[↑←→][↑←→\s]*)\s*", text):
        return True
    value = _json(text)
    if not isinstance(value, dict) or value.keys() != {"latents"}:
        return False
    rows = value["latents"]
    return isinstance(rows, list) and len(rows) == 4 and all(_numbers(row, len(rows[0]), 1e6) for row in rows)


def vla_r1(text: str) -> bool:
    body = re.fullmatch(rf"{_THINK}{_FREE}<output>({_FREE})</output>\s*", text, _FLAGS)
    value = _json(body[1]) if body else None
    if isinstance(value, dict):
        sides = ["x", "y", "width", "height"]
        return sorted(value) == sorted(sides) and _numbers([value[side] for side in sides], 4, 1, 0)
    return isinstance(value, list) and 0 < len(value) <= 32 and all(_numbers(pair, 2, 1, 0) for pair in value)


def gemini_er(text: str) -> bool:
    value = _json(text)
    return (
        isinstance(value, list)
        and 0 < len(value) <= 32
        and all(isinstance(item, dict) and item.keys() == {"point", "label"} for item in value)
        and all(_numbers(item["point"], 2, 1000, 0) and isinstance(item["label"], str) for item in value)
        and (len(value) == 1 or [item["label"] for item in value] == [str(i) for i in range(len(value))])
    )


def r1_3d(text: str) -> bool:
    def listed(count: int) -> str:
        return rf"\s*{_NUMBER}\s*" + rf",\s*{_NUMBER}\s*" * (count - 1)

    place = rf"(?:<loc>{listed(2)}</loc>|<obj>{listed(6)}</obj>|box: *\[{listed(6)}\])"
    step = rf"\s*<step>\s*[^<>\[\]]*{place}\.?\s*</step>\s*"
    return _tagged(rf"\s*<plan>(?:{step}){{1,32}}</plan>\s*", "answer", text)


def waypoints(text: str) -> bool:
    value = _json(text)
    if not isinstance(value, dict) or not isinstance(value.get("reason", ""), str):
        return False
    rest = {key: item for key, item in value.items() if key != "reason"}
    if rest.keys() == {"action", "points"} and rest["action"] == "waypoints":
        points = rest["points"]
        return isinstance(points, list) and 0 < len(points) <= 32 and all(_numbers(point, 2, 10) for point in points)
    if rest.keys() == {"action", "pixel"} and rest["action"] == "point":
        return _numbers(rest["pixel"], 2, 1000, 0)
    return rest.keys() == {"action", "degrees"} and rest["action"] == "turn" and _numbers([rest["degrees"]], 1, 180)


def _tagged(body: str, tags: str, text: str) -> bool:
    return bool(re.fullmatch(rf"{_THINK}<({tags})>{body}</\1>\s*", text, _FLAGS))


def _json(text: str) -> object:
    """The value of a JSON text, in at most one fence; None for none, and where an object says something twice."""
    fenced = re.fullmatch(r"\s*```(?:json)?[ \t]*\n(.*)```\s*", text, re.DOTALL)
    bare = fenced[1] if fenced else text
    if "```" in bare:
        return None
    try:
        return json.loads(
            bare, object_pairs_hook=lambda pairs: dict(pairs) if len({*dict(pairs)}) == len(pairs) else None
        )
    except (ValueError, RecursionError):
        return None


def _numbers(value: object, count: int, high: float, low: float | None = None) -> bool:
    if not isinstance(value, list) or len(value) != count:
        return False
    if any(isinstance(item, bool) or not isinstance(item, int | float) for item in value):
        return False
    return all(math.isfinite(item) and (-high if low is None else low) <= item <= high for item in value)
