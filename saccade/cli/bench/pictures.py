"""Pictures for `saccade bench stereo`: a pair, its truth, what two methods make of it, and where they err."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from engines.datasets import StereoTruth
from engines.engine import Array
from engines.open import open_engine
from engines.stereo import StereoMatcher
from saccade.cli.bench.methods import Method
from saccade.cli.bench.stereo_measure import Record
from saccade.geometry import F32
from saccade.types import U8

_WIDTH, _GAP, _BAND = 640, 4, 22
"""Of one panel, between panels, and of the line of text above each, px."""
_UPPER_PX = np.array([0.5, 1, 2, 3, 4], np.float32)
_CLASSES = np.array(
    [[49, 54, 149], [116, 173, 209], [224, 243, 248], [253, 174, 97], [244, 109, 67], [165, 0, 38]], np.uint8
)
"""RGB of errors up to each of `_UPPER_PX`, and above the last: told apart by people who see no red or green too."""
_HOLE, _UNKNOWN = (110, 110, 110), (0, 0, 0)
_LEGEND = "error: up to 0.5, 1, 2, 3, 4 px and more; grey: none given; black: truth not known"
FREE = {"aloe": "OpenCV's sample, Apache-2.0"}
"""Names of the pairs whose licence lets their pictures be published, and whose they are."""


def best_pair(figures: dict[str, Record], methods: Sequence[Method]) -> list[Method]:
    """The best network and the best OpenCV matcher by dense bad-2, or the two best where only one kind is there."""

    def bad2(method: Method) -> float:
        found = figures.get(method.name, {}).get("scores", {})
        return float(found.get("dense_seen", found.get("dense_all", {})).get("bad2", np.nan))

    able = sorted((m for m in methods if np.isfinite(bad2(m))), key=bad2)
    both = [next((m for m in able if m.classical is kind), None) for kind in (False, True)]
    return [method for method in both if method] if all(both) else able[:2]


def draw(pair: StereoTruth, methods: Sequence[Method], disparities: int) -> U8:
    """`overview` of what these methods make of a pair."""
    found = []
    for method in methods:
        card = method.searching(disparities).card
        with open_engine(card) as engine:
            found.append((method.name, StereoMatcher(engine, card)(pair.left, pair.right).disparity.copy()))
    return overview(pair, found)


def overview(pair: StereoTruth, found: Sequence[tuple[str, F32]]) -> U8:
    """(H, W, 3) RGB: left and truth; below, each method's disparity; below, its error."""
    known = pair.truth[np.isfinite(pair.truth)]
    most = float(np.percentile(known, 99.5)) * 1.05
    top = [("left", _rgb(pair.left)), ("truth", _heat(pair.truth, most, _UNKNOWN))]
    middle = [(name, _heat(disparity, most, _HOLE)) for name, disparity in found]
    bottom = [(f"error of {name}", _error(disparity, pair.truth)) for name, disparity in found]
    rows = [_row(panels) for panels in (top, middle, bottom)]
    return np.concatenate([*rows, _legend(rows[0].shape[1])])


def write_jpeg(path: Path, picture: U8, most_bytes: int = 300_000) -> None:
    """Write an RGB picture as JPEG of at most `most_bytes`, coarser first and then smaller as that needs."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    encoded = _jpeg(bgr, most_bytes)
    while encoded.size > most_bytes:
        bgr = cv2.resize(bgr, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
        encoded = _jpeg(bgr, most_bytes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())


def _jpeg(bgr: Array, most_bytes: int) -> Array:
    """As good as fits, or the coarsest that can still be looked at."""
    for quality in (90, 80, 70, 60):
        _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if encoded.size <= most_bytes:
            break
    return encoded


def _rgb(picture: U8) -> U8:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), np.uint8) if picture.ndim == 2 else picture


def _heat(disparity: F32, most: float, none: tuple[int, int, int]) -> U8:
    level = np.nan_to_num(np.clip(disparity / most, 0, 1) * 255).astype(np.uint8)
    colours = np.asarray(cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB), np.uint8)
    colours[~np.isfinite(disparity)] = none
    return colours


def _error(disparity: F32, truth: F32) -> U8:
    error = np.abs(disparity - truth)
    colours = _CLASSES[np.searchsorted(_UPPER_PX, np.nan_to_num(error))]
    colours[~np.isfinite(disparity)] = _HOLE
    colours[~np.isfinite(truth)] = _UNKNOWN
    return np.asarray(colours, np.uint8)


def _row(panels: Sequence[tuple[str, U8]]) -> U8:
    """Two titled panels beside each other, of the first one's size; the second may be missing."""
    height, width = panels[0][1].shape[:2]
    size = (_WIDTH, round(height * _WIDTH / width))
    drawn = []
    blank = [("", np.full((1, 1, 3), 255, np.uint8))] * (2 - len(panels))
    for title, picture in [*panels, *blank]:
        how = cv2.INTER_AREA if title == "left" else cv2.INTER_NEAREST  # colours that mean numbers are not mixed
        panel = np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)
        drawn += [np.concatenate([_text(title, _WIDTH), panel]), np.full((size[1] + _BAND, _GAP, 3), 255, np.uint8)]
    return np.concatenate(drawn[:-1], axis=1)


def _text(text: str, width: int, left: int = 4) -> U8:
    band = np.full((_BAND, width, 3), 255, np.uint8)
    cv2.putText(band, text, (left, _BAND - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return band


def _legend(width: int) -> U8:
    band = _text(_LEGEND, width, left=_BAND * (len(_CLASSES) + 1))
    for i, colour in enumerate(_CLASSES):
        band[4:-4, 4 + i * _BAND : (i + 1) * _BAND] = colour
    return band
