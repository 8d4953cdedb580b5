"""What turns an ONNX graph into an engine file for one machine, and such a file into an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from engines.engine import Engine, EngineError
from engines.options import Precision

Progress = Callable[[str, float], None]
"""Told what is being done and how much of it is over, 0..1."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Shapes of one input with dynamic axes: the smallest, the one to be fastest at, and the largest."""

    smallest: tuple[int, ...]
    usual: tuple[int, ...]
    largest: tuple[int, ...]

    def __post_init__(self) -> None:
        if not len(self.smallest) == len(self.usual) == len(self.largest):
            raise ValueError(f"shapes {self}: expected as many sizes in smallest, usual and largest")
        if any(not 0 < a <= b <= c for a, b, c in zip(self.smallest, self.usual, self.largest, strict=True)):
            raise ValueError(f"shapes {self}: expected 0 < smallest <= usual <= largest in every size")

    def __str__(self) -> str:
        return " .. ".join(map(_said, (self.smallest, self.usual, self.largest)))


def check_within(
    name: str, tensor: str, shape: Sequence[int], smallest: Sequence[int], largest: Sequence[float]
) -> None:
    """EngineError where an input has a shape that its engine was not built for."""
    if not all(a <= size <= b for size, a, b in zip(shape, smallest, largest, strict=True)):
        raise EngineError(
            f"{name}: input {tensor!r} is {_said(shape)}; its engine was built for {_said(smallest)} to "
            f"{_said(largest)}. Give it pictures of another size, or build one by a card of your own that says "
            f"build: {{shapes: {{{tensor}: {{smallest: [...], usual: [...], largest: [...]}}}}}}"
        )


def _said(shape: Sequence[float]) -> str:
    return "x".join(map(str, shape))


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """How an engine is to be built; all of it goes into the engine's key."""

    precision: Precision = "fp32"
    """What the graph is made to hold before it is compiled; compilers themselves lower it to bf16 only."""
    shapes: dict[str, Shapes] = field(default_factory=dict)
    """Of the inputs with dynamic axes."""
    plugins: tuple[str, ...] = ()
    """Libraries with operators of their own; only those on the allow-list are ever loaded."""
    workspace_mb: int = 1024

    def __post_init__(self) -> None:
        if self.workspace_mb < 1:
            raise ValueError(f"build: workspace_mb is {self.workspace_mb}; expected at least 1")


class Compiler(Protocol):
    """One backend that builds. Importing the module that holds it needs no GPU; using it may raise EngineError."""

    name: str
    quick: bool
    """Whether a graph is compiled in seconds, so that a search for layers may try many on what will run them."""

    def versions(self) -> dict[str, str]:
        """All that an engine file depends on here: of the library, CUDA and the driver, and which device.

        EngineError when the library or the device is missing, with what to install.
        """

    def cannot(self, precision: Precision) -> str:
        """Why engines cannot compute in a precision here; empty where they can."""

    def build(self, model: bytes, plan: BuildPlan, timing_cache: Path | None, progress: Progress) -> bytes:
        """An engine file of an ONNX graph (without external data). EngineError says what the library said.

        `timing_cache`, where the backend has such a thing, is read before and written after.
        """

    def load(self, name: str, blob: bytes, plan: BuildPlan) -> Engine:
        """An engine out of a file that `build` gave, checked already; EngineError when this machine cannot run it."""
