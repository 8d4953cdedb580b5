"""A server of Saccade's own protocol for policies: the other end of `vla_node.clients.own_zmq`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import zmq

from saccade.clock import perf_ns
from vla_node.clients.own_zmq import VERSION, array_form, array_hook
from vla_node.clients.packing import Malformed, packed, unpacked
from vla_node.serving.base import MOST_BYTES, Served, reason
from vla_node.serving.curve import guarded

_OPTIONS = {
    zmq.LINGER: 0, zmq.SNDHWM: 4, zmq.RCVHWM: 4, zmq.HEARTBEAT_IVL: 1000, zmq.HEARTBEAT_TIMEOUT: 3000,
}  # fmt: skip
_LOOK_MS = 50


class PolicyZmqServer:
    """Binds at once and serves in `run`, one question at a time; of each client only the newest waits.

    `keys` is a server's folder of keys; without, it can only be reached from this machine.
    """

    def __init__(self, served: Served, bind: str, keys: Path | None = None, most_bytes: int = MOST_BYTES) -> None:
        self._served = served
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        for option, value in (_OPTIONS | {zmq.MAXMSGSIZE: most_bytes}).items():
            self._router.setsockopt(option, value)
        self._router.setsockopt(zmq.IPV6, int("[" in bind))
        try:
            self._guard = guarded(self._context, self._router, bind, keys)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self.address = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        """Where it listens."""

    def run(self, stop: threading.Event) -> None:
        """Serve until told to stop; then hang up on everyone."""
        waiting: dict[bytes, tuple[list[bytes], int]] = {}
        try:
            while not stop.is_set():
                while self._router.poll(0 if waiting else _LOOK_MS):
                    client, *frames = self._router.recv_multipart()
                    waiting[client] = frames, perf_ns()
                if waiting:
                    client = next(iter(waiting))
                    self._serve(client, *waiting.pop(client))
        finally:
            self.close()

    def close(self) -> None:
        """Stop listening, where `run` has not begun; closing twice is allowed."""
        if self._guard is not None:
            self._guard.stop()
            self._guard = None
        self._context.destroy(linger=0)

    def _serve(self, client: bytes, frames: list[bytes], came_ns: int) -> None:
        if len(frames) != 3 or len(frames[0]) != 8 or frames[1]:
            return  # it cannot be told to whom an answer would be
        reply = self._reply(frames[2], came_ns)
        if reply is not None:
            self._router.send_multipart([client, *frames[:2], reply])

    def _reply(self, message: bytes, came_ns: int) -> bytes | None:
        """What is answered; None where nobody waits for it any more."""
        try:
            question = unpacked(message, array_hook)
            if not isinstance(question, dict) or question.get("version") != VERSION:
                raise Malformed(f"a question that is not of version {VERSION} of this protocol")
            left_ns = question.get("left_ns")
            if type(left_ns) is not int or perf_ns() - came_ns > left_ns:
                return None
            return _packed(self._answered(question.get("ask"), question.get("observation")))
        except Exception as error:  # a policy may raise anything; the client is told, and the server goes on
            return _packed({"error": reason(error)})

    def _answered(self, ask: object, observation: object) -> dict[str, Any]:
        if ask == "health":
            return {"health": f"{dict(self._served.metadata)}"}
        if ask == "reset":
            self._served.reset()
            return {}
        if ask != "act" or not isinstance(observation, dict):
            raise Malformed(f"it is asked {ask!r:.40}; valid are act with an observation, reset, health")
        return {"answer": dict(self._served.answer(observation))}


def _packed(reply: dict[str, Any]) -> bytes:
    return b"".join(packed({"version": VERSION, **reply}, array_form))
