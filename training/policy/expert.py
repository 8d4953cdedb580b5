"""Who is imitated: a driver that knows where everything stands and where everybody will walk.

It rolls some two dozen manoeuvres forward for 3 s (as the dynamic window approach does, Fox et al. 1997) and takes
the one that comes furthest along the way, keeps its distance from things and from people where they will be, and that
the gate would let pass by the robot's own map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from saccade.geometry import F64, SE3, planar, wrap_angle
from saccade.types import LocalMap
from sim.things import Thing
from sim.ways import CELL_M, Floor
from sim.yard.layout import YARD_M
from sim.yard.walkers import PERSON_RADIUS_M, Walker
from vla_node.embodiments.base import BaseLimits
from vla_node.rollout import Motion, Style, follow, step
from vla_node.track import Track

STEP_S, STEPS = 0.05, 60
"""As long as a row: a turn rate that changes its sign stands at zero for a step, and longer ones would stick there."""
_GATED_STEPS = 24
"""So far ahead the robot's own map counts: later it will be another map."""
_THING_M, _PERSON_M = 0.08, 0.35
"""Distance kept from things, as the gate does, and from people, who do not keep theirs."""
_ASIDE_M, _SLOW_ASIDE_M = (0.4, -0.4, 0.9, -0.9), (0.0, 0.4, -0.4)
_SLOW = 0.4
"""Of the cruising speed."""
_PER_THING, _PER_PERSON, _PER_MAP = 20.0, 8.0, 8.0
"""What a metre too near costs, in metres of progress."""
_PER_ASIDE, _PER_ERROR, _BACK = 0.25, 0.15, 0.1
"""What a metre beside the way costs, a radian off it, and backing at all."""
_ESCAPE_M = 0.02


@dataclass(frozen=True, slots=True)
class Truth:
    """What the robot cannot know: things that stand, people and where they will be, and where the robot really is."""

    floor: Floor
    walkers: Sequence[Walker]

    @staticmethod
    def of(things: Sequence[Thing], walkers: Sequence[Walker]) -> Truth:
        """Of a yard's things; those that walk are among them, at the end."""
        return Truth(Floor(YARD_M, things[: len(things) - len(walkers)]), walkers)

    def room_m(self, x: F64, y: F64) -> F64:
        """Distance from points of the world to the nearest thing that stands, 0 outside of the yard."""
        room = self.floor.room_m
        row = np.rint((y + YARD_M[1] / 2) / CELL_M - 0.5).astype(np.intp)
        col = np.rint((x + YARD_M[0] / 2) / CELL_M - 0.5).astype(np.intp)
        inside = (row >= 0) & (row < room.shape[0]) & (col >= 0) & (col < room.shape[1])
        out = np.zeros(x.shape)
        out[inside] = room[row[inside], col[inside]]
        return out

    def people_m(self, x: F64, y: F64, elapsed_s: float) -> F64:
        """Distance (k, n) to the nearest person where everybody is at each step after `elapsed_s`."""
        out = np.full(x.shape, math.inf)
        for walker in self.walkers:
            places = [walker.at(elapsed_s + (i + 1) * STEP_S) for i in range(x.shape[1])]
            px, py = np.array([p.x for p in places]), np.array([p.y for p in places])
            out = np.minimum(out, np.hypot(x - px, y - py) - PERSON_RADIUS_M)
        return out


