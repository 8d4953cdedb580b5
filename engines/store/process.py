"""Compilers run in a process of their own: one that crashes, hangs or eats the memory takes nothing down with it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
from typing import IO, Any

from engines.compiler import Progress
from engines.engine import EngineError
from saccade.clock import perf_ns, seconds

_LOOK_S = 0.2
_ITS_OWN_FAULT = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
_LAST_WORDS = 3


class CompilerFailed(EngineError):
    """What would only happen again: the compiler refused the graph, crashed, or never came to an end."""


def in_child(request: dict[str, Any], progress: Progress, stop: threading.Event, limit_s: float) -> dict[str, Any]:
    """Let `engines.store.worker` do what is asked in a process of its own; what it answers.

    It dies with this process, and when `stop` is set (KeyboardInterrupt) or the limit is over (CompilerFailed).
    EngineError says what went wrong in it; CompilerFailed, that it would go wrong again.
    """
    reading, writing = os.pipe()
    answer: dict[str, Any] | None = None
    with tempfile.TemporaryFile() as said, open(reading, "rb", buffering=0) as told:
        command = [sys.executable, "-m", "engines.store.worker", str(writing), str(os.getpid())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=said, stderr=said, pass_fds=(writing,), env=environment,
                start_new_session=True,  # the terminal's Ctrl-C is for us to hear, and to end it
            )  # fmt: skip
        finally:
            os.close(writing)
        try:
            _ask(child, request)
            answer = _followed(told, progress, stop, limit_s)
            child.wait(timeout=_LOOK_S * 50)
        except subprocess.TimeoutExpired:
            pass  # it has said all, and does not come to an end by itself
        finally:
            child.kill()
            child.wait()
        if answer is None:
            raise _died(child.returncode, said)
    return _told(answer)


def _ask(child: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
    assert child.stdin is not None
    try:
        with child.stdin:
            child.stdin.write(json.dumps(request).encode())
    except BrokenPipeError:
        pass  # it died already; how is told by its exit


def _followed(told: Any, progress: Progress, stop: threading.Event, limit_s: float) -> dict[str, Any] | None:
    """Pass progress on until the answer comes; None where the child ends without one."""
    begin_ns, pending, answer = perf_ns(), b"", None
    with selectors.DefaultSelector() as selector:
        selector.register(told, selectors.EVENT_READ)
        while True:
            if stop.is_set():
                raise KeyboardInterrupt
            if seconds(perf_ns() - begin_ns) > limit_s:
                raise CompilerFailed(f"gave no engine in {limit_s / 60:.3g} minutes; allow more with --limit-minutes")
            if not selector.select(_LOOK_S):
                continue
            got = told.read(65536)
            *lines, pending = (pending + got).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "what" in message:
                    progress(message["what"], message["share"])
                else:
                    answer = message
            if not got:
                return answer


def _told(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise (CompilerFailed if answer["again"] else EngineError)(answer["error"])
    return answer


def _died(code: int, said: IO[bytes]) -> EngineError:
    said.seek(0)
    words = said.read()[-4000:].decode(errors="replace").strip().splitlines()[-_LAST_WORDS:]
    tail = f"; its last words: {' | '.join(words)}" if words else ""
    if -code in _ITS_OWN_FAULT:
        return CompilerFailed(f"the compiler crashed ({signal.Signals(-code).name}){tail}")
    if code < 0:
        return EngineError(
            f"the compiler was killed ({signal.Signals(-code).name}), perhaps for want of memory (see dmesg); close "
            f"other programs or lower build.workspace_mb in the card, and run it again{tail}"
        )
    return EngineError(f"the compiler's process ended with code {code} and no engine{tail}")
