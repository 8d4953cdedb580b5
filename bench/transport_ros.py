"""The ends of `bench.transport` that need rclpy: RosBus, and nodes written as the tutorials have them."""

from __future__ import annotations

import array
import time
from collections import deque
from functools import partial
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from bench.transport import SIDES, Wire, encode
from bench.transport_dds import BusWire, decoded_ns
from saccade.clock import SEC
from saccade.types import U8
from saccade.wire.ros import open_ros


def wire(name: str, domain: int, publisher: bool) -> Wire:
    """The sending or receiving end of a case; the domain is in the environment."""
    if name == "RosBus":
        both = frozenset(SIDES), frozenset[str]()
        return BusWire(open_ros("bench", *(both[::-1] if publisher else both)))
    return RclpyWire(name == "rclpy raw", publisher)


class RclpyWire:
    """A node with callbacks that rclpy's executor calls; messages typed or, where `raw`, as bytes through our codec."""

    def __init__(self, raw: bool, publisher: bool) -> None:
        rclpy.init()
        self._raw, self._node = raw, Node("bench")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._got: deque[tuple[int, str]] = deque()
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        if publisher:
            self._publishers = {name: self._node.create_publisher(Image, name, 4) for name in SIDES}
        else:
            for name in SIDES:
                self._node.create_subscription(Image, name, partial(self._on, name), newest, raw=raw)

    def send(self, name: str, picture: U8) -> None:
        self._publishers[name].publish(bytes(encode(name, picture)) if self._raw else _image(name, picture))

    def receive(self, timeout_ns: int) -> tuple[int, str] | None:
        end = time.monotonic_ns() + timeout_ns
        while not self._got and (left_ns := end - time.monotonic_ns()) > 0:
            self._executor.spin_once(left_ns / SEC)
        return self._got.popleft() if self._got else None

    def _on(self, name: str, msg: Any) -> None:
        if self._raw:
            self._got.append((decoded_ns(msg), name))
        else:
            np.frombuffer(msg.data, np.uint8).reshape(msg.height, -1)
            self._got.append((msg.header.stamp.sec * SEC + msg.header.stamp.nanosec, name))


def _image(name: str, picture: U8) -> Image:
    height, width = picture.shape
    msg = Image(height=height, width=width, encoding="mono8", step=width)
    now = time.monotonic_ns()
    msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(now, SEC)
    msg.header.frame_id = name
    msg.data = array.array("B", picture.tobytes())  # the one type that its setter does not walk through in Python
    return msg