class Expert:
    """Drives one robot in one world."""

    def __init__(self, truth: Truth, limits: BaseLimits, style: Style, margin_m: float) -> None:
        self._truth, self._limits, self._style, self._margin_m = truth, limits, style, margin_m

    def drive(
        self, m: Motion, track: Track, grid: LocalMap, left_s: float, T_world_from_base: SE3, elapsed_s: float
    ) -> list[Motion]:
        """The best manoeuvre, STEPS of STEP_S, from where odometry has the robot, `m`, along its way.

        It is the plain pursuit wherever that comes too near to nothing.
        """
        here = SE3.from_rpy(0.0, 0.0, m.yaw, (m.x, m.y, 0.0))
        danger = partial(
            self._danger, m, grid, T_world_from_base.t, planar(T_world_from_base) @ here.inverse(), elapsed_s
        )  # fmt: skip
        plain = follow(m, track, self._style, self._limits, STEP_S, STEPS, left_s)
        if not danger([plain]).any():
            return plain
        manoeuvres = [plain, *self._manoeuvres(m, track, left_s)]
        cost = danger(manoeuvres) + [self._course(m, way, track) for way in manoeuvres]
        return manoeuvres[int(np.argmin(cost))]

    def _danger(
        self, m: Motion, grid: LocalMap, now: F64, T_world_from_odom: SE3, elapsed_s: float, ways: list[list[Motion]]
    ) -> F64:
        """What manoeuvres (k,) cost that come too near to things, to people, or to what the map does not know free."""
        xs, ys = (np.array([[getattr(s, k) for s in way] for way in ways]) for k in ("x", "y"))
        world = T_world_from_odom.apply(np.stack([xs, ys, np.zeros_like(xs)], axis=-1))
        wx, wy, ahead = world[..., 0], world[..., 1], np.s_[:, :_GATED_STEPS]
        room, people = self._truth.room_m(wx, wy), self._truth.people_m(wx, wy, elapsed_s)
        here_m = float(self._truth.room_m(now[:1], now[1:2])[0])
        mapped, known_m = grid.clearance_at(xs[ahead], ys[ahead]), grid.clearance_at(*np.array([[m.x], [m.y]]))
        radius_m = self._limits.radius_m
        return (
            _PER_THING * _too_near(room, radius_m + _THING_M, here_m)
            + _PER_PERSON * _too_near(people, radius_m + _PERSON_M, math.inf)
            + _PER_MAP * _too_near(mapped, radius_m + self._margin_m, float(known_m[0]))
        )

    def _manoeuvres(self, m: Motion, track: Track, left_s: float) -> list[list[Motion]]:
        """Beside the way, slower; turning, standing, backing, and turning aside."""
        out = [
            follow(m, track, self._style, self._limits, STEP_S, STEPS, left_s, aside, pace)
            for pace, asides in ((1.0, _ASIDE_M), (_SLOW, _SLOW_ASIDE_M))
            for aside in asides
        ]  # fmt: skip
        out.append(follow(m, track, self._style, self._limits, STEP_S, STEPS, left_s, pace=0.0))
        for v, w in ((0.0, 0.0), (-0.3, 0.0), (-0.3, 0.5), (-0.3, -0.5), (0.35, 0.8), (0.35, -0.8)):
            way, now = [], m
            for _ in range(STEPS):
                now = step(now, v, w, self._limits, STEP_S)
                way.append(now)
            out.append(way)
        return out

    def _course(self, m: Motion, way: list[Motion], track: Track) -> float:
        """What a manoeuvre costs by where it leads: little along the way, much beside or away from it."""
        begin, last = track.nearest(m.x, m.y), way[-1]
        s = track.nearest(last.x, last.y, begin)
        x, y = track.point(s)
        ahead_x, ahead_y = track.point(s + self._style.lookahead_m + self._style.lookahead_s * abs(last.v))
        far = math.hypot(ahead_x - last.x, ahead_y - last.y)
        error = wrap_angle(math.atan2(ahead_y - last.y, ahead_x - last.x) - last.yaw) if far > 0.05 else 0.0
        gain = s - begin
        if min(step.v for step in way) < -0.05:  # it has no eyes there: to make room, and not to get on
            gain = min(0.0, gain) - _BACK
        return _PER_ASIDE * math.hypot(last.x - x, last.y - y) + _PER_ERROR * abs(error) - gain


def _too_near(distance_m: F64, need_m: float, here_m: float) -> F64:
    """By how much a way (k, n) comes too near, (k,): of what is needed, or of a little more than there is now."""
    return np.asarray(np.maximum(0.0, min(need_m, here_m + _ESCAPE_M) - distance_m.min(axis=1)))
