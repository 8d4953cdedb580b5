"""A server that openpi's clients can ask: see vla_node/clients/openpi.py for the protocol."""

from __future__ import annotations

import hmac
import socket
import threading
from collections.abc import Mapping
from typing import Any

from saccade.clock import MS, SEC, perf_ns
from vla_node.clients.base import Unreachable
from vla_node.clients.deadline import Deadline
from vla_node.clients.openpi import array_form, array_hook
from vla_node.clients.packing import Malformed, packed, unpacked
from vla_node.clients.websocket import BINARY, CLOSE, TEXT, Closed, Frames, accept_of
from vla_node.serving.base import MOST_BYTES, Served, reason

_MOST_CLIENTS = 8
_HAND_NS, _IDLE_NS, _SEND_NS = 5 * SEC, 3600 * SEC, 10 * SEC
_OK = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nOK\n"
_REFUSED = "HTTP/1.1 {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_INTERNAL_ERROR = (1011).to_bytes(2, "big")


class OpenPiServer:
    """Binds at once and serves in `run`: a thread a client, at most 8 clients, one answer at a time.

    With a `key`, a client must send it as `Authorization: Api-Key …`.
    """

    def __init__(self, served: Served, host: str, port: int, key: str = "", most_bytes: int = MOST_BYTES) -> None:
        self._served, self._most_bytes = served, most_bytes
        self._authorization = f"Api-Key {key}" if key else ""
        self._turn, self._clients = threading.Lock(), set[socket.socket]()
        self._listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = int(self._listening.getsockname()[1])

    def run(self, stop: threading.Event) -> None:
        """Serve until told to stop; then hang up on everyone."""
        self._listening.settimeout(0.1)
        with self._listening:
            while not stop.is_set():
                try:
                    sock, _ = self._listening.accept()
                except TimeoutError:
                    continue
                if len(self._clients) >= _MOST_CLIENTS:
                    sock.close()
                    continue
                self._clients.add(sock)
                threading.Thread(target=self._serve, args=(sock,), name="openpi client", daemon=True).start()
        for sock in list(self._clients):
            sock.close()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            frames = Frames(sock, masks=False, most_bytes=self._most_bytes)
            if self._welcomed(sock, frames):
                frames.send(BINARY, packed(self._served.metadata, array_form), Deadline(_SEND_NS))
                self._converse(frames)
        except (Closed, Malformed, OSError, Unreachable):
            pass  # a client that is gone, or does not speak the protocol, is none
        finally:
            self._clients.discard(sock)
            sock.close()

    def _welcomed(self, sock: socket.socket, frames: Frames) -> bool:
        """Whether a client asked for a WebSocket and may have one; anyone else is answered here."""
        first, fields = frames.head(Deadline(_HAND_NS))
        key = fields.get("sec-websocket-key", "")
        if first.startswith("GET /healthz "):
            reply = _OK
        elif not hmac.compare_digest(fields.get("authorization", "").encode(), self._authorization.encode()) and (
            self._authorization
        ):
            reply = _REFUSED.format("401 Unauthorized")
        elif not first.startswith("GET ") or fields.get("upgrade", "").lower() != "websocket" or not key:
            reply = _REFUSED.format("426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13")
        else:
            reply = (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept_of(key)}\r\n\r\n"
            )
        sock.settimeout(_HAND_NS / SEC)
        sock.sendall(reply.encode())
        return " 101 " in reply

    def _converse(self, frames: Frames) -> None:
        before: float | None = None
        while True:
            message = frames.receive(Deadline(_IDLE_NS))
            begun_ns = perf_ns()
            try:
                reply = self._answered(message, before)
            except Exception as error:  # a policy may raise anything; the client is told, as openpi's server does
                frames.send(TEXT, [reason(error).encode()], Deadline(_SEND_NS))
                frames.send(CLOSE, [_INTERNAL_ERROR], Deadline(_SEND_NS))
                return
            frames.send(BINARY, packed(reply, array_form), Deadline(_SEND_NS))
            before = (perf_ns() - begun_ns) / MS

    def _answered(self, message: bytearray | str, before: float | None) -> Mapping[str, Any]:
        observation = message if isinstance(message, str) else unpacked(message, array_hook)
        if not isinstance(observation, dict):
            raise Malformed("an observation that is no map in a binary frame")
        with self._turn:
            begun_ns = perf_ns()
            reply = dict(self._served.answer(observation))
        timing = {"infer_ms": (perf_ns() - begun_ns) / MS} | ({} if before is None else {"prev_total_ms": before})
        return {**reply, "server_timing": timing}
