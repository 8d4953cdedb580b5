"""The bridge's bus and typed peers, with the QoS that robots have: they meet, and read each other."""

import os
import time

import numpy as np
import pytest
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from robot_types import Request_, SportModeState_, TrajectorySetpoint_, VehicleOdometry_

from bridge_node.px4 import setpoint
from bridge_node.unitree import move
from saccade.clock import SEC
from saccade.topics import topic
from saccade.wire.codec import codec
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address

DOMAIN = 100 + os.getpid() % 100
_CDR1, _RELIABLE = Policy.DataRepresentation(use_cdrv0_representation=True), Policy.Reliability.Reliable(0)
UNITREE = Qos(_CDR1, _RELIABLE)
PX4_WRITES = Qos(_CDR1, Policy.Reliability.BestEffort, Policy.Durability.TransientLocal)  # uxrce_dds_client
PX4_READS = Qos(_CDR1, Policy.Reliability.BestEffort)


@pytest.mark.parametrize(
    ("says", "told", "cdr", "heard", "word", "qos"),
    [
        ("sportmodestate", SportModeState_, move(np.array([0.5, 0, 0, 0, 0, 0.1])), "api/sport/request", Request_,
         (UNITREE, UNITREE)),
        ("fmu/out/vehicle_odometry", VehicleOdometry_, setpoint(SEC, np.ones(3), 0.5), "fmu/in/trajectory_setpoint",
         TrajectorySetpoint_, (PX4_WRITES, PX4_READS)),
    ],
    ids=["unitree", "px4"],
)  # fmt: skip
def test_a_typed_robot_and_the_bridge_understand_each_other(says, told, cdr, heard, word, qos):
    bus = DdsBus(Address(DOMAIN), [says], [heard])
    robot = DomainParticipant(DOMAIN)
    writer = DataWriter(robot, Topic(robot, f"rt/{says}", told), qos[0])
    reader = DataReader(robot, Topic(robot, f"rt/{heard}", word), qos[1])
    got = sample = None
    for _ in range(100):
        writer.write(told(position=[1.0, 2.0, 3.0]))
        bus.send(heard, cdr)
        sample = sample or bus.recv(bus.now_ns() + SEC // 20)
        got = got or next((m for m in reader.take(10) if isinstance(m, word)), None)
        if got and sample:
            break
        time.sleep(0.02)
    assert got.serialize() == bytes(cdr)
    assert codec().decode(topic(says).type, sample.cdr).position.tolist() == [1.0, 2.0, 3.0]
    del reader, writer, robot
    bus.close()
