"""A policy that is an ONNX graph, run here by an engine."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate

from engines.engine import Engine, EngineError
from saccade.clock import MS, perf_ns, seconds
from saccade.errors import ConfigError
from vla_node.clients.base import Array, Observation
from vla_node.policies.base import PolicyError
from vla_node.policies.card import PolicyCard
from vla_node.policies.observe import Observer
from vla_node.policies.remote import RemotePolicy
from vla_node.policies.rows import Rows


class OnnxPolicy(RemotePolicy):
    """A `FastPolicy` by a card and an open engine that has the card's names for its inputs and outputs; it closes it.

    It is tried once: ConfigError where the graph takes or gives something else than the card says.
    """

    def __init__(self, card: PolicyCard, engine: Engine) -> None:
        rows = Rows(card)
        try:
            rows.check_shapes(engine.infer(Observer(card, rows.promised).blank()))
        except (EngineError, PolicyError) as error:
            engine.close()
            raise ConfigError(f"{card.name}: its graph is not as its card says: {error}") from error
        super().__init__(card, _Graph(card.name, engine))


class _Graph:
    """An engine as a model: a graph cannot be interrupted, so it runs in a thread that need not be waited for."""

    def __init__(self, name: str, engine: Engine) -> None:
        self._name, self._engine = name, engine
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"policy {name}")
        self._running: Future[dict[str, Array]] | None = None

    def infer(self, observation: Observation, timeout_ns: int) -> Mapping[str, Array]:
        begin_ns = perf_ns()
        arrays = {key: value for key, value in observation.items() if not isinstance(value, str | Mapping)}
        if self._running is not None:
            self._wait(self._running, timeout_ns)
        left_ns = timeout_ns - (perf_ns() - begin_ns)
        self._running = self._thread.submit(self._run, arrays)
        return self._wait(self._running, left_ns)

    def reset(self, timeout_ns: int) -> None:
        """A graph remembers nothing."""

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._engine.close()

    def _run(self, arrays: dict[str, Array]) -> dict[str, Array]:
        return {name: array.copy() for name, array in self._engine.infer(arrays).items()}

    def _wait(self, running: Future[dict[str, Array]], timeout_ns: int) -> dict[str, Array]:
        try:
            answer = running.result(max(0.0, seconds(timeout_ns)))
        except TooLate:
            raise PolicyError(f"{self._name}: the graph has not answered within {timeout_ns / MS:.0f} ms") from None
        except EngineError as error:
            self._running = None
            raise PolicyError(str(error)) from error
        self._running = None
        return answer
