"""Small files, written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from saccade.errors import ConfigError


def write_text(path: Path, text: str) -> None:
    """Put a text in the place of a file; ConfigError, which leaves what was there, where it cannot be written."""
    place = path.resolve()  # a link stays a link
    partial = place.with_name(f".{place.name}.part-{os.getpid()}")
    try:
        partial.write_text(text)
        os.replace(partial, place)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):  # it is in its place now, or nothing can be removed there either
            partial.unlink()
