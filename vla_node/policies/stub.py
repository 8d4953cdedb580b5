"""A policy without a model: it always answers what its card says. For trying all that is around a policy."""

from __future__ import annotations

import numpy as np

from saccade.geometry import F64
from vla_node.policies.base import Look, PolicyError, PolicySpec
from vla_node.policies.card import PolicyCard


class StubPolicy:
    """A `FastPolicy` that answers the card's `rows`, a single one repeated."""

    def __init__(self, card: PolicyCard) -> None:
        self.spec: PolicySpec = card.spec
        rows = np.array(card.rows, np.float64)
        self._rows: F64 = np.repeat(rows, self.spec.horizon, axis=0) if len(rows) == 1 else rows
        self._epoch: int | None = None
        self._closed = False

    def begin(self, epoch: int) -> None:
        """See `FastPolicy.begin`."""
        self._epoch = epoch

    def act(self, look: Look, timeout_ns: int) -> F64:
        """See `FastPolicy.act`."""
        check_look(self.spec, look, self._epoch, self._closed)
        rows: F64 = self._rows.copy()
        return rows

    def close(self) -> None:
        """See `FastPolicy.close`."""
        self._closed = True


def check_look(spec: PolicySpec, look: Look, epoch: int | None, closed: bool) -> None:
    """PolicyError when a policy that has begun `epoch`, or was closed, may not answer to a look."""
    if closed:
        raise PolicyError(f"{spec.name} is closed; open it again with open_policy")
    if look.epoch != epoch:
        raise PolicyError(f"{spec.name}: a look of epoch {look.epoch}, but epoch {epoch} has begun")
