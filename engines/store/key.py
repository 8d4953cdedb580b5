"""What an engine file depends on: the graphs, the compiler with all its versions, the device, and the plan."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines.card import Card
from engines.compiler import BuildPlan
from engines.engine import Array, EngineError
from engines.store.compilers import compiler_of
from engines.store.files import sha256
from engines.store.shapes import plans
from saccade.params import plain


@dataclass(frozen=True, slots=True)
class Key:
    """All that must be the same for a file to be the engine that a card asks for here."""

    models: tuple[str, ...]
    """sha256 of each graph."""
    runtime: str
    versions: dict[str, str]
    """Of the library, CUDA, the driver and the device, as the compiler says."""
    plans: tuple[BuildPlan, ...]
    """For each graph: precision, shapes, plugins and the compiler's options."""

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that differ whenever anything in the key does."""
        return hashlib.sha256(json.dumps(self.clear(), sort_keys=True).encode()).hexdigest()

    def clear(self) -> dict[str, Any]:
        """The parts as plain values."""
        return {key: plain(getattr(self, key)) for key in ("models", "runtime", "versions", "plans")}


def models_of(card: Card) -> tuple[bytes, ...]:
    """The graphs of a card; EngineError when one is not the model that the card names."""
    named = [(card.onnx, card.sha256), *([(card.second.onnx, card.second.sha256)] if card.second else [])]
    return tuple(_model(card, card.beside(file), expected) for file, expected in named)


def key_of(card: Card, models: tuple[bytes, ...]) -> Key:
    """The key of a card's engine on this machine. EngineError where its compiler or its device is missing."""
    versions = dict(sorted(compiler_of(card.runtime, card).versions().items()))
    return Key(tuple(map(sha256, models)), card.runtime, versions, plans(card, models))


def entry_name(card: Card, key: Key) -> str:
    """The folder of a card's engine with this key."""
    return f"{folder_name(card.name)}-{key.digest[:24]}"


def versions_digest(versions: Mapping[str, str]) -> str:
    """Hash of what a compiler says of its versions and device, in whatever order."""
    return sha256("\n".join(f"{name} {value}" for name, value in sorted(versions.items())).encode())[:16]


def samples_digest(samples: Iterable[Mapping[str, Array]]) -> str:
    """Hash of inputs by name, in their order."""
    said = hashlib.sha256()
    for inputs in samples:
        for name, array in sorted(inputs.items()):
            said.update(f"{name} {array.dtype} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
    return said.hexdigest()


def folder_name(name: str) -> str:
    """A card's name without what a folder's name cannot hold."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "_"


def _model(card: Card, path: Path, expected: str) -> bytes:
    try:
        model = path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"{card.name}: cannot read {path}: {error.strerror}; its card says where to get it"
        ) from error
    if (found := sha256(model)) != expected.lower():
        raise EngineError(
            f"{card.name}: {path} has sha256 {found}, its card says {expected}: not the model that was tested. Put the "
            "right file back, or for a new export: saccade engine add, then saccade engine build"
        )
    return model
