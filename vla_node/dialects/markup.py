"""The two ways in which answers are written: tags, and JSON. Both are read strictly and in linear time."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from vla_node.dialects.base import SPACE, DialectError

_TAG = re.compile(r"</?(?:think|action|answer|output|plan|step|loc|obj)>")
_FENCE = re.compile(r"```(?:json)?[ \t]*\n")


def sections(text: str, *, prose: bool = False) -> dict[str, str]:
    """The contents of `<name>…</name>` by name, stripped; the text must be nothing but such sections, each name once.

    `prose` allows words before a section other than <think>, which mean nothing. DialectError: a tag that is not closed
    or not opened, inside another, repeated, or none at all, or words outside.
    """
    found: dict[str, str] = {}
    for name, inside in _pieces(text, prose):
        if name in found:
            raise DialectError(f"<{name}> comes more than once")
        found[name] = inside
    return found


def repeated(text: str, name: str) -> list[str]:
    """The contents of one or more `<name>…</name>` in a row, with nothing else around them."""
    pieces = list(_pieces(text, False))
    strange = [other for other, _ in pieces if other != name]
    if strange:
        raise DialectError(f"<{strange[0]}> where only <{name}> belongs")
    return [inside for _, inside in pieces]


def _pieces(text: str, prose: bool) -> list[tuple[str, str]]:
    """Top-level sections in order, whatever they hold; a section may hold other tags but not its own name."""
    found: list[tuple[str, str]] = []
    opened, begin, end, held = "", 0, 0, []
    for tag in _TAG.finditer(text):
        name = tag.group().strip("</>")
        closes = tag.group()[1] == "/"
        if not opened:
            if closes:
                raise DialectError(f"{tag.group()} closes nothing")
            _only_space(text[end : tag.start()], prose and name != "think")
            opened, begin = name, tag.end()
        elif not closes:
            if name == opened or name in held:
                raise DialectError(f"<{name}> inside <{name}>")
            held.append(name)
        elif held:
            if held.pop() != name:
                raise DialectError(f"{tag.group()} closes another tag")
        elif name != opened:
            raise DialectError(f"{tag.group()} inside <{opened}>, which is not closed")
        else:
            found.append((opened, text[begin : tag.start()].strip(SPACE)))
            opened, end = "", tag.end()
    if opened:
        raise DialectError(f"<{opened}> is not closed: the answer is cut off")
    _only_space(text[end:], False)
    if not found:
        raise DialectError("no tags")
    return found


def answer_in(text: str, *names: str, prose: bool = False) -> str:
    """The content of the one section that is named, beside an optional `<think>` before it, which is never read."""
    found = sections(text, prose=prose)
    if "think" in found and next(iter(found)) != "think":
        raise DialectError("<think> comes after the answer")
    thought = found.pop("think", "")
    if _TAG.search(thought):
        raise DialectError("<think> holds other tags: what was thought and what was answered cannot be told apart")
    if len(found) != 1 or next(iter(found)) not in names:
        wanted = " or ".join(f"<{name}>" for name in names)
        raise DialectError(f"expected one {wanted}, found {', '.join(f'<{name}>' for name in found) or 'none'}")
    content = next(iter(found.values()))
    if not content:
        raise DialectError(f"<{next(iter(found))}> is empty")
    return content


def _only_space(between: str, prose: bool) -> None:
    if between.strip(SPACE) and (not prose or "<" in between or ">" in between):
        raise DialectError(f"words outside the tags: {between.strip(SPACE)[:40]!r}")


def plain_json(text: str) -> Any:
    """The value of a JSON text, alone or in one ``` fence. DialectError: not JSON, NaN, a key twice, or too deep."""
    fence = _FENCE.match(text)
    if fence:
        if not text.endswith("```") or text.count("```") != 2:
            raise DialectError("the ``` fence is not closed, or there are several: the answer is cut off or repeated")
        text = text[fence.end() : -3]
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise DialectError(f"not JSON: {error}") from error


def number(value: Any, what: str, low: float, high: float) -> float:
    """`value` as a finite float from `low` to `high`; a DialectError names `what`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DialectError(f"{what} is {value!r:.40}; expected a number")
    if not low <= value <= high:
        raise DialectError(f"{what} is {value!r:.24}; expected {low:g} to {high:g}")
    return float(value)


def numbers(value: Any, what: str, count: int, low: float, high: float) -> list[float]:
    """`value` as a list of exactly `count` numbers from `low` to `high`."""
    if not isinstance(value, list) or len(value) != count:
        raise DialectError(f"{what} is {value!r:.60}; expected a list of {count} numbers")
    return [number(item, what, low, high) for item in value]


def keyed(value: Any, what: str, required: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """`value` as an object with all the required keys, and no others than the optional ones."""
    if not isinstance(value, dict):
        raise DialectError(f"{what} is {value!r:.60}; expected an object")
    missing, strange = set(required) - set(value), set(value) - {*required, *optional}
    if missing or strange:
        wrong = f"lacks {sorted(missing)}" if missing else f"has unknown keys {sorted(strange)!r:.60}"
        raise DialectError(f"{what} {wrong}")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise DialectError(f"a key comes more than once among {[key for key, _ in pairs][:8]}")
    return value


def _constant(name: str) -> Any:
    raise DialectError(f"{name} is not a number")
