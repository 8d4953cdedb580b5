"""Episodes for tests: short ones, with what may happen on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from saccade.cli.episodes.episode import Episode
from saccade.cli.episodes.nav import Nav
from saccade.cli.episodes.variants import variant_of
from saccade.clock import SEC
from saccade.node import NEVER_NS, Node, Out, Sample
from saccade.stages import Stages
from sim.world import START_NS

NEAR = 139
"""A yard whose goal is four metres ahead; the red box."""


def episode(seed: int = NEAR, back: bool = False, **changes: Any) -> Episode:
    """An errand with five pictures a second and nobody walking, to be cheap."""
    variant = variant_of("stereo")
    return replace(Episode(Nav(back), seed, replace(variant, world="&camera_hz=5&people=0")), **changes)


class Ear:
    """Digests every command and notes when one was not zero."""

    name, writes = "ear", frozenset[str]()
    reads = frozenset({"cmd_vel", "verdict"})

    def __init__(self) -> None:
        self.stages, self._sha = Stages(), hashlib.sha256()

    def next_ns(self, now_ns: int) -> int:
        return NEVER_NS

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        self._sha.update(f"{now_ns} {sample.topic}".encode() + bytes(sample.cdr))
        return ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        return ()

    def close(self) -> Iterable[Out]:
        return ()

    def digest(self) -> str:
        return self._sha.hexdigest()


class At(Ear):
    """Does things at their times, in seconds since the start: to a node that runs, say."""

    name = "at"

    def __init__(self, *script: tuple[float, Callable[[], None]]) -> None:
        super().__init__()
        self._script = list(script)

    def next_ns(self, now_ns: int) -> int:
        return START_NS + round(self._script[0][0] * SEC) if self._script else NEVER_NS

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        self._script.pop(0)[1]()
        return ()


class Mortal:
    """A node that is gone between two times, in seconds since the start, and then begins anew: a supervisor."""

    def __init__(self, make: Callable[[], Node], dies_s: float, again_s: float) -> None:
        self._make, self._inner = make, make()
        self._span = (START_NS + round(dies_s * SEC), START_NS + round(again_s * SEC))
        self._died, self._latched = False, list[Sample]()
        self.name, self.reads, self.writes = self._inner.name, self._inner.reads, self._inner.writes
        self.stages = self._inner.stages

    def _alive(self, now_ns: int) -> bool:
        if self._span[0] <= now_ns < self._span[1]:
            self._died = True
            return False
        if self._died:
            self._died, self._span = False, (NEVER_NS, NEVER_NS)
            self._inner = self._make()
            for sample in self._latched:  # transient local: whoever comes late hears it, too
                list(self._inner.on_sample(sample, now_ns))
        return True

    def next_ns(self, now_ns: int) -> int:
        return self._inner.next_ns(now_ns) if self._alive(now_ns) else self._span[1]

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        if sample.topic == "tf_static":
            self._latched.append(sample)
        return self._inner.on_sample(sample, now_ns) if self._alive(now_ns) else ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        return self._inner.on_tick(now_ns) if self._alive(now_ns) else ()

    def close(self) -> Iterable[Out]:
        return self._inner.close()
