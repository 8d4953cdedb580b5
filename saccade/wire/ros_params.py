"""A node's one dataclass of parameters as ROS parameters: declared, described, and changed under its own validation."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from typing import Any, Generic, TypeVar, get_args, get_origin

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.parameter import Parameter

from saccade.errors import ConfigError
from saccade.params import Leaf, build, leaves

P = TypeVar("P")
_OF_ROS = ("use_sim_time", "start_type_description_service", "qos_overrides.")
_FLOAT, _INT = sys.float_info.max, 2**63 - 1
_ARRAYS = {float: Parameter.Type.DOUBLE_ARRAY, int: Parameter.Type.INTEGER_ARRAY, str: Parameter.Type.STRING_ARRAY}
_INACTIVE_ONLY = "can be changed only while the node is not active"


class RosParameters(Generic[P]):
    """The parameters of a ROS node, from `initial` and whatever the command line and parameter files override.

    `free` says whether everything may be changed just now, and not only what a running node takes; `changed` is called
    with the new value. ConfigError for an unknown parameter or a value that the dataclass refuses.
    """

    def __init__(self, node: Any, initial: P, free: Callable[[], bool], changed: Callable[[P], None]) -> None:
        self._node, self._cls, self._free, self._changed = node, type(initial), free, changed
        known = {leaf.name: leaf for leaf in leaves(initial)}
        given = {name: _plain(p.value) for name, p in node.get_parameters_by_prefix("").items()}
        given = {k: v for k, v in given.items() if v is not None and not k.startswith(_OF_ROS) and k != "autostart"}
        groups = {name.rpartition(".")[0] for name in given}
        kept = {n: leaf.value for n, leaf in known.items() if not (leaf.keyed and n.rpartition(".")[0] in groups)}
        self.value: P = build(self._cls, {**kept, **given}, f"parameters of {node.get_name()}")
        self._leaves = {leaf.name: leaf for leaf in leaves(self.value)}
        for leaf in self._leaves.values():
            declare(node, leaf.name, _typed(leaf), descriptor(leaf), override=False)
        node.add_on_set_parameters_callback(self._on_set)

    def _on_set(self, parameters: list[Any]) -> SetParametersResult:
        """Accept or refuse a change as a whole."""
        if any(p.name == "use_sim_time" for p in parameters) and not self._free():
            return SetParametersResult(successful=False, reason=f"use_sim_time {_INACTIVE_ONLY}")
        new = {p.name: _plain(p.value) for p in parameters if p.name in self._leaves}
        if not new:
            return SetParametersResult(successful=True)
        now = {leaf.name: leaf.value for leaf in leaves(self.value)}
        held = [name for name in new if not self._leaves[name].live and new[name] != _plain(now[name])]
        if held and not self._free():
            name = self._node.get_fully_qualified_name()
            reason = f"{', '.join(held)} {_INACTIVE_ONLY}: ros2 lifecycle set {name} deactivate"
            return SetParametersResult(successful=False, reason=reason)
        try:
            self.value = build(self._cls, {**now, **new})
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._changed(self.value)
        return SetParametersResult(successful=True)


def declare(node: Any, name: str, default: Any, described: ParameterDescriptor, override: bool = True) -> Any:
    """Declare a parameter, and return its value: what the command line says if `override` and it does, else `default`.

    rclpy has declared what the command line names already, but without a description.
    """
    if node.has_parameter(name):
        default = node.get_parameter(name).value if override else default
        node.undeclare_parameter(name)
    return node.declare_parameter(name, default, described, ignore_override=True).value


def descriptor(leaf: Leaf) -> ParameterDescriptor:
    """What `ros2 param describe` shows of a parameter."""
    constraints = []
    if leaf.choices:
        constraints.append(f"one of {', '.join(leaf.choices)}")
    if not leaf.live:
        constraints.append(_INACTIVE_ONLY)
    described = ParameterDescriptor(description=leaf.about, additional_constraints="; ".join(constraints))
    if leaf.low is not None or leaf.high is not None:
        if leaf.hint is int:
            described.integer_range = [IntegerRange(from_value=_or(leaf.low, -_INT), to_value=_or(leaf.high, _INT))]
        else:
            low, high = float(_or(leaf.low, -_FLOAT)), float(_or(leaf.high, _FLOAT))
            described.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return described


def _or(end: float | None, otherwise: float) -> Any:
    return otherwise if end is None else end


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, array | tuple | list) else value


def _typed(leaf: Leaf) -> Any:
    """The value as rclpy takes it; an empty list says nothing of its type, so there it is the type, without a value."""
    if get_origin(leaf.hint) is not tuple:
        return leaf.value
    return list(leaf.value) or _ARRAYS[get_args(leaf.hint)[0]]
