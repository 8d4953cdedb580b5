"""A reasoner on another machine, by Saccade's own protocol over ZeroMQ: `saccade serve reasoner` is its other end."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial

import zmq
from zmq.utils.monitor import parse_monitor_message

from saccade.clock import MS, nanoseconds
from saccade.types import Plan
from vla_node.dialects.base import AskAgain, Dialect, DialectError, Question
from vla_node.line import hang_up
from vla_node.planner import Answer, Observation
from vla_node.reasoners.call import (
    MOST_QUESTIONS,
    Call,
    Cancelled,
    OutOfTime,
    ReasonerError,
    Under,
    ended,
    stop,
)
from vla_node.reasoners.keys import ClientKeys, client_keys
from vla_node.reasoners.params import ReasonerParams
from vla_node.reasoners.protocol import MOST_BYTES, Health, ProtocolError, Reply, Request, pack, unpack
from vla_node.reasoners.translate import plan_of, send_observation, send_question

_OPTIONS = {
    zmq.IMMEDIATE: 1,  # nothing is queued for a server that is not there: it would get old questions when it comes
    zmq.LINGER: 0, zmq.SNDHWM: 4, zmq.RCVHWM: 4, zmq.MAXMSGSIZE: MOST_BYTES, zmq.IPV6: 1,
    zmq.RECONNECT_IVL: 100, zmq.RECONNECT_IVL_MAX: 1000, zmq.HEARTBEAT_IVL: 1000, zmq.HEARTBEAT_TIMEOUT: 3000,
}  # fmt: skip
_UP = zmq.Event.HANDSHAKE_SUCCEEDED
_REFUSED = zmq.Event.HANDSHAKE_FAILED_AUTH
_WHY = {
    _REFUSED: "it does not know our key; has it this robot's file in clients/?",
    zmq.Event.HANDSHAKE_FAILED_PROTOCOL: "only one of the two sides uses keys",
    zmq.Event.HANDSHAKE_FAILED_NO_DETAIL: "it hung up on us: it is going down, or is not the server whose key we "
    "have, or only one of the two sides uses keys",
    zmq.Event.CONNECTED: "something answers there, but not in this protocol",
    zmq.Event.CONNECT_RETRIED: "nothing answers there",
}
"""Why there is no connection, by what was seen of it, the most telling first."""


class RemoteReasoner:
    """Asks a server; everything within one deadline, and what comes later is dropped. A failure stops the robot."""

    def __init__(self, params: ReasonerParams, dialect: Dialect | None) -> None:
        self._params, self._dialect = params, dialect
        self._keys = client_keys(params.keys) if params.keys else None
        self._context = zmq.Context()
        self._line: _Line | None = None
        self._using = threading.Lock()
        self._under = Under()
        self._id = 0
        self.late = 0
        """Replies that came when nobody waited for them any more."""

    def refuses(self, instruction: str) -> str:
        """See `Reasoner.refuses`; a server is not asked for this, so it refuses nothing."""
        return ""

    def plan(self, observation: Observation) -> Answer:
        """See `Reasoner.plan`."""
        with (
            self._using,
            self._under.way(nanoseconds(self._params.deadline_s)) as call,
        ):  # before the pictures are ready
            return self._plan(observation, call)

    def _plan(self, observation: Observation, call: Call) -> Answer:
        question = self._dialect.ask(observation) if self._dialect else None
        words, said, left = observation.instruction, "", MOST_QUESTIONS
        try:
            while True:
                words = question.words if question else words
                reply = self._exchange(self._request(observation, question), call)
                words, said = reply.asked or words, reply.answered or reply.text or ""
                left -= 1
                try:
                    return Answer(self._read(reply, observation, question), words, said)
                except AskAgain as more:
                    if not left:
                        raise
                    question = more.question
        except (ReasonerError, ProtocolError, DialectError) as error:
            return stop(observation, error, words, said)

    def health(self, timeout_ns: int) -> Health:
        """How the server is; ReasonerError where it does not say so in time."""
        with self._using, self._under.way(timeout_ns) as call:
            reply = self._exchange(Request("health", 0), call)
        if reply.health is None:
            raise ReasonerError(f"{self._params.address} does not say how it is")
        return reply.health

    def cancel(self) -> None:
        """See `Reasoner.cancel`."""
        self._under.cancel()

    def close(self) -> None:
        """See `Reasoner.close`."""
        self.cancel()
        with self._using:
            self._drop()
            self._context.destroy(linger=0)

    def _request(self, observation: Observation, question: Question | None) -> Request:
        quality = self._params.jpeg_quality
        if question is None:
            sent = send_observation(observation, quality, with_depth=self._params.depth)
            return Request("plan", 0, observation.epoch, observation=sent)
        return Request(
            "plan", 0, observation.epoch, dialect=self._params.dialect, question=send_question(question, quality)
        )

    def _read(self, reply: Reply, observation: Observation, question: Question | None) -> Plan:
        if reply.error:
            raise ReasonerError(f"{self._params.address}: {reply.error[:400]}")
        if self._dialect and question and reply.text is not None:
            return self._dialect.read(reply.text[: ended(reply.text, question.ends)], observation)
        if not self._dialect and reply.plan is not None:
            return plan_of(reply.plan, observation)
        wanted = f"words in {self._dialect.name}" if self._dialect else "a plan"
        raise ReasonerError(f"{self._params.address} answered with something else than {wanted}")

    def _exchange(self, request: Request, call: Call) -> Reply:
        """The reply to a request; a connection on which anything went wrong is not used again."""
        self._id += 1
        try:
            if self._line is None:
                self._line = _Line(self._context, self._params.address, self._keys)
            with _woken(call) as wake:
                self._line.wait(zmq.POLLOUT, call, wake)
                request = replace(request, id=self._id, left_ns=call.left_ns())
                self._line.send(pack(request))
                while True:
                    self._line.wait(zmq.POLLIN, call, wake)
                    reply = unpack(Reply, self._line.recv())
                    if (reply.id, reply.epoch) == (request.id, request.epoch):
                        return reply
                    self.late += 1
        except (Cancelled, OutOfTime) as error:
            why = self._line.trouble if self._line else ""
            if why:
                self._drop()
                raise ReasonerError(f"{self._params.address}: {why}; {error}") from None
            self._withdraw()
            raise
        except (ReasonerError, ProtocolError, zmq.ZMQError) as error:
            self._drop()
            raise ReasonerError(f"{self._params.address}: {error}") from error

    def _withdraw(self) -> None:
        """Tell the server that nobody waits any more; what it answers all the same is dropped when it comes."""
        if self._line is not None:
            with suppress(zmq.ZMQError):
                self._line.send(pack(Request("cancel", self._id)))

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class _Line:
    """One connection. It is used by one thread at a time, and thrown away when anything has gone wrong on it."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], address: str, keys: ClientKeys | None) -> None:
        self._socket = context.socket(zmq.DEALER)
        self._seen: set[int] = set()
        for option, value in _OPTIONS.items():
            self._socket.setsockopt(option, value)
        if keys is not None:
            self._socket.curve_publickey, self._socket.curve_secretkey = keys.own.public, keys.own.secret
            self._socket.curve_serverkey = keys.server
        self._monitor = self._socket.get_monitor_socket()
        self._socket.connect(address)

    @property
    def trouble(self) -> str:
        """Why there is no connection, as far as that is known; "" where there is one."""
        return "" if _UP in self._seen else next((_WHY[e] for e in _WHY if e in self._seen), "no connection")

    def wait(self, event: int, call: Call, wake: socket.socket) -> None:
        """Until the line can be written or read. OutOfTime, Cancelled, or ReasonerError where that will not happen."""
        poller = zmq.Poller()
        poller.register(self._socket, event)
        poller.register(self._monitor, zmq.POLLIN)
        poller.register(wake, zmq.POLLIN)
        while True:
            ready = dict(poller.poll(math.ceil(call.left_ns() / MS)))
            if event == zmq.POLLOUT or self._socket not in ready:
                self._hear(waits=event == zmq.POLLIN)
            if self._socket in ready:
                return

    def _hear(self, waits: bool) -> None:
        """What has become of the connection; ReasonerError where an answer is waited for that cannot come any more."""
        while self._monitor.poll(0):
            event = zmq.Event(parse_monitor_message(self._monitor.recv_multipart())["event"])
            self._seen.add(event)
            if event is zmq.Event.DISCONNECTED:
                self._seen.discard(_UP)
                if waits:
                    raise ReasonerError("the connection broke while an answer was waited for")
            if event is _REFUSED:  # ZeroMQ does not try again either
                raise ReasonerError(_WHY[_REFUSED])

    def send(self, data: bytes) -> None:
        """Send what was packed."""
        self._socket.send(data, zmq.NOBLOCK)

    def recv(self) -> bytes:
        """What has come."""
        parts = self._socket.recv_multipart(zmq.NOBLOCK)
        if len(parts) != 1:
            raise ProtocolError(f"a message of {len(parts)} frames; expected one")
        return bytes(parts[0])

    def close(self) -> None:
        """Hang up."""
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)


@contextmanager
def _woken(call: Call) -> Iterator[socket.socket]:
    """A socket that can be read as soon as the call is given up."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs), call.waiting_on(partial(hang_up, theirs)):
        yield ours
