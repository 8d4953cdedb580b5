"""The ends of `bench.transport` that need no ROS."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic

from bench.transport import SIDES, Wire, encode
from saccade.clock import SEC
from saccade.node import Bus
from saccade.topics import topic
from saccade.types import U8
from saccade.wire.codec import codec
from saccade.wire.convert import stamp_ns
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address, reader_qos, writer_qos
from saccade.wire.dds_types import idl_class


def wire(name: str, domain: int, publisher: bool) -> Wire:
    """The sending or receiving end of a case."""
    bus = DdsBus(Address(domain), () if publisher else SIDES, SIDES if publisher else ())
    return BusWire(bus) if name == "DdsBus" else TypedWire(bus, domain, publisher)


class BusWire:
    """Pictures through a bus of ours and the codec."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def send(self, name: str, picture: U8) -> None:
        self._bus.send(name, encode(name, picture))

    def receive(self, timeout_ns: int) -> tuple[int, str] | None:
        sample = self._bus.recv(self._bus.now_ns() + timeout_ns)
        return None if sample is None else (decoded_ns(sample.cdr), sample.topic)


def decoded_ns(cdr: bytes | memoryview) -> int:
    """Decode a picture; its stamp."""
    msg = codec().decode("sensor_msgs/msg/Image", cdr)
    msg.data.reshape(msg.height, -1)
    return stamp_ns(msg.header.stamp)


class TypedWire:
    """The same pictures through cyclonedds-python's own classes, sequences as it declares them (lists)."""

    def __init__(self, settings: DdsBus, domain: int, publisher: bool) -> None:
        self._settings = settings  # a domain has those of who opens it first
        self._participant = DomainParticipant(domain)
        self._image = idl_class("sensor_msgs/msg/Image")
        topics = {name: Topic(self._participant, f"typed/{name}", self._image) for name in SIDES}
        make: Any = (
            (lambda n: DataWriter(self._participant, topics[n], writer_qos(topic(n)))) if publisher
            else (lambda n: DataReader(self._participant, topics[n], reader_qos(topic(n))))
        )  # fmt: skip
        self._ends = {name: make(name) for name in SIDES}

    def send(self, name: str, picture: U8) -> None:
        types = {f: idl_class(t) for f, t in (("h", "std_msgs/msg/Header"), ("t", "builtin_interfaces/msg/Time"))}
        now = time.monotonic_ns()
        head = types["h"](types["t"](now // SEC, now % SEC), name)
        height, width = picture.shape
        self._ends[name].write(self._image(head, height, width, "mono8", 0, width, picture.reshape(-1).tolist()))

    def receive(self, timeout_ns: int) -> tuple[int, str] | None:
        end = time.monotonic_ns() + timeout_ns
        while time.monotonic_ns() < end:  # polled: its latency is tens of milliseconds anyway
            for name, reader in self._ends.items():
                for msg in reader.take():
                    if isinstance(msg, self._image):
                        np.asarray(msg.data, np.uint8).reshape(msg.height, -1)
                        return stamp_ns(msg.header.stamp), name
            time.sleep(0.0002)
        return None
