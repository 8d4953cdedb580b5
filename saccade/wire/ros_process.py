"""rclpy in this process: a context of its own, one node, and a thread for what is not on the way of the data.

That thread serves parameters, the lifecycle and QoS events with rclpy's executor. Topics and services of ours are not
its business, nor is /clock: their callback group never lets it have them, and `RosBus` waits for them itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.callback_groups import CallbackGroup
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.service import Service
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription

from saccade.errors import ConfigError

_JOIN_S = 2.0
_log = logging.getLogger("saccade.ros")


class RosProcess:
    """A rclpy context with one node; `args` are `--ros-args …` as `ros2 run` and launch files give them."""

    def __init__(self, name: str, args: Sequence[str] = (), node_class: Callable[..., Any] = Node) -> None:
        self.context = Context()
        try:
            rclpy.init(args=list(args), context=self.context, signal_handler_options=SignalHandlerOptions.NO)
            self.node = node_class(name, context=self.context, automatically_declare_parameters_from_overrides=True)
        except Exception as error:  # rclpy has many, without a class in common
            self.context.try_shutdown()
            raise ConfigError(f"cannot start ROS node {name!r}: {error}") from error
        self.group = DataGroup()
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="ros", daemon=True)
        self._stopped = self._closed = False
        self.node._time_source.detach_node()  # see ros_clock

    def start(self) -> None:
        """Serve what comes from now on."""
        self._thread.start()

    @property
    def simulated(self) -> bool:
        """Whether time comes from /clock: the parameter `use_sim_time`."""
        return bool(self.node.get_parameter("use_sim_time").value)

    def stop(self) -> None:
        """Serve no more; stopping twice is allowed."""
        self._stopped = True
        self._executor.shutdown(_JOIN_S)
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def close(self) -> None:
        """Leave the graph; closing twice is allowed."""
        if self._closed:
            return
        self._closed = True
        self.stop()
        self.node.destroy_node()
        self.context.try_shutdown()

    def _spin(self) -> None:
        while not self._stopped:
            try:
                self._executor.spin_once()
            except Exception:
                if not self._stopped:
                    _log.exception("a callback of the ROS node failed")


class DataGroup(CallbackGroup):  # type: ignore[misc]
    """Keeps topics and services from the executor; their QoS events it may have."""

    def can_execute(self, entity: object) -> bool:
        """Whether the executor may wait for this entity."""
        return not isinstance(entity, Subscription | Service)

    def beginning_execution(self, entity: object) -> bool:
        """See `CallbackGroup`; nothing here excludes anything else."""
        return True

    def ending_execution(self, entity: object) -> None:
        """See `CallbackGroup`."""
