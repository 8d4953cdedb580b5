"""From what a model answers to rows in SI that may be executed, and back, as a card says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from saccade.errors import choices
from saccade.geometry import F64
from vla_node.clients.base import Array
from vla_node.policies.answered import UNITS, ActionPart
from vla_node.policies.base import Look, PolicyError
from vla_node.policies.card import PolicyCard
from vla_node.policies.motions import backwards, forwards
from vla_node.policies.shown import required


class Rows:
    """Reads answers, and writes what would have been answered. Rows are (k, d) float64, SI, absolute."""

    def __init__(self, card: PolicyCard) -> None:
        self._card, self._moves = card, card.moves
        self._horizon = required("horizon", card.moves.horizon, "")
        self._scales = [_Scales(part) for part in card.moves.parts]
        limits = [part.limits * len(part.axes) if len(part.limits) == 1 else part.limits for part in card.moves.parts]
        self._least, self._most = np.array([pair for pairs in limits for pair in pairs]).T

    def read(self, answer: Mapping[str, Array], look: Look) -> F64:
        """The rows of an answer to this look. PolicyError: wrong keys, shape, not finite, beyond the limits."""
        parts = zip(self._moves.parts, self._scales, strict=True)
        columns = [scales.to_si(self._columns(part, answer)) for part, scales in parts]
        rows = forwards(self._card.name, self._moves, np.concatenate(columns, axis=1), look)
        return self._checked(rows)

    def write(self, rows: F64, look: Look) -> dict[str, Array]:
        """The answer (k, width) by key that `read` takes for these rows; columns that are not read are 0."""
        relative, begin = backwards(self._card.name, self._moves, rows, look), 0
        out: dict[str, Array] = {}
        for part, scales in zip(self._moves.parts, self._scales, strict=True):
            values = scales.from_si(relative[:, begin : begin + len(part.axes)])
            begin += len(part.axes)
            columns = part.columns or tuple(range(len(part.axes)))
            array = out.get(part.key, np.zeros((len(rows), 0)))
            missing = max(columns) + 1 - array.shape[1]
            out[part.key] = array = np.pad(array, ((0, 0), (0, max(0, missing))))
            array[:, columns] = values
        return out

    def promised(self, rows: F64, look: Look) -> F64:
        """Promised rows (n, d) as the model's own numbers (n, width), keys in the card's order."""
        return np.concatenate(list(self.write(rows, look).values()), axis=1)

    def check_shapes(self, answer: Mapping[str, Array]) -> None:
        """PolicyError where the arrays of an answer are not those of the card, whatever numbers they hold."""
        for part in self._moves.parts:
            self._shaped(part, answer)

    def _shaped(self, part: ActionPart, answer: Mapping[str, Array]) -> F64:
        """The numbers of one part, (horizon, axes)."""
        name, width = self._card.name, max(part.columns, default=len(part.axes) - 1) + 1
        if part.key not in answer:
            raise PolicyError(f"{name}: the answer has no {part.key!r}; {choices(part.key, answer)}")
        array = np.asarray(answer[part.key])
        if array.dtype.kind not in "fiub":
            raise PolicyError(f"{name}: {part.key!r} is of dtype {array.dtype}; expected numbers")
        while array.ndim > 2 and array.shape[0] == 1:
            array = array[0]
        if array.ndim == 1 and self._horizon == 1:
            array = array[None]
        fits = array.ndim == 2 and len(array) == self._horizon
        if not fits or (array.shape[1] < width if part.columns else array.shape[1] != width):
            least = f"at least {width}" if part.columns else str(width)
            expected = f"({self._horizon}, {least}), by horizon and columns of its card"
            raise PolicyError(f"{name}: {part.key!r} has shape {array.shape}; expected {expected}")
        return np.asarray(array[:, part.columns] if part.columns else array, np.float64)

    def _columns(self, part: ActionPart, answer: Mapping[str, Array]) -> F64:
        """The numbers of one part, (horizon, axes), all finite."""
        name, values = self._card.name, self._shaped(part, answer)
        if not (finite := np.isfinite(values)).all():
            row, axis = (int(i) for i in np.argwhere(~finite)[0])
            raise PolicyError(f"{name}: {part.axes[axis]} of row {row} is {values[row, axis]}; expected finite numbers")
        return values

    def _checked(self, rows: F64) -> F64:
        beyond = ~((rows >= self._least) & (rows <= self._most))
        if beyond.any():
            row, axis = (int(i) for i in np.argwhere(beyond)[0])
            limits = f"{self._least[axis]:g} to {self._most[axis]:g}"
            what = f"{self._moves.axes[axis]} of row {row} is {rows[row, axis]:.6g}"
            raise PolicyError(f"{self._card.name}: {what}, its card's limits are {limits} (SI)")
        return rows


class _Scales:
    """Between a part's numbers (k, axes) and SI."""

    def __init__(self, part: ActionPart) -> None:
        unit, stats = np.array([UNITS[unit] for unit in part.units]), part.normalise
        self._scale, self._offset = np.array(part.scale) * unit, np.array(part.offset) * unit
        self._spread, self._centre = (stats.spread, stats.centre) if stats else (np.ones(1), np.zeros(1))
        self._threshold = part.threshold

    def to_si(self, values: F64) -> F64:
        values = values * self._spread + self._centre
        if self._threshold is not None:
            values = (values > self._threshold).astype(np.float64)
        si: F64 = values * self._scale + self._offset
        return si

    def from_si(self, values: F64) -> F64:
        raw: F64 = ((values - self._offset) / self._scale - self._centre) / self._spread
        return raw
