"""A node of ours as a ROS 2 lifecycle node: configured, activated, deactivated with its last words, activated anew.

Transitions come in the thread of the ROS process, the node runs in the main thread. Its publishers and subscriptions
exist while it is active: so latched topics come anew to the fresh node that every activation begins with.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from saccade.errors import SaccadeError
from saccade.node import Node, Tunable, run
from saccade.wire.live import StageTimes, keep_memory, stop_signals
from saccade.wire.ros_bus import RosBus
from saccade.wire.ros_params import RosParameters, declare
from saccade.wire.ros_process import RosProcess

P = TypeVar("P")
_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
_AUTOSTART = ParameterDescriptor(description="configure and activate without being asked to", read_only=True)
_LAST_WORDS_S = 5.0
"""How long a deactivation waits for the node to end; far more than any needs."""


def serve(name: str, initial: P, make: Callable[[P], Node], args: Sequence[str], linger_s: float = 0.0) -> None:
    """Run the node that `make` makes of its parameters until SIGINT or SIGTERM; `args` are `--ros-args …`.

    `linger_s` is as in `saccade.wire.live.serve`. SaccadeError where the node should start by itself (parameter
    `autostart`) and cannot be configured.
    """
    keep_memory()
    process = RosProcess(name, args, _Managed)
    try:
        life = Life(process, initial, make)
        process.node.life = life
        with stop_signals(life.end, linger_s) as stopped:
            autostart = declare(process.node, "autostart", True, _AUTOSTART)
            if autostart:
                life.start()
            process.start()
            life.run(stopped)
    finally:
        process.close()


class Life(Generic[P]):
    """What the lifecycle of one node's process does to the node."""

    def __init__(self, process: RosProcess, initial: P, make: Callable[[P], Node]) -> None:
        self._process, self._make = process, make
        self._log = logging.getLogger(process.node.get_name())
        self._node: Node | None = None
        self._bus: RosBus | None = None
        self._begin, self._over = threading.Event(), threading.Event()
        self._over.set()
        self._parameters = RosParameters(process.node, initial, lambda: self._bus is None, self._changed)
        self._fault: SaccadeError | None = None

    def start(self) -> None:
        """Configure and activate; raises what is in the way."""
        for trigger in (self._process.node.trigger_configure, self._process.node.trigger_activate):
            if trigger() != _SUCCESS:
                raise self._fault or SaccadeError(f"{self._process.node.get_name()} cannot be started")

    def run(self, stopped: Callable[[], bool]) -> None:
        """In the main thread: run the node whenever it is activated, until `stopped()`; then finish its lifecycle."""
        ended = False
        while not ended:
            self._begin.wait()
            self._begin.clear()
            ended = stopped()
            if self._bus is not None and self._node is not None and not self._over.is_set():
                self._run(self._node, self._bus, stopped)
        self._process.stop()
        with suppress(Exception):  # from a state that has no shutdown: it is being left anyway
            self._process.node.trigger_shutdown()

    def end(self) -> None:
        """End `run` from any thread."""
        if self._bus is not None:
            self._bus.end()
        self._begin.set()

    def configure(self) -> Any:
        """Make the node of its parameters, to see that they are good for one."""
        self._node = self._make(self._parameters.value)
        return _SUCCESS

    def activate(self) -> Any:
        """Join the topics and have the main thread run the node."""
        self._node = self._node or self._make(self._parameters.value)
        self._bus = RosBus(self._process, self._node.reads, self._node.writes | {"stage_times"})
        self._over.clear()
        self._begin.set()
        self._log.info("active")  # launch files wait for this line
        return _SUCCESS

    def deactivate(self) -> Any:
        """End the node and wait for its last words, such as the gate's stop, to be sent."""
        if self._bus is None:
            return _SUCCESS
        self._bus.end()
        if not self._over.wait(_LAST_WORDS_S):
            raise SaccadeError(f"the node has not ended in {_LAST_WORDS_S} s")
        self._bus.close()
        self._bus = self._node = None
        return _SUCCESS

    def clean_up(self) -> Any:
        """Let go of a node that is not running."""
        self.deactivate()
        self._discard()
        return _SUCCESS

    def guarded(self, transition: Callable[[], Any]) -> Any:
        """A transition whose failure is logged and kept instead of raised."""
        try:
            return transition()
        except SaccadeError as error:
            self._fault = error
            self._log.error("%s", error)
        except Exception:
            self._log.exception("transition failed")
        return _FAILURE

    def _run(self, node: Node, bus: RosBus, stopped: Callable[[], bool]) -> None:
        if stopped():  # before there was a bus to end
            bus.end()
        bus.await_time()
        gc.collect()
        gc.freeze()  # what is there now stays: later collections need not walk it
        try:
            run([StageTimes(node, bus.now_ns, bus.problems)], bus, stopped)
        finally:
            self._over.set()

    def _changed(self, value: P) -> None:
        """Parameters have changed: a running node takes them between two messages, any other is made anew."""
        bus: RosBus | None = self._bus
        node: object = self._node
        if bus is None:
            self._discard()
        elif isinstance(node, Tunable):
            bus.call(partial(node.retune, value))

    def _discard(self) -> None:
        if self._node is not None:
            list(self._node.close())
            self._node = None


class _Managed(LifecycleNode):  # type: ignore[misc]
    life: Life[Any]

    def on_configure(self, _: object) -> Any:
        return self.life.guarded(self.life.configure)

    def on_activate(self, _: object) -> Any:
        return self.life.guarded(self.life.activate)

    def on_deactivate(self, _: object) -> Any:
        return self.life.guarded(self.life.deactivate)

    def on_cleanup(self, _: object) -> Any:
        return self.life.guarded(self.life.clean_up)

    def on_shutdown(self, _: object) -> Any:
        return self.life.guarded(self.life.clean_up)
