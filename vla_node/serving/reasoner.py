"""Hosts a Python callable as a reasoner for robots elsewhere: the other end of `vla_node.reasoners.remote`."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from saccade.clock import perf_ns
from saccade.errors import SaccadeError
from saccade.types import Plan
from saccade.wire.convert import utf8
from vla_node.planner import Answer
from vla_node.reasoners.protocol import MOST_BYTES, Health, ProtocolError, Reply, Request, pack, unpack
from vla_node.reasoners.translate import observation_of, question_of, send_plan
from vla_node.serving.curve import guarded

MOST_WAITING = 64
_OPTIONS = {
    zmq.LINGER: 0, zmq.SNDHWM: 4, zmq.RCVHWM: 4, zmq.MAXMSGSIZE: MOST_BYTES,
    zmq.HEARTBEAT_IVL: 1000, zmq.HEARTBEAT_TIMEOUT: 3000,
}  # fmt: skip
_LOOK_MS = 50


@dataclass(frozen=True, slots=True)
class _Job:
    """A question that has come, and until when its answer is wanted, on `perf_ns`."""

    client: bytes
    request: Request
    end_ns: int


class ReasonerServer:
    """Answers one question at a time; of each robot only the newest waits.

    think: with a `dialect`, a function from a `Question` to the model's words; without, one from an `Observation` to a
    `Plan` or an `Answer`. What it raises goes to the robot as an error, which stops it.
    """

    def __init__(self, think: Callable[[Any], Any], bind: str, keys: Path | None = None, dialect: str = "") -> None:
        self._think, self._dialect = think, dialect
        self._health = Health(dialect)
        self._waiting: dict[bytes, _Job] = {}
        self._busy: _Job | None = None
        self._wanted = True
        self._since_ns = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._guard: ThreadAuthenticator | None = None
        self._router = self._context.socket(zmq.ROUTER)
        self._done = self._context.socket(zmq.PAIR)
        self._done.bind("inproc://done")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        try:
            self._open(bind, keys)
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._work, name="thinker", daemon=True).start()

    @property
    def health(self) -> Health:
        """How it is."""
        busy_ns = perf_ns() - self._since_ns if self._busy else 0
        return replace(self._health, busy_ns=busy_ns, waiting=len(self._waiting))

    def serve(self, stop: Callable[[], bool], tell: Callable[[Health], None] = lambda _: None) -> None:
        """Answer until `stop` says so, which is looked at twenty times a second, as `tell` is called."""
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._done, zmq.POLLIN)
        while not stop():
            ready = dict(poller.poll(_LOOK_MS))
            if self._done in ready:
                self._finish(*self._done.recv_multipart())
            if self._router in ready:
                self._take()
            self._begin()
            tell(self.health)

    def close(self) -> None:
        """Stop listening; a callable that is still thinking is not waited for."""
        self._jobs.put(None)
        if self._guard is not None:
            self._guard.stop()
        self._router.close(0)
        self._done.close(0)

    def _open(self, bind: str, keys: Path | None) -> None:
        for option, value in _OPTIONS.items():
            self._router.setsockopt(option, value)
        self._guard = guarded(self._context, self._router, bind, keys)
        self.address = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        """Where it listens."""

    def _take(self) -> None:
        """One message from a robot."""
        client, *frames = self._router.recv_multipart()
        try:
            if len(frames) != 1:
                raise ProtocolError(f"a message of {len(frames)} frames; expected one")
            request = unpack(Request, frames[0])
        except ProtocolError as error:
            self._health = replace(self._health, failed=self._health.failed + 1, trouble=str(error))
            return
        if request.kind == "health":
            self._send(client, Reply(request.id, request.epoch, health=self.health))
        elif request.kind == "cancel":
            self._forget(client)
        else:
            self._queue(client, request)

    def _forget(self, client: bytes) -> None:
        self._waiting.pop(client, None)
        if self._busy is not None and self._busy.client == client:
            self._wanted = False

    def _queue(self, client: bytes, request: Request) -> None:
        why = ""
        if request.dialect != self._dialect:
            speaks = f"in {self._dialect!r}" if self._dialect else "with plans"
            why = f"it was asked in {request.dialect!r} and answers {speaks}; set planner.reasoner.dialect accordingly"
        elif (request.question is None) != (not self._dialect) or (request.observation is None) == (not self._dialect):
            why = "it was asked with no question and no observation, or with both"
        elif len(self._waiting) >= MOST_WAITING and client not in self._waiting:
            why = f"{MOST_WAITING} robots are waiting already"
        self._forget(client)
        if why:
            self._send(client, Reply(request.id, request.epoch, error=why))
        else:
            self._waiting[client] = _Job(client, request, perf_ns() + request.left_ns)

    def _begin(self) -> None:
        """Think about what has waited longest, if anything still wanted does."""
        while self._busy is None and self._waiting:
            job = self._waiting.pop(next(iter(self._waiting)))
            if perf_ns() < job.end_ns:
                self._busy, self._wanted, self._since_ns = job, True, perf_ns()
                self._jobs.put(job)

    def _finish(self, trouble: bytes, reply: bytes) -> None:
        job, self._busy, error = self._busy, None, trouble.decode()
        old = self._health
        self._health = replace(
            old, answered=old.answered + (not error), failed=old.failed + bool(error),
            last_ns=perf_ns() - self._since_ns, trouble=error or old.trouble,
        )  # fmt: skip
        if job is not None and self._wanted:
            self._router.send_multipart([job.client, reply])

    def _send(self, client: bytes, reply: Reply) -> None:
        self._router.send_multipart([client, pack(reply)])

    def _work(self) -> None:
        """The thread that thinks."""
        done = self._context.socket(zmq.PAIR)
        done.connect("inproc://done")
        while (job := self._jobs.get()) is not None:
            with suppress(zmq.Again):  # nobody listens once it is closed
                done.send_multipart(self._answer(job.request), zmq.NOBLOCK)
        done.close(0)

    def _answer(self, request: Request) -> tuple[bytes, bytes]:
        """What went wrong, if anything, and the reply."""
        try:
            return b"", pack(self._reply(request))
        except SaccadeError as error:
            why = str(error) or type(error).__name__
        except Exception as error:  # whatever a hosted model raises stops the robot that asked, not the server
            why = f"{type(error).__name__}: {error}"
        why = utf8(why[:2000])
        return why.encode(), pack(Reply(request.id, request.epoch, error=why))

    def _reply(self, request: Request) -> Reply:
        if request.question is not None:
            words = self._think(question_of(request.question))
            if not isinstance(words, str):
                raise ProtocolError(f"the callable returned {type(words).__name__}; with a dialect it returns words")
            return Reply(request.id, request.epoch, text=words)
        assert request.observation is not None
        observation = observation_of(request, request.observation)
        thought = self._think(observation)
        answer = Answer(thought) if isinstance(thought, Plan) else thought
        if not isinstance(answer, Answer):
            raise ProtocolError(f"the callable returned {type(thought).__name__}; expected a Plan or an Answer")
        if (answer.plan.epoch, answer.plan.obs_stamp_ns) != (observation.epoch, observation.stamp_ns):
            raise ProtocolError("the callable returned a plan from another observation; make it with make_plan")
        plan = send_plan(answer.plan)
        return Reply(request.id, request.epoch, plan=plan, asked=answer.asked, answered=answer.answered)
