"""Frames that wait for the odometry of their moment: poses from messages, and of each camera at most one that waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from saccade.clock import nanoseconds
from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.poses import Poses, WrongFrame
from saccade.tf import TransformError
from saccade.types import RobotState
from saccade.wire.convert import decode_odom, decode_transforms
from saccade.wire.health import Refused

Frame = TypeVar("Frame")


@dataclass(frozen=True, slots=True, eq=False)
class Posed(Generic[Frame]):
    """A frame and where the robot and its camera were at its stamp."""

    frame: Frame
    odom_frame: str
    T_odom_from_base: SE3
    T_base_from_cam: SE3


class PoseWait(Generic[Frame]):
    """Latest-only: a new frame takes the place of its camera's that still waits. Faults are Refused, of one stage.

    A frame waits for odometry to reach its stamp for `wait_ms`, or to within `ahead_ms`, past which the body is taken
    to go on with its last twist.
    """

    def __init__(self, base_frame: str, stage: str, wait_ms: float, ahead_ms: float) -> None:
        self.poses = Poses(base_frame, ahead_ms)
        self.wait_ms = wait_ms
        self._stage = stage
        self._waiting: dict[str, tuple[Frame, int, int]] = {}
        """By camera, in the order of arrival: a frame, its stamp, and until when it waits."""

    @property
    def until_ns(self) -> int | None:
        """Until when a frame waits, if one does."""
        return min((until_ns for _, _, until_ns in self._waiting.values()), default=None)

    def put(self, frame: Frame, stamp_ns: int, camera_frame: str, now_ns: int) -> bool:
        """Let a frame wait; True when another of this camera still did, which is dropped."""
        dropped = self._waiting.pop(camera_frame, None) is not None
        self._waiting[camera_frame] = frame, stamp_ns, now_ns + nanoseconds(self.wait_ms / 1e3)
        return dropped

    def take(self, now_ns: int) -> Posed[Frame] | None:
        """The first frame whose stamp odometry has reached; Refused when that does not come, or a link misses."""
        for camera_frame, (frame, stamp_ns, until_ns) in self._waiting.items():
            if self.poses.reach(stamp_ns):
                del self._waiting[camera_frame]
                return self._posed(frame, stamp_ns, camera_frame)
            if now_ns >= until_ns:
                del self._waiting[camera_frame]
                raise Refused(self._stage, "no odometry", self.poses.why_out_of_reach(stamp_ns))
        return None

    def check(self, stamp_ns: int, camera_frame: str) -> None:
        """Refused where it is not known where a camera is on the robot."""
        with self._named():
            self.poses.camera(camera_frame, stamp_ns)

    def _posed(self, frame: Frame, stamp_ns: int, camera_frame: str) -> Posed[Frame]:
        with self._named():
            return Posed(frame, *self.poses.at(stamp_ns, camera_frame))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Faults of transforms as Refused."""
        try:
            yield
        except TransformError as error:
            name = "wrong frame" if isinstance(error, WrongFrame) else "missing transform"
            raise Refused(self._stage, name, str(error)) from error

    def on_odom(self, sample: Sample) -> RobotState | None:
        """Take odometry; None when its clock went back, and all that moves was forgotten."""
        try:
            state, child_frame = decode_odom(sample.cdr)
        except DataError as error:
            raise Refused(self._stage, "unusable odometry", str(error)) from error
        return state if self.poses.put(state, child_frame) else None

    def on_tf(self, sample: Sample) -> None:
        """Take transforms, all but odometry's own."""
        try:
            for stamp, parent, child, T in decode_transforms(sample.cdr):
                if sample.topic == "tf_static":
                    self.poses.tf.set_static(parent, child, T)
                elif child != self.poses.child_frame:  # odometry tells that one itself
                    self.poses.tf.add(parent, child, stamp, T)
        except DataError as error:
            raise Refused(self._stage, "unusable transform", str(error)) from error

    def forget(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
