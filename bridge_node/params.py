"""Parameters of the bridge: which robot, how often, and what each robot needs to be told once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from saccade.params import param


@dataclass(frozen=True, slots=True)
class UnitreeParams:
    """A Unitree dog; the limits are what its `Move` is documented to take, beyond which a command is refused."""

    velocity_frame: Literal["", "body", "odom"] = param(
        "", "axes of sportmodestate's velocity; Unitree does not say: see docs/bridges.md how to find out"
    )
    odom_frame: str = param("odom", "frame that its odometry is sent in")
    child_frame: str = param("base_link", "body whose pose that is")
    vx_m_s: float = param(2.5, "largest speed ahead or back", low=0)
    vy_m_s: float = param(1.0, "largest speed to a side", low=0)
    wz_rad_s: float = param(4.0, "largest turn rate", low=0)

    def __post_init__(self) -> None:
        _check("unitree", self, "vx_m_s", "vy_m_s", "wz_rad_s")


@dataclass(frozen=True, slots=True)
class AutopilotParams:
    """A flying robot behind PX4 or MAVROS; the limits are those of the offboard setpoints it is to be given.

    Without a command it is told to stand still for `hold_s`, then told nothing, so that its own failsafe for a lost
    companion comes into effect.
    """

    hold_s: float = param(5.0, "how long it is told to hold its place when the gate is silent", low=0)
    ask: Literal["nothing", "offboard", "offboard_and_arm"] = param(
        "nothing", "what is asked of PX4, once, when the gate has been heard: a pilot who takes over keeps it"
    )
    system_id: int = param(1, "MAV_SYS_ID of the vehicle that is asked", low=1, high=255)
    v_m_s: float = param(5.0, "largest speed along each axis of the plane", low=0)
    vz_m_s: float = param(2.0, "largest speed up or down", low=0)
    wz_rad_s: float = param(1.5, "largest turn rate", low=0)

    def __post_init__(self) -> None:
        _check("autopilot", self, "hold_s", "v_m_s", "vz_m_s", "wz_rad_s")
        if not 1 <= self.system_id <= 255:
            raise ValueError(f"autopilot.system_id is {self.system_id}; expected 1 to 255")


@dataclass(frozen=True, slots=True)
class JointsParams:
    """An arm behind ros2_control: which joints go to which of two joint_trajectory_controllers."""

    arm: tuple[str, ...] = param((), "joints of arm_controller, in any order")
    gripper: tuple[str, ...] = param((), "joints of gripper_controller; none for an arm without")


@dataclass(frozen=True, slots=True)
class BridgeParams:
    """Which robot, and its own parameters in the section of its name; the others are not looked at."""

    robot: Literal["", "unitree", "px4", "mavros", "ros2_control"] = param("", "the words that the robot understands")
    rate_hz: float = param(50.0, "commands a second to the robot", low=5, high=200)
    silence_ms: float = param(200.0, "age of the gate's newest command after which the robot is stopped", low=20)
    unitree: UnitreeParams = field(default_factory=UnitreeParams)
    autopilot: AutopilotParams = field(default_factory=AutopilotParams)
    ros2_control: JointsParams = field(default_factory=JointsParams)

    def __post_init__(self) -> None:
        if not 5 <= self.rate_hz <= 200:
            raise ValueError(f"rate_hz is {self.rate_hz}; expected 5 to 200: PX4 wants more than 2")
        if not 20 <= self.silence_ms <= 1000:
            raise ValueError(f"silence_ms is {self.silence_ms}; expected 20 to 1000")


def _check(section: str, params: object, *names: str) -> None:
    for name in names:
        if not 0 < (value := getattr(params, name)) < 1e3:
            raise ValueError(f"{section}.{name} is {value}; expected a number above 0 and below 1000")
