"""Questions to a ZeroMQ REP server that never block: numbered, one at a time, each within its deadline.

A REQ socket that has asked can do nothing but wait, for ever if need be. A DEALER can stop waiting, and a REP server
hands back everything before the empty delimiter with its answer (https://rfc.zeromq.org/spec/28/): a number goes there,
so that an answer which comes too late is known by it and dropped.
"""

from __future__ import annotations

import math

import zmq
from zmq.utils.monitor import recv_monitor_message

from saccade.clock import SEC, perf_ns
from vla_node.clients.base import RoundTrips, Unreachable
from vla_node.clients.deadline import Deadline
from vla_node.reasoners.keys import ClientKeys

_OPTIONS = {
    zmq.LINGER: 0,
    zmq.IMMEDIATE: 1,  # a question waits for a connection, and never in a queue for one that may come
    zmq.RECONNECT_IVL: 50,
    zmq.RECONNECT_IVL_MAX: 500,
    zmq.CONNECT_TIMEOUT: 1000,
    zmq.HANDSHAKE_IVL: 1000,
    zmq.HEARTBEAT_IVL: 500,  # a host that vanished says nothing of it
    zmq.HEARTBEAT_TIMEOUT: 1500,
}
_PATIENCE_NS = 2 * SEC
"""An unanswered question is given up after this, whatever the server does; until then it gets no other."""


class Lockstep:
    """A connection that makes itself anew.

    While a question is unanswered the server gets no other one: one that was asleep finds one old question when it
    wakes, and not a queue of them.
    """

    def __init__(self, endpoint: str, trips: RoundTrips, most_bytes: int, keys: ClientKeys | None = None) -> None:
        """With `keys`, encrypted, and to the server alone whose key is among them."""
        self._keys = keys
        self._endpoint, self._trips, self._most_bytes = endpoint, trips, most_bytes
        self._context = zmq.Context()
        self._number = 0
        self._asked_ns: int | None = None
        self._broken = False
        self._open()

    def ask(self, question: bytes, deadline: Deadline) -> memoryview:
        """The answer's bytes. Unreachable when there is none within the deadline, or the connection broke."""
        if self._context.closed:
            raise Unreachable("the client was closed")
        self._settle(deadline)
        self._number += 1
        while not self._sent(question, deadline):
            pass
        self._asked_ns = perf_ns()
        while True:
            if self._ready(zmq.POLLIN, deadline, "no answer"):
                answer = self._answer()
                if answer is not None:
                    return answer
            if self._asked_ns is None:
                raise Unreachable(
                    f"it hung up before it answered (or answered more than {self._most_bytes / 1e6:.0f} MB)"
                )

    def close(self) -> None:
        """Hang up; closing twice is allowed."""
        if not self._context.closed:
            self._shut()
            self._context.term()

    def _sent(self, question: bytes, deadline: Deadline) -> bool:
        """Send without waiting: between a look at the socket and a word to it the connection may break."""
        if not self._ready(zmq.POLLOUT, deadline, "no connection"):
            return False
        try:
            self._socket.send_multipart([self._number.to_bytes(8, "big"), b""], zmq.SNDMORE | zmq.NOBLOCK)
            self._socket.send(question, zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        return True

    def _settle(self, deadline: Deadline) -> None:
        """Wait until the server is not busy with an earlier question, or that is given up."""
        self._news()
        if self._broken:  # what is sent on a socket that is still making itself anew can be lost in silence
            self._shut()
            self._open()
        while self._asked_ns is not None:
            patience_ns = self._asked_ns + _PATIENCE_NS - perf_ns()
            if patience_ns <= 0:
                self._shut()
                self._open()
            elif self._ready(zmq.POLLIN, deadline, "it is busy with an earlier question", patience_ns / SEC):
                self._trips.late += self._answer() is not None

    def _ready(self, event: int, deadline: Deadline, why: str, most_s: float = float("inf")) -> bool:
        """Wait until the socket is ready; False when it is not yet, and what is known of the connection may be new."""
        try:
            left_s = deadline.left_s()
        except Unreachable as error:
            raise Unreachable(f"{why} ({error})") from None
        self._poller.modify(self._socket, event)
        ready = dict(self._poller.poll(math.ceil(1000 * min(left_s, most_s))))
        if self._monitor in ready:
            self._news()
        return self._socket in ready

    def _answer(self) -> memoryview | None:
        """The answer to the newest question; what answers an older one, or none, is dropped and counted."""
        frames = self._socket.recv_multipart(copy=False)
        if len(frames) != 3 or frames[0].bytes != self._number.to_bytes(8, "big") or len(frames[1]):
            self._trips.late += 1
            return None
        self._asked_ns = None
        return frames[2].buffer

    def _news(self) -> None:
        """What happened to the connection; a question that was asked on a broken one is lost."""
        while self._monitor.poll(0):
            if recv_monitor_message(self._monitor)["event"] == zmq.EVENT_DISCONNECTED:
                self._asked_ns, self._broken = None, True
                self._trips.reconnected += 1

    def _open(self) -> None:
        self._asked_ns, self._broken = None, False
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        for option, value in (
            _OPTIONS | {zmq.MAXMSGSIZE: self._most_bytes, zmq.IPV6: int("[" in self._endpoint)}
        ).items():
            self._socket.setsockopt(option, value)
        if self._keys is not None:
            self._socket.curve_publickey, self._socket.curve_secretkey = self._keys.own.public, self._keys.own.secret
            self._socket.curve_serverkey = self._keys.server
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._poller = zmq.Poller()
        self._poller.register(self._monitor, zmq.POLLIN)
        self._poller.register(self._socket, 0)
        self._socket.connect(self._endpoint)

    def _shut(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close()
