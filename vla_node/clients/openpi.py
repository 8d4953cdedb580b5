"""A client of openpi's policy server: WebSocket, one binary frame of msgpack each way, no ids and no reset.

https://github.com/Physical-Intelligence/openpi, packages/openpi-client: the server speaks first and sends its metadata;
then every observation is answered with `actions` (horizon, dim); a text frame is a traceback.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from saccade.clock import MS
from saccade.errors import ConfigError
from vla_node.clients.base import MOST_BYTES, Array, BadAnswer, Observation, RoundTrips, ServerError, Unreachable
from vla_node.clients.deadline import Deadline, parsed
from vla_node.clients.packing import (
    Malformed,
    Piece,
    array_of,
    head_of_bin,
    memory_of,
    number_type,
    packed,
    size_of,
    unpacked,
)
from vla_node.clients.websocket import BINARY, CLOSE, Closed, Frames, accept_of, new_key
from vla_node.line import connected, send, trust, untrusted
from vla_node.policies.base import PolicyError
from vla_node.reasoners.secret import read_token

_BEFORE_DATA = b"\x84" + msgpack.packb(b"__ndarray__") + b"\xc3" + msgpack.packb(b"data")
_MOST_TEXT = 2000
"""Characters of a server's traceback that are passed on: the end of it, where the error stands."""


def array_form(array: Array) -> tuple[Piece, ...]:
    """openpi's map of an ndarray: bytes in C order, dtype string, shape."""
    after = b"".join(map(msgpack.packb, (b"dtype", array.dtype.str, b"shape", array.shape)))
    return _BEFORE_DATA + head_of_bin(array.nbytes), memory_of(array), after


def array_hook(entries: dict[Any, Any]) -> Any:
    """The array or numpy scalar that a map stands for, or the map. Malformed."""
    if b"__ndarray__" in entries:
        return array_of(entries.get(b"data"), entries.get(b"dtype"), entries.get(b"shape"))
    if b"__npgeneric__" in entries:
        return np.array(entries.get(b"data"), number_type(entries.get(b"dtype")))[()]
    return entries


