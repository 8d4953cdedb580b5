"""An engine that another one can take the place of while it is used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import numpy as np

from engines.engine import Array, ClosesItself, Engine, EngineError
from engines.parity import same_interface


class SwappingEngine(ClosesItself):
    """Runs one engine, and from some call on another. Each call is answered by one of them alone, and never waits.

    The old engine is closed, beside the calls, once its last call is over and a later one has begun, since an engine's
    outputs are valid until the next call. `close` closes whatever is left.
    """

    def __init__(self, first: Engine, on_close: Callable[[], None] = lambda: None) -> None:
        self.spec = first.spec
        self.report = dict(first.report)
        self._lock = threading.Lock()
        """Held for reading and writing the fields below, never while an engine works."""
        self._current: Engine = first
        self._next: Engine | None = None
        self._next_report: dict[str, str] = {}
        self._users = {id(first): 0}
        self._retired: list[Engine] = []
        self._shapes: dict[str, tuple[tuple[int, ...], str]] = {}
        self._closed, self._on_close = False, on_close

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Engine.infer`."""
        engine = self._entered()
        try:
            outputs = engine.infer(inputs)
            self._shapes = {name: (array.shape, array.dtype.name) for name, array in inputs.items()}
            return outputs
        finally:
            self._left(engine)

    def current(self) -> Engine:
        """The engine that answers from now on, for who runs it otherwise; it is there until a later one's first call.

        Asking is a call: another that was to take over has done so.
        """
        engine = self._entered()
        self._left(engine)
        return engine

    def swap(self, engine: Engine, report: Mapping[str, str]) -> None:
        """Let `engine`, which becomes this one's own, answer from the next call on; `report` is what to tell then.

        It first answers a call of the size seen last. EngineError where it takes or gives something else, or cannot
        answer; then it is closed and all stays as it was.
        """
        try:
            same_interface(engine.spec, self.spec)
            if blank := {name: np.zeros(shape, dtype) for name, (shape, dtype) in self._shapes.items()}:
                engine.infer(blank)
        except EngineError:
            engine.close()
            raise
        with self._lock:
            closed = self._closed
            if not closed:
                replaced, self._next = self._next, engine
                self._next_report = dict(report)
        if closed:
            engine.close()
        elif replaced is not None:
            replaced.close()

    def tell(self, **report: str) -> None:
        """Change what `report` says."""
        self.report = {**self.report, **report}

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            was_closed, self._closed = self._closed, True
            left = [e for e in (self._current, self._next, *self._retired) if e is not None]
            self._next, self._retired = None, []
        if not was_closed:
            self._on_close()
            for engine in left:
                engine.close()

    def _left(self, engine: Engine) -> None:
        with self._lock:
            self._users[id(engine)] -= 1

    def _entered(self) -> Engine:
        """The engine of a call that begins now. Retired ones without a call are done with, as are their outputs now."""
        with self._lock:
            if self._closed:
                raise EngineError(f"{self.spec.name} is closed; open it again with open_engine")
            if self._next is not None:
                self._retired.append(self._current)
                self._current, self._next, self.report = self._next, None, self._next_report
                self._users[id(self._current)] = 0
            self._users[id(self._current)] += 1
            done = [engine for engine in self._retired if not self._users[id(engine)]]
            for engine in done:
                self._retired.remove(engine)
                del self._users[id(engine)]
            current = self._current
        for engine in done:
            threading.Thread(target=engine.close, name="close engine", daemon=True).start()
        return current
