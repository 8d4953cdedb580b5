"""The methods that `saccade bench stereo` compares, and how a call of one is timed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2

from engines.card import Card, card_names, load_card, with_runtime, with_threads
from engines.compiler import Shapes
from engines.open import open_engine
from engines.pictures import fitted_shape
from engines.stereo import Disparity, StereoMatcher
from engines.store.build import ensure, job
from engines.store.compilers import COMPILERS
from engines.store.key import models_of
from engines.store.shapes import plans
from saccade.cli.engine.action import bar
from saccade.clock import MS, perf_ns
from saccade.errors import ConfigError, SaccadeError
from saccade.types import U8

_SPINNING = "onnxruntime:spinning"
_BESIDE = (f"stereo-s@{_SPINNING}", f"stereo-s-int8@{_SPINNING}", "stereo-s@openvino:bf16")
"""Measured beside the cards that ship, the last where OpenVINO and the processor's instructions for it are there."""
_PAUSE_S = 0.01
"""Before each timed call: the threads of the method before it go to sleep."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Method:
    """A card under the name it is reported by."""

    name: str
    card: Card

    @property
    def classical(self) -> bool:
        """Whether it is one of OpenCV's matchers."""
        return self.card.backend != "onnx"

    def searching(self, disparities: int) -> Method:
        """The same with another range of search, where it is one of OpenCV's at full resolution."""
        card = self.card
        if self.classical and card.size.rule == "as_is":
            card = replace(card, **{card.backend: replace(getattr(card, card.backend), disparities=disparities)})
        return Method(self.name, card)


def methods_of(cards: Sequence[str] | None, largest: tuple[int, int] = (0, 0)) -> tuple[list[Method], dict[str, str]]:
    """The cards asked for, or all that ship and why some of them cannot run here; OpenCV's matchers come first.

    A card may be followed by what compiles it, `stereo-s@openvino:bf16`; an engine that is not there is built, for
    pictures of up to `largest` (H, W) too. Or by `@onnxruntime:spinning`, for threads that wait for each other awake.
    ConfigError or EngineError where one that was asked for cannot be used.
    """
    found: dict[str, Card] = {}
    for given in cards or (*card_names(), *_BESIDE):
        name, card = _asked(given, largest)
        if card.kind == "stereo":
            found[name if name not in found else given] = card
        elif cards:
            raise ConfigError(f"card {given} is of kind {card.kind}; only stereo matchers can be compared here")
    if not cards:
        found["sgbm-full, wls"] = load_card("sgbm-full", wls=True)
    left_out = {}
    for name, card in list(found.items()):
        try:
            _built(name, card)
            open_engine(card).close()
        except SaccadeError as error:
            if cards:
                raise
            left_out[name] = str(error)
            del found[name]
    return sorted((Method(*item) for item in found.items()), key=lambda method: not method.classical), left_out


def _asked(given: str, largest: tuple[int, int] = (0, 0)) -> tuple[str, Card]:
    """What `NAME`, a path, or either followed by `@RUNTIME` or `@RUNTIME:PRECISION` is called, and its card."""
    name, _, how = given.rpartition("@")
    if how == _SPINNING:
        card = load_card(name, spinning=True)
        return f"{card.name}@{_SPINNING}", card
    runtime, _, precision = how.partition(":")
    if runtime not in COMPILERS:
        card = load_card(given)
        return card.name, card
    card = with_runtime(load_card(name), runtime, precision)
    return f"{card.name}@{runtime}:{card.build.precision}", _covering(card, largest)


def _covering(card: Card, largest: tuple[int, int]) -> Card:
    """The card, its engine built for pictures of (H, W) too, where the graph leaves their size open."""
    if card.second or not any(largest):
        return card
    (plan,), (height, width) = plans(card, models_of(card)), fitted_shape(card.size, largest)
    at = {"hw": 0, "nchw": 2, "nhwc": 1}[card.colour.layout]

    def stretched(shapes: Shapes) -> Shapes:
        before, (h, w), after = shapes.largest[:at], shapes.largest[at : at + 2], shapes.largest[at + 2 :]
        return replace(shapes, largest=(*before, max(h, height), max(w, width), *after))

    return replace(card, build=replace(plan, shapes={name: stretched(s) for name, s in plan.shapes.items()}))


def _built(name: str, card: Card) -> None:
    """Build the engine of a card whose runtime compiles, where it is not there; a bar shows how far it is."""
    if card.runtime != "onnxruntime":
        work = job(card)
        with bar(f"building {name}", "", not sys.stderr.isatty()) as progress:
            ensure(work.using(progress))


class Entrant:
    """A method with an engine for each number of threads."""

    def __init__(self, method: Method, threads: Sequence[int], stack: ExitStack) -> None:
        self.name = method.name
        self._matchers: dict[int, StereoMatcher] = {}
        for n in threads:
            card = method.card if method.classical else with_threads(method.card, n)
            self._matchers[n] = StereoMatcher(stack.enter_context(open_engine(card)), card)

    def __call__(self, threads: int, left: U8, right: U8) -> Disparity:
        """The disparity of a pair, in buffers that the next call overwrites."""
        return self._matchers[threads](left, right)

    def timed(self, threads: int, left: U8, right: U8) -> tuple[Disparity, float]:
        """The disparity and how many ms it took, this method having matched the same pair just before, as in a stream.

        So is the yardstick measured. Without the call before, the caches hold what another method left in them.
        """
        self(threads, left, right)
        return timed_ms(lambda: self(threads, left, right))


def timed_ms(call: Callable[[], T]) -> tuple[T, float]:
    """What a call gives and how many ms it takes."""
    time.sleep(_PAUSE_S)
    begin = perf_ns()
    found = call()
    return found, (perf_ns() - begin) / MS


@contextmanager
def cv_threads(n: int) -> Iterator[None]:
    """OpenCV's own number of threads is the process's; it is put back."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(n)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
