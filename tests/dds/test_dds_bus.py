"""DdsBus within one process: the bus contract, QoS from the table, addresses and errors."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saccade.clock import MS, SEC
from saccade.errors import ConfigError, DataError
from saccade.node import NEVER_NS, BusEnd
from saccade.topics import TOPICS
from saccade.wire.codec import codec
from saccade.wire.convert import encode_bool, encode_text, header
from saccade.wire.dds import DdsBus, open_dds, udp_sockets
from saccade.wire.dds_qos import Address, parse
from saccade.wire.open import open_bus

MakeBus = Callable[..., DdsBus]


@pytest.fixture(scope="module")
def domain() -> int:
    """A domain of this process' own, so that tests running beside this one are not heard."""
    return 1 + os.getpid() % 200


@pytest.fixture
def make_bus(domain: int) -> Iterator[MakeBus]:
    opened = []

    def make(reads: tuple[str, ...] = (), writes: tuple[str, ...] = (), depth: int = 1) -> DdsBus:
        opened.append(DdsBus(Address(domain, depth=depth), reads, writes))
        return opened[-1]

    yield make
    for bus in opened:
        bus.close()


def image_cdr(value: int, width: int = 640) -> bytes:
    data = np.full(width * 480, value, np.uint8)
    msg = codec().new(
        "sensor_msgs/msg/Image", header=header(value, "camera"), height=480, width=width, encoding="mono8",
        is_bigendian=0, step=width, data=data,
    )  # fmt: skip
    return bytes(codec().encode(msg))


def receive(bus: DdsBus, timeout_ns: int = 5 * SEC) -> bytes | None:
    sample = bus.recv(bus.now_ns() + timeout_ns)
    return None if sample is None else bytes(sample.cdr)


def test_carries_the_same_bytes(make_bus: MakeBus) -> None:
    bus = make_bus(("instruction", "left/image_rect"), ("instruction", "left/image_rect"))
    for name, cdr in (("instruction", bytes(encode_text("go"))), ("left/image_rect", image_cdr(3))):
        before = bus.now_ns()
        bus.send(name, cdr)
        sample = bus.recv(bus.now_ns() + SEC)
        assert sample is not None
        assert (sample.topic, bytes(sample.cdr)) == (name, cdr)
        assert before <= sample.stamp_ns <= bus.now_ns()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40))
def test_carries_any_length(make_bus: MakeBus, text: str) -> None:
    bus = make_bus(("instruction",), ("instruction",))
    cdr = bytes(encode_text(text))
    bus.send("instruction", cdr)
    assert receive(bus) == cdr
    bus.close()


def test_a_slow_reader_sees_the_newest_only(make_bus: MakeBus) -> None:
    bus = make_bus(("left/image_rect",), ("left/image_rect",))
    for value in range(10):
        bus.send("left/image_rect", image_cdr(value))
    assert receive(bus) == image_cdr(9)
    assert receive(bus, MS) is None


def test_depth_keeps_more_for_a_recorder(make_bus: MakeBus) -> None:
    recorder, writer = make_bus(("chunk", "verdict", "left/image_rect"), depth=8), make_bus((), ("left/image_rect",))
    for value in range(5):
        writer.send("left/image_rect", image_cdr(value))
    assert [receive(recorder) for _ in range(5)] == [image_cdr(value) for value in range(5)]


def test_transforms_of_several_senders_are_all_seen(make_bus: MakeBus) -> None:
    reader, writers = make_bus(("tf_static",)), [make_bus((), ("tf_static",)) for _ in range(3)]
    cdrs = {bytes(codec().encode(codec().new("tf2_msgs/msg/TFMessage", transforms=[t]))) for t in map(transform, "abc")}
    for writer, cdr in zip(writers, sorted(cdrs), strict=True):
        writer.send("tf_static", cdr)
    assert {receive(reader) for _ in writers} == cdrs


