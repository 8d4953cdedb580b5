"""What can be served: a graph by its card, or the chunks of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engines.engine import Engine
from saccade.errors import choices
from vla_node.clients.base import Array
from vla_node.policies.base import PolicyError
from vla_node.policies.card import PolicyCard
from vla_node.policies.observe import Observer
from vla_node.policies.replay import recorded
from vla_node.policies.rows import Rows


class ServedGraph:
    """Answers with the arrays of an ONNX graph, as the graph gives them, (horizon, dim) each.

    Asked for are the graph's own inputs, in the card's sizes; axes of length 1 before the others may be left out or
    added, and a group's name stands for a map around them. It closes the engine.
    """

    def __init__(self, card: PolicyCard, engine: Engine) -> None:
        self._card, self._engine = card, engine
        self._inputs = Observer(card, Rows(card).promised).blank()
        self._groups = {entry.key: entry.group for entry in card.observation}
        names = {key: list(array.shape) for key, array in self._inputs.items()}
        self.metadata: Mapping[str, Any] = {"name": card.name, "observation": names, **_actions(card)}

    def answer(self, observation: Mapping[str, Any]) -> dict[str, Array]:
        """See `Served.answer`."""
        inputs = {key: self._input(key, blank, observation) for key, blank in self._inputs.items()}
        answer = {key: array.copy() for key, array in self._engine.infer(inputs).items()}
        return {key: array.reshape(array.shape[-2:]) if array.size else array for key, array in answer.items()}

    def reset(self) -> None:
        """A graph remembers nothing."""

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.close()

    def _input(self, key: str, blank: Array, observation: Mapping[str, Any]) -> Array:
        group = self._groups[key]
        within = observation.get(group) if group else observation
        if not isinstance(within, Mapping) or key not in within:
            seen = within if isinstance(within, Mapping) else observation
            raise PolicyError(f"{self._card.name}: no {key!r} in the observation; {choices(key, map(str, seen))}")
        array = np.asarray(within[key])
        if _bare(array) != _bare(blank) or not np.can_cast(array.dtype, blank.dtype, "same_kind"):
            is_ = f"{array.dtype} {array.shape}"
            raise PolicyError(f"{self._card.name}: {key!r} is {is_}; expected {blank.dtype} {blank.shape}")
        if not np.isfinite(array).all():
            raise PolicyError(f"{self._card.name}: {key!r} holds NaN or infinity")
        return array.reshape(blank.shape).astype(blank.dtype)


class ServedRecording:
    """Answers with a recording's chunks in turn, whatever is asked; `reset` begins again, and so does the end."""

    def __init__(self, path: Path) -> None:
        self._chunks = recorded(path)
        self._next = 0
        first = self._chunks[0]
        self.metadata: Mapping[str, Any] = {"name": path.name, "axes": list(first.axes), "dt_s": first.dt_ns / 1e9}

    def answer(self, observation: Mapping[str, Any]) -> dict[str, Array]:
        """See `Served.answer`."""
        chunk = self._chunks[self._next % len(self._chunks)]
        self._next += 1
        return {"actions": chunk.actions}

    def reset(self) -> None:
        """See `Served.reset`."""
        self._next = 0

    def close(self) -> None:
        """Nothing is held."""


def _bare(array: Array) -> tuple[int, ...]:
    """The shape without the axes of length 1 that stand first."""
    shape = array.shape
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


def _actions(card: PolicyCard) -> dict[str, Any]:
    spec = card.spec
    return {"kind": spec.kind.value, "axes": list(spec.axes), "dt_s": spec.dt_ns / 1e9, "horizon": spec.horizon}
