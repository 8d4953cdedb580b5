"""Robots by the name of the words they understand; one more is one more file and one more line here."""

from __future__ import annotations

from bridge_node.joints import JointsBridge
from bridge_node.mavros import Mavros
from bridge_node.node import TwistBridge
from bridge_node.params import BridgeParams
from bridge_node.px4 import Px4
from bridge_node.unitree import Unitree
from saccade.errors import ConfigError
from saccade.node import Node


def bridge_of(params: BridgeParams) -> Node:
    """The node that drives the robot of these parameters; ConfigError where they lack what it needs."""
    if params.robot == "ros2_control":
        return JointsBridge(params)
    if params.robot == "px4":
        return TwistBridge(Px4(params.autopilot), params)
    if params.robot == "mavros":
        return TwistBridge(Mavros(params.autopilot), params)
    if params.robot == "unitree":
        return TwistBridge(Unitree(params.unitree), params)
    raise ConfigError("robot is not set; expected unitree, px4, mavros or ros2_control in the section bridge_node")