def transform(frame_id: str) -> object:
    new = codec().new
    xyz = new("geometry_msgs/msg/Vector3", x=1.0, y=2.0, z=3.0)
    q = new("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    pose = new("geometry_msgs/msg/Transform", translation=xyz, rotation=q)
    return new("geometry_msgs/msg/TransformStamped", header=header(0, frame_id), child_frame_id="x", transform=pose)


@pytest.mark.parametrize(("name", "late_joiner_hears"), [("operator_stop", True), ("left/image_rect", False)])
def test_latched_topics_reach_late_joiners(make_bus: MakeBus, name: str, late_joiner_hears: bool) -> None:
    cdr = bytes(encode_bool(True)) if name == "operator_stop" else image_cdr(1)
    make_bus((), (name,)).send(name, cdr)
    assert receive(make_bus((name,)), SEC if late_joiner_hears else 50 * MS) == (cdr if late_joiner_hears else None)


def test_a_passed_deadline_comes_before_a_waiting_message(make_bus: MakeBus) -> None:
    bus = make_bus(("instruction",), ("instruction",))
    bus.send("instruction", encode_text("go"))
    assert bus.recv(bus.now_ns()) is None
    assert bus.recv(NEVER_NS) is not None


def test_a_deadline_is_never_reported_early(make_bus: MakeBus) -> None:
    bus = make_bus(("instruction",))
    for wait_ns in (0, 1, 1000, 2 * MS, 20 * MS):
        deadline = bus.now_ns() + wait_ns
        assert bus.recv(deadline) is None
        assert bus.now_ns() >= deadline


def test_no_topic_starves_another(make_bus: MakeBus) -> None:
    names = ("instruction", "operator_stop", "left/image_rect")
    bus = make_bus(names, names)
    cdrs = dict(zip(names, (encode_text("go"), encode_bool(False), image_cdr(0)), strict=True))
    heard = []
    for _ in range(9):
        for name in names:  # every topic always has news
            bus.send(name, cdrs[name])
        sample = bus.recv(NEVER_NS)
        assert sample is not None
        heard.append(sample.topic)
    assert {name: heard.count(name) for name in names} == dict.fromkeys(names, 3)


def test_end_wakes_a_waiting_bus(make_bus: MakeBus) -> None:
    bus = make_bus(("instruction",))
    timer = threading.Timer(0.05, bus.end)
    timer.start()
    with pytest.raises(BusEnd):
        bus.recv(bus.now_ns() + 20 * SEC)
    timer.join()
    bus.end()
    with pytest.raises(BusEnd):
        bus.recv(bus.now_ns() + SEC)


def test_a_sample_outlives_its_bus(make_bus: MakeBus) -> None:
    bus = make_bus(("left/image_rect",), ("left/image_rect",))
    bus.send("left/image_rect", image_cdr(7))
    sample = bus.recv(NEVER_NS)
    assert sample is not None
    image = codec().decode("sensor_msgs/msg/Image", sample.cdr)
    bus.close()
    bus.close()
    del bus, sample
    assert image.data.min() == image.data.max() == 7


def test_lent_samples_are_given_back(make_bus: MakeBus) -> None:
    bus = make_bus(("left/image_rect",), ("left/image_rect",))
    cdr = image_cdr(7, width=8192)  # 4 MB each
    for value in range(60):
        bus.send("left/image_rect", cdr)
        assert bus.recv(NEVER_NS) is not None
        if value == 9:
            before = resident_mb()
    assert resident_mb() < before + 40


def resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_what_the_table_says_becomes_a_topic(domain: int) -> None:
    bus = DdsBus(Address(domain), TOPICS, TOPICS)  # every message definition can be built and matched
    bus.send("cmd_vel", codec().encode(zero("geometry_msgs/msg/TwistStamped")))
    sample = bus.recv(NEVER_NS)
    assert sample is not None
    assert sample.topic == "cmd_vel"
    bus.close()


def zero(msgtype: str) -> object:
    new = codec().new
    vector = new("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
    return new(msgtype, header=header(0, ""), twist=new("geometry_msgs/msg/Twist", linear=vector, angular=vector))


@pytest.mark.parametrize("cdr", [b"", b"\0\1\0", b"\0\1\0\0abc", b"\0\1\0\0\xff\xff\xff\xffgo", b"\0\7\0\0\0\0\0\0"])
def test_bytes_that_are_no_message_are_refused(make_bus: MakeBus, cdr: bytes) -> None:
    bus = make_bus(("instruction",), ("instruction",))
    with pytest.raises(DataError, match=r"rt/instruction .* std_msgs::msg::dds_::String_"):
        bus.send("instruction", cdr)


def test_sending_what_was_not_announced_is_an_error(make_bus: MakeBus) -> None:
    with pytest.raises(ConfigError, match=r"cannot send 'cmd_vel' .* Valid: chunk, plan"):
        make_bus((), ("plan", "chunk")).send("cmd_vel", b"")


def test_listens_on_loopback_alone(make_bus: MakeBus, domain: int) -> None:
    make_bus(("odom",))
    tied = [
        (listener.getsockname()[0], listener.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0"))
        for port, listener in udp_sockets()
        if (port - 7400) // 250 == domain
    ]
    assert tied
    assert all(host == "127.0.0.1" or device == b"lo" for host, device in tied)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("zero", "not a number from 0 to 232"),
        ("233", "not a number from 0 to 232"),
        ("0?interfaces=eth0", "unknown parameter 'interfaces'; did you mean 'interface'"),
        ("0?interface=", "interface is empty"),
        ("0?depth=0", "from 1 to 1000"),
        ("0?depth=many", "from 1 to 1000"),
        ("0?namespace=a b", "not a ROS name"),
        ("0?remap=odm:=/x", "unknown topic 'odm'; did you mean 'odom'"),
        ("0?remap=odom", "expected TOPIC:=NAME"),
        ("0?remap=odom:=/x/", "expected TOPIC:=NAME"),
        ("199?interface=no_such_if", "network interface 'no_such_if'"),
    ],
)
def test_addresses_that_mean_nothing_are_refused(rest: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_bus(f"dds:{rest}")


def test_addresses() -> None:
    for domain, interface, depth in itertools.product((0, 232), (None, "eth0"), (1, 64)):
        query = f"depth={depth}" + (f"&interface={interface}" if interface else "")
        assert parse(f"{domain}?{query}") == Address(domain, interface, depth)
    assert parse("0") == parse("") == Address(0, None, 1)
    assert parse("?depth=2") == Address(0, None, 2)
    rules = (("odom", "/utlidar/odom"), ("imu", "trunk/imu"))
    assert parse("0?namespace=/go2&remap=odom:=/utlidar/odom&remap=imu:=trunk/imu") == Address(0, None, 1, "go2", rules)


@pytest.mark.parametrize(
    ("namespace", "name", "wanted"),
    [("", "odom", "wheel/odom"), ("go2", "odom", "go2/wheel/odom"), ("go2", "imu", "imu"), ("go2", "tf", "go2/tf")],
)
def test_names_follow_namespace_and_remapping(namespace: str, name: str, wanted: str) -> None:
    rules = (("odom", "wheel/odom"), ("imu", "/imu"))
    assert Address(0, None, 1, namespace, rules).full_name(name) == wanted


def test_a_robots_own_names_are_met(domain: int) -> None:
    robot = open_bus(f"dds:{domain}?namespace=go2", (), ("instruction",))
    runtime = open_bus(f"dds:{domain}?remap=instruction:=/go2/instruction", ("instruction",))
    robot.send("instruction", encode_text("go"))
    sample = runtime.recv(runtime.now_ns() + 10 * SEC)
    robot.close()
    runtime.close()
    assert sample is not None
    assert sample.topic == "instruction"


def test_virtual_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="virtual time"):
        open_dds("0", frozenset(), frozenset(), pace=1.0)


def test_one_domain_has_one_network(make_bus: MakeBus, domain: int) -> None:
    make_bus(("odom",))
    with pytest.raises(ConfigError, match="open in this process on loopback"):
        DdsBus(Address(domain, interface="lo"))
