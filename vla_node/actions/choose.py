"""The converter for a policy on a robot."""

from __future__ import annotations

from saccade.errors import ConfigError
from vla_node.actions.base import Converter
from vla_node.actions.joint_position import JointPosition
from vla_node.actions.joint_velocity import JointVelocity
from vla_node.actions.velocity import Velocity
from vla_node.actions.waypoints import DriveWaypoints, FlyWaypoints
from vla_node.embodiments.base import twist_limits
from vla_node.embodiments.diff_drive import DIFF_DRIVE
from vla_node.params import VlaParams
from vla_node.policies.base import ActionKind, PolicySpec
from vla_node.rollout import Style


def converter(spec: PolicySpec, params: VlaParams) -> Converter:
    """What turns the policy's rows into this robot's speeds; ConfigError when it cannot do what the policy asks for."""
    if params.embodiment == "arm":
        return _arm(spec, params)
    uav = params.embodiment == "uav"
    drive = params.limits
    limits = (
        params.uav.by_axis()
        if uav
        else twist_limits(DIFF_DRIVE.axes, (drive.v_m_s, drive.w_rad_s), (drive.a_m_s2, drive.aw_rad_s2))
    )
    if spec.kind is ActionKind.VELOCITY:
        return Velocity(spec.axes, limits)
    if spec.kind is ActionKind.WAYPOINTS and uav:
        return FlyWaypoints(spec.axes, limits)
    if spec.kind is ActionKind.WAYPOINTS:
        p = params.policy
        style = Style(p.cruise_m_s, p.turn_rad_s, p.reached_m, p.reached_rad, p.lookahead_m, p.lookahead_s)
        return DriveWaypoints(spec.axes, DIFF_DRIVE, drive, style)
    raise _unable(spec, params)


def _arm(spec: PolicySpec, params: VlaParams) -> Converter:
    limits = params.arm.by_axis()
    if spec.kind is ActionKind.JOINT_POSITION:
        return JointPosition(spec.axes, limits)
    if spec.kind is ActionKind.JOINT_VELOCITY:
        return JointVelocity(spec.axes, limits)
    if spec.kind is ActionKind.END_EFFECTOR:
        from vla_node.actions.end_effector import EndEffector  # needs MuJoCo and mink
        from vla_node.arms.kinematics import Kinematics

        return EndEffector(spec.axes, params.arm, Kinematics(params.arm))
    raise _unable(spec, params)


def _unable(spec: PolicySpec, params: VlaParams) -> ConfigError:
    return ConfigError(
        f"policy {spec.name!r} answers with {spec.kind.value}, which embodiment {params.embodiment!r} cannot execute; "
        "velocity and waypoints are for diff_drive and uav, end_effector and joints for arm"
    )
