"""People: capsules that walk to and fro on a way of their own, by the clock alone; they slow down for nobody."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from sim.scene import Place
from sim.things import Thing

PERSON_RADIUS_M = 0.25


@dataclass(frozen=True, slots=True)
class Walker:
    """`thing` is its body at time 0; `way` (x, y), `along` metres at each point, `rest_s` a pause at each end."""

    thing: Thing
    way: tuple[tuple[float, float], ...]
    along: tuple[float, ...]
    speed_m_s: float
    rest_s: float
    phase_s: float

    @staticmethod
    def on(thing: Thing, way: list[tuple[float, float]], speed_m_s: float, rest_s: float, phase_s: float) -> Walker:
        """A walker on a way, already `phase_s` into its round."""
        along = tuple(accumulate((math.dist(a, b) for a, b in pairwise(way)), initial=0.0))
        walker = Walker(thing, tuple(way), along, speed_m_s, rest_s, phase_s)
        place = walker.at(0.0)
        return replace(walker, thing=replace(thing, x=place.x, y=place.y, yaw=place.yaw))

    def at(self, elapsed_s: float) -> Place:
        """Where the walker is, so long after the start, facing where it goes."""
        one_way = self.along[-1] / self.speed_m_s + self.rest_s
        t = (elapsed_s + self.phase_s) % (2 * one_way)
        back = t >= one_way
        s = min(self.along[-1], (t - one_way if back else t) * self.speed_m_s)
        if back:
            s = self.along[-1] - s
        i = min(bisect_right(self.along, s), len(self.way) - 1)
        (x0, y0), (x1, y1) = self.way[i - 1], self.way[i]
        share = (s - self.along[i - 1]) / max(1e-9, self.along[i] - self.along[i - 1])
        yaw = math.atan2(y1 - y0, x1 - x0) + (math.pi if back else 0.0)
        return Place(x0 + share * (x1 - x0), y0 + share * (y1 - y0), math.remainder(yaw, math.tau))
