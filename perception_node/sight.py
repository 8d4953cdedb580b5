"""Whether the pair still sees: fog, turbid water, a dirty or covered lens, light, rows that drift, matching that fails.

Figures of single frames are smoothed over time, and a finding, once made, stays until its figure is clearly better.
How often each is noticed, and how often wrongly, is measured in docs/flow.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from perception_node.figures import Eye, Figures
from perception_node.params import SightParams
from saccade.clock import seconds
from saccade.geometry import F64
from saccade.wire.diagnostics import Level

_CLEARLY = 1.25
"""A finding goes when its figure is better than its bound by this factor."""
_LEAST_FRAMES, _LEAST_S = 4, 0.25
"""Nothing is found in less."""
_DIRT_S = 4.0
"""Tiles are smoothed over this time, of frames in which the robot moves: dirt stays where it is, the world does not."""
_VEIL_S = 5.0
"""A veil lasts: a picture that a plain wall fills has as few greys, but only while the robot looks at it."""
_NOTHING = "nothing matched"
_FLOOR = 1.0
"""Contrast in grey values that noise alone may make."""


class Finding(NamedTuple):
    """Something that is wrong: how bad, a short name that stays the same, the words for people, the camera, if one."""

    level: Level
    name: str
    text: str
    side: str = ""


class _Measure(NamedTuple):
    """A figure of which more is worse, from where on it is a warning and an error, the words for it, and the camera.

    It must be so for `lasts_s` before it is found.
    """

    name: str
    value: float
    warn: float
    error: float
    text: str
    side: str = ""
    lasts_s: float = 0.0


class Sight:
    """Judges the figures of a stereo pair over time."""

    def __init__(self, params: SightParams) -> None:
        self._params = params
        self.forget()

    def forget(self) -> None:
        """Begin anew, as after a gap or a jump of the clock."""
        self._mean: Figures | None = None
        self._levels: dict[str, Level] = {}
        self._since_s: dict[str, float] = {}
        self._stamp_ns = self._frames = 0
        self._seen_s = self._moved_s = 0.0
        self._tiles: F64 = np.zeros(0)

    def look(self, figures: Figures, stamp_ns: int, moving: bool) -> list[Finding]:
        """What is wrong after one more frame, worst first; `moving` by odometry."""
        passed_s = seconds(stamp_ns - self._stamp_ns)
        if self._mean is None or not 0.0 <= passed_s <= 5.0 * self._params.smooth_s:
            self.forget()
            passed_s = 0.0
        self._stamp_ns = stamp_ns
        self._frames, self._seen_s = self._frames + 1, self._seen_s + passed_s
        self._mean = _mixed(self._mean, figures, 1.0 - math.exp(-passed_s / self._params.smooth_s))
        if moving:
            first = self._tiles.size == 0
            part = 1.0 if first else 1.0 - math.exp(-passed_s / _DIRT_S)
            self._tiles = figures.tiles.copy() if first else self._tiles + part * (figures.tiles - self._tiles)
            self._moved_s += 0.0 if first else passed_s
        if figures.valid < self._params.min_matched:
            return [Finding(Level.ERROR, _NOTHING, _matched(figures.valid))]  # at once: this may be a wall, too near
        if self._frames < _LEAST_FRAMES or self._seen_s < _LEAST_S:
            return []
        found = [finding for measure in self._measures(self._mean) if (finding := self._judged(measure))]
        return sorted(found, key=lambda finding: -finding.level)

    def details(self) -> dict[str, str]:
        """The smoothed figures, for people."""
        if self._mean is None:
            return {}
        m = self._mean
        return {
            "matched %": f"{100 * m.valid:.0f}", "alike": f"{m.alike:.2f}", "rows px": f"{m.row_px:+.2f}",
            "sharpness": f"{m.left.sharp:.1f} {m.right.sharp:.1f}",
            "brightness": f"{m.left.mean:.0f} {m.right.mean:.0f}",
            "white %": f"{100 * m.left.white:.0f} {100 * m.right.white:.0f}",
            "veil far, near": f"{m.veils[0]:.2f} {m.veils[1]:.2f}", "range of grey": f"{_clearer(m).spread:.2f}",
        }  # fmt: skip

    def _judged(self, measure: _Measure) -> Finding | None:
        """A measure against its bounds, with hysteresis; NaN changes nothing."""
        before = self._levels.get(measure.name, Level.OK)
        level = before if math.isnan(measure.value) else Level.OK
        for bound, worse in ((measure.warn, Level.WARN), (measure.error, Level.ERROR)):
            if measure.value >= (bound / _CLEARLY if before >= worse else bound):
                level = worse
        if level <= before:
            self._since_s.pop(measure.name, None)
        elif self._seen_s - self._since_s.setdefault(measure.name, self._seen_s) < measure.lasts_s:
            level = before
        self._levels[measure.name] = level
        return Finding(level, measure.name, measure.text, measure.side) if level is not Level.OK else None

    def _measures(self, m: Figures) -> Iterator[_Measure]:
        p, never = self._params, math.inf
        yield _Measure(
            "little matched", 1 / max(m.valid, 1e-3), 1 / (2 * p.min_matched), never, _matched(m.valid),
        )  # fmt: skip
        yield _Measure(
            "pictures differ", 1 - m.alike, (1 - p.min_alike) / 1.4, 1 - p.min_alike,
            f"where they are matched, left and right are alike by {m.alike:.2f} of 1: wrong matches, or noise",
        )  # fmt: skip
        yield _Measure(
            "rows drift", abs(m.row_px), p.max_row_px, never,
            f"right lies {m.row_px:+.2f} px below left; expected at most {p.max_row_px:g}: calibrate the pair anew",
        )  # fmt: skip
        yield from _unsharp(m, p)
        yield from self._dirt()
        clear = _clearer(m)
        water = m.red < p.water_red
        veil = clear.veil / p.veil if water else min(clear.veil / p.veil, p.spread / max(clear.spread, 1e-3))
        yield _Measure(
            "turbid water" if water else "fog", veil, 1.0, never,
            f"the darkest grey is {100 * clear.veil:.0f} % of the middle one in both cameras (far half "
            f"{100 * m.veils[0]:.0f} %, near {100 * m.veils[1]:.0f} %): what is far is seen badly", lasts_s=_VEIL_S,
        )  # fmt: skip
        for side, eye in (("left", m.left), ("right", m.right)):
            yield _Measure(f"{side} too bright", eye.white, 0.5, never, f"{100 * eye.white:.0f} % of {side} is white")
            yield _Measure(f"{side} too dark", 15 / max(eye.mean, 1e-3), 1.0, never, f"mean grey is {eye.mean:.0f}")

    def _dirt(self) -> Iterator[_Measure]:
        """A place where one camera sees nothing, always the same, while the other does."""
        for i, side in enumerate(("left", "right")):
            place, times = _worst_tile(self._tiles, i) if self._moved_s >= _DIRT_S else ((0, 0), 0.0)
            where = f"row {place[0] + 1} of 9, column {place[1] + 1} of 12"
            yield _Measure(
                f"{side} lens dirty", times, self._params.dirt, math.inf,
                f"{side} sees {times:.1f} times less than the other camera in one place ({where}), wherever it goes",
            )  # fmt: skip


def _matched(share: float) -> str:
    return f"{100 * share:.0f} % of what both cameras see is matched: too near, too dark, no texture, or covered"


def _unsharp(m: Figures, params: SightParams) -> Iterator[_Measure]:
    for side, eye, other in (("left", m.left, m.right), ("right", m.right, m.left)):
        times = other.sharp / max(eye.sharp, 0.1)
        yield _Measure(
            f"{side} unsharp", times, params.unsharp, 4 * params.unsharp,
            f"{side} shows {times:.1f} times less fine detail than the other camera: covered, dirty or out of focus",
            side,
        )  # fmt: skip


def _clearer(m: Figures) -> Eye:
    """Of both cameras, the one that a veil lies over less."""
    return min(m.left, m.right, key=lambda eye: eye.veil / max(eye.spread, 1e-3))


def _mixed(mean: Figures | None, new: Figures, share: float) -> Figures:
    """The mean moved by a share towards new figures; what is NaN in either comes from the other."""
    if mean is None:
        return new
    a, b = (np.array([*f.left, *f.right, f.valid, f.alike, f.row_px, f.red, *f.veils]) for f in (mean, new))
    m = np.where(np.isnan(b), a, np.where(np.isnan(a), b, a + share * (b - a))).tolist()
    return Figures(Eye(*m[:5]), Eye(*m[5:10]), m[10], m[11], m[12], m[13], (m[14], m[15]), new.tiles)


def _worst_tile(tiles: F64, side: int) -> tuple[tuple[int, int], float]:
    """Row and column, and how many times more contrast the other camera has there.

    The other camera sees the same things up to two tiles further to its left (to its right, seen from the right): the
    least of these counts, so that what stands beside the dirt is not missed in it.
    """
    own, other = tiles[side] + _FLOOR, tiles[1 - side] + _FLOOR
    columns = own.shape[1]
    shifted = [np.roll(other, k if side == 0 else -k, axis=1) for k in range(3)]
    times = np.min(shifted, axis=0) / own
    times[:, slice(0, 2) if side == 0 else slice(columns - 2, columns)] = 0.0
    row, column = divmod(int(np.argmax(times)), columns)
    return (row, column), float(times[row, column])
