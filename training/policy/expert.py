"""Who is imitated: a driver that knows where everything stands and where everybody will walk.

Of the manoeuvres that the learned policy has, too, it takes the one that comes furthest along the way, keeps its
distance from things and from people where they will be, and that the gate would let pass by the robot's own map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saccade.geometry import F32, F64, SE3, planar
from saccade.types import LocalMap
from sim.things import Thing
from sim.ways import CELL_M, Floor
from sim.yard.layout import YARD_M
from sim.yard.walkers import PERSON_RADIUS_M, Walker
from vla_node.embodiments.base import BaseLimits
from vla_node.policies.learned.manoeuvres import (
    PER_PERSON,
    PERSON_M,
    STEP_S,
    STEPS,
    Way,
    by_map,
    course,
    others,
    places,
    too_near,
)  # fmt: skip
from vla_node.policies.learned.scan import ANGLES, FAR_M
from vla_node.policies.learned.sight import Inputs
from vla_node.rollout import Motion, Style, follow
from vla_node.track import Track

_THING_M = 0.08
"""Distance kept from things, as the gate does."""
_SEEN_M = 0.2
"""So far from a person's outline may a range be that shows it."""
_PER_THING = 20.0
"""What a metre too near to one costs, in metres of progress."""


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
            steps = [walker.at(elapsed_s + (i + 1) * STEP_S) for i in range(x.shape[1])]
            px, py = np.array([p.x for p in steps]), np.array([p.y for p in steps])
            out = np.minimum(out, np.hypot(x - px, y - py) - PERSON_RADIUS_M)
        return out

    def who(self, scan: F32, T_world_from_base: SE3, elapsed_s: float) -> tuple[F64, F64]:
        """Of the sectors of a scan: 1 where it shows a person, else 0, (b,), and the person's velocity (b, 2) m/s.

        The velocity is in the robot's level frame, over the next second.
        """
        T = planar(T_world_from_base)
        x, y, _ = T.apply(np.stack([scan * np.cos(ANGLES), scan * np.sin(ANGLES), np.zeros(len(scan))], axis=-1)).T
        who, going = np.zeros(len(scan)), np.zeros((len(scan), 2))
        for walker in self.walkers:
            now, then = walker.at(elapsed_s), walker.at(elapsed_s + 1.0)
            here = (np.hypot(x - now.x, y - now.y) < PERSON_RADIUS_M + _SEEN_M) & (scan < FAR_M)
            who[here] = 1.0
            going[here] = (np.array([then.x - now.x, then.y - now.y, 0.0]) @ T.R)[:2]
        return who, going

    def seen(self, inputs: Inputs, T_world_from_base: SE3, elapsed_s: float) -> tuple[F64, F64]:
        """`who` (SCANS - 1, b) and (SCANS - 1, b, 2) of all scans but the oldest, of when they were taken."""
        scans, ages_s = inputs["scan"][0, :-1], inputs["age"][0, :-1].tolist()
        both = [self.who(one, T_world_from_base, elapsed_s - s) for one, s in zip(scans, ages_s, strict=True)]
        return np.stack([who for who, _ in both]), np.stack([going for _, going in both])


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What it thinks of the plain pursuit, which is the first, and of the manoeuvres.

    x, y, people_m (WAYS, STEPS): places in odometry, and the distance there to the nearest person at that time. things,
    people, mapped, course (WAYS,): costs.
    """

    ways: list[Way]
    x: F64
    y: F64
    people_m: F64
    things: F64
    people: F64
    mapped: F64
    course: F64

    @property
    def best(self) -> int:
        """The plain pursuit wherever that comes too near to nothing, else the cheapest."""
        danger = self.things + self.people + self.mapped
        return int(np.argmin(danger + self.course)) if danger[0] > 0.0 else 0


class Expert:
    """Drives one robot in one world."""

    def __init__(self, truth: Truth, limits: BaseLimits, style: Style, margin_m: float) -> None:
        self._truth, self._limits, self._style, self._margin_m = truth, limits, style, margin_m

    def judge(
        self, m: Motion, track: Track, grid: LocalMap, left_s: float, T_world_from_base: SE3, elapsed_s: float
    ) -> Judged:
        """All manoeuvres, STEPS of STEP_S, from where odometry has the robot, `m`, along its way."""
        here = SE3.from_rpy(0.0, 0.0, m.yaw, (m.x, m.y, 0.0))
        T_world_from_odom, radius_m = planar(T_world_from_base) @ here.inverse(), self._limits.radius_m
        plain = follow(m, track, self._style, self._limits, STEP_S, STEPS, left_s)
        ways = [plain, *others(m, track, self._style, self._limits, left_s)]
        x, y = places(ways)
        world = T_world_from_odom.apply(np.stack([x, y, np.zeros_like(x)], axis=-1))
        wx, wy, now = world[..., 0], world[..., 1], T_world_from_base.t
        here_m = float(self._truth.room_m(now[:1], now[1:2])[0])
        people_m = self._truth.people_m(wx, wy, elapsed_s)
        return Judged(
            ways, x, y, people_m,
            _PER_THING * too_near(self._truth.room_m(wx, wy), radius_m + _THING_M, here_m),
            PER_PERSON * too_near(people_m, radius_m + PERSON_M, math.inf),
            by_map(m, x, y, grid, radius_m + self._margin_m),
            np.array([course(m, way, track, self._style) for way in ways]),
        )  # fmt: skip
