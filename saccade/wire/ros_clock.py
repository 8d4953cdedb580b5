"""Simulated time: /clock, read by the bus itself, for one of 1 kHz would keep rclpy's executor busy."""

from __future__ import annotations

import struct

from rclpy.clock import ClockType
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from rosgraph_msgs.msg import Clock

from saccade.clock import SEC
from saccade.wire.ros_process import RosProcess

_STAMP = struct.Struct("<iI")


class SimClock:
    """What /clock said last, 0 before it said anything. Time passes in `update`; a jump back is passed on."""

    def __init__(self, process: RosProcess) -> None:
        self._node, self._now_ns = process.node, 0
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._subscription = self._node.create_subscription(
            Clock, "/clock", lambda _: None, newest, callback_group=process.group, raw=True
        )
        self.handle = self._subscription.handle

    def now_ns(self) -> int:
        """See `Bus.now_ns`."""
        return self._now_ns

    def update(self) -> None:
        """Take over what /clock says, if that is news."""
        if taken := self.handle.take_message(Clock, True):
            sec, nanosec = _STAMP.unpack_from(taken[0], 4)
            self._now_ns = sec * SEC + nanosec
            now = Time(nanoseconds=self._now_ns, clock_type=ClockType.ROS_TIME)
            self._node.get_clock().set_ros_time_override(now)

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)
