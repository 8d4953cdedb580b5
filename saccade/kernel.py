"""Compiled kernels: plain loops over arrays, made machine code by numba (LLVM) once for each machine.

Each kernel states its argument types, so it is compiled when its module is imported (or read back from the cache beside
the module) and never while a robot moves. Arithmetic is IEEE's, without reassociation: the same bits in every run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit, types

Function = TypeVar("Function", bound=Callable[..., Any])

void, f32, f64 = types.void, types.float32, types.float64
u8, u16, u64 = types.uint8, types.uint16, types.uint64
i8, i32, i64 = types.int8, types.int32, types.int64
b1 = types.boolean


def array(dtype: Any, dims: int) -> Any:
    """The type of an array that a kernel only reads: C-contiguous, of whatever alignment, e.g. a view of a message."""
    return types.Array(dtype, dims, "C", readonly=True, aligned=False)


def buffer(dtype: Any, dims: int) -> Any:
    """The type of an array that a kernel writes: C-contiguous and aligned."""
    return types.Array(dtype, dims, "C")


def pair(dtype: Any) -> Any:
    """The type of two numbers that a kernel returns."""
    return types.UniTuple(dtype, 2)


def quad(dtype: Any) -> Any:
    """The type of four numbers that a kernel returns."""
    return types.UniTuple(dtype, 4)


def source(function: Function) -> Function:
    """The Python of a kernel, to be compiled for another target."""
    made: Function = function.py_func  # type: ignore[attr-defined]
    return made


def kernel(result: Any, *arguments: Any, counted: bool = True) -> Callable[[Function], Function]:
    """Compile a function for one list of argument types; division by zero gives infinity or NaN, as in numpy.

    The cache notices changes of a kernel's own file only: after a change of one that kernels elsewhere call, those
    files must be touched, or their `__pycache__` removed.
    Indices are not checked at run time. Kernels release the interpreter's lock. TypeError at a call with other types.
    With `counted` false it borrows its arrays instead of counting references to them: several times faster for small
    functions that call one another in loops, and possible for those that make no arrays and call none that do.
    """
    signature = result(*arguments)
    options = {"nogil": True, "error_model": "numpy", "_nrt": counted}

    def compiled(function: Function) -> Function:
        try:
            made: Function = njit(signature, cache=True, **options)(function)
        except RuntimeError:  # no folder that a cache could be written to: compile in every process
            made = njit(signature, **options)(function)
        return made

    return compiled
