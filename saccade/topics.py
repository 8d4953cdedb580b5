"""The table of topics: name, type, rate, stale-after. Freshness, buses, replay, tests and docs all read this one.

Names are canonical and relative; a mapping (recordings) or ROS remapping ties them to a robot's own. Rates are what a
robot is expected to publish; `stale_ns` is the age of the header stamp after which a value may not be acted on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from saccade.clock import MS, SEC
from saccade.errors import ConfigError, choices


class Role(Enum):
    """Which way a topic flows."""

    SENSOR = "sensor"
    REQUEST = "request"
    INTERNAL = "internal"
    OUTPUT = "output"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Topic:
    """One row of the table. `latched` topics are delivered to late joiners (transient local).

    `alias` is the name on the wire where that is not `name`: two rows, of which a robot has one, may share a wire name.
    A service is two rows of its type, `<service>/request` and `<service>/reply`; see `saccade.wire.service`.
    """

    name: str
    type: str
    role: Role
    rate_hz: float
    stale_ns: int
    about: str
    latched: bool = False
    alias: str = ""

    @property
    def wire_name(self) -> str:
        """What the topic is called among processes and in recordings."""
        return self.alias or self.name

    @property
    def service(self) -> str:
        """The service that a row is half of, or ""."""
        return self.name.rpartition("/")[0] if self.role is Role.SERVICE else ""

    @property
    def message_type(self) -> str:
        """The type of its messages: `type`, or the half of a service's that belongs here."""
        if not self.service:
            return self.type
        return f"{self.type}_Request" if self.name.endswith("/request") else f"{self.type}_Response"


_IMAGE, _COMPRESSED, _INFO = (
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/CameraInfo",
)
_S, _R, _I, _O = Role.SENSOR, Role.REQUEST, Role.INTERNAL, Role.OUTPUT

