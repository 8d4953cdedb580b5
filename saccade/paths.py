"""Where files are: those that ship beside the code, in a checkout or in the install prefix, and the user's own."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from saccade.errors import ConfigError

_IN_CHECKOUT = {kind: f"ros2_ws/src/saccade_msgs/{kind}" for kind in ("msg", "srv", "action")}


@lru_cache
def share(kind: str) -> Path:
    """Directory of shipped files: 'msg', 'srv', 'action', 'config' or 'launch'."""
    for parent in Path(__file__).resolve().parents:
        if (parent / "package.xml").is_file() and (parent / "setup.py").is_file():
            return parent / _IN_CHECKOUT.get(kind, kind)
        if (installed := parent / "share" / "saccade" / kind).is_dir():
            return installed
    raise ConfigError(
        f"no {kind!r} files beside {__file__}: expected a checkout or <prefix>/share/saccade/{kind}; reinstall saccade"
    )


def user_data() -> Path:
    """The user's folder for what Saccade keeps: `saccade` in the data directory of the XDG base directories."""
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "share") / "saccade"


def user_cache() -> Path:
    """The user's folder for what can be made again: `saccade` in the cache directory of the XDG base directories."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "saccade"
