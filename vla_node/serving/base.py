"""What a server needs of whatever answers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from saccade.wire.convert import utf8
from vla_node.clients.base import Array

MOST_BYTES = 64 * 1024 * 1024
"""A question larger than this is refused."""


class Served(Protocol):
    """Answers observations, one at a time."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What a client may want to know beforehand: texts, numbers, lists and maps of them."""

    def answer(self, observation: Mapping[str, Any]) -> Mapping[str, Array]:
        """Arrays by name; what it raises is told to the client as the error."""

    def reset(self) -> None:
        """Forget the episode."""


class Server(Protocol):
    """One end of a protocol. It is bound when it is made."""

    def run(self, stop: threading.Event) -> None:
        """Serve until told to stop; then hang up on everyone."""


def reason(error: Exception) -> str:
    """An error as a client is told it: what, not where in the code."""
    return utf8(f"{type(error).__name__}: {error}"[:2000])
