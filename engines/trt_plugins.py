"""Libraries with operators of their own for TensorRT: code, and therefore loaded only from an allow-list.

The allow-list is a file as `sha256sum` writes it, "hash  path" in each line. To allow a library:
`sha256sum /opt/lib/libplugin.so >> ~/.local/share/saccade/plugins.sha256`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engines.engine import EngineError


def load_plugins(registry: Any, paths: Sequence[str], allow_list: Path) -> None:
    """Load libraries into the registry of one builder or runtime; what another one has loaded it does not see.

    EngineError for one that is not on the list as it is now, and for a list or a library that others than its owner may
    write, who could change it between the look at it and its loading.
    """
    for path in dict.fromkeys(paths):
        _check(Path(path), allow_list)
        if registry.load_library(path) is None:
            raise EngineError(f"TensorRT cannot load the plugin library {path}")


def _check(path: Path, allow_list: Path) -> None:
    allow = f"to allow it: sha256sum {path} >> {allow_list}"
    if not path.is_absolute():
        raise EngineError(f"plugin library {path}: expected an absolute path")
    try:
        shared = path.stat().st_mode & 0o022
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise EngineError(f"cannot read the plugin library {path}: {error.strerror}") from error
    try:
        writable = allow_list.stat().st_mode & 0o022
        lines = [line.split(maxsplit=1) for line in allow_list.read_text().splitlines()]
    except OSError as error:
        raise EngineError(
            f"plugin library {path} is on no allow-list ({allow_list}: {error.strerror}); {allow}"
        ) from None
    for file, by_others in ((allow_list, writable), (path, shared)):
        if by_others:
            raise EngineError(f"others than its owner may write {file}; chmod go-w it")
    if [found, str(path)] not in [[word.strip() for word in line] for line in lines]:
        raise EngineError(f"plugin library {path} with sha256 {found} is not on the allow-list; {allow}")
