"""What several benches read from their command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import saccade

SHARED = Path(saccade.__file__).parents[2] / "shared" / "data"
"""Recordings and pairs of pictures that others made, beside a checkout."""


def count(text: str) -> int:
    """A whole number above 0, as a type of argparse."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)
