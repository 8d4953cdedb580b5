"""A gate told to speak Twist does so on `rt/cmd_vel`, seen by a reader of that type and by no other."""

from __future__ import annotations

import os

import numpy as np
from cyclonedds.domain import DomainParticipant
from cyclonedds.sub import DataReader

from saccade.clock import SEC
from saccade.topics import topic
from saccade.types import Command
from saccade.wire.commands import encode_twist
from saccade.wire.convert import encode_command
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address, reader_qos
from saccade.wire.dds_raw import RawReader, Waiter
from saccade.wire.dds_types import RawTopic
from safety_node.limits import Limits
from safety_node.node import SafetyNode

COMMAND = Command(1, ("vx", "wz"), np.array([0.5, -0.25]))


def test_both_forms_are_called_cmd_vel_and_told_apart_by_type():
    address = Address(60 + os.getpid() % 20)
    node = SafetyNode(Limits(command="twist"))
    bus, other = DdsBus(address, (), node.writes), DdsBus(address, ["cmd_vel", "cmd_vel_unstamped"], ["cmd_vel"])
    participant = DomainParticipant(address.domain)
    twist = RawTopic(participant, "rt/cmd_vel", "geometry_msgs/msg/Twist")
    reader = RawReader(DataReader(participant, twist, reader_qos(topic("cmd_vel_unstamped"))))
    waiter = Waiter(participant, [reader])
    cdr = bytes(encode_twist(COMMAND))
    try:
        seen = None
        for _ in range(100):  # until the endpoints have found each other
            bus.send("cmd_vel_unstamped", cdr)
            waiter.wait(SEC // 20)
            if (seen := reader.take()) is not None:
                break
        assert bytes(seen or b"") == cdr
        heard = other.recv(other.now_ns() + 5 * SEC)
        assert heard is not None
        assert (heard.topic, bytes(heard.cdr)) == ("cmd_vel_unstamped", cdr)
        other.send("cmd_vel", encode_command(COMMAND))
        while (again := reader.take()) is not None:
            assert bytes(again) == cdr
    finally:
        bus.close()
        other.close()
