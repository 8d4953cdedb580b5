"""The run behind `saccade bench stereo`: every method on every pair, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from engines.accuracy import errors, filled, jitter, trust
from engines.datasets import DataSet, StereoTruth
from engines.opencv import sgbm
from engines.options import SgbmOptions
from saccade.cli.bench.methods import Entrant, Method, cv_threads, timed_ms
from saccade.errors import DataError, SaccadeError
from saccade.geometry import F32
from saccade.types import U8

BARE = SgbmOptions(disparities=128, p2=1600, speckle_px=200)
"""The yardstick of time, SGBM_3WAY: OpenCV's own call on grey pictures as they are, with nothing before or after it."""
NOISE_GREY = 3.0
"""Standard deviation of the noise with which a still scene is shown twice."""
_RANGES, _MISSED = range(128, 513, 16), 0.01
_FAULTS = (SaccadeError, cv2.error, MemoryError)
Record = dict[str, Any]
Advance = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    """What one data set gave: OpenCV's range of search, px; by pair, its shape and a record a method; what broke."""

    name: str
    disparities: int
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    records: dict[str, dict[str, Record]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)


def measure(
    data: DataSet, methods: Sequence[Method], threads: Sequence[int], advance: Advance, disparities: int = 0
) -> Outcome:
    """Every method on every pair of a data set, in turn, so that what disturbs the machine disturbs them alike.

    `disparities` is OpenCV's range of search; 0: 128, or as many as 99 % of the truth needs. What cannot be read or
    matched stands in the outcome. `advance` is called after each call of a method, `calls` times in all.
    """
    outcome = Outcome(data.name, disparities)
    outcome.disparities = disparities or _range_of_search(_read(data, outcome.broken))
    bare = sgbm(replace(BARE, disparities=outcome.disparities))
    with ExitStack() as stack:
        entrants = [Entrant(m.searching(outcome.disparities), threads, stack) for m in methods]
        for index, pair in enumerate(_read(data, outcome.broken)):
            outcome.shapes[pair.name] = pair.left.shape
            outcome.records[pair.name] = {entrant.name: {} for entrant in entrants}
            for entrant in _rounds(index, pair, entrants, threads, bare, outcome.records[pair.name]):
                advance(f"{data.name} {pair.name} {entrant.name}")
    return outcome


def calls(data: DataSet, methods: Sequence[Method], threads: Sequence[int]) -> int:
    """How often `measure` calls `advance` where nothing is broken."""
    return len(data.pairs) * len(methods) * (len(threads) + 1)


def largest(sets: Sequence[DataSet]) -> tuple[int, int]:
    """The height of the tallest picture and the width of the widest; 0 where none can be read."""
    shapes = [pair.left.shape for data in sets for pair in _read(data, {})]
    return max((shape[0] for shape in shapes), default=0), max((shape[1] for shape in shapes), default=0)


def _read(data: DataSet, broken: dict[str, str]) -> Iterator[StereoTruth]:
    """The pairs that can be read; why others cannot goes to `broken`."""
    for source in data.pairs:
        try:
            yield source.read()
        except DataError as error:
            broken[source.name] = str(error)


def _range_of_search(pairs: Iterator[StereoTruth]) -> int:
    beyond = [[float((p.truth >= n).sum() / np.isfinite(p.truth).sum()) for n in _RANGES] for p in pairs]
    shares = np.mean(beyond, axis=0) if beyond else np.zeros(len(_RANGES))
    return next((n for n, share in zip(_RANGES, shares, strict=True) if share <= _MISSED), _RANGES[-1])


def _rounds(
    index: int, pair: StereoTruth, entrants: Sequence[Entrant], threads: Sequence[int], bare: Any,
    records: dict[str, Record],
) -> Iterator[Entrant]:  # fmt: skip
    """One pair: a round for each number of threads, and one for jitter; each begins with another method."""
    first = index % len(entrants)
    order = [*entrants[first:], *entrants[:first]]
    views = [_noisy(pair, index, draw) for draw in (1, 2)]
    for n in threads:
        with cv_threads(n):
            yardstick_ms = _yardstick(bare, pair)
            for entrant in order:
                _timed(entrant, n, pair, yardstick_ms, records[entrant.name])
                yield entrant
    with cv_threads(threads[-1]):
        for entrant in order:
            _trembling(entrant, threads[-1], views, records[entrant.name])
            yield entrant


def _timed(entrant: Entrant, threads: int, pair: StereoTruth, yardstick_ms: float, record: Record) -> None:
    if "error" in record:
        return
    try:
        found, ms = entrant.timed(threads, pair.left, pair.right)
    except _FAULTS as error:
        record["error"] = f"{type(error).__name__}: {error}"
        return
    record.setdefault("ms", {})[str(threads)] = ms
    record.setdefault("to_bare_3way", {})[str(threads)] = ms / yardstick_ms
    if "scores" not in record:
        record["scores"] = scores(found.disparity, pair)
        where = np.isfinite(pair.truth) if pair.seen is None else pair.seen
        record["trust"] = asdict(trust(found.disparity, found.confidence, pair.truth, where))


def scores(disparity: F32, pair: StereoTruth) -> dict[str, dict[str, float]]:
    """Errors as given and with holes filled ("dense"), over all pixels of known truth and over those that both see."""
    everywhere = np.ones(pair.truth.shape, np.bool_)
    masks = {"all": everywhere} if pair.seen is None else {"all": everywhere, "seen": pair.seen}
    given = {"given": disparity, "dense": filled(disparity)}
    return {f"{k}_{m}": asdict(errors(d, pair.truth, where)) for k, d in given.items() for m, where in masks.items()}


def _trembling(entrant: Entrant, threads: int, views: Sequence[tuple[U8, U8]], record: Record) -> None:
    if "error" in record:
        return
    try:
        one, other = (entrant(threads, *view).disparity.copy() for view in views)
    except _FAULTS as error:
        record["error"] = f"{type(error).__name__}: {error}"
        return
    record["jitter"] = asdict(jitter(one, other))


def _noisy(pair: StereoTruth, index: int, draw: int) -> tuple[U8, U8]:
    noise = np.random.default_rng([index, draw])
    left, right = (
        np.clip(np.rint(p + noise.normal(0.0, NOISE_GREY, p.shape)), 0, 255).astype(np.uint8)
        for p in (pair.left, pair.right)
    )
    return left, right


def _yardstick(bare: Any, pair: StereoTruth) -> float:
    """ms of OpenCV's SGBM_3WAY on this pair, its buffers being made before; NaN where it cannot match one so narrow."""
    left, right = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) if p.ndim == 3 else p for p in (pair.left, pair.right))
    if left.shape[1] <= bare.getNumDisparities():
        return float("nan")
    bare.compute(left, right)
    return timed_ms(lambda: bare.compute(left, right))[1]
