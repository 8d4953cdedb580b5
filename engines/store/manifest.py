"""What is known of a compiled engine, kept beside it as JSON: its key in clear, its hash, how it was judged."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from engines.engine import EngineError
from engines.store.files import cannot_write, private_folder, read_files, sha256, write_file
from saccade.errors import ConfigError
from saccade.params import build, plain
from saccade.paths import user_cache

MANIFEST = "manifest.json"
Status = Literal["unverified", "verified", "quarantined"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One engine. `status`: verified engines may be used; quarantined ones are not built again unless asked to."""

    card: str
    """Its name."""
    key: dict[str, Any]
    """Its parts in clear, see `engines.store.key`."""
    status: Status
    reason: str = ""
    """Why it is in quarantine."""
    path: str = ""
    """Where the card was read from."""
    files: dict[str, str] = field(default_factory=dict)
    """sha256 of each file, one a graph."""
    built: str = ""
    """When, UTC, ISO 8601."""
    build_s: float = 0.0
    model_bytes: int = 0
    """Size of the graphs it was built from, by which builds are compared."""
    precision: str = "fp32"
    calibrated: str = ""
    """Hash of the inputs that int8 took its ranges from; empty: those that engines are tried on."""
    kept: tuple[str, ...] = ()
    """Layers left in fp32."""
    warnings: tuple[str, ...] = ()
    machine: str = ""
    """Where it was verified, see `engines.store.machine`."""
    gate: str = ""
    """Hash of all that it was verified against."""
    figures: dict[str, float] = field(default_factory=dict)
    """What the comparison with the CPU found."""
    judged: tuple[str, ...] = ()
    """The same for people."""

    @property
    def runtime(self) -> str:
        """What it was built for."""
        return str(self.key.get("runtime", ""))


class Entry(NamedTuple):
    """A folder of the cache; `manifest` is None where none can be read, e.g. of a build that was killed.

    `trouble` is why it is not to be trusted, if it is not.
    """

    folder: Path
    manifest: Manifest | None
    trouble: str = ""


def root() -> Path:
    """The only folder that engines are loaded from; it need not exist."""
    return user_cache() / "engines"


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in a folder of the cache, None where there is none or none that is whole. See `read_files`."""
    try:
        (text,) = read_files(folder, (MANIFEST,), root())
        document = json.loads(text)
        key = dict(document.pop("key"))
        known = build(Manifest, {**document, "key": {}}, str(folder / MANIFEST), finite=False)  # as figures may be
        return replace(known, key=key)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, ConfigError):
        return None


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Replace the manifest in a folder, which is made where there is none; EngineError where it cannot be written."""
    private_folder(root())
    private_folder(folder)
    try:
        write_file(folder / MANIFEST, (json.dumps(plain(manifest), indent=1) + "\n").encode())
    except OSError as error:
        raise cannot_write(folder / MANIFEST, error) from error
    return manifest


def entries() -> list[Entry]:
    """All folders of engines there are, by name."""
    found = []
    for folder in sorted(root().glob("*")) if root().is_dir() else ():
        if folder.name in ("locks", "timing") or not folder.is_dir():
            continue
        try:
            found.append(Entry(folder, read_manifest(folder)))
        except EngineError as error:
            found.append(Entry(folder, None, str(error)))
    return found


def touch(folder: Path) -> None:
    """Note that an engine was used, for `saccade engine gc`; where the cache cannot be written, nothing is noted."""
    with contextlib.suppress(OSError):
        os.utime(folder / MANIFEST)


def estimate_s(runtime: str, precision: str, model_bytes: int) -> float | None:
    """How long a build will take, from those of models of about this size here; None where there was none yet."""
    like = [
        entry.manifest.build_s
        for entry in entries()
        if entry.manifest is not None
        and (entry.manifest.runtime, entry.manifest.precision) == (runtime, precision)
        and entry.manifest.build_s > 0
        and 0.5 <= entry.manifest.model_bytes / max(1, model_bytes) <= 2
    ]
    return sorted(like)[len(like) // 2] if like else None


def is_whole(folder: Path, manifest: Manifest) -> bool:
    """Whether the files of an engine are there and are those that were built. Untrusted as `read_files`."""
    try:
        blobs = read_files(folder, tuple(manifest.files), root())
    except FileNotFoundError:
        return False
    return bool(blobs) and [sha256(blob) for blob in blobs] == list(manifest.files.values())


def is_sound(folder: Path, manifest: Manifest) -> bool:
    """Whether an engine that was verified is there, whole and trusted."""
    try:
        return manifest.status == "verified" and is_whole(folder, manifest)
    except EngineError:
        return False


def remove_files(folder: Path, but: Manifest) -> None:
    """Engines of an entry that its manifest does not name; only for who holds its lock."""
    for file in folder.glob("*.engine"):
        if file.name not in but.files:
            file.unlink(missing_ok=True)
