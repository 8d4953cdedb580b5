"""DdsBus between processes, and with a peer that shares no code of ours: typed classes of cyclonedds-python."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from cyclonedds.builtin import (
    BuiltinDataReader,
    BuiltinTopicDcpsPublication,
    BuiltinTopicDcpsSubscription,
    DcpsEndpoint,
)
from cyclonedds.domain import DomainParticipant
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader

from saccade.clock import SEC
from saccade.wire.codec import codec
from saccade.wire.convert import encode_text, header
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address
from saccade.wire.dds_raw import RawReader
from saccade.wire.dds_types import RawTopic, dds_typename

ECHO = """
import sys
from saccade.node import NEVER_NS
from saccade.wire.open import open_bus
bus = open_bus("dds:" + sys.argv[1], ["left/image_rect"], ["depth/confidence"])
while True:
    sample = bus.recv(NEVER_NS)
    bus.send("depth/confidence", sample.cdr)
"""

# Deliberately nothing of Saccade: the definition is written out, names as ROS 2 gives them.
TYPED = """
import sys, time
from dataclasses import dataclass
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import int32, sequence, uint8, uint32
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic

@dataclass
class Time_(IdlStruct, typename="builtin_interfaces.msg.dds_.Time_"):
    sec: int32
    nanosec: uint32

@dataclass
class Header_(IdlStruct, typename="std_msgs.msg.dds_.Header_"):
    stamp: Time_
    frame_id: str

@dataclass
class Image_(IdlStruct, typename="sensor_msgs.msg.dds_.Image_"):
    header: Header_
    height: uint32
    width: uint32
    encoding: str
    is_bigendian: uint8
    step: uint32
    data: sequence[uint8]

number = int(sys.argv[1])
domain = Domain(number, '<CycloneDDS><Domain Id="any"><General><Interfaces><NetworkInterface address="127.0.0.1" '
    'multicast="false"/></Interfaces><AllowMulticast>false</AllowMulticast></General><Discovery>'
    '<ParticipantIndex>auto</ParticipantIndex><Peers AddLocalhost="true"/></Discovery></Domain></CycloneDDS>')
participant = DomainParticipant(number)
qos = Qos(Policy.DataRepresentation(use_cdrv0_representation=True), Policy.Reliability.Reliable(10**9))
reader = DataReader(participant, Topic(participant, "rt/left/image_rect", Image_), qos)
writer = DataWriter(participant, Topic(participant, "rt/right/image_rect", Image_), qos)
for image in reader.take_iter(timeout=20 * 10**9):
    if isinstance(image, Image_):
        image.header.frame_id += "!"
        image.data = [255 - value for value in image.data]
        writer.write(image)
