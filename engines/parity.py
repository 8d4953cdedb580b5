"""Parity: an engine against its reference on golden inputs, with a negative control.

A comparison that cannot fail proves nothing. So the same comparison is made twice more with something broken on
purpose, the inputs and then the outputs; if either passes, the check itself is reported as broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.card import Card, Tolerance
from engines.engine import Array, Circumstance, Engine, EngineError, EngineSpec


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one output is from its reference: largest error, cosine, share of values off by more than `bad_over`."""

    output: str
    max_abs: float
    cosine: float
    bad_fraction: float
    passed: bool

    def __str__(self) -> str:
        return (
            f"{self.output}: max error {self.max_abs:.4g}, cosine {self.cosine:.6f}, "
            f"bad {100 * self.bad_fraction:.2f} % -> {'pass' if self.passed else 'FAIL'}"
        )


@dataclass(frozen=True, slots=True)
class Parity:
    """Verdict on one engine. `broken` tells which negative control passed, so that the check shows nothing."""

    differences: tuple[Difference, ...]
    broken: str = ""

    @property
    def passed(self) -> bool:
        """Whether every output is within tolerance and the controls failed as they must."""
        return not self.broken and all(difference.passed for difference in self.differences)

    def __str__(self) -> str:
        lines = [str(difference) for difference in self.differences]
        return "\n".join([*lines, f"the check itself is broken: {self.broken}"] if self.broken else lines)


def compare(output: str, got: Array, want: Array, tolerance: Tolerance) -> Difference:
    """One output against its reference; NaN against a number counts as an infinite error, NaN against NaN as none."""
    if got.shape != want.shape:
        raise EngineError(f"{output} has shape {got.shape}, its reference {want.shape}")
    a, b = got.astype(np.float64).ravel(), want.astype(np.float64).ravel()
    both = np.isfinite(a) & np.isfinite(b)
    error = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.inf)
    error[both] = np.abs(a[both] - b[both])
    norm = float(np.linalg.norm(a[both]) * np.linalg.norm(b[both]))
    cosine = float(a[both] @ b[both]) / norm if norm else float(not error.any())
    bad_fraction = float((error > tolerance.bad_over).mean()) if error.size else 1.0
    max_abs = float(error.max(initial=0.0))
    passed = max_abs <= tolerance.max_abs and cosine >= tolerance.cosine and bad_fraction <= tolerance.bad_fraction
    return Difference(output, max_abs, cosine, bad_fraction, passed)


def check_parity(
    engine: Engine, inputs: Mapping[str, Array], reference: Engine | Mapping[str, Array], tolerance: Tolerance
) -> Parity:
    """Compare `engine` on golden `inputs` with a reference engine or with recorded outputs; see the module."""
    if isinstance(reference, Mapping):
        want = dict(reference)
    else:
        want = {name: array.copy() for name, array in reference.infer(inputs).items()}
    got = {name: array.copy() for name, array in engine.infer(inputs).items() if name in want}
    if not want or set(got) != set(want):
        raise EngineError(f"{engine.spec.name} gives {', '.join(got)}; its reference has {', '.join(want)}")
    differences = _differences(got, want, tolerance)
    spoilt_outputs = {name: _spoilt_output(array, tolerance) for name, array in want.items()}
    if any(difference.passed for difference in _differences(spoilt_outputs, want, tolerance)):
        return Parity(
            differences,
            "outputs spoilt on purpose passed; the tolerance is too wide or the golden output holds no number",
        )
    spoilt_inputs = {name: _spoilt_input(array) for name, array in inputs.items()}
    moved = {name: array for name, array in engine.infer(spoilt_inputs).items() if name in want}
    if all(difference.passed for difference in _differences(moved, want, tolerance)):
        return Parity(differences, "inputs spoilt on purpose passed; the golden input does not reach the output")
    return Parity(differences)


def golden_files(card: Card) -> list[Path]:
    """Where a card's golden input and output lie, none without; Circumstance where one is not there."""
    files = [card.beside(name) for name in (card.golden.inputs, card.golden.outputs)] if card.golden else []
    for file in files:
        if not file.is_file():
            raise Circumstance(f"{card.name}: {file} is missing; put it back, or take `golden:` out of {card.path}")
    return files


def golden_arrays(path: Path) -> dict[str, Array]:
    """One half of a golden pair; EngineError for a file that is no archive of numbers."""
    try:
        with np.load(path) as file:
            arrays = dict(file)
    except Exception as error:  # zipfile, its codecs and numpy's parser of headers share no base class
        raise EngineError(f"cannot read {path}: {error}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise EngineError(f"{path} holds {name!r}, which is no array of numbers")
    return arrays


def check_golden(card: Card, engine: Engine) -> Parity:
    """`check_parity` against what the card's author saw the model give."""
    if card.golden is None:
        raise EngineError(f"card {card.name!r} has no golden input and output; add `golden:` to it")
    before, after = golden_files(card)
    return check_parity(engine, golden_arrays(before), golden_arrays(after), card.golden.tolerance)


def same_interface(spec: EngineSpec, wanted: EngineSpec) -> None:
    """EngineError where an engine does not take and give what another does: names, dtypes, axes and fixed sizes."""
    for kind, got, want in (("input", spec.inputs, wanted.inputs), ("output", spec.outputs, wanted.outputs)):
        by_name = {tensor.name: tensor for tensor in got}
        for tensor in want:
            own = by_name.pop(tensor.name, None)
            fits = own and own.dtype == tensor.dtype and len(own.shape) == len(tensor.shape) and not any(
                isinstance(a, int) and isinstance(b, int) and a != b and -1 not in (a, b)
                for a, b in zip(own.shape, tensor.shape, strict=True)
            )  # fmt: skip
            if not fits:
                raise EngineError(f"wrong {kind}: it has {own or f'no {tensor.name!r}'}; the CPU has {tensor}")
        if by_name and kind == "input":
            raise EngineError(f"it wants the input {next(iter(by_name.values()))}, which the CPU does not")


def _differences(got: Mapping[str, Array], want: Mapping[str, Array], tolerance: Tolerance) -> tuple[Difference, ...]:
    return tuple(compare(name, got[name], want[name], tolerance) for name in sorted(want))


def _spoilt_output(array: Array, tolerance: Tolerance) -> Array:
    """Twice the allowed error everywhere: the smallest fault that must not pass."""
    return array.astype(np.float64) + 2 * tolerance.max_abs + 1e-9


def _spoilt_input(array: Array) -> Array:
    """The same values in another place: turned round along the longest axis, which is none of channels wherever they
    stand, and moved by a third, so that ranges stay valid."""
    longest = max(range(array.ndim), key=lambda axis: (array.shape[axis], axis))
    return np.ascontiguousarray(np.roll(np.flip(array, longest), array.shape[longest] // 3, axis=longest))
