"""What there is to look at around a stage for who knows pictures, map, odometry and joints only."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from saccade.cli.collect.rollout import Rollout
from saccade.cli.collect.seen import landmark, look_for
from saccade.cli.collect.stages import Stage
from saccade.clock import MS
from saccade.geometry import F64
from vla_node.embodiments.arm import ArmParams
from vla_node.planner import Observation
from vla_node.reasoners.embedded.grounding import Sighting
from vla_node.reasoners.embedded.sight import Memory
from vla_node.reasoners.embedded.steps import GoTo
from vla_node.reasoners.embedded.tabletop import Seen, best

NEAR_NS = 1500 * MS


class Look:
    """What there is to look at around a stage."""

    def __init__(self, stage: Stage, rollout: Rollout) -> None:
        self.stage, self.rollout = stage, rollout
        self.target = landmark(stage.thing)

    @cached_property
    def end(self) -> Observation | None:
        """What was observed when the stage was over; None where nothing was, near that instant."""
        near = [t.observation for t in self.rollout.thoughts]
        near = [o for o in near if abs(o.stamp_ns - self.stage.end_ns) <= NEAR_NS and o.image is not None]
        return min(near, key=lambda o: abs(o.stamp_ns - self.stage.end_ns), default=None)

    def pose(self, at_ns: int) -> F64:
        """x, y, yaw, forward speed and turning in odom."""
        _, track = self.rollout.film.state()
        values: F64 = track.between(np.array([at_ns]))[0]
        return values

    def way_m(self, begin_ns: int, end_ns: int) -> float:
        """How far it went by odometry."""
        _, track = self.rollout.film.state()
        places = track.values[(track.stamps >= begin_ns) & (track.stamps <= end_ns), :2]
        return float(np.hypot(*np.diff(places, axis=0).T).sum())

    def home_m(self, at_ns: int) -> float:
        """How far it is by odometry from where the instruction was given."""
        start = self.rollout.thoughts[-1].observation.start
        return math.dist(self.pose(at_ns)[:2], start.t[:2])

    def where(self, since_ns: int) -> Sighting | None:
        """The best sighting of the thing from an instant until the stage's end."""
        memory = Memory()
        for thought in self.rollout.thoughts_in(since_ns, self.stage.end_ns + NEAR_NS // 3):
            if self.target is not None:
                look_for(memory, thought.observation, [self.target], self.rollout)
        return memory.recall(self.target) if self.target is not None else None

    def arm(self) -> ArmParams:
        """Of the robot."""
        assert self.rollout.arm is not None
        return self.rollout.arm

    def gripper(self) -> float:
        """How far it is closed at the end, 0 to 1."""
        gripper, at = self.arm().gripper, np.array([self.stage.end_ns])
        q = float(self.rollout.film.state()[1].between(at)[0, -1])
        return (q - gripper.open) / (gripper.closed - gripper.open)

    def first(self, target: GoTo | None) -> Seen | None:
        """A thing where it was first seen, before the arm was at it."""
        seen = (best(t.observation, target) for t in self.rollout.thoughts if target is not None)
        return next((s for s in seen if s is not None), None)
