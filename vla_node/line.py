"""TCP connections, plain or through TLS, on which no wait outlasts its call, and which another thread can end.

An ordinary socket's timeout, like those of http.client, requests and httpx, begins anew with every byte that comes, so
that a peer which sends one now and then holds a caller for ever; here each wait gets what is left of the whole call.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from saccade.errors import ConfigError

_LOOK_UP_S = 0.05


class Until(Protocol):
    """The end of a call."""

    def left_s(self) -> float:
        """Seconds left, above 0. Where there are none, or nobody wants the answer any more, it raises what says so."""

    def waiting_on(self, hang_up: Callable[[], None], /) -> AbstractContextManager[None]:
        """For the time of this context, `hang_up` makes the call's thread stop waiting; it must not raise or block."""


class Line(io.RawIOBase):
    """What http.client needs of a socket; set `until` before each call over it. Its owner closes the socket."""

    def __init__(self, sock: socket.socket, until: Until) -> None:
        self._sock, self.until = sock, until

    def makefile(self, mode: str) -> io.BufferedReader:
        """See `socket.makefile`."""
        return io.BufferedReader(self)

    def sendall(self, data: bytes) -> None:
        """See `socket.sendall`."""
        send(self._sock, data, self.until)

    def close(self) -> None:
        """Not yet: http.client closes it before it reads the body."""

    def readable(self) -> bool:
        """See `RawIOBase`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `RawIOBase`."""
        return receive_into(self._sock, buffer, self.until)


def send(sock: socket.socket, data: bytes | memoryview, until: Until) -> None:
    """All of it. OSError."""
    sock.settimeout(until.left_s())  # which `sendall`, unlike `recv`, takes for the whole of it
    sock.sendall(data)


def receive_into(sock: socket.socket, buffer: Any, until: Until) -> int:
    """How many bytes came; 0 where the other end hung up. OSError."""
    sock.settimeout(until.left_s())
    return sock.recv_into(buffer)


def connected(host: str, port: int, until: Until, tls: ssl.SSLContext | None = None) -> socket.socket:
    """A connection to the first of a host's addresses that takes one; small messages leave at once. OSError."""
    sock = _reached(host, port, until)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
            with until.waiting_on(partial(hang_up, sock)):
                sock.settimeout(until.left_s())
                sock.do_handshake()
    except BaseException:
        sock.close()
        raise
    return sock


def hang_up(sock: socket.socket) -> None:
    """Make whoever waits on a socket stop; from any thread."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # past SSLSocket's, which would say goodbye first


def trust(ca_file: str | Path) -> ssl.SSLContext:
    """Trust in the authorities of a file, in the system's where it is ""; ConfigError where it cannot be used."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ConfigError(f"ca_file {ca_file}: {error.strerror or error}") from error


def untrusted(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a server's certificate, and what to do."""
    return f"no certificate that is trusted here: {error.verify_message}; give its authority as ca_file"


def _reached(host: str, port: int, until: Until) -> socket.socket:
    trouble = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in _looked_up(host, port, until):
        sock = socket.socket(family, kind, protocol)
        try:
            with until.waiting_on(partial(hang_up, sock)):
                sock.settimeout(until.left_s())
                sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            trouble = error
        except BaseException:
            sock.close()
            raise
    raise trouble


def _looked_up(host: str, port: int, until: Until) -> list[Any]:
    """Addresses of a host. A resolver may block for many seconds and cannot be stopped, so names get a thread."""
    found: list[Any] = []
    failed: list[OSError] = []
    done = threading.Event()

    def look_up(flags: int = 0) -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))
        except OSError as error:
            failed.append(error)

    def look_up_name() -> None:
        look_up()
        done.set()

    look_up(socket.AI_NUMERICHOST)
    if not found:
        failed.clear()
        threading.Thread(target=look_up_name, name=f"look up {host}", daemon=True).start()
        while not done.wait(min(_LOOK_UP_S, until.left_s())):
            pass
    if failed:
        raise failed[0]
    until.left_s()
    return found
