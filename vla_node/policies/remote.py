"""A policy that asks a model elsewhere: its card says what is shown and answered, its client how to get there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from saccade.clock import MS, perf_ns
from saccade.geometry import F64
from vla_node.clients.base import Array, Observation
from vla_node.policies.base import Look, PolicyError, PolicySpec
from vla_node.policies.card import PolicyCard
from vla_node.policies.observe import Observer
from vla_node.policies.rows import Rows
from vla_node.policies.stub import check_look


class Model(Protocol):
    """What a policy needs of a client; see `PolicyClient`."""

    def infer(self, observation: Observation, timeout_ns: int) -> Mapping[str, Array]:
        """See `PolicyClient.infer`."""

    def reset(self, timeout_ns: int) -> None:
        """See `PolicyClient.reset`."""

    def close(self) -> None:
        """See `PolicyClient.close`."""


class RemotePolicy:
    """A `FastPolicy` by a card and a client. A new epoch has the server forget the old one before it is asked again."""

    def __init__(self, card: PolicyCard, client: Model) -> None:
        self.spec: PolicySpec = card.spec
        self._card, self._client = card, client
        self._rows = Rows(card)
        self._observer = Observer(card, self._rows.promised)
        self._epoch: int | None = None
        self._remembers = self._closed = False

    def begin(self, epoch: int) -> None:
        """See `FastPolicy.begin`; what the server remembers is dealt with by the next `act`, which may take time."""
        self._epoch, self._remembers = epoch, True

    def act(self, look: Look, timeout_ns: int) -> F64:
        """See `FastPolicy.act`; the card's `timeout_s` holds where it is shorter."""
        begin_ns = perf_ns()
        check_look(self.spec, look, self._epoch, self._closed)
        timeout_ns = min(timeout_ns, self._card.timeout_ns)
        if self._remembers:
            self._client.reset(timeout_ns)
            self._remembers = False
        observation = self._observer.observe(look)
        left_ns = timeout_ns - (perf_ns() - begin_ns)
        if left_ns <= 0:
            raise PolicyError(f"{self.spec.name}: no time left to ask, of {timeout_ns / MS:.0f} ms")
        return self._rows.read(self._client.infer(observation, left_ns), look)

    def close(self) -> None:
        """See `FastPolicy.close`."""
        self._closed = True
        self._client.close()
