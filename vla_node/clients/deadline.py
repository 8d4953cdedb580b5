"""The end of a call, and connections that are made before it."""

from __future__ import annotations

import re
import socket
import threading
from urllib.parse import SplitResult, urlsplit

from saccade.clock import SEC, perf_ns
from saccade.errors import ConfigError
from vla_node.clients.base import Unreachable

_Address = tuple[int, tuple[str, int]]


class Deadline:
    """When a call has to be over; every wait within it gets what is left."""

    __slots__ = ("_end_ns", "begun_ns", "timeout_ns")

    def __init__(self, timeout_ns: int) -> None:
        self.begun_ns = perf_ns()
        self.timeout_ns = timeout_ns
        self._end_ns = self.begun_ns + timeout_ns

    def left_s(self) -> float:
        """Seconds left, above 0. Unreachable when there are none."""
        left_ns = self._end_ns - perf_ns()
        if left_ns <= 0:
            raise Unreachable(f"no answer within {self.timeout_ns / 1e6:.0f} ms")
        return left_ns / SEC


def parsed(address: str, example: str, *schemes: str) -> SplitResult:
    """An address `scheme://host:port`, checked before anything is opened. ConfigError."""
    try:
        url = urlsplit(address)
        host = re.fullmatch(r"[A-Za-z0-9._:-]+", url.hostname or "")
        good = url.scheme in schemes and bool(host) and url.port is not None and url.username is None
    except ValueError:
        good = False
    if not good or url.query or url.fragment or (url.path and url.scheme == "tcp"):
        raise ConfigError(
            f"address {address!r}; expected {'://HOST:PORT or '.join(schemes)}://HOST:PORT such as {example}"
        )
    return url


def connected(host: str, port: int, deadline: Deadline) -> socket.socket:
    """A TCP connection made within the deadline; small messages leave at once. OSError, Unreachable."""
    trouble: OSError = OSError(f"{host} has no address")
    for family, address in _looked_up(host, port, deadline):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(deadline.left_s())
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            sock.close()
            trouble = error
        except Unreachable:
            sock.close()
            raise
    raise trouble


def _looked_up(host: str, port: int, deadline: Deadline) -> list[_Address]:
    """Addresses of a host. A resolver may block for many seconds and cannot be stopped, so names get a thread."""
    found: list[_Address] = []
    failed: list[OSError] = []

    def look_up(flags: int = 0) -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
            found.extend((int(row[0]), (str(row[4][0]), int(row[4][1]))) for row in rows)
        except OSError as error:
            failed.append(error)

    look_up(socket.AI_NUMERICHOST)
    if not found:
        failed.clear()
        thread = threading.Thread(target=look_up, name=f"look up {host}", daemon=True)
        thread.start()
        thread.join(deadline.left_s())
    if failed:
        raise failed[0]
    deadline.left_s()
    return found
