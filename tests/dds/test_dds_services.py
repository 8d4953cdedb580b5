"""Services of a DdsBus, asked by a client that shares no code of ours and looks like one of rmw_cyclonedds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from cyclonedds.builtin import (
    BuiltinDataReader,
    BuiltinTopicDcpsPublication,
    BuiltinTopicDcpsSubscription,
    DcpsEndpoint,
)
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos

from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.topics import SERVICES
from saccade.wire.codec import codec
from saccade.wire.convert import encode_bool, encode_text
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address, parse
from saccade.wire.dds_raw import RawWriter
from saccade.wire.dds_types import RawTopic

REQUEST, REPLY = "set_instruction/request", "set_instruction/reply"

# Deliberately nothing of Saccade: definitions are written out, names and USER_DATA as rmw_cyclonedds gives them.
# Prints what it hears; arguments: domain, client id ("" = none), seconds between its writer and its reader.
CLIENT = """
import sys, time
from dataclasses import dataclass
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import int64, uint32, uint64
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic

@dataclass
class SetInstruction_Request_(IdlStruct, typename="saccade_msgs.srv.dds_.SetInstruction_Request_"):
    guid: uint64
    seq: int64
    instruction: str

@dataclass
class SetInstruction_Response_(IdlStruct, typename="saccade_msgs.srv.dds_.SetInstruction_Response_"):
    guid: uint64
    seq: int64
    success: bool
    epoch: uint32
    message: str

number, client, wait_s = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
domain = Domain(number, '<CycloneDDS><Domain Id="any"><General><Interfaces><NetworkInterface address="127.0.0.1" '
    'multicast="false"/></Interfaces><AllowMulticast>false</AllowMulticast></General><Discovery>'
    '<ParticipantIndex>auto</ParticipantIndex><Peers AddLocalhost="true"/></Discovery></Domain></CycloneDDS>')
participant = DomainParticipant(number)
policies = [Policy.DataRepresentation(use_cdrv0_representation=True), Policy.Reliability.Reliable(10**9),
            Policy.History.KeepLast(10)]
if client:
    policies.append(Policy.Userdata(f"clientid={client};".encode()))
qos = Qos(*policies)
writer = DataWriter(participant, Topic(participant, "rq/set_instructionRequest", SetInstruction_Request_), qos)
while not writer.get_matched_subscriptions():
    time.sleep(0.002)
writer.write(SetInstruction_Request_(2**63 + 5, 41, "go to the red box"))
time.sleep(wait_s)
reader = DataReader(participant, Topic(participant, "rr/set_instructionReply", SetInstruction_Response_), qos)
for seq in (41, 42):
    for reply in reader.take_iter(timeout=3 * 10**9):
        print(reply.guid, reply.seq, reply.success, reply.epoch, reply.message, flush=True)
        break
    if seq == 41:
        writer.write(SetInstruction_Request_(2**63 + 5, 42, "ä"))
