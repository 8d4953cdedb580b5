"""A model behind an OpenAI-compatible server: vLLM, SGLang, Ollama, NIM, llama.cpp, or OpenAI's own."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from http.client import HTTPMessage
from random import Random

from saccade.clock import SEC, nanoseconds, perf_ns, seconds
from vla_node.dialects.base import AskAgain, Dialect, DialectError, Question
from vla_node.line import trust
from vla_node.planner import Answer, Observation
from vla_node.reasoners import chat
from vla_node.reasoners.address import chat_url
from vla_node.reasoners.call import MOST_QUESTIONS, Call, Cancelled, ReasonerError, Under, ended, stop
from vla_node.reasoners.chat import Said, Stream
from vla_node.reasoners.http import Reply, post
from vla_node.reasoners.params import ReasonerParams
from vla_node.reasoners.retry import Breaker, State, backoff
from vla_node.reasoners.secret import read_token, without


class OpenAiReasoner:
    """Asks in a dialect and reads the answer in it; everything within one deadline. A failure stops the robot."""

    def __init__(self, params: ReasonerParams, dialect: Dialect) -> None:
        self._params, self._dialect = params, dialect
        self._url = chat_url(params.address)
        self._token = read_token(params.token_file) if params.token_file else ""
        self._tls = trust(params.ca_file) if self._url.tls else None
        self._random = Random(params.seed)
        self._breaker = Breaker(params.failures, nanoseconds(params.open_s))
        self._under = Under()

    @property
    def state(self) -> State:
        """Of the circuit breaker."""
        return self._breaker.state(perf_ns())

    def refuses(self, instruction: str) -> str:
        """See `Reasoner.refuses`; a model is not asked for this, so it refuses nothing."""
        return ""

    def plan(self, observation: Observation) -> Answer:
        """See `Reasoner.plan`."""
        with self._under.way(nanoseconds(self._params.deadline_s)) as call:  # before the pictures are made ready, too
            return self._plan(observation, call)

    def _plan(self, observation: Observation, call: Call) -> Answer:
        question, said, left = self._dialect.ask(observation), Said(), MOST_QUESTIONS
        try:
            while True:
                self._ask(question, said, call)
                said.text, said.thought = self._clean(said.text), self._clean(said.thought)
                left -= 1
                try:
                    plan = self._dialect.read(_complete(said, question), observation)
                    return Answer(plan, question.words, said.record)
                except AskAgain as more:
                    if not left:
                        raise
                    question = more.question
        except (ReasonerError, DialectError) as error:
            return stop(observation, error, question.words, self._clean(said.record))

    def cancel(self) -> None:
        """See `Reasoner.cancel`."""
        self._under.cancel()

    def close(self) -> None:
        """See `Reasoner.close`; no connection outlives its question."""
        self.cancel()

    def _ask(self, question: Question, said: Said, call: Call) -> None:
        """Fill `said`, with retries; what goes wrong counts for the circuit breaker."""
        if wait_ns := self._breaker.wait_ns(perf_ns()):
            raise ReasonerError(
                f"{self._url} is left alone for {seconds(wait_ns):.1f} s more, for it failed: {self._breaker.why}"
            )
        body = chat.request(question, self._params.model, self._params.jpeg_quality, self._params.seed)
        retries = 0 if self.state is State.HALF_OPEN else self._params.retries
        try:
            self._try(body, question.ends, said, call, retries)
        except Cancelled:
            raise
        except ReasonerError as error:
            clean = ReasonerError(self._clean(str(error)))
            self._breaker.failed(perf_ns(), str(clean), error.wait_ns)
            raise clean from None
        self._breaker.succeeded()

    def _try(self, body: bytes, ends: tuple[str, ...], said: Said, call: Call, retries: int) -> None:
        waits = backoff(nanoseconds(self._params.backoff_s), self._random)
        while True:
            said.text = said.thought = said.finish = ""
            try:
                self._once(body, ends, said, call)
                return
            except ReasonerError as error:
                wait_ns = max(error.wait_ns, next(waits))
                if not retries or not error.again or wait_ns >= call.left_ns():
                    raise
            retries -= 1
            call.wait(wait_ns)

    def _once(self, body: bytes, ends: tuple[str, ...], said: Said, call: Call) -> None:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        with post(self._url, headers, body, call, self._tls) as reply:
            if reply.status != 200:
                raise _refused(reply)
            kind = reply.headers.get_content_type()
            if kind == "application/json":
                chat.take_whole(b"".join(reply.pieces()), said)
            elif kind == "text/event-stream":
                _listen(reply, ends, said)
            else:
                raise ReasonerError(f"{self._url} answered with {kind}, expected an answer or a stream of one")

    def _clean(self, text: str) -> str:
        return without(self._token, text)


def _listen(reply: Reply, ends: tuple[str, ...], said: Said) -> None:
    """Hear a stream to its end, or until the answer is complete, whichever comes first."""
    stream = Stream(said)
    for piece in reply.pieces():
        stream.take(piece)
        if stream.done or ended(said.text, ends) is not None:
            return
    if not said.finish:
        raise ReasonerError("the server hung up in the middle of its answer", again=True)


def _complete(said: Said, question: Question) -> str:
    """The text of a complete answer; ReasonerError where it is cut off or none."""
    end = ended(said.text, question.ends)
    if end is not None:
        return said.text[:end]
    if said.finish == "length":
        raise ReasonerError(f"the answer was cut off after {question.max_tokens} tokens")
    if said.finish != "stop":
        raise ReasonerError(f"the answer did not come to its end (finish_reason {said.finish!r})")
    if not said.text.strip() and said.thought:
        raise ReasonerError("the server took all of the answer for thoughts; start it without a reasoning parser")
    return said.text


def _refused(reply: Reply) -> ReasonerError:
    if 300 <= reply.status < 400:
        return ReasonerError(f"HTTP {reply.status} sends us elsewhere; redirects are not followed, mend the address")
    return chat.refused(reply.status, b"".join(reply.pieces()), _retry_after_ns(reply.headers))


def _retry_after_ns(headers: HTTPMessage) -> int:
    """How long the server wants to be left alone (RFC 9110, 10.2.3); a date is counted from the server's own clock."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), 3600) * SEC
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError, IndexError):
        return 0
    return max(0, min(nanoseconds(wait.total_seconds()), 3600 * SEC))
