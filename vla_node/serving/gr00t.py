"""A server that GR00T's clients can ask, N1.5 to N1.7: see vla_node/clients/gr00t.py for the protocol."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from typing import Any

import zmq

from vla_node.clients.gr00t import array_form, array_hook
from vla_node.clients.packing import Malformed, packed, unpacked
from vla_node.serving.base import MOST_BYTES, Served, reason


class Gr00tServer:
    """Binds at once and serves in `run`, one question at a time. With a `token`, a client must send it.

    Rows (T, D) become (1, T, D) for N1.6 and later.

    The endpoint `kill`, with which anyone could stop the server, is answered with an error.
    """

    def __init__(self, served: Served, host: str, port: int, token: str = "", most_bytes: int = MOST_BYTES) -> None:
        self._served, self._token = served, token
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.IPV6, int(":" in host))
        self._socket.setsockopt(zmq.MAXMSGSIZE, most_bytes)
        try:
            self._socket.bind(f"tcp://{f'[{host}]' if ':' in host else host}:{port or '*'}")
        except zmq.ZMQError as error:
            self._context.destroy()
            raise OSError(error.errno, str(error)) from error
        self.port = int(self._socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])

    def run(self, stop: threading.Event) -> None:
        """Serve until told to stop; then hang up on everyone."""
        try:
            while not stop.is_set():
                if self._socket.poll(100):
                    self._socket.send_multipart([self._reply(self._socket.recv(copy=False).buffer)])
        finally:
            self._context.destroy()

    def _reply(self, message: memoryview) -> bytes:
        """A reply to whatever came: a REP socket that does not answer never hears anything again."""
        try:
            question = unpacked(message, array_hook)
            if not isinstance(question, dict):
                raise Malformed("a question that is no map")
            if self._token and not hmac.compare_digest(str(question.get("api_token")).encode(), self._token.encode()):
                raise PermissionError("Unauthorized: Invalid API token")
            reply: object = self._answered(question.get("endpoint", "get_action"), question.get("data"))
            return b"".join(packed(reply, array_form))
        except Exception as error:  # a policy may raise anything; the client is told, as GR00T's server does
            return b"".join(packed({"error": reason(error)}, array_form))

    def _answered(self, endpoint: object, data: object) -> object:
        if endpoint == "ping":
            return {"status": "ok", "message": "Server is running"}
        if endpoint == "reset":
            self._served.reset()
            return {}
        if endpoint == "get_modality_config":
            return self._served.metadata.get("modality_config", {})
        if endpoint != "get_action":
            raise ValueError(f"Unknown endpoint: {endpoint}")
        if not isinstance(data, Mapping):
            raise Malformed("get_action without data")
        observation: Any = data.get("observation", data)
        if not isinstance(observation, Mapping):
            raise Malformed("an observation that is no map")
        action = self._served.answer(observation)
        if "observation" not in data:
            return dict(action)
        return [{key: array[None] if array.ndim == 2 else array for key, array in action.items()}, {}]