"""


@pytest.fixture
def domain() -> int:
    return 1 + os.getpid() % 200


@pytest.fixture
def bus(domain: int) -> Iterator[DdsBus]:
    bus = DdsBus(Address(domain), {REQUEST}, {REPLY})
    yield bus
    bus.close()


def serve(bus: DdsBus, until: subprocess.Popen[str]) -> list[bytes]:
    """Answer until the client has gone; the addresses it asked from."""
    addresses = []
    while until.poll() is None:
        sample = bus.recv(bus.now_ns() + 20 * MS)
        if sample is not None:
            address = bytes(sample.cdr[:24])
            request = codec().decode("saccade_msgs/srv/SetInstruction_Request", sample.cdr[24:])
            reply = codec().new(
                "saccade_msgs/srv/SetInstruction_Response", success=True, epoch=len(addresses),
                message=f"heard {request.instruction}",
            )  # fmt: skip
            bus.send(REPLY, address + bytes(codec().encode(reply)))
            addresses.append(address)
    return addresses


@pytest.mark.parametrize(
    ("client", "wait_s"), [("1.2f.3", 0.0), ("", 0.0), ("1.2f.3", 0.3), ("", 0.3)],
    ids=["rmw", "other", "rmw, its reader found late", "other, its reader found late"],
)  # fmt: skip
def test_a_client_gets_the_answers_to_its_questions(bus: DdsBus, domain: int, client: str, wait_s: float) -> None:
    command = [sys.executable, "-c", CLIENT, str(domain), client, str(wait_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        addresses = serve(bus, child)
        assert child.stdout is not None
        heard = child.stdout.read().splitlines()
    guid = 2**63 + 5
    assert heard == [f"{guid} 41 True 0 heard go to the red box", f"{guid} 42 True 1 heard ä"]
    assert [address[:8] for address in addresses] == [guid.to_bytes(8, "little")] * 2
    assert [int.from_bytes(address[16:], "little") for address in addresses] == [41, 42]


def test_a_reply_to_a_client_that_has_gone_is_dropped(bus: DdsBus) -> None:
    reply = codec().new("saccade_msgs/srv/SetInstruction_Response", success=True, epoch=0, message="")
    bus.send(REPLY, bytes(24) + bytes(codec().encode(reply)))
    assert bus.recv(bus.now_ns() + 5 * MS) is None


def announced(domain: int, count: int) -> dict[str, DcpsEndpoint]:
    """The endpoints of services, by topic, once there are so many."""
    observer, found = DomainParticipant(domain), {}
    readers = [
        BuiltinDataReader(observer, kind) for kind in (BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription)
    ]
    deadline = time.monotonic() + 10
    while len(found) < count and time.monotonic() < deadline:
        endpoints = [endpoint for reader in readers for endpoint in reader.take(N=100)]
        found |= {end.topic_name: end for end in endpoints if end.topic_name.startswith(("rq/", "rr/"))}
        time.sleep(0.01)
    return found


def test_both_halves_of_a_server_say_whose_they_are_and_of_which_type(domain: int) -> None:
    """rmw_cyclonedds counts a server as there when a reader and a writer with one service id are."""
    reads, writes = ({n for n in SERVICES if n.endswith(half)} for half in ("/request", "/reply"))
    bus = DdsBus(Address(domain, namespace="go2"), reads, writes)
    action, types = "go2/execute_instruction/_action", "saccade_msgs::action::dds_::ExecuteInstruction"
    expected = {
        "go2/set_instruction": "saccade_msgs::srv::dds_::SetInstruction",
        f"{action}/send_goal": f"{types}_SendGoal",
        f"{action}/cancel_goal": "action_msgs::srv::dds_::CancelGoal",
        f"{action}/get_result": f"{types}_GetResult",
    }
    found, ids = announced(domain, 2 * len(expected)), set()
    assert set(found) == {f"rq/{name}Request" for name in expected} | {f"rr/{name}Reply" for name in expected}
    for name, typename in expected.items():
        ends = {"Request": found[f"rq/{name}Request"], "Response": found[f"rr/{name}Reply"]}
        for half, end in ends.items():
            assert end.type_name == f"{typename}_{half}_"
            msgtype = f"{typename}_{half}".replace("::dds_::", "/").replace("::", "/")
            server, type_hash, rest = bytes(end.qos[Policy.Userdata].data).decode().split(";")
            assert (type_hash, rest) == (f"typehash={codec().type_hash(msgtype)}", "")
            assert server.startswith("serviceid=")
            ids.add((name, server))
            assert end.qos[Policy.Durability] == Policy.Durability.Volatile
            assert end.qos[Policy.Reliability] == Policy.Reliability.Reliable(0)
    assert len(ids) == len({server for _, server in ids}) == len(expected)
    bus.close()


def test_nodes_only_answer(domain: int) -> None:
    with pytest.raises(ConfigError, match="without reading 'set_instruction/request'"):
        DdsBus(Address(domain), (), {REPLY})


def test_a_service_can_be_remapped() -> None:
    assert parse("3?remap=set_instruction:=/dog/tell").full_name("set_instruction") == "dog/tell"


@pytest.mark.parametrize("durability", [Policy.Durability.Volatile, Policy.Durability.TransientLocal])
def test_a_latched_request_is_heard_once_from_writers_of_both_kinds(domain: int, durability: Policy) -> None:
    """`ros2 topic pub` is volatile: it does not match a transient-local reader."""
    bus = DdsBus(Address(domain), {"instruction", "operator_stop"})
    participant = DomainParticipant(domain)
    qos = Qos(Policy.DataRepresentation(use_cdrv0_representation=True), Policy.Reliability.Reliable(SEC), durability)
    writers = {
        name: RawWriter(DataWriter(participant, RawTopic(participant, f"rt/{name}", msgtype), qos))
        for name, msgtype in (("instruction", "std_msgs/msg/String"), ("operator_stop", "std_msgs/msg/Bool"))
    }
    readers = 2 if durability == Policy.Durability.TransientLocal else 1
    while any(len(writer.entity.get_matched_subscriptions()) < readers for writer in writers.values()):
        time.sleep(0.002)
    for said in ("one", "two", "three"):
        writers["instruction"].write(encode_text(said))
        writers["operator_stop"].write(encode_bool(said == "two"))
        heard = []
        while len(heard) < 2:
            heard.append(bus.recv(bus.now_ns() + SEC))
        assert sorted((s.topic, bytes(s.cdr)) for s in heard) == [
            ("instruction", bytes(encode_text(said))), ("operator_stop", bytes(encode_bool(said == "two"))),
        ]  # fmt: skip
        assert bus.recv(bus.now_ns() + 20 * MS) is None
    bus.close()


def test_a_latched_request_reaches_a_reader_that_comes_later(domain: int) -> None:
    writer = DdsBus(Address(domain), (), {"operator_stop"})
    writer.send("operator_stop", encode_bool(True))
    late = DdsBus(Address(domain), {"operator_stop"})
    sample = late.recv(late.now_ns() + 2 * SEC)
    assert sample is not None
    assert bytes(sample.cdr) == bytes(encode_bool(True))
    assert late.recv(late.now_ns() + 50 * MS) is None
    late.close()
    writer.close()