class OpenPiClient:
    """One connection to one server, `ws://host:port` or, through TLS, `wss://host:port`; see `PolicyClient`.

    An answer that comes after its call has ended is dropped with its connection: the protocol has no ids to tell it
    by. `token_file` holds the key of the header `Authorization: Api-Key …`, `ca_file` the certificates of authorities
    that are trusted instead of the system's.
    """

    def __init__(
        self,
        address: str,
        token_file: Path | None = None,
        most_bytes: int = MOST_BYTES,
        ca_file: Path | None = None,
    ) -> None:
        url = parsed(address, "ws://127.0.0.1:8000", "ws", "wss")
        self._name, self._host, self._port = f"openpi server {address}", url.hostname or "", url.port or 0
        self._path = url.path or "/"
        self._fields = f"Authorization: Api-Key {read_token(token_file)}\r\n" if token_file else ""
        self._tls = trust(ca_file or "") if url.scheme == "wss" else None
        if ca_file and self._tls is None:
            raise ConfigError(f"ca_file {ca_file} is for wss://; {address} is not encrypted")
        self._most_bytes = most_bytes
        self._sock: socket.socket | None = None
        self._frames: Frames | None = None
        self.metadata: Mapping[str, Any] = {}
        self.trips = RoundTrips()

    def infer(self, observation: Observation, timeout_ns: int) -> Mapping[str, Array]:
        """See `PolicyClient.infer`: the arrays of the reply, `actions` (horizon, dim) finite among them."""
        deadline = Deadline(timeout_ns)
        pieces = packed(observation, array_form)
        if size_of(pieces) > self._most_bytes:
            raise PolicyError(
                f"an observation of {size_of(pieces) / 1e6:.1f} MB; at most {self._most_bytes / 1e6:.1f} are sent: "
                "make the pictures smaller"
            )
        with self._call():
            frames = self._frames
            if frames is None or not frames.quiet(deadline):
                frames = self._connect(deadline)
            frames.send(BINARY, pieces, deadline)
            try:
                reply = frames.receive(deadline)
            except (TimeoutError, Unreachable):
                self.trips.late += 1
                raise
            if isinstance(reply, str):
                raise ServerError(f"{self._name} answered with an error:\n{reply[-_MOST_TEXT:]}")
            tree = unpacked(reply, array_hook)
            deadline.left_s()
        return self.trips.judged(_arrays, tree, deadline.begun_ns)

    def reset(self, timeout_ns: int) -> None:
        """Nothing: openpi's servers keep no episode."""

    def probe(self, timeout_ns: int) -> str:
        """The server's metadata as JSON, once GET /healthz has been answered with 200."""
        deadline = Deadline(timeout_ns)
        with self._call():
            with connected(self._host, self._port, deadline, self._tls) as sock:
                frames = self._asked(sock, "/healthz", "Connection: close\r\n", deadline)
                status, _ = frames.head(deadline)
            if status.split(" ")[1:2] != ["200"]:
                raise Malformed(f"GET /healthz answered {status!r:.80}")
            if self._frames is None:
                self._connect(deadline)
        return json.dumps(self.metadata, default=str)

    def close(self) -> None:
        """See `PolicyClient.close`."""
        frames, self._frames = self._frames, None
        if frames is not None:
            with suppress(OSError, Unreachable):
                frames.send(CLOSE, [(1000).to_bytes(2, "big")], Deadline(10 * MS))
        self._hang_up()

    @contextmanager
    def _call(self) -> Iterator[None]:
        """Whatever goes wrong on the wire ends the connection, so that nothing later can be taken for an answer."""
        try:
            yield
            return
        except ServerError:  # after which the server hangs up
            self._drop()
            raise
        except Unreachable as error:
            trouble = str(error)
        except TimeoutError:
            trouble = "no answer in time"
        except ssl.SSLCertVerificationError as error:
            trouble = f"it has {untrusted(error)}"
        except Closed as error:
            trouble = f"it hung up: {error}"
        except Malformed as error:
            trouble = f"it sent {error}"
        except OSError as error:
            trouble = str(error)
        self._drop()
        raise Unreachable(f"{self._name}: {trouble}")

    def _drop(self) -> None:
        self.trips.failed += 1
        self._hang_up()

    def _hang_up(self) -> None:
        self._frames = None
        if self._sock is not None:
            self._sock.close()

    def _connect(self, deadline: Deadline) -> Frames:
        self.trips.reconnected += self._sock is not None
        self._hang_up()
        self._sock = sock = connected(self._host, self._port, deadline, self._tls)
        key = new_key()
        upgrade = (
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        )
        frames = self._asked(sock, self._path, upgrade + self._fields, deadline)
        status, fields = frames.head(deadline)
        if status.split(" ")[1:2] != ["101"]:
            raise ServerError(f"{self._name} refused the connection: {status:.200}")
        if fields.get("sec-websocket-accept") != accept_of(key) or fields.get("sec-websocket-extensions"):
            raise Malformed("no WebSocket handshake as was asked for")
        metadata = frames.receive(deadline)
        if isinstance(metadata, str):
            raise ServerError(f"{self._name} answered with an error:\n{metadata[-_MOST_TEXT:]}")
        tree = unpacked(metadata, array_hook)
        if not isinstance(tree, dict):
            raise Malformed("metadata that are no map")
        self.metadata, self._frames = tree, frames
        return frames

    def _asked(self, sock: socket.socket, path: str, fields: str, deadline: Deadline) -> Frames:
        send(sock, f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{fields}\r\n".encode(), deadline)
        return Frames(sock, masks=True, most_bytes=self._most_bytes)


def _arrays(tree: object) -> dict[str, Array]:
    """The arrays of a reply; its `actions` must be numbers (horizon, dim), all finite. BadAnswer."""
    actions = tree.get("actions") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or not isinstance(actions, np.ndarray):
        raise BadAnswer("the reply has no array 'actions'; ask the server's policy for actions (horizon, dim)")
    if actions.dtype.kind not in "fiu" or actions.ndim != 2 or not actions.size:
        raise BadAnswer(f"'actions' are {actions.dtype} {actions.shape}; expected numbers (horizon, dim)")
    if not np.isfinite(actions).all():
        raise BadAnswer("'actions' hold NaN or infinity")
    return {str(name): value for name, value in tree.items() if isinstance(value, np.ndarray)}
