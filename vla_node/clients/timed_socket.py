"""A TCP connection on which nothing takes longer than a deadline, however slowly bytes come."""

from __future__ import annotations

import socket

from vla_node.clients.deadline import Deadline, connected


class DeadlineSocket(socket.socket):
    """A stream socket; set `deadline` before each call over it. Unreachable or TimeoutError past it.

    An ordinary socket's timeout begins anew with every byte that comes.
    """

    deadline: Deadline

    def recv_into(self, *args: int, **kwargs: int) -> int:  # type: ignore[override]
        """See `socket.recv_into`; what `makefile` reads with."""
        self.settimeout(self.deadline.left_s())
        return super().recv_into(*args, **kwargs)  # type: ignore[arg-type]

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        """See `socket.sendall`."""
        self.settimeout(self.deadline.left_s())
        super().sendall(data, flags)


def connect(host: str, port: int, deadline: Deadline) -> DeadlineSocket:
    """A connection that is made by then. Unreachable, OSError."""
    made = connected(host, port, deadline)
    sock = DeadlineSocket(made.family, made.type, made.proto, made.detach())
    sock.deadline = deadline
    return sock
