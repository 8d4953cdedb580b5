"""Saccade's own protocol for policies, version 1: ZeroMQ and msgpack, encrypted and authenticated beyond loopback.

A question is `{"version": 1, "ask": "act" | "reset" | "health", "left_ns": int, "observation": {...}}`, an answer
`{"version": 1}` with `answer`, arrays by name, `error` or `health`, texts; one frame each, behind a number and an empty
frame that the server hands back (`lockstep`). An array is `{"nd": dtype, "shape": [sizes], "data": bytes}`, little
endian. The server drops a question that nobody waits for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from saccade.clock import perf_ns
from vla_node.clients.base import MOST_BYTES, Array, BadAnswer, Observation, RoundTrips, ServerError, Unreachable
from vla_node.clients.deadline import Deadline
from vla_node.clients.lockstep import Lockstep
from vla_node.clients.packing import Malformed, Piece, array_of, head_of_bin, memory_of, packed, unpacked
from vla_node.policies.base import PolicyError
from vla_node.reasoners.address import tcp
from vla_node.reasoners.keys import client_keys

VERSION = 1
_BEFORE_DATA = b"\x83" + msgpack.packb("data")


def array_form(array: Array) -> tuple[Piece, ...]:
    """This protocol's map of an array."""
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    after = b"".join(map(msgpack.packb, ("nd", array.dtype.str, "shape", array.shape)))
    return _BEFORE_DATA + head_of_bin(array.nbytes), memory_of(array), after


def array_hook(entries: dict[Any, Any]) -> Any:
    """The array that a map stands for, or the map. Malformed."""
    return array_of(entries.get("data"), entries["nd"], entries.get("shape")) if "nd" in entries else entries


class ZmqClient:
    """See `PolicyClient`. `keys` is this robot's folder of keys, as `saccade serve keys` makes it."""

    def __init__(self, address: str, keys: Path | None = None, most_bytes: int = MOST_BYTES) -> None:
        """address: tcp://host:port. ConfigError for another, and for keys that cannot be used."""
        tcp(address)
        self._address, self._most = address, most_bytes
        self.trips = RoundTrips()
        self._line = Lockstep(address, self.trips, most_bytes, client_keys(keys) if keys else None)

    def infer(self, observation: Observation, timeout_ns: int) -> Mapping[str, Array]:
        """See `PolicyClient.infer`."""
        begin_ns = perf_ns()
        try:
            answer = self._asked("act", timeout_ns, observation).get("answer")
            if not isinstance(answer, dict) or not all(_numbers(value) for value in answer.values()):
                raise BadAnswer(f"{self._address}: the answer is no map of arrays of numbers")
        except PolicyError:
            self.trips.failed += 1
            raise
        self.trips.took(perf_ns() - begin_ns)
        return answer

    def reset(self, timeout_ns: int) -> None:
        """See `PolicyClient.reset`."""
        self._asked("reset", timeout_ns)

    def probe(self, timeout_ns: int) -> str:
        """See `PolicyClient.probe`."""
        return str(self._asked("health", timeout_ns).get("health", ""))[:2000]

    def close(self) -> None:
        """See `PolicyClient.close`."""
        self._line.close()

    def _asked(self, ask: str, timeout_ns: int, observation: Observation | None = None) -> dict[str, Any]:
        question = {"version": VERSION, "ask": ask, "left_ns": timeout_ns, "observation": observation or {}}
        deadline = Deadline(timeout_ns)
        message = b"".join(packed(question, array_form))
        if len(message) > self._most:
            raise PolicyError(f"{self._address}: the question has {len(message)} bytes, at most {self._most} are sent")
        try:
            reply = unpacked(self._line.ask(message, deadline), array_hook)
        except Unreachable as error:
            raise Unreachable(f"{self._address}: {error}") from None
        except Malformed as error:
            raise Unreachable(f"{self._address} answered {error}") from error
        if not isinstance(reply, dict) or reply.get("version") != VERSION:
            raise Unreachable(f"{self._address} does not speak version {VERSION} of this protocol")
        if "error" in reply:
            raise ServerError(f"{self._address}: {str(reply['error'])[:500]}")
        return reply


def _numbers(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
