"""The gate that a compiled engine has to pass: the same answers as the CPU's, by the measure of its card.

Each comparison is made again with something broken on purpose, and has to fail then (see `engines.parity`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from engines.accuracy import errors
from engines.card import Card, Tolerance
from engines.disparity import full_size_px
from engines.engine import Array, Circumstance, Engine, EngineError
from engines.parity import check_parity, golden_files, same_interface
from engines.store.cases import Case, Cases
from engines.verdict import digest
from saccade.geometry import F32

VERSION = 1
"""Raised when an engine that passed might no longer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far an engine may be from the CPU: shares of the output's own spread, then the disparity itself."""

    parity: Tolerance
    """In units of the output's 5th to 95th percentile."""
    epe_px: float
    bad1: float
    """Per cent of the pixels that may be off by more than 1 px."""
    worse: float
    """Per cent of the pixels by which it may be worse than the CPU, against the truth (off by more than 3 px)."""
    spread: float
    """For depth from one picture: mean difference as a share of the spread."""
    rounding: float = 0.0
    """Share of an output's own size by which any value may be off: an output that hardly varies has no spread to go by,
    and is rounded like any other."""


LIMITS = {
    "fp32": Limits(Tolerance(0.5, 0.9999, 0.01, 0.005), 0.05, 0.5, 0.5, 0.005),
    "fp16": Limits(Tolerance(2.0, 0.9995, 0.02, 0.02), 0.1, 1.0, 1.0, 0.01),
    "bf16": Limits(Tolerance(8.0, 0.999, 0.05, 0.08), 0.2, 2.0, 1.0, 0.02, 2.0**-7),
    "int8": Limits(Tolerance(4.0, 0.995, 0.05, 0.05), 0.5, 5.0, 2.0, 0.03),
}
"""By precision. A golden input of fp32 is held to the tolerance of its card. With fewer bits single pixels at an edge
choose the other side of it, all of the spread away, so that the largest error says little and their share says more."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate found: reasons against the engine, the worst figures, and each comparison for people."""

    reasons: tuple[str, ...]
    figures: dict[str, float]
    lines: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the engine may be used."""
        return not self.reasons


def gate_digest(card: Card) -> str:
    """Hash of what an engine is verified against: the card, its golden arrays, and this gate."""
    said = hashlib.sha256(f"{VERSION} {digest(card)}".encode())
    for file in golden_files(card):
        said.update(file.read_bytes())
    return said.hexdigest()


def judge(card: Card, engine: Engine, cases: Cases) -> Judgement:
    """Hold an engine to the reference, until the first reason against it. Circumstance where that cannot be done."""
    figures: dict[str, float] = {}
    lines: list[str] = []
    try:
        same_interface(engine.spec, cases.spec)
        for case in cases.all:
            lines += _judged(card, engine, case, figures)
    except Circumstance:
        raise
    except EngineError as error:
        return Judgement((str(error),), figures, tuple(lines))
    return Judgement((), figures, tuple(lines))


def _judged(card: Card, engine: Engine, case: Case, figures: dict[str, float]) -> list[str]:
    """Lines on one case, with the worst figures kept; EngineError is a reason against the engine."""
    limits = LIMITS[card.build.precision]
    got = {name: array.copy() for name, array in engine.infer(case.inputs).items()}
    for name, want in case.want.items():
        _sound(case, name, got.get(name), want)
    lines = []
    for name in filter(None, (card.output.name, card.output.confidence)):
        tolerance = _tolerance(card, case, limits, case.want[name])
        parity = check_parity(engine, case.inputs, {name: case.want[name]}, tolerance)
        (difference,) = parity.differences
        _keep(figures, f"{name} max error", difference.max_abs)
        _keep(figures, f"{name} 1 - cosine", 1 - difference.cosine)
        lines.append(f"{case.name}: {parity}")
        if not parity.passed:
            raise EngineError(f"{case.name}: {parity}")
    if case.scene is not None:
        lines.append(f"{case.name}: {_measured(card, case, got[card.output.name], limits, figures)}")
    return lines


def _sound(case: Case, name: str, got: Array | None, want: Array) -> None:
    if got is None or got.shape != want.shape or got.dtype != want.dtype:
        said = "nothing" if got is None else f"{got.dtype} {got.shape}"
        raise EngineError(
            f"{case.name}: wrong shape or type: {name} is {said}; the CPU gives {want.dtype} {want.shape}"
        )
    if got.dtype.kind == "f" and (bad := int((~np.isfinite(got) & np.isfinite(want)).sum())):
        raise EngineError(f"{case.name}: NaN or infinity: {name} holds {bad} of {got.size} where the CPU gives numbers")
    if _spread(want) > 0 and _spread(got) == 0:
        raise EngineError(f"{case.name}: constant output: {name} is {got.flat[0]:.4g} everywhere")


def _tolerance(card: Card, case: Case, limits: Limits, want: Array) -> Tolerance:
    """In units of the output. A golden input of fp32 has that of the card; of less bits, at least that."""
    own = card.golden.tolerance if card.golden and case.scene is None else None
    if own and card.build.precision == "fp32":
        return own
    low, high = _extent(want)
    allowed, spread, rounding = limits.parity, max(high - low, 1e-6), limits.rounding * max(abs(low), abs(high))
    own = own or Tolerance(0.0, 1.0, 0.0, 0.0)
    return Tolerance(
        max(own.max_abs, allowed.max_abs * spread), min(own.cosine, allowed.cosine),
        max(own.bad_over, allowed.bad_over * spread, rounding), max(own.bad_fraction, allowed.bad_fraction),
    )  # fmt: skip


def _measured(card: Card, case: Case, got: Array, limits: Limits, figures: dict[str, float]) -> str:
    """The card's own measure on a scene, for people; EngineError where it is not met, or would let anything pass."""
    want = case.want[card.output.name]
    if card.kind == "depth":
        low, high = _extent(want)
        with np.errstate(invalid="ignore"):  # where both are infinite
            off = float(np.nanmean(np.abs(np.subtract(got, want, dtype=np.float64)))) / max(high - low, 1e-6)
        _keep(figures, "mean difference / spread", off)
        if off > limits.spread:
            raise EngineError(
                f"{case.name}: depth is off by {100 * off:.2g} % of its spread; expected {limits.spread:.1%}"
            )
        return f"off by {100 * off:.2g} % of the spread"
    assert case.scene is not None
    shape = case.scene.shape
    seen, reference = full_size_px(got, card, shape), full_size_px(want, card, shape)
    if near(elsewhere(reference), reference, limits):
        raise EngineError(f"{case.name}: the check itself is broken: a disparity of another place passed")
    epe, bad1 = _apart(seen, reference)
    truth, where = case.scene.truth, np.isfinite(case.scene.truth)
    worse = errors(seen, truth, where).bad3 - errors(reference, truth, where).bad3
    for name, value in (("EPE px", epe), ("bad-1 %", bad1), ("worse against the truth, bad-3 %", worse)):
        _keep(figures, name, value)
    said = f"EPE {epe:.3g} px, off by over 1 px {bad1:.2g} %, against the truth worse by {worse:.2g} points"
    if not (epe <= limits.epe_px and bad1 <= limits.bad1 and worse <= limits.worse):
        allowed = f"{limits.epe_px} px, {limits.bad1} %, {limits.worse} points"
        raise EngineError(f"{case.name}: disparity differs from the CPU's: {said}; expected at most {allowed}")
    return said


