"""Waiting for rclpy subscriptions and services with a wait set that is made once.

These are the calls that rclpy's own executor is made of (the same from Humble to Kilted); it only calls more of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.context import Context
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation


class Waiter:
    """Waits for any of several handles, or for `wake`, which any thread may call.

    Something from `clock`, a subscription, ends a wait as well.
    """

    def __init__(
        self, context: Context, subscriptions: Sequence[Any], services: Sequence[Any] = (), clock: Any = None
    ) -> None:
        handles = [*subscriptions, *services]
        self._subscriptions = [*subscriptions, *filter(None, [clock])]
        self._services = list(services)
        self._index = {handle.pointer: i for i, handle in enumerate(handles)}
        self._last = 0
        self._guard = GuardCondition(None, None, context=context)
        self._set = rclpy_implementation.WaitSet(
            len(self._subscriptions), 1, 0, 0, len(self._services), 0, context.handle
        )

    def wait(self, timeout_ns: int) -> int | None:
        """Index of a handle that has something, each in its turn; None after `timeout_ns` or when woken."""
        wait_set = self._set
        wait_set.clear_entities()  # a wait leaves only what was ready
        for handle in self._subscriptions:
            wait_set.add_subscription(handle)
        for handle in self._services:
            wait_set.add_service(handle)
        wait_set.add_guard_condition(self._guard.handle)
        wait_set.wait(timeout_ns)
        ready = wait_set.get_ready_entities("subscription")
        if self._services:
            ready += wait_set.get_ready_entities("service")
        indices = [self._index[pointer] for pointer in ready if pointer in self._index]
        if not indices:
            return None
        count = len(self._index)
        self._last = min(indices, key=lambda index: (index - self._last - 1) % count)
        return self._last

    def wake(self) -> None:
        """End this wait, or the next one, at once."""
        self._guard.trigger()

    def close(self) -> None:
        """Give back what the wait holds; nothing may be waiting."""
        self._set.destroy_when_not_in_use()
        self._guard.destroy()
