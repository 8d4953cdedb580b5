"""`sim:` addresses: `hall?seed=7&seconds=60&instruction=go to the red box`, worlds behind a bus on virtual time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import parse_qsl

from saccade.errors import ConfigError, choices
from saccade.wire.virtual import VirtualBus
from sim.hall import HallOptions, HallSource
from sim.render import RENDERERS

WORLDS = ("hall",)
_WORDS = {"renderer": RENDERERS, "right": ("mono", "rgb")}
_RATES = (1, 2, 4, 5, 10, 20, 25, 50, 100)


def open_sim(
    rest: str,
    reads: frozenset[str],
    writes: frozenset[str],
    *,
    latency_ns: Mapping[str, int] | None,
    pace: float | None,
) -> VirtualBus:
    """The bus of `sim:<rest>`; only topics in `reads` are simulated, or all of them when it is empty."""
    return VirtualBus(open_world(rest, reads), latency_ns=latency_ns, pace=pace)


def open_world(rest: str, reads: frozenset[str] = frozenset()) -> HallSource:
    """The source behind an address such as `hall?seed=7`; ConfigError names what is wrong and the nearest valid."""
    return HallSource(world_options(rest), reads)


def world_options(rest: str) -> HallOptions:
    """What an address such as `hall?seed=7` asks for; ConfigError names what is wrong and the nearest valid."""
    world, _, query = rest.partition("?")
    if world not in WORLDS:
        raise ConfigError(f"no world {world!r} in sim:{rest}: {choices(world, WORLDS)}")
    return _options(rest, query)


def _options(rest: str, query: str) -> HallOptions:
    types = {field.name: type(field.default) for field in fields(HallOptions)}
    given: dict[str, Any] = {}
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in types:
            raise ConfigError(f"unknown option {key!r} in sim:{rest}: {choices(key, types)}")
        if key == "say":
            given["say"] = (*given.get("say", ()), _line(rest, text))
        elif key in given:
            raise ConfigError(f"{key} is given twice in sim:{rest}")
        else:
            given[key] = _value(rest, key, text, types[key])
    return HallOptions(**given)


def _value(rest: str, key: str, text: str, kind: type) -> Any:
    if key in _WORDS and text not in _WORDS[key]:
        raise ConfigError(f"{key}={text} in sim:{rest}: {choices(text, _WORDS[key])}")
    if kind is str:
        return text
    number = _number(rest, key, text)
    if key.endswith("_hz") and number not in _RATES:
        raise ConfigError(f"{key}={text} in sim:{rest}: expected one of {', '.join(map(str, _RATES))}")
    if kind is int and not (number.is_integer() and number >= 0):
        raise ConfigError(f"{key}={text} in sim:{rest}: expected a whole number, 0 or more")
    return kind(number)


def _number(rest: str, key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ConfigError(f"{key}={text} in sim:{rest}: expected a number, 0 or more")
    return number


def _line(rest: str, text: str) -> tuple[float, str]:
    """One line of the script, `SECONDS:TEXT`; an empty text tells the robot to stop."""
    second, colon, words = text.partition(":")
    if not colon:
        raise ConfigError(f"say={text} in sim:{rest}: expected SECONDS:TEXT, for example say=20:come back")
    return _number(rest, "say", second), words