"""


@dataclass
class Peer:
    """A bus here and a process that answers it on the same domain."""

    bus: DdsBus

    def ask(self, name: str, cdr: bytes) -> bytes:
        """The answer to a message that is repeated until the two have found each other."""
        for _ in range(100):
            self.bus.send(name, cdr)
            sample = self.bus.recv(self.bus.now_ns() + SEC // 5)
            if sample is not None:
                return bytes(sample.cdr)
        raise AssertionError("no answer in 20 s")


@pytest.fixture
def domain() -> int:
    return 1 + os.getpid() % 200


@pytest.fixture
def peer(request: pytest.FixtureRequest, domain: int) -> Iterator[Peer]:
    script, reads, writes = request.param
    child = subprocess.Popen([sys.executable, "-c", script, str(domain)])
    bus = DdsBus(Address(domain), reads, writes)
    try:
        yield Peer(bus)
    finally:
        bus.close()
        child.kill()
        child.wait()


def image_cdr(pixels: int, frame_id: str = "camera") -> bytes:
    msg = codec().new(
        "sensor_msgs/msg/Image", header=header(12_000_000_034, frame_id), height=1, width=pixels, encoding="mono8",
        is_bigendian=0, step=pixels, data=np.arange(pixels).astype(np.uint8),
    )  # fmt: skip
    return bytes(codec().encode(msg))


@pytest.mark.parametrize("peer", [(ECHO, ("depth/confidence",), ("left/image_rect",))], indirect=True)
def test_bytes_survive_the_way_to_another_process_and_back(peer: Peer) -> None:
    for pixels in (1, 2, 3, 4, 1000, 70_001, 640 * 480 * 3):  # of every length modulo 4, whole and in fragments
        assert peer.ask("left/image_rect", image_cdr(pixels)) == image_cdr(pixels)
        while peer.bus.recv(peer.bus.now_ns() + SEC // 20):
            pass  # answers to repeated questions


@pytest.mark.parametrize("peer", [(TYPED, ("right/image_rect",), ("left/image_rect",))], indirect=True)
def test_a_typed_peer_reads_and_writes_the_same_values(peer: Peer) -> None:
    image = codec().decode("sensor_msgs/msg/Image", peer.ask("left/image_rect", image_cdr(1001)))
    assert image.header.stamp.sec == 12
    assert image.header.stamp.nanosec == 34
    assert (image.header.frame_id, image.height, image.width) == ("camera!", 1, 1001)
    assert (image.data == 255 - np.arange(1001).astype(np.uint8)).all()


def test_endpoints_announce_their_ros_type_and_no_type_information(domain: int) -> None:
    bus = DdsBus(Address(domain), ("left/image_rect",), ("left/image_rect",))
    observer = DomainParticipant(domain)
    for builtin in (BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription):
        reader, found = BuiltinDataReader(observer, builtin), []
        for _ in range(100):
            found += [sample for sample in reader.take(N=100) if sample.topic_name == "rt/left/image_rect"]
            if found:
                break
            time.sleep(0.02)
        assert [(sample.type_name, sample.type_id) for sample in found] == [
            (dds_typename("sensor_msgs/msg/Image"), None)  # CycloneDDS 0.10.x peers crash on looking it up
        ]
    del observer
    bus.close()


def test_a_reader_hears_nothing_of_a_writer_that_leaves(domain: int) -> None:
    bus, other = DdsBus(Address(domain), ("instruction",)), DdsBus(Address(domain), (), ("instruction",))
    other.send("instruction", encode_text("go"))
    assert bus.recv(bus.now_ns() + SEC) is not None
    other.close()
    assert bus.recv(bus.now_ns() + SEC // 10) is None
    bus.close()


def test_the_bus_is_a_node_to_ros(domain: int) -> None:
    """What rmw_dds_common reads, taken apart by the codec; a ROS 2 installation proves the rest."""
    bus = DdsBus(Address(domain, namespace="go2"), ("odom", "chunk"), ("cmd_vel",))
    bus.introduce("safety_node")
    participant = DomainParticipant(domain)
    topic = RawTopic(participant, "ros_discovery_info", "rmw_dds_common/msg/ParticipantEntitiesInfo")
    qos = Qos(Policy.Reliability.Reliable(0), Policy.Durability.TransientLocal, Policy.DataRepresentation(True, False))
    reader, cdr = RawReader(DataReader(participant, topic, qos)), None
    while cdr is None:
        cdr = reader.take()
    info = codec().decode("rmw_dds_common/msg/ParticipantEntitiesInfo", cdr)
    (node,) = info.node_entities_info_seq
    assert (node.node_namespace, node.node_name) == ("/go2", "safety_node")
    assert (len(node.reader_gid_seq), len(node.writer_gid_seq)) == (2, 1)
    announced = endpoints(participant, "rt/go2/cmd_vel")
    assert [sample.key.bytes for sample in announced] == [bytes(gid.data) for gid in node.writer_gid_seq]
    assert [sample.participant_key.bytes for sample in announced] == [bytes(info.gid.data)]
    told = bytes(announced[0].qos[Policy.Userdata].data)
    assert told == f"typehash={codec().definition('geometry_msgs/msg/TwistStamped')[1]};".encode()
    del reader, topic, participant
    bus.close()


def endpoints(participant: DomainParticipant, name: str) -> list[DcpsEndpoint]:
    """Writers of a topic that discovery has told of."""
    reader = BuiltinDataReader(participant, BuiltinTopicDcpsPublication)
    for _ in range(100):
        if found := [sample for sample in reader.take(N=100) if sample.topic_name == name]:
            return found
        time.sleep(0.02)
    return []
