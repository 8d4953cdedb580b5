"""What a body was last told, and for how long that holds: a watchdog in front of every low-level controller."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np

from saccade.clock import MS
from saccade.errors import DataError
from saccade.geometry import F64
from saccade.wire.commands import decode_twist
from saccade.wire.convert import decode_command

WATCHDOG_NS = 500 * MS
TWISTS = frozenset({"cmd_vel", "cmd_vel_unstamped"})
V = TypeVar("V")


class Standing(Generic[V]):
    """The newest command, in force for half a second; before the first and after that, `rest`."""

    def __init__(self, rest: V) -> None:
        self._rest, self._value = rest, rest
        self._until_ns = 0

    def put(self, value: V, now_ns: int) -> None:
        """A new command."""
        self._value, self._until_ns = value, now_ns + WATCHDOG_NS

    def at(self, now_ns: int) -> V:
        """What is in force."""
        return self._value if now_ns < self._until_ns else self._rest


def twist(topic: str, cdr: bytes | memoryview, now_ns: int) -> F64 | None:
    """The velocities (6,) in m/s and rad/s that a message asks for; None where it is none, or cannot be decoded."""
    if topic not in TWISTS:
        return None
    try:
        values = (decode_command(cdr) if topic == "cmd_vel" else decode_twist(cdr, now_ns)).values
    except DataError:
        return None
    return np.asarray(values, np.float64)
