"""Depth into the local map: each frame waits for the odometry of its moment, and gives up when that does not come."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from perception_node.local_map import LocalMapper
from perception_node.near import Reach
from perception_node.params import MapParams
from saccade.clock import SEC, nanoseconds, seconds
from saccade.geometry import SE3
from saccade.inbox import Arrival
from saccade.node import Out, Sample
from saccade.stages import Stages
from saccade.tf import TransformError
from saccade.types import Depth, LocalMap, RobotState
from saccade.wire.convert import encode_map, encode_occupancy
from saccade.wire.diagnostics import Level
from saccade.wire.health import Health, Refused
from saccade.wire.pose_wait import PoseWait

_FARTHEST_M = 1e9
"""From an origin: nobody drives or reaches so far, and numbers of cells beyond it end where floats do."""
_AT_ONCE_M, _AT_ONCE_RAD = 0.5, 0.5
_FASTEST_M_S, _FASTEST_RAD_S, _LONGEST_S = 30.0, 6.0, 0.1
"""What odometry may correct itself by, and what no robot moves and turns faster than. However long odometry was silent,
no more than `_LONGEST_S` of that counts: without it the gate lets no robot move."""


class _Seen(NamedTuple):
    """Depth, how near its camera sees, and whether a map is to be sent with it."""

    depth: Depth
    reach: Reach
    sent: bool


class Mapping:
    """The map with what it needs: poses, and of each camera at most one frame that waits for them.

    A map is sent with each frame of the first camera, and says its stamp: when that camera falls silent the map goes
    stale, whatever the others see.
    """

    def __init__(self, params: MapParams, base_frame: str, health: Health, stages: Stages) -> None:
        self._params = params
        self._wait: PoseWait[_Seen] = PoseWait(base_frame, "map", params.odom_wait_ms, params.odom_ahead_ms)
        self.poses, self.on_tf = self._wait.poses, self._wait.on_tf
        self._health, self._stages = health, stages
        self._mapper = LocalMapper(params)
        self._occupancy_ns: int | None = None
        self._since_ns = 0
        """When odometry jumped last: it says nothing of the moments just before."""
        self._owners: dict[str, str] = {}
        """Of each camera's frame, the rig that sends it; "" for the first one."""

    def retune(self, params: MapParams) -> None:
        """See `Tunable.retune`."""
        self._params, self._wait.wait_ms = params, params.odom_wait_ms

    @property
    def until_ns(self) -> int | None:
        """Until when a frame waits, if one does."""
        return self._wait.until_ns

    def put(self, depth: Depth, reach: Reach, now_ns: int, *, sent: bool = True) -> Iterator[Out]:
        """One more frame, with how near its camera sees; it takes the place of its camera's that still waits."""
        if sent and self._owners.get(depth.frame_id, ""):
            self._mapper.forget()  # another rig's pictures were put where this one's belong
        if sent:
            self._owners[depth.frame_id] = ""
        if not self.poses.reach(depth.stamp_ns):  # while it waits, a pair that is refused may be written over it
            depth = replace(depth, depth_m=depth.depth_m.copy(), confidence=depth.confidence.copy())
        if self._wait.put(_Seen(depth, reach, sent), depth.stamp_ns, depth.frame_id, now_ns):
            self._health.counts["frames without map"] += 1
            self._health.drops["map"] += 1
        yield from self.resume(now_ns)

    def resume(self, now_ns: int) -> Iterator[Out]:
        """Put waiting depth into the map once odometry has reached its stamp; give up when it does not come."""
        while (posed := self._wait.take(now_ns)) is not None:
            depth, reach, sent = posed.frame
            for told, T in (("the robot is", posed.T_odom_from_base), ("its camera is on it", posed.T_base_from_cam)):
                if not float(np.abs(T.t).max()) < _FARTHEST_M:
                    raise Refused("map", "pose out of range", f"{told} at {T.t.tolist()} m")
            if 0 < self._since_ns - depth.stamp_ns < SEC:
                why = "the picture is from before odometry jumped"
                raise Refused("map", "odometry settles", why, Level.WARN)
            with self._stages.timed("map"):
                if not sent:
                    self._mapper.look(depth, posed.T_odom_from_base, posed.T_base_from_cam, reach)
                    continue
                where = posed.T_odom_from_base, posed.T_base_from_cam, posed.odom_frame
                grid = self._mapper.update(depth, *where, reach)
                self._health.ok("map")
                self._health.made("map", depth.stamp_ns, now_ns)
                yield Out("local_map", encode_map(grid))
            yield from self._occupancy(grid, now_ns)

    def _occupancy(self, grid: LocalMap, now_ns: int) -> Iterator[Out]:
        period_ns = nanoseconds(1 / self._params.occupancy_hz)
        if self._occupancy_ns is None or not 0 <= now_ns - self._occupancy_ns < period_ns:
            self._occupancy_ns = now_ns
            corner_m = (*grid.origin_m, 0.0)
            cells = encode_occupancy(grid.stamp_ns, grid.frame_id, grid.resolution_m, corner_m, grid.occupancy)
            yield Out("occupancy", cells)

    def check(self, depth: Depth, rig: str) -> None:
        """Refused where it is not known where a further rig's camera is on the robot, or its frame is another's."""
        self._wait.check(depth.stamp_ns, depth.frame_id)
        owner = self._owners.setdefault(depth.frame_id, rig)
        if owner != rig:
            advice = "expected a frame for each camera, with its place on tf_static"
            why = f"the pictures are of frame {depth.frame_id!r}, also those of {owner or 'the first rig'}; {advice}"
            raise Refused("map", "wrong frame", why)

    def place(self, stamp_ns: int, frame_id: str) -> SE3 | None:
        """T_odom_from_camera at a stamp, or at the newest odometry before it; None where it is not known."""
        if self.poses.newest is None:
            return None
        try:
            _, T_odom_from_base, T_base_from_cam = self.poses.at(min(stamp_ns, self.poses.newest.stamp_ns), frame_id)
        except TransformError:
            return None
        return T_odom_from_base @ T_base_from_cam

    def on_odom(self, sample: Sample) -> Refused | None:
        """Take odometry; why all that is known belongs to another time or place, if it does."""
        before, child = self.poses.newest, self.poses.child_frame
        state = self._wait.on_odom(sample)
        if state is None:
            why = "odometry's stamps went back; the map begins anew"
            return Refused("sync", Arrival.CLOCK_BACK.value, why, Level.WARN)
        if before is None or state.stamp_ns <= before.stamp_ns:
            return None
        if (before.frame_id, child) != (state.frame_id, self.poses.child_frame):
            now = f"{self.poses.child_frame!r} in {state.frame_id!r}"
            name, why = "odometry frame changed", f"odometry told of {child!r} in {before.frame_id!r}, and now of {now}"
        elif why := _jump(before, state):
            name = "pose jump"
        else:
            return None
        self._since_ns = state.stamp_ns
        return Refused("map", name, f"{why}; the map begins anew")

    def forget(self) -> None:
        """Begin anew, as after a jump of the clock or of odometry."""
        self._mapper.forget()
        self._wait.forget()


def _jump(before: RobotState, state: RobotState) -> str:
    """How odometry moved as no robot does between two messages, for people; "" where it goes on."""
    passed_s = seconds(state.stamp_ns - before.stamp_ns)
    T, counted_s = before.T_odom_from_body.inverse() @ state.T_odom_from_body, min(passed_s, _LONGEST_S)
    moved_m, turned_rad = math.hypot(*T.t.tolist()), math.acos(min(1.0, max(-1.0, (float(np.trace(T.R)) - 1) / 2)))
    if moved_m > _AT_ONCE_M + _FASTEST_M_S * counted_s:
        return f"odometry moved {moved_m:.2f} m in {1e3 * passed_s:.0f} ms"
    if turned_rad > _AT_ONCE_RAD + _FASTEST_RAD_S * counted_s:
        return f"odometry turned {math.degrees(turned_rad):.0f} degrees in {1e3 * passed_s:.0f} ms"
    return ""
