"""WebSocket messages on a connected socket, for either end: RFC 6455 without extensions.

Written here, not taken from a library, because of three promises that those at hand do not keep: every wait ends by the
call's deadline, a message is bounded before memory is found for it, and an array goes from its own memory, masked, to
the kernel in one pass (docs/fast_in_slow.md has the measurement).
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
from contextlib import suppress

import numpy as np

from vla_node.clients.deadline import Deadline
from vla_node.clients.packing import Malformed, Piece, size_of
from vla_node.line import receive_into, send

TEXT, BINARY, CLOSE = 0x1, 0x2, 0x8
_CONTINUATION, _PING, _PONG = 0x0, 0x9, 0xA
_MOST_HEAD = 16 * 1024
_AT_ONCE = 128 * 1024
"""Bytes masked and handed to the kernel at a time: small enough for the cache, and the peer reads what came before."""
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Closed(Exception):
    """The other end hung up; the text says with which words."""


class Frames:
    """One end of a connection; a client `masks` what it sends, and a server does not (RFC 6455, 5.1)."""

    def __init__(self, sock: socket.socket, masks: bool, most_bytes: int) -> None:
        self._sock, self._masks, self._most_bytes = sock, masks, most_bytes
        self._ahead = b""
        self._masked = np.empty(_AT_ONCE if masks else 0, np.uint8)

    def send(self, opcode: int, pieces: list[Piece], deadline: Deadline) -> None:
        """One message in one frame. OSError, Unreachable."""
        size = size_of(pieces)
        head = bytes([0x80 | opcode]) + _length(size, 0x80 if self._masks else 0)
        if self._masks:
            self._send_masked(head, pieces, deadline)
        elif size < _AT_ONCE:
            send(self._sock, b"".join((head, *pieces)), deadline)
        else:
            for piece in (head, *pieces):
                send(self._sock, piece, deadline)

    def receive(self, deadline: Deadline) -> bytearray | str:
        """The next message; pings are answered on the way. Malformed, Closed, OSError, Unreachable."""
        message, kind = bytearray(), _CONTINUATION
        while True:
            deadline.left_s()  # also where many small frames have come at once
            opcode, last, data = self._frame(len(message), deadline)
            if opcode == _PING:
                self.send(_PONG, [bytes(data)], deadline)
            elif opcode == CLOSE:
                raise Closed(f"code {int.from_bytes(data[:2], 'big')} {data[2:].decode(errors='replace')}".strip())
            elif opcode != _PONG:
                if (opcode == _CONTINUATION) == (kind == _CONTINUATION):
                    raise Malformed("a message begins before the last one has ended, or goes on without a beginning")
                kind = kind or opcode
                if message:
                    message += data  # in place: a message may come in very many pieces
                else:
                    message = data
                if last:
                    return message.decode(errors="replace") if kind == TEXT else message

    def head(self, deadline: Deadline) -> tuple[str, dict[str, str]]:
        """First line and fields (names in lower case) of an HTTP message. Malformed, Closed, OSError, Unreachable."""
        while b"\r\n\r\n" not in self._ahead:
            if len(self._ahead) > _MOST_HEAD:
                raise Malformed(f"an HTTP head of more than {_MOST_HEAD} bytes")
            self._read_ahead(deadline)
        text, _, self._ahead = self._ahead.partition(b"\r\n\r\n")
        first, *lines = text.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        return first, {name.strip().lower(): value.strip() for name, _, value in fields}

    def quiet(self, deadline: Deadline) -> bool:
        """Answer the pings that came since the last message; False if anything else came, or the other end hung up."""
        try:
            while self._waiting():
                deadline.left_s()
                opcode, _, data = self._frame(0, deadline)
                if opcode == _PING:
                    self.send(_PONG, [bytes(data)], deadline)
                elif opcode != _PONG:
                    return False
        except (Closed, Malformed, OSError):
            return False
        return True

    def _frame(self, before: int, deadline: Deadline) -> tuple[int, bool, bytearray]:
        first, second = self._exactly(2, deadline)
        opcode, size = first & 0x0F, second & 0x7F
        if first & 0x70 or opcode not in (_CONTINUATION, TEXT, BINARY, CLOSE, _PING, _PONG):
            raise Malformed(f"a frame that begins with {first:#04x}")
        if bool(second & 0x80) is self._masks:
            raise Malformed("a frame that is masked, and must not be" if self._masks else "a frame that is not masked")
        if opcode >= CLOSE and (size > 125 or not first & 0x80):
            raise Malformed("a control frame that is too long, or in fragments")
        if size > 125:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8, deadline), "big")
        if before + size > self._most_bytes:
            raise Malformed(
                f"a message of {(before + size) / 1e6:.1f} MB; at most {self._most_bytes / 1e6:.1f} are taken"
            )
        key = b"" if self._masks else bytes(self._exactly(4, deadline))
        data = self._exactly(size, deadline)
        if key:
            _unmask(data, key)
        return opcode, bool(first & 0x80), data

    def _exactly(self, size: int, deadline: Deadline) -> bytearray:
        """So many bytes: what was read ahead, then straight into place."""
        if size <= 1024:
            while len(self._ahead) < size:
                self._read_ahead(deadline)
        out = bytearray(size)
        got = min(size, len(self._ahead))
        out[:got], self._ahead = self._ahead[:got], self._ahead[got:]
        view = memoryview(out)
        while got < size:
            came = receive_into(self._sock, view[got:], deadline)
            if not came:
                raise Closed("in the middle of a message")
            got += came
        return out

    def _read_ahead(self, deadline: Deadline) -> None:
        self._sock.settimeout(deadline.left_s())
        self._ahead += self._came()

    def _waiting(self) -> bool:
        """Whether something has come. A look at the socket would not tell of what TLS holds, or keeps to itself."""
        if not self._ahead:
            self._sock.settimeout(0)
            with suppress(BlockingIOError, ssl.SSLWantReadError):
                self._ahead = self._came()
        return bool(self._ahead)

    def _came(self) -> bytes:
        came = self._sock.recv(4096)
        if not came:
            raise Closed("without a word")
        return came

    def _send_masked(self, head: bytes, pieces: list[Piece], deadline: Deadline) -> None:
        """XOR with a key that nobody can foresee (RFC 6455, 5.3), from where the bytes are to where they leave from."""
        key = os.urandom(4)
        keys = np.frombuffer(key * (_AT_ONCE // 4 + 1), np.uint8)
        out, filled, phase = self._masked, len(head) + 4, 0
        out[:filled] = np.frombuffer(head + key, np.uint8)
        for piece in filter(len, pieces):
            data, at = np.frombuffer(piece, np.uint8), 0
            while at < len(data):
                n = min(len(data) - at, len(out) - filled)
                np.bitwise_xor(data[at : at + n], keys[phase : phase + n], out=out[filled : filled + n])
                at, filled, phase = at + n, filled + n, (phase + n) % 4
                if filled == len(out):
                    send(self._sock, out.data, deadline)
                    filled = 0
        if filled:
            send(self._sock, out[:filled].data, deadline)


def new_key() -> str:
    """A client's Sec-WebSocket-Key."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_of(key: str) -> str:
    """The Sec-WebSocket-Accept that answers a key (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


def _length(size: int, mask_bit: int) -> bytes:
    if size < 126:
        return bytes([mask_bit | size])
    if size < 1 << 16:
        return bytes([mask_bit | 126]) + size.to_bytes(2, "big")
    return bytes([mask_bit | 127]) + size.to_bytes(8, "big")


def _unmask(data: bytearray, key: bytes) -> None:
    whole = np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
    keys = np.frombuffer(key * (_AT_ONCE // 4), np.uint8)
    for at in range(0, len(whole), _AT_ONCE):
        part = whole[at : at + _AT_ONCE]
        np.bitwise_xor(part, keys[: len(part)], out=part)
