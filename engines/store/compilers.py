"""The compilers there are, by the name that a card gives their runtime; each is imported only when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from saccade.errors import choices

if TYPE_CHECKING:
    from engines.card import Card
    from engines.compiler import Compiler

COMPILERS = {
    "openvino": "engines.openvino:OpenVinoCompiler",
    "tensorrt": "engines.trt:TrtCompiler",
}


def compiler_path(runtime: str) -> str:
    """Where the compiler of a runtime is, as `module:class`; EngineError where nothing compiles for it."""
    from engines.engine import EngineError

    if runtime not in COMPILERS:
        raise EngineError(f"nothing is built for runtime {runtime!r}; {choices(runtime, COMPILERS)}")
    return COMPILERS[runtime]


def compiler_at(path: str, card: Card | None = None) -> Compiler:
    """The compiler at `module:class`, its engines run as a card says. EngineError, with what to install, where its
    library is missing.
    """
    module, _, name = path.partition(":")
    kind = getattr(import_module(module), name)
    return cast("Compiler", kind(getattr(card, card.runtime)) if card else kind())


def compiler_of(runtime: str, card: Card | None = None) -> Compiler:
    """The compiler of a runtime. See `compiler_at`."""
    return compiler_at(compiler_path(runtime), card)
