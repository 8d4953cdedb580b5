"""What an engine is: named arrays in, named arrays out, and a spec that both are held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from saccade.errors import SaccadeError, choices

if TYPE_CHECKING:
    from typing_extensions import Self

Array = npt.NDArray[Any]


class EngineError(SaccadeError):
    """An engine that cannot be loaded, or was given what its spec does not allow."""


class Circumstance(EngineError):
    """What went wrong around an engine, such as want of memory: it says nothing of the engine, which may work yet."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output. `shape` holds sizes, names of sizes that must agree ("H"), or -1 for any size."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} ({', '.join(map(str, self.shape))})"


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What an engine takes and gives; checked once for itself, and on every call for the inputs."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __post_init__(self) -> None:
        for kind, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            names = [tensor.name for tensor in tensors]
            if not names or len(set(names)) != len(names):
                raise EngineError(f"{self.name}: its {kind} are {names}; expected at least one, each named differently")
            for tensor in tensors:
                _known_dtype(self.name, tensor)

    def check_inputs(self, arrays: Mapping[str, Array]) -> dict[str, int]:
        """The size behind each symbol; EngineError that names the tensor, what it is and what was expected."""
        return _check(self.name, "input", self.inputs, arrays, {})

    def check_outputs(self, arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> None:
        """Hold outputs to the spec, given the sizes that `check_inputs` found."""
        _check(self.name, "output", self.outputs, arrays, dict(sizes))


class Engine(Protocol):
    """A loaded model. Use it in a `with`; its outputs are valid until the next `infer`, which may reuse them.

    Threads may share it: calls at once are served one by one, or refused with EngineError.
    """

    spec: EngineSpec
    report: dict[str, str]
    """What was asked of the backend and what was got, for people."""

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; EngineError when an input does not fit the spec or the engine is closed."""

    def close(self) -> None:
        """Release what the engine holds; closing twice is allowed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ClosesItself:
    """The context manager half of an Engine."""

    def close(self) -> None:
        """See `Engine.close`."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check(
    engine: str, kind: str, tensors: tuple[TensorSpec, ...], arrays: Mapping[str, Array], sizes: dict[str, int]
) -> dict[str, int]:
    names = [tensor.name for tensor in tensors]
    for given in arrays:
        if given not in names:
            raise EngineError(f"{engine}: no {kind} {given!r}; {choices(given, names)}")
    for tensor in tensors:
        if tensor.name not in arrays:
            raise EngineError(f"{engine}: {kind} {tensor.name!r} is missing; expected {tensor}")
        array = arrays[tensor.name]
        if array.dtype != np.dtype(tensor.dtype) or array.ndim != len(tensor.shape):
            raise EngineError(f"{engine}: {kind} {tensor.name!r} is {_described(array)}; expected {tensor}")
        for size, want in zip(array.shape, tensor.shape, strict=True):
            known = sizes.setdefault(want, size) if isinstance(want, str) else want
            if known not in (-1, size):
                where = f" with {want} = {known}" if isinstance(want, str) else ""
                raise EngineError(f"{engine}: {kind} {tensor.name!r} is {_described(array)}; expected {tensor}{where}")
    return sizes


def _described(array: Array) -> str:
    return f"{array.dtype} ({', '.join(map(str, array.shape))})"


def _known_dtype(engine: str, tensor: TensorSpec) -> None:
    try:
        np.dtype(tensor.dtype)
    except TypeError:
        raise EngineError(f"{engine}: {tensor} has a dtype that numpy does not know") from None
