"""Where frames are: a buffer of transforms that interpolates at a stamp and says which link is missing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from saccade.clock import MS, SEC
from saccade.errors import DataError
from saccade.geometry import SE3, interpolate


class TransformError(DataError):
    """A transform that cannot be had; the text names the frames, the stamp and what is known."""


class TfBuffer:
    """Transforms by child frame, each with one parent, as TF2's tree; moving links keep `keep_ns` of history."""

    def __init__(self, keep_ns: int = 10 * SEC, extrapolate_ns: int = 100 * MS) -> None:
        self._keep_ns = keep_ns
        self._extrapolate_ns = extrapolate_ns
        self._parent: dict[str, str] = {}
        self._static: dict[str, SE3] = {}
        self._moving: dict[str, list[tuple[int, SE3]]] = {}

    def set_static(self, parent: str, child: str, T_parent_from_child: SE3) -> None:
        """Set a link that never moves."""
        self._moving.pop(child, None)
        self._parent[child] = parent
        self._static[child] = T_parent_from_child

    def add(self, parent: str, child: str, stamp_ns: int, T_parent_from_child: SE3) -> None:
        """Add one moment of a moving link; out-of-order stamps are sorted in, and a changed parent starts it anew.

        So does a stamp that is further back than the history goes, as after a clock that was set back: else one stamp
        from the future would keep out all that comes. A link that is static stays so: it may be told on both topics.
        Of one stamp the first word counts: where stamps stand still, the history must not grow with every message.
        """
        if self._parent.get(child) != parent:
            self._moving.pop(child, None)
            self._static.pop(child, None)
            self._parent[child] = parent
        if child in self._static:
            return
        history = self._moving.setdefault(child, [])
        if history and stamp_ns < history[-1][0] - self._keep_ns:
            history.clear()
        i = bisect_left(history, stamp_ns, key=lambda entry: entry[0])
        if i < len(history) and history[i][0] == stamp_ns:
            return
        history.insert(i, (stamp_ns, T_parent_from_child))
        newest = history[-1][0]
        while history[0][0] < newest - self._keep_ns:
            history.pop(0)

    def lookup(self, target: str, source: str, stamp_ns: int) -> SE3:
        """`T_target_from_source` at a stamp; TransformError when a link is missing or too old."""
        to_target, to_source = self._chain(target), self._chain(source)
        common = next((frame for frame in to_source if frame in to_target), None)
        if common is None:
            raise TransformError(
                f"no transform from {source!r} to {target!r}: {source!r} hangs below {to_source[-1]!r} and {target!r} "
                f"below {to_target[-1]!r}, and nothing connects the two. "
                f"Known frames: {', '.join(self.frames()) or 'none'}"
            )
        up = self._along(to_source[: to_source.index(common)], stamp_ns)
        down = self._along(to_target[: to_target.index(common)], stamp_ns)
        return down.inverse() @ up

    def frames(self) -> list[str]:
        """All frames that were ever named."""
        return sorted({*self._parent, *self._parent.values()})

    def forget_moving(self) -> None:
        """Drop all moving links, as after a jump of the clock."""
        for child in self._moving:
            self._parent.pop(child, None)
        self._moving.clear()

    def _chain(self, frame: str) -> list[str]:
        chain = [frame]
        while (parent := self._parent.get(chain[-1])) is not None:
            if parent in chain:
                raise TransformError(f"the transform tree has a loop: {' -> '.join([*chain, parent])}")
            chain.append(parent)
        return chain

    def _along(self, frames: Iterable[str], stamp_ns: int) -> SE3:
        T = SE3.identity()
        for frame in frames:
            T = (self._static[frame] if frame in self._static else self._at(frame, stamp_ns)) @ T
        return T

    def _at(self, child: str, stamp_ns: int) -> SE3:
        history = self._moving[child]
        i = bisect_left(history, stamp_ns, key=lambda entry: entry[0])
        if i < len(history) and history[i][0] == stamp_ns:
            return history[i][1]
        if 0 < i < len(history):
            (t0, T0), (t1, T1) = history[i - 1], history[i]
            return interpolate(T0, T1, (stamp_ns - t0) / (t1 - t0))
        edge, T = history[0] if i == 0 else history[-1]
        if abs(stamp_ns - edge) > self._extrapolate_ns:
            raise TransformError(
                f"transform {self._parent[child]!r} from {child!r} is known "
                f"from {history[0][0]} to {history[-1][0]} ns; "
                f"asked for {stamp_ns} ns, {(stamp_ns - edge) / MS:+.0f} ms outside"
            )
        return T


class FixedTree(TfBuffer):
    """Links (parent, child, T_parent_from_child) that never move."""

    def __init__(self, links: Iterable[tuple[str, str, SE3]]) -> None:
        super().__init__()
        for link in links:
            self.set_static(*link)

    def link(self, target: str, source: str) -> SE3 | None:
        """`T_target_from_source`, or None where nothing connects the two."""
        try:
            return self.lookup(target, source, 0)
        except TransformError:
            return None

    def top(self, frame: str) -> str:
        """The frame that this one hangs below in the end; itself where it is not known."""
        return self._chain(frame)[-1]
