"""What robots really send, written out for cyclonedds-python from the published field lists; nothing of Saccade in it.

The peers of the bridges' tests speak with these, so that a wrong definition of ours cannot agree with itself.
"""

from dataclasses import dataclass, field

from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import (
    array,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    sequence,
    uint8,
    uint16,
    uint32,
    uint64,
)


@dataclass
class RequestIdentity_(IdlStruct, typename="unitree_api.msg.dds_.RequestIdentity_"):
    id: int64 = 0
    api_id: int64 = 0


@dataclass
class RequestLease_(IdlStruct, typename="unitree_api.msg.dds_.RequestLease_"):
    id: int64 = 0


@dataclass
class RequestPolicy_(IdlStruct, typename="unitree_api.msg.dds_.RequestPolicy_"):
    priority: int32 = 0
    noreply: bool = False


@dataclass
class RequestHeader_(IdlStruct, typename="unitree_api.msg.dds_.RequestHeader_"):
    identity: RequestIdentity_ = field(default_factory=RequestIdentity_)
    lease: RequestLease_ = field(default_factory=RequestLease_)
    policy: RequestPolicy_ = field(default_factory=RequestPolicy_)


@dataclass
class Request_(IdlStruct, typename="unitree_api.msg.dds_.Request_"):
    header: RequestHeader_ = field(default_factory=RequestHeader_)
    parameter: str = ""
    binary: sequence[uint8] = field(default_factory=list)


@dataclass
class TimeSpec_(IdlStruct, typename="unitree_go.msg.dds_.TimeSpec_"):
    sec: int32 = 0
    nanosec: uint32 = 0


@dataclass
class IMUState_(IdlStruct, typename="unitree_go.msg.dds_.IMUState_"):
    quaternion: array[float32, 4] = field(default_factory=lambda: [1.0, 0.0, 0.0, 0.0])
    gyroscope: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    accelerometer: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    rpy: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    temperature: int8 = 0


@dataclass
class SportModeState_(IdlStruct, typename="unitree_go.msg.dds_.SportModeState_"):
    stamp: TimeSpec_ = field(default_factory=TimeSpec_)
    error_code: uint32 = 0
    imu_state: IMUState_ = field(default_factory=IMUState_)
    mode: uint8 = 3
    progress: float32 = 0.0
    gait_type: uint8 = 1
    foot_raise_height: float32 = 0.08
    position: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    body_height: float32 = 0.32
    velocity: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    yaw_speed: float32 = 0.0
    range_obstacle: array[float32, 4] = field(default_factory=lambda: [0.0] * 4)
    foot_force: array[int16, 4] = field(default_factory=lambda: [0] * 4)
    foot_position_body: array[float32, 12] = field(default_factory=lambda: [0.0] * 12)
    foot_speed_body: array[float32, 12] = field(default_factory=lambda: [0.0] * 12)


@dataclass
class OffboardControlMode_(IdlStruct, typename="px4_msgs.msg.dds_.OffboardControlMode_"):
    timestamp: uint64 = 0
    position: bool = False
    velocity: bool = False
    acceleration: bool = False
    attitude: bool = False
    body_rate: bool = False
    thrust_and_torque: bool = False
    direct_actuator: bool = False


@dataclass
class TrajectorySetpoint_(IdlStruct, typename="px4_msgs.msg.dds_.TrajectorySetpoint_"):
    timestamp: uint64 = 0
    position: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    velocity: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    acceleration: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    jerk: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    yaw: float32 = 0.0
    yawspeed: float32 = 0.0


@dataclass
class VehicleCommand_(IdlStruct, typename="px4_msgs.msg.dds_.VehicleCommand_"):
    timestamp: uint64 = 0
    param1: float32 = 0.0
    param2: float32 = 0.0
    param3: float32 = 0.0
    param4: float32 = 0.0
    param5: float64 = 0.0
    param6: float64 = 0.0
    param7: float32 = 0.0
    command: uint32 = 0
    target_system: uint8 = 0
    target_component: uint8 = 0
    source_system: uint8 = 0
    source_component: uint16 = 0
    confirmation: uint8 = 0
    from_external: bool = False


@dataclass
class VehicleOdometry_(IdlStruct, typename="px4_msgs.msg.dds_.VehicleOdometry_"):
    timestamp: uint64 = 0
    timestamp_sample: uint64 = 0
    pose_frame: uint8 = 1
    position: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    q: array[float32, 4] = field(default_factory=lambda: [1.0, 0.0, 0.0, 0.0])
    velocity_frame: uint8 = 1
    velocity: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    angular_velocity: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    position_variance: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    orientation_variance: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    velocity_variance: array[float32, 3] = field(default_factory=lambda: [0.0] * 3)
    reset_counter: uint8 = 0
    quality: int8 = 0


@dataclass
class Time_(IdlStruct, typename="builtin_interfaces.msg.dds_.Time_"):
    sec: int32 = 0
    nanosec: uint32 = 0


@dataclass
class Header_(IdlStruct, typename="std_msgs.msg.dds_.Header_"):
    stamp: Time_ = field(default_factory=Time_)
    frame_id: str = ""


@dataclass
class State_(IdlStruct, typename="mavros_msgs.msg.dds_.State_"):
    header: Header_ = field(default_factory=Header_)
    connected: bool = True
    armed: bool = True
    guided: bool = True
    manual_input: bool = False
    mode: str = "OFFBOARD"
    system_status: uint8 = 0
