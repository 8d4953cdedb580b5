"""A TCP connection on which nothing takes longer than a deadline, however slowly bytes come."""

from __future__ import annotations

import socket
from collections.abc import Callable

from saccade.clock import SEC, perf_ns
from vla_node.clients.base import Unreachable


class DeadlineSocket(socket.socket):
    """A stream socket; set `deadline_ns`, on the clock of `perf_ns`, before it is used. TimeoutError past it.

    An ordinary socket's timeout begins anew with every byte that comes.
    """

    deadline_ns = 0

    def recv_into(self, *args: int, **kwargs: int) -> int:  # type: ignore[override]
        """See `socket.recv_into`; what `makefile` reads with."""
        self.settimeout(left_s(self.deadline_ns))
        return super().recv_into(*args, **kwargs)  # type: ignore[arg-type]

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        """See `socket.sendall`."""
        self.settimeout(left_s(self.deadline_ns))
        super().sendall(data, flags)


def left_s(deadline_ns: int) -> float:
    """Seconds until a deadline on the clock of `perf_ns`; TimeoutError where it has passed."""
    left_ns = deadline_ns - perf_ns()
    if left_ns <= 0:
        raise TimeoutError
    return left_ns / SEC


def resolver(host: str, port: int) -> Callable[[], tuple[int, tuple[str, int]]]:
    """Gives the address family and address of a host, looked up once: a lookup cannot be given a deadline."""
    known: list[tuple[int, tuple[str, int]]] = []

    def resolve() -> tuple[int, tuple[str, int]]:
        if not known:
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise Unreachable(f"{host}: no such host ({error.strerror}); give an IP address to be sure") from error
            known.append((int(found[0][0]), (str(found[0][4][0]), port)))
        return known[0]

    return resolve


def connect(family: int, address: tuple[str, int], deadline_ns: int) -> DeadlineSocket:
    """A connection that is made by then; OSError, of which TimeoutError is one, where there is none."""
    sock = DeadlineSocket(family, socket.SOCK_STREAM)
    try:
        sock.deadline_ns = deadline_ns
        sock.settimeout(left_s(deadline_ns))
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock
