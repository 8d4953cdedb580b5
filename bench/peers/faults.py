"""What our clients do when a stock server, or what is between, misbehaves."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.peers import ends
from saccade.clock import MS
from vla_node.clients.gr00t import Gr00tClient
from vla_node.clients.openpi import OpenPiClient
from vla_node.policies.base import PolicyError

TIMEOUT_MS, CALLS, MOST_OVER_MS, MOST_RESUME_S = 100, 12, 20.0, 2.0
Start = Callable[[int], Any]
"""Starts the stock server on a port and returns its process once it answers."""
_HUGE = {"openpi": b"\x82\x7f\x00\x00\x01" + bytes(5), "gr00t": b"\x02\x00\x00\x01" + bytes(5)}
"""The head of a message of 1 TB."""


class Row(NamedTuple):
    """One fault: how far calls went past their deadline at worst, what they said, and when work went on."""

    protocol: str
    fault: str
    over_ms: float
    resumed_s: float
    answered: int
    said: str

    @property
    def good(self) -> bool:
        return self.over_ms <= MOST_OVER_MS and self.resumed_s <= MOST_RESUME_S


class Proxy:
    """Passes bytes on to a server, until it is told to harm what comes back."""

    def __init__(self, protocol: str, to: int) -> None:
        self.mode, self._huge, self._to = "", _HUGE[protocol], to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listening.accept()
            far = socket.create_connection(("127.0.0.1", self._to))
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pass, args=(near, far, lambda data: data), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, self._harmed), daemon=True).start()

    def _pass(self, come: socket.socket, go: socket.socket, change: Callable[[bytes], bytes]) -> None:
        try:
            while data := come.recv(1 << 18):
                go.sendall(change(data))
        except OSError:
            pass
        for sock in (come, go):
            sock.close()

    def _harmed(self, data: bytes) -> bytes:
        if self.mode == "late":
            time.sleep(2.5 * TIMEOUT_MS / 1000)
        changed = {"corrupt": bytes(b ^ 0x55 for b in data), "oversized": self._huge, "twice": data * 2}
        return changed.get(self.mode, data)


def matrix(protocol: str, start: Start) -> list[Row]:
    """Every fault in turn."""
    port = free_port()
    rows = [_dead(protocol, port, start)]
    server = start(port)
    try:
        rows += [_spoken(protocol, port, "slow"), _spoken(protocol, port, "nan")]
        rows += [_proxied(protocol, port, mode) for mode in ("late", "twice", "corrupt", "oversized")]
        rows += [_stopped(protocol, port, server)]
        client, seen = opened(protocol, port), ends.observation(protocol, "0.3 MB")
        asked(client, seen, 3)
        server.kill()
        server.wait()
        over, said, answered = asked(client, seen, CALLS)
        server = start(port)
        rows.append(Row(protocol, "killed, restarted", over, resumed(client, seen), answered, said))
        client.close()
    finally:
        server.kill()
        server.wait()
    return rows


def opened(protocol: str, port: int) -> OpenPiClient | Gr00tClient:
    """Our client."""
    return OpenPiClient(f"ws://127.0.0.1:{port}") if protocol == "openpi" else Gr00tClient(f"tcp://127.0.0.1:{port}")


def asked(client: Any, seen: Any, calls: int) -> tuple[float, str, int]:
    """Ms past the deadline at worst (below 0: before it), the last complaint, and how many calls were answered."""
    over, said, answered = float("-inf"), "", 0
    for _ in range(calls):
        begin = time.perf_counter()
        try:
            client.infer(seen, TIMEOUT_MS * MS)
            answered += 1
        except PolicyError as error:
            said = str(error)
        over = max(over, (time.perf_counter() - begin) * 1000 - TIMEOUT_MS)
    return over, said.partition(": ")[2] or said, answered


def resumed(client: Any, seen: Any) -> float:
    """Seconds until a call is answered, at most 10."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < 10 and not asked(client, seen, 1)[2]:
        time.sleep(0.005)
    return time.perf_counter() - begin


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def _dead(protocol: str, port: int, start: Start) -> Row:
    client, seen = opened(protocol, port), ends.observation(protocol, "0.3 MB")
    over, said, answered = asked(client, seen, CALLS)
    server = start(port)
    row = Row(protocol, "dead port", over, resumed(client, seen), answered, said)
    client.close()
    server.kill()
    server.wait()
    return row


def _spoken(protocol: str, port: int, text: str) -> Row:
    client, good = opened(protocol, port), ends.observation(protocol, "0.3 MB")
    asked(client, good, 3)
    over, said, answered = asked(client, ends.observation(protocol, "0.3 MB", text), CALLS)
    row = Row(protocol, text, over, resumed(client, good), answered, said)
    client.close()
    return row


def _proxied(protocol: str, port: int, mode: str) -> Row:
    proxy = Proxy(protocol, port)
    client, seen = opened(protocol, proxy.port), ends.observation(protocol, "0.3 MB")
    asked(client, seen, 3)
    proxy.mode = mode
    over, said, answered = asked(client, seen, CALLS)
    proxy.mode = ""
    row = Row(protocol, mode, over, resumed(client, seen), answered, said)
    client.close()
    return row


def _stopped(protocol: str, port: int, server: Any) -> Row:
    client, seen = opened(protocol, port), ends.observation(protocol, "0.3 MB")
    asked(client, seen, 3)
    server.send_signal(signal.SIGSTOP)
    over, said, answered = asked(client, seen, CALLS)
    server.send_signal(signal.SIGCONT)
    row = Row(protocol, "frozen", over, resumed(client, seen), answered, said)
    client.close()
    return row


ENDS = Path(ends.__file__)
