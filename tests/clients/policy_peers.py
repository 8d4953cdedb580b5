"""Policies that answer at once, servers in threads, and servers that misbehave on one connection after another."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from saccade.clock import SEC
from vla_node.clients.base import Unreachable
from vla_node.clients.websocket import Closed

LONG = 10 * SEC
"""Time enough for any answer that comes at all, on a machine that is busy with other things."""


class Echo:
    """Answers `actions` that are made of the observation's number, so that one can tell whose answer it is."""

    metadata: Mapping[str, Any] = {"model": "echo", "modality_config": {"state": ["number"]}}

    def __init__(self) -> None:
        self.seen: list[Mapping[str, Any]] = []
        self.resets = 0

    def answer(self, observation: Mapping[str, Any]) -> Mapping[str, Any]:
        self.seen.append(observation)
        number = observation.get("number", 0.0)
        if np.ndim(number) == 0 and number == -1:
            raise ValueError("no actions for -1")
        return {"actions": np.full((4, 2), number, np.float32)}

    def reset(self) -> None:
        self.resets += 1


@contextmanager
def running(server: Any) -> Iterator[int]:
    """A server of ours in a thread; its port."""
    with hosting(server):
        yield server.port


@contextmanager
def hosting(server: Any) -> Iterator[None]:
    """A server of ours in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


@contextmanager
def tcp(*behaviours: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server whose n-th connection is handled by the n-th function, the last by all that follow; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        n = 0
        while not over.is_set():
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(behaviours[min(n, len(behaviours) - 1)], sock), daemon=True).start()
            n += 1

    def handle(behave: Callable[[socket.socket], None], sock: socket.socket) -> None:
        with sock:
            sock.settimeout(20)
            with suppress(OSError, Closed, Unreachable):  # the client hangs up, as it should
                behave(sock)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def silent(sock: socket.socket) -> None:
    """Takes everything and never says a word."""
    while sock.recv(1 << 16):
        pass


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def ended(call: Callable[[], Any]) -> BaseException:
    """What a call raised; it has to be over long before a person would lose patience."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(15)
    assert not thread.is_alive(), "the call hangs"
    assert raised, "the call answered, and must not"
    return raised[0]
