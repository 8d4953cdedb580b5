"""What of the cache is of no more use, and removing it."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engines.added import listed
from engines.card import Card, added_cards, load_card
from engines.engine import EngineError
from engines.store.build import remove_parts
from engines.store.compilers import COMPILERS, compiler_of
from engines.store.key import versions_digest
from engines.store.lock import locked
from engines.store.manifest import MANIFEST, Entry, Manifest, entries, root
from saccade.errors import SaccadeError


class Waste(NamedTuple):
    """A folder or file that may go: why, and how many bytes that frees."""

    path: Path
    why: str
    size: int
    state: str = ""
    """Of an engine's folder when it was judged; what is built there meanwhile changes it."""


def waste(keep_bytes: int | None) -> list[Waste]:
    """What can no longer be used, then, where `keep_bytes` is given, what was used longest ago, down to that size.

    No longer used is what is in quarantine or half built, what was built by other versions or for another device, and
    what was built from a model that no card names any more. Where a library cannot be asked, its engines are kept.
    """
    versions = {runtime: _versions(runtime) for runtime in COMPILERS}
    models = _models()
    # What is not to be trusted is the user's to judge; doctor tells.
    judged = [(entry.folder, _useless(entry, versions, models)) for entry in entries() if not entry.trouble]
    gone = [_waste(folder, why) for folder, why in judged if why] + list(_timing(versions))
    if keep_bytes is None:
        return gone
    kept = sorted((folder for folder, why in judged if not why), key=_used_ns)
    left = sum(map(size_of, kept))
    for folder in kept:
        if left <= keep_bytes:
            break
        gone.append(_waste(folder, "used longest ago"))
        left -= gone[-1].size
    return gone


def remove(one: Waste) -> bool:
    """Delete it; False where somebody builds just there, or has since. EngineError where it cannot be deleted."""
    try:
        if one.path.is_file():
            one.path.unlink()
            return True
        lock = root() / "locks" / f"{one.path.name}.lock"
        with locked(lock, lambda what, share: None, _AT_ONCE):
            if _state(one.path) != one.state:
                return False
            remove_parts(one.path)
            shutil.rmtree(one.path)
            lock.unlink(missing_ok=True)
    except KeyboardInterrupt:
        return False
    except FileNotFoundError:
        return True  # somebody else has removed it just now
    except OSError as error:
        raise EngineError(f"cannot remove {one.path}: {error.strerror or error}; remove it yourself") from error
    return True


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder; builds and other cleaning may go on in it meanwhile."""
    size = 0
    for inside, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                size += os.lstat(os.path.join(inside, name)).st_size
    return size


def _used_ns(folder: Path) -> int:
    """When an engine was used last; 0 where it was removed just now."""
    try:
        return (folder / MANIFEST).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _waste(folder: Path, why: str) -> Waste:
    return Waste(folder, why, size_of(folder), _state(folder))


def _state(folder: Path) -> str:
    """What its manifest says; nothing where it has none."""
    try:
        return (folder / MANIFEST).read_text()
    except OSError:
        return ""


_AT_ONCE = threading.Event()
_AT_ONCE.set()
"""Whoever waits for a lock with this gives up instead."""


def _useless(entry: Entry, versions: dict[str, dict[str, str] | None], models: set[str]) -> str:
    found = entry.manifest
    if found is None:
        return "half built"
    if found.status == "quarantined":
        return f"in quarantine: {found.reason}"
    current = versions.get(found.runtime)
    if current is not None and current != found.key.get("versions"):
        others = ", ".join(f"{k} {v}" for k, v in found.key.get("versions", {}).items() if current.get(k) != v)
        return f"built for {others or 'other versions'}"
    if not set(found.key.get("models", ())) <= models | _models_at(found):
        return "its model is gone"
    return ""


def _versions(runtime: str) -> dict[str, str] | None:
    try:
        return compiler_of(runtime).versions()
    except (SaccadeError, ImportError):
        return None


def _models() -> set[str]:
    """Hashes of all graphs that the cards there are name."""
    return set().union(*(_graphs_of(row.card) for row in listed(added_cards()) if row.card is not None))


def _models_at(found: Manifest) -> set[str]:
    """Likewise of the card that an engine was built from, which may lie anywhere."""
    try:
        return _graphs_of(load_card(found.path))
    except SaccadeError:
        return set()


def _graphs_of(card: Card) -> set[str]:
    """Hashes of a card's graphs as engines are keyed by them; a card may have them in capitals."""
    return {sha256.lower() for sha256 in (card.sha256, *([card.second.sha256] if card.second else []))}


def _timing(versions: dict[str, dict[str, str] | None]) -> Iterator[Waste]:
    """Timing caches of versions that are not there any more."""
    current = {f"{runtime}-{versions_digest(known)}.cache" for runtime, known in versions.items() if known is not None}
    unknown = tuple(f"{runtime}-" for runtime, known in versions.items() if known is None)
    folder = root() / "timing"
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.name not in current and not file.name.startswith(unknown or ("\0",)):
            yield Waste(file, "timings of other versions", file.stat().st_size)
