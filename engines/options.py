"""What a card may say to its backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class OrtOptions:
    """ONNX Runtime: providers in order of preference, threads, and whether falling back to another is allowed."""

    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    intra_threads: int = 2
    inter_threads: int = 1
    allow_fallback: bool = False


@dataclass(frozen=True, slots=True)
class SgbmOptions:
    """OpenCV's semi-global block matching; disparities and windows in pixels of the picture it is given."""

    mode: Literal["3way", "sgbm", "hh"] = "3way"
    disparities: int = 64
    block: int = 5
    p1: int = 200
    p2: int = 800
    uniqueness: int = 10
    """Per cent by which the best match must beat the second."""
    left_right_px: int = 1
    """Largest disagreement of the left-right check, at least 1; -1 turns it off."""
    speckle_px: int = 60
    """Islands smaller than this are discarded; 0 keeps them."""

    def __post_init__(self) -> None:
        if self.disparities <= 0 or self.disparities % 16:
            raise ValueError(f"sgbm: disparities is {self.disparities}; expected a positive multiple of 16")
        if self.left_right_px < 1 and self.left_right_px != -1:
            raise ValueError(f"sgbm: left_right_px is {self.left_right_px}; expected at least 1, or -1")
        if self.block < 1 or self.block % 2 == 0 or not 0 < self.p1 < self.p2:
            raise ValueError("sgbm: block must be odd and 0 < p1 < p2")
