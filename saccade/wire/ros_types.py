"""rclpy's class of a message or service by its ROS name, also of the parts that an action is made of."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from saccade.errors import ConfigError

_PARTS = {"SendGoal": "SendGoalService", "GetResult": "GetResultService", "FeedbackMessage": "FeedbackMessage"}
"""What rosidl's Python classes call the parts of an action, by what its type names call them."""


@cache
def message_class(msgtype: str) -> Any:
    """The class generated for `package/msg/Name`, `package/srv/Name` or `package/action/Name_Part`.

    ConfigError where the sourced installation has no such type.

    >>> message_class("std_msgs/msg/String").__name__
    'String'
    """
    package, kind, name = msgtype.split("/")
    whole, _, part = name.partition("_")
    try:
        cls = getattr(import_module(f"{package}.{kind}"), whole)
        return getattr(cls.Impl, _PARTS[part]) if part else cls
    except (ImportError, AttributeError, KeyError) as error:
        raise ConfigError(
            f"ROS type {msgtype} is not in the ROS 2 installation that is sourced ({error}); build its package"
            f" with `colcon build --packages-select {package}` and source that workspace"
        ) from error
