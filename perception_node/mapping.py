"""Depth into the local map: each frame waits for the odometry of its moment, and gives up when that does not come."""

from __future__ import annotations

from collections.abc import Iterator

from perception_node.health import Health, Refused
from perception_node.local_map import LocalMapper
from perception_node.messages import encode_occupancy
from perception_node.near import Reach
from perception_node.params import MapParams
from saccade.clock import nanoseconds
from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.node import Out, Sample
from saccade.poses import Poses, WrongFrame
from saccade.stages import Stages
from saccade.tf import TransformError
from saccade.types import Depth
from saccade.wire.convert import decode_odom, decode_transforms, encode_map


class Mapping:
    """The map with what it needs: poses, and at most one frame that waits for them."""

    def __init__(self, params: MapParams, base_frame: str, health: Health, stages: Stages) -> None:
        self.params = params
        self.poses = Poses(base_frame, params.odom_ahead_ms)
        self._health, self._stages = health, stages
        self._mapper = LocalMapper(params)
        self._waiting: tuple[Depth, Reach, int] | None = None
        """Depth that waits for odometry, how near its camera sees, and until when."""
        self._occupancy_ns: int | None = None

    @property
    def until_ns(self) -> int | None:
        """Until when a frame waits, if one does."""
        return None if self._waiting is None else self._waiting[2]

    def put(self, depth: Depth, reach: Reach, now_ns: int) -> Iterator[Out]:
        """One more frame; it takes the place of one that still waits."""
        if self._waiting:
            self._health.counts["frames without map"] += 1
            self._health.drops["map"] += 1
        self._waiting = depth, reach, now_ns + nanoseconds(self.params.odom_wait_ms / 1e3)
        yield from self.resume(now_ns)

    def resume(self, now_ns: int) -> Iterator[Out]:
        """Put the waiting depth into the map once odometry has reached its stamp; give up when it does not come."""
        if self._waiting is None:
            return
        depth, reach, until_ns = self._waiting
        if not self.poses.reach(depth.stamp_ns):
            if now_ns >= until_ns:
                self._waiting = None
                raise Refused("map", "no odometry", self.poses.why_out_of_reach(depth.stamp_ns))
            return
        self._waiting = None
        with self._stages.timed("map"):
            try:
                odom_frame, T_odom_from_base, T_base_from_cam = self.poses.at(depth.stamp_ns, depth.frame_id)
            except TransformError as error:
                name = "wrong frame" if isinstance(error, WrongFrame) else "missing transform"
                raise Refused("map", name, str(error)) from error
            grid = self._mapper.update(depth, T_odom_from_base, T_base_from_cam, odom_frame, reach)
            self._health.ok("map")
            self._health.made("map", depth.stamp_ns, now_ns)
            yield Out("local_map", encode_map(grid))
        period_ns = nanoseconds(1 / self.params.occupancy_hz)
        if self._occupancy_ns is None or not 0 <= now_ns - self._occupancy_ns < period_ns:
            self._occupancy_ns = now_ns
            yield Out("occupancy", encode_occupancy(grid))

    def place(self, stamp_ns: int, frame_id: str) -> SE3 | None:
        """T_odom_from_camera at a stamp, or at the newest odometry before it; None where it is not known."""
        if self.poses.newest is None:
            return None
        try:
            _, T_odom_from_base, T_base_from_cam = self.poses.at(min(stamp_ns, self.poses.newest.stamp_ns), frame_id)
        except TransformError:
            return None
        return T_odom_from_base @ T_base_from_cam

    def on_odom(self, sample: Sample) -> bool:
        """Take odometry; False when its clock went back."""
        try:
            state, child_frame = decode_odom(sample.cdr)
        except DataError as error:
            raise Refused("map", "unusable odometry", str(error)) from error
        return self.poses.put(state, child_frame)

    def on_tf(self, sample: Sample) -> None:
        """Take transforms, all but odometry's own."""
        try:
            for stamp, parent, child, T in decode_transforms(sample.cdr):
                if sample.topic == "tf_static":
                    self.poses.tf.set_static(parent, child, T)
                elif child != self.poses.child_frame:  # odometry tells that one itself
                    self.poses.tf.add(parent, child, stamp, T)
        except DataError as error:
            raise Refused("map", "unusable transform", str(error)) from error

    def forget(self) -> None:
        """Begin anew, as after a jump of the clock."""
        self._mapper.forget()
        self._waiting = None