def elsewhere(disparity: F32) -> F32:
    """The control: an (H, W) disparity turned upside down, and moved by a third, because scenes may be symmetric."""
    return np.roll(disparity[::-1], disparity.shape[1] // 3, axis=1)


def near(seen: F32, reference: F32, limits: Limits) -> bool:
    """Whether a disparity is as near to the reference as it has to be; both (H, W) float32 px."""
    epe, bad1 = _apart(seen, reference)
    return epe <= limits.epe_px and bad1 <= limits.bad1


def _apart(seen: F32, reference: F32) -> tuple[float, float]:
    found = errors(seen, reference, np.isfinite(reference))
    return found.epe, found.bad1


def _extent(array: Array) -> tuple[float, float]:
    """The 5th and 95th percentile of its numbers; NaN without any."""
    finite = np.asarray(array[np.isfinite(array)], np.float64)
    low, high = np.percentile(finite, (5, 95)) if finite.size else (np.nan, np.nan)
    return float(low), float(high)


def _spread(array: Array) -> float:
    finite = array[np.isfinite(array)]
    return float(finite.max()) - float(finite.min()) if finite.size else 0.0


def _keep(figures: dict[str, float], name: str, value: float) -> None:
    """The worst of all cases."""
    figures[name] = max(figures.get(name, value), value)
