"""What an address may ask of a world: `NAME?option=value&…`, one dataclass of options a world."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from saccade.errors import ConfigError, choices
from sim.render import RENDERERS

RATES = (1, 2, 4, 5, 10, 20, 25, 50, 100)
"""Rates of sensors in Hz: those that divide a world's tick."""


def choice(default: Any, *valid: Any) -> Any:
    """A field of options that may only be one of these."""
    return field(default=default, metadata={"valid": valid})


def rate(default: int) -> Any:
    """A field of options that is a sensor's rate in Hz."""
    return choice(default, *RATES)


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """What every world may be asked; `say` is a script of (second, instruction), after `instruction` at 0.5 s."""

    seed: int = 0
    renderer: str = choice("auto", *RENDERERS)
    seconds: float = 120.0
    instruction: str = ""
    say: tuple[tuple[float, str], ...] = ()

    @property
    def script(self) -> tuple[tuple[float, str], ...]:
        """(second, instruction) of all that is said."""
        return (*(((0.5, self.instruction),) if self.instruction else ()), *self.say)


Options = TypeVar("Options", bound=WorldOptions)


def parse_options(cls: type[Options], rest: str) -> Options:
    """The options in an address such as `hall?seed=7`; ConfigError names what is wrong and the nearest valid."""
    known = {option.name: option for option in fields(cls)}
    given: dict[str, Any] = {}
    for key, text in parse_qsl(rest.partition("?")[2], keep_blank_values=True):
        if key not in known:
            raise ConfigError(f"unknown option {key!r} in sim:{rest}: {choices(key, known)}")
        if key == "say":
            given["say"] = (*given.get("say", ()), _line(rest, text))
        elif key in given:
            raise ConfigError(f"{key} is given twice in sim:{rest}")
        else:
            option = known[key]
            given[key] = _value(rest, key, text, type(option.default), option.metadata.get("valid", ()))
    return cls(**given)


def _value(rest: str, key: str, text: str, kind: type, valid: tuple[Any, ...]) -> Any:
    if kind is str:
        if valid and text not in valid:
            raise ConfigError(f"{key}={text} in sim:{rest}: {choices(text, valid)}")
        return text
    number = _number(rest, key, text)
    if valid and number not in valid:
        raise ConfigError(f"{key}={text} in sim:{rest}: expected one of {', '.join(map(str, valid))}")
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
