"""Parameters of the odometry node."""

from __future__ import annotations

from dataclasses import dataclass

from saccade.params import param


@dataclass(frozen=True, slots=True)
class OdometryParams:
    """All of the node. A pose that would mean more than `max_speed_m_s` or `max_turn_rad_s` is no pose."""

    odom_frame: str = param("odom", "frame that poses are told in; it begins where the robot's base is at first")
    base_frame: str = param("base_link", "the robot's body, whose pose is told; tf must tie the cameras to it")
    publish_tf: bool = param(True, "send the transform from odom_frame to base_frame as well", live=True)
    stereo_tolerance_ms: float = param(5.0, "how far the stamps of left and right may be apart", low=0)
    rgbd_tolerance_ms: float = param(20.0, "how far the stamps of colour and depth may be apart", low=0)
    stale_ms: float = param(400.0, "silence after which missing pictures are reported", low=0, live=True)
    max_speed_m_s: float = param(30.0, "what the camera cannot move faster than", low=0)
    max_turn_rad_s: float = param(6.0, "what the camera cannot turn faster than", low=0)

    def __post_init__(self) -> None:
        if not self.odom_frame or not self.base_frame or self.odom_frame == self.base_frame:
            raise ValueError("odom_frame and base_frame: expected two names")
        if min(self.stereo_tolerance_ms, self.rgbd_tolerance_ms) < 0:
            raise ValueError("stereo_tolerance_ms and rgbd_tolerance_ms: expected at least 0")
        if min(self.stale_ms, self.max_speed_m_s, self.max_turn_rad_s) <= 0:
            raise ValueError("stale_ms, max_speed_m_s and max_turn_rad_s: expected above 0")