_ROWS = [
    *(
        Topic(f"{side}/{name}{suffix}", type_, _S, 30, 300 * MS, f"{side} camera, {about}")
        for side in ("left", "right")
        for name, about in (("image_raw", "as captured"), ("image_rect", "rectified"))
        for suffix, type_ in (("", _IMAGE), ("/compressed", _COMPRESSED))
    ),
    Topic("left/camera_info", _INFO, _S, 30, 5 * SEC, "left calibration"),
    Topic("right/camera_info", _INFO, _S, 30, 5 * SEC, "right calibration; P[3] = -fx B"),
    Topic("rgbd/color/image_rect", _IMAGE, _S, 30, 300 * MS, "RGB-D camera, colour"),
    Topic("rgbd/color/image_rect/compressed", _COMPRESSED, _S, 30, 300 * MS, "RGB-D camera, colour, JPEG or PNG"),
    Topic("rgbd/depth/image_rect", _IMAGE, _S, 30, 300 * MS, "RGB-D camera, 32FC1 m or 16UC1 mm (REP 118)"),
    Topic("rgbd/depth/image_rect/compressedDepth", _COMPRESSED, _S, 30, 300 * MS, "RGB-D camera, PNG of 16UC1"),
    Topic("rgbd/depth/camera_info", _INFO, _S, 30, 5 * SEC, "RGB-D depth calibration"),
    Topic("wrist/image_raw", _IMAGE, _S, 30, 300 * MS, "an arm's own camera, for its policy"),
    Topic("wrist/image_raw/compressed", _COMPRESSED, _S, 30, 300 * MS, "an arm's own camera, JPEG or PNG"),
    Topic("odom", "nav_msgs/msg/Odometry", _S, 50, 200 * MS, "pose and body twist"),
    Topic("imu", "sensor_msgs/msg/Imu", _S, 200, 100 * MS, "angular rate and acceleration"),
    Topic("joint_states", "sensor_msgs/msg/JointState", _S, 100, 100 * MS, "positions of a robot's joints"),
    Topic("tf", "tf2_msgs/msg/TFMessage", _S, 50, 500 * MS, "moving frames"),
    Topic("tf_static", "tf2_msgs/msg/TFMessage", _S, 0, 0, "fixed frames", latched=True),
    Topic(
        "instruction",
        "std_msgs/msg/String",
        _R,
        0,
        0,
        "what the robot is told to do; empty = stop",
        latched=True,
    ),
    Topic("feedback", "std_msgs/msg/String", _R, 0, 0, "what the operator says meanwhile; empty = plan anew"),
    Topic("operator_stop", "std_msgs/msg/Bool", _R, 0, 0, "true stops the robot until false", latched=True),
    Topic("disparity", "stereo_msgs/msg/DisparityImage", _O, 30, 300 * MS, "pixels, left image"),
    Topic("depth/image_rect", _IMAGE, _O, 30, 300 * MS, "32FC1 metres, NaN = none (REP 118)"),
    Topic("depth/camera_info", _INFO, _O, 30, 5 * SEC, "intrinsics of the depth image, scaled"),
    Topic("depth/confidence", _IMAGE, _O, 30, 300 * MS, "mono8, 255 = sure"),
    Topic("points", "sensor_msgs/msg/PointCloud2", _O, 5, 1 * SEC, "organised cloud x y z rgb in the camera's frame"),
    Topic("local_map", "saccade_msgs/msg/LocalMap", _I, 10, 400 * MS, "occupancy and clearance around the robot"),
    Topic("clearance", "saccade_msgs/msg/ClearanceField", _I, 10, 400 * MS, "clearance in three dimensions"),
    Topic("occupancy", "nav_msgs/msg/OccupancyGrid", _O, 2, 2 * SEC, "the local map for RViz and Nav2"),
    Topic("map/mesh", "visualization_msgs/msg/Marker", _O, 0.2, 15 * SEC, "the surface of the map, with colours"),
    Topic(
        "map/occupancy",
        "nav_msgs/msg/OccupancyGrid",
        _O,
        2,
        2 * SEC,
        "the map between two heights, for Nav2's static layer",
        latched=True,
    ),
    Topic("map/birdseye", _IMAGE, _O, 0.5, 6 * SEC, "the map from above, with the robot, its path and plan"),
    Topic("map/follow", _IMAGE, _O, 0.5, 6 * SEC, "the map from behind and above the robot"),
    Topic("plan", "saccade_msgs/msg/Plan", _I, 1, 10 * SEC, "the slow planner's newest plan"),
    Topic("plan/exchange", "saccade_msgs/msg/Exchange", _O, 0, 0, "what a reasoner was asked and answered, in words"),
    Topic("plan/path", "nav_msgs/msg/Path", _O, 1, 10 * SEC, "the plan for RViz"),
    Topic(
        "chunk",
        "saccade_msgs/msg/ActionChunk",
        _I,
        20,
        300 * MS,
        "actions on absolute time, request to the gate",
    ),
    Topic("cmd_vel", "geometry_msgs/msg/TwistStamped", _O, 100, 50 * MS, "the command; only the gate sends it"),
    Topic(
        "cmd_vel_unstamped",
        "geometry_msgs/msg/Twist",
        _O,
        100,
        50 * MS,
        "`cmd_vel` of a base that takes Twist",
        alias="cmd_vel",
    ),
    Topic(
        "joint_trajectory",
        "trajectory_msgs/msg/JointTrajectory",
        _O,
        100,
        50 * MS,
        "the command of an arm: positions, one point",
    ),
    Topic("verdict", "saccade_msgs/msg/Verdict", _O, 100, 50 * MS, "what was asked, what was granted, and why"),
    Topic(
        "stage_times",
        "saccade_msgs/msg/StageTimes",
        _O,
        150,
        1 * SEC,
        "where each frame's time went (live only)",
    ),
    Topic("diagnostics", "diagnostic_msgs/msg/DiagnosticArray", _O, 1, 3 * SEC, "health of each stage"),
]

RIGS = {"side_left": "at the left flank", "side_right": "at the right flank", "rear": "at the back"}
"""Rigs that a robot may have beside the one that looks ahead, and where: its topics again, under these names."""

_RIG_ROWS = [
    replace(row, name=f"{rig}/{row.name}", about=f"{row.about}; {where}")
    for rig, where in RIGS.items()
    for row in _ROWS
    if row.name.startswith(("left/", "right/", "rgbd/"))
]

