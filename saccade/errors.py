"""Errors that say what was asked, what is valid and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SaccadeError(Exception):
    """Base of every error a person may see; its text is complete by itself."""


class ConfigError(SaccadeError):
    """A parameter, limits file, card or command line that cannot be used as written."""


class DataError(SaccadeError):
    """A recording or message that cannot be used, or only in part."""


class CalibrationError(DataError):
    """A camera calibration that would give wrong geometry."""


def choices(asked: str, valid: Iterable[str]) -> str:
    """Tail of an error message: the nearest valid name, then all of them, or that there is none.

    >>> choices("left/imge", ["left/image", "odom"])
    "did you mean 'left/image'? Valid: left/image, odom"
    """
    names = sorted(valid)
    near = get_close_matches(asked, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}Valid: {', '.join(names)}" if names else "there is none"
