"""Which machine this is: what was verified on another one is verified here again."""

from __future__ import annotations

import hashlib
from pathlib import Path

_ID = Path("/etc/machine-id")


def machine() -> str:
    """A hash of the system's own number (machine-id(5)); empty where there is none, as in most containers."""
    try:
        said = _ID.read_text().strip()
    except OSError:
        return ""
    return hashlib.sha256(f"saccade {said}".encode()).hexdigest()[:16] if said else ""