_ACTION, _EXECUTE = "execute_instruction/_action", "saccade_msgs/action/ExecuteInstruction"
_SERVICE_ROWS = [
    *(
        Topic(f"{name}/{half}", type_, Role.SERVICE, 0, 0, about)
        for name, type_, about in (
            ("set_instruction", "saccade_msgs/srv/SetInstruction", "an instruction with an answer"),
            (f"{_ACTION}/send_goal", f"{_EXECUTE}_SendGoal", "an instruction that is followed to its end"),
            (f"{_ACTION}/cancel_goal", "action_msgs/srv/CancelGoal", "stops such an instruction"),
            (f"{_ACTION}/get_result", f"{_EXECUTE}_GetResult", "waits for its end"),
        )
        for half in ("request", "reply")
    ),
    Topic(f"{_ACTION}/feedback", f"{_EXECUTE}_FeedbackMessage", _O, 0, 0, "how far it has come"),
    Topic(f"{_ACTION}/status", "action_msgs/msg/GoalStatusArray", _O, 0, 0, "what has become of it", latched=True),
]

_REQUEST, _NOW = "unitree_api/msg/Request", 50 * MS
_BRIDGED_ROWS = [
    Topic("api/sport/request", _REQUEST, _O, 50, _NOW, "to a Unitree dog: move, or stop"),
    Topic("sportmodestate", "unitree_go/msg/SportModeState", _S, 50, 200 * MS, "of a Unitree dog: pose and speed"),
    Topic("fmu/in/offboard_control_mode", "px4_msgs/msg/OffboardControlMode", _O, 50, _NOW, "to PX4: its heartbeat"),
    Topic("fmu/in/trajectory_setpoint", "px4_msgs/msg/TrajectorySetpoint", _O, 50, _NOW, "to PX4: velocity, NED"),
    Topic("fmu/in/vehicle_command", "px4_msgs/msg/VehicleCommand", _O, 0, 0, "to PX4: mode and arming, if asked for"),
    Topic("fmu/out/vehicle_odometry", "px4_msgs/msg/VehicleOdometry", _S, 50, 200 * MS, "of PX4: pose, NED and FRD"),
    Topic(
        "mavros/setpoint_velocity/cmd_vel", "geometry_msgs/msg/TwistStamped", _O, 50, _NOW, "to MAVROS: velocity, ENU"
    ),
    Topic("mavros/state", "mavros_msgs/msg/State", _S, 1, 3 * SEC, "of MAVROS: connected, armed, mode"),
    *(
        Topic(f"{part}_controller/joint_trajectory", "trajectory_msgs/msg/JointTrajectory", _O, 100, _NOW, about)
        for part, about in (("arm", "to ros2_control: an arm's joints"), ("gripper", "to ros2_control: its gripper"))
    ),
    Topic("clock", "rosgraph_msgs/msg/Clock", _O, 100, _NOW, "of a world that runs live: its time, for `use_sim_time`"),
]  # fmt: skip

TOPICS: dict[str, Topic] = {row.name: row for row in (*_ROWS, *_RIG_ROWS)}
"""What is recorded, replayed and shown."""
SERVICES: dict[str, Topic] = {row.name: row for row in _SERVICE_ROWS}
"""What services and actions are made of: a conversation with a live robot, of which recordings keep the effects."""

BRIDGED: dict[str, Topic] = {row.name: row for row in _BRIDGED_ROWS}
"""What is said to robots and ROS tools in their own words, by bridge_node and live worlds; never recorded."""


def topic(name: str) -> Topic:
    """The row of a topic or of a service's half; ConfigError with the nearest valid name when there is none."""
    row = TOPICS.get(name) or SERVICES.get(name) or BRIDGED.get(name)
    if row is None:
        raise ConfigError(f"unknown topic {name!r}: {choices(name, (*TOPICS, *SERVICES, *BRIDGED))}")
    return row


def on_wire(name: str) -> list[Topic]:
    """The rows that go by this name on the wire, each with a type of its own; none for a name that is not Saccade's."""
    return [row for row in TOPICS.values() if row.wire_name == name.lstrip("/")]
