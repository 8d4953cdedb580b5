"""RosBus: the contract of every bus, names, QoS, simulated time, and the same topics as DdsBus."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not sourced")

from rosgraph_msgs.msg import Clock

from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.node import BusEnd
from saccade.wire.check import check_bus, payloads
from saccade.wire.convert import decode, encode_text
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address
from saccade.wire.diagnostics import Level
from saccade.wire.open import open_bus
from saccade.wire.ros_bus import RosBus
from saccade.wire.ros_process import RosProcess

MakeBus = Callable[..., RosBus]
FAR_NS = 10 * SEC


@pytest.fixture
def make_bus() -> Iterator[MakeBus]:
    """Makes buses, each a ROS process of its own, and closes them at the end."""
    buses: list[RosBus] = []

    def make(reads: tuple[str, ...] = (), writes: tuple[str, ...] = (), *args: str, name: str = "a_node") -> RosBus:
        process = RosProcess(name, ["--ros-args", *args] if args else [])
        buses.append(RosBus(process, reads, writes, then=process.close))
        process.start()
        return buses[-1]

    yield make
    for bus in buses:
        bus.close()


def hear(bus: RosBus | DdsBus, topic: str = "instruction") -> str:
    while (sample := bus.recv(bus.now_ns() + FAR_NS)) is not None:
        if sample.topic == topic:
            return str(decode(topic, sample.cdr).data)
    raise AssertionError(f"nothing on {topic}")


def test_one_bus_keeps_the_contract() -> None:
    bus = open_bus("ros:", payloads(), payloads())
    check_bus(bus, bus, live=True, settle_ns=SEC)


def test_two_buses_keep_the_contract() -> None:
    writer, reader = open_bus("ros:writer", (), payloads()), open_bus("ros:reader", payloads())
    check_bus(writer, reader, live=True, settle_ns=SEC)


def test_ros_writes_what_dds_reads(domain: int) -> None:
    writer, reader = open_bus("ros:writer", (), payloads()), DdsBus(Address(domain), payloads())
    check_bus(writer, reader, live=True, settle_ns=2 * SEC)


def test_dds_writes_what_ros_reads(domain: int) -> None:
    writer, reader = DdsBus(Address(domain), (), payloads()), open_bus("ros:reader", payloads())
    check_bus(writer, reader, live=True, settle_ns=2 * SEC)


def test_only_the_newest_of_a_topic_is_kept(make_bus: MakeBus) -> None:
    writer, reader = make_bus((), ("odom",)), make_bus(("odom",))
    cdrs = payloads()["odom"]
    settle(writer, reader, "odom", cdrs[0])
    for cdr in cdrs:
        writer.send("odom", cdr)
    threading.Event().wait(0.3)
    heard = []
    while sample := reader.recv(reader.now_ns() + SEC // 2):
        heard.append(bytes(sample.cdr))
    assert heard == [bytes(cdrs[-1])]


def settle(writer: RosBus, reader: RosBus, topic: str, cdr: bytes | memoryview) -> None:
    """Send until it arrives once, and take what else is on its way."""
    for _ in range(100):
        writer.send(topic, cdr)
        if reader.recv(reader.now_ns() + 100 * MS):
            while reader.recv(reader.now_ns() + 200 * MS):
                pass
            return
    raise AssertionError("they do not find each other")


def test_a_latched_topic_reaches_who_comes_later(make_bus: MakeBus) -> None:
    make_bus((), ("instruction",)).send("instruction", encode_text("go"))
    assert hear(make_bus(("instruction",))) == "go"


def test_namespace_and_remapping_apply(make_bus: MakeBus, domain: int) -> None:
    args = ("-r", "__ns:=/go2", "-r", "__node:=other", "-r", "odom:=/utlidar/odom")
    bus = make_bus(("odom", "chunk"), ("instruction",), *args)
    node = bus._process.node
    assert node.get_fully_qualified_name() == "/go2/other"
    names = {name for name, _ in node.get_topic_names_and_types()}
    assert {"/utlidar/odom", "/go2/chunk", "/go2/instruction"} <= names
    peer = DdsBus(Address(domain, namespace="go2"), ("instruction",))
    bus.send("instruction", encode_text("in a namespace"))
    assert hear(peer) == "in a namespace"
    peer.close()


def test_end_wakes_a_waiting_recv(make_bus: MakeBus) -> None:
    bus = make_bus(("odom",))
    threading.Timer(0.2, bus.end).start()
    with pytest.raises(BusEnd):
        bus.recv(bus.now_ns() + 100 * SEC)


def test_calls_are_made_by_recv_in_its_own_thread(make_bus: MakeBus) -> None:
    bus, made_by = make_bus(("odom",)), list[threading.Thread]()

    def call() -> None:
        made_by.append(threading.current_thread())
        bus.end()

    threading.Timer(0.2, lambda: bus.call(call)).start()
    with pytest.raises(BusEnd):
        bus.recv(bus.now_ns() + 100 * SEC)
    assert made_by == [threading.current_thread()]


def test_what_cannot_be_is_refused(make_bus: MakeBus) -> None:
    with pytest.raises(ConfigError, match="live: latency and pace"):
        open_bus("ros:", pace=1.0)
    with pytest.raises(ConfigError, match="cannot start ROS node 'no name'"):
        open_bus("ros:no name")
    with pytest.raises(ConfigError, match="cannot start ROS node"):
        make_bus((), (), "-r", "nonsense")
    with pytest.raises(ConfigError, match="'imu' on this bus"):
        make_bus((), ("odom",)).send("imu", b"")
    with pytest.raises(ConfigError, match="must read 'set_instruction'/request"):
        make_bus((), ("set_instruction/reply",))


def test_qos_that_does_not_match_is_reported_by_topic(make_bus: MakeBus, caplog: pytest.LogCaptureFixture) -> None:
    """And QoS can be overridden by parameter, which is how it comes about here."""
    reader = make_bus(("plan", "diagnostics"), ("diagnostics",), name="reader")
    with caplog.at_level(logging.WARNING, "saccade.ros"):
        make_bus((), ("plan",), "-p", "qos_overrides./plan.publisher.reliability:=best_effort", name="writer")
        sample = reader.recv(reader.now_ns() + FAR_NS)
    assert sample is not None
    (status,) = decode("diagnostics", sample.cdr).status
    assert status.name == "reader/qos"
    assert status.level == Level.WARN.value
    assert "on 'plan' does not go with ours, by its reliability" in status.message
    assert any(status.message in record.message for record in caplog.records)


class Time:
    """A publisher of /clock."""

    def __init__(self) -> None:
        self.process = RosProcess("clock")
        self.publisher = self.process.node.create_publisher(Clock, "/clock", 1)
        self.process.start()

    def say(self, ns: int, heard: Callable[[], bool]) -> None:
        """Publish until it is heard."""
        msg = Clock()
        msg.clock.sec, msg.clock.nanosec = divmod(ns, SEC)
        for _ in range(1000):
            self.publisher.publish(msg)
            if heard():
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"time did not become {ns}")


@pytest.fixture
def time() -> Iterator[Time]:
    made = Time()
    yield made
    made.process.close()


def test_simulated_time_is_the_clock_topic(make_bus: MakeBus, time: Time) -> None:
    bus = make_bus(("odom",), (), "-p", "use_sim_time:=true")
    assert bus.now_ns() == 0
    time.say(5 * SEC, shows(bus, 5 * SEC))
    assert bus.recv(5 * SEC) is None
    returned = threading.Event()
    waiting = threading.Thread(target=lambda: (bus.recv(6 * SEC), returned.set()))
    waiting.start()
    time.say(6 * SEC - 1, lambda: bus.now_ns() == 6 * SEC - 1)
    assert not returned.wait(0.2)
    time.say(6 * SEC, returned.is_set)
    waiting.join()
    time.say(2 * SEC, shows(bus, 2 * SEC))  # a jump back is passed on: nodes know what to make of it


def shows(bus: RosBus, ns: int) -> Callable[[], bool]:
    """Whether it is that time on the bus; time passes only in `recv`."""
    return lambda: bus.recv(0) is None and bus.now_ns() == ns


def test_a_bus_waits_for_simulated_time_to_begin(make_bus: MakeBus, time: Time) -> None:
    bus, begun = make_bus(("odom",), (), "-p", "use_sim_time:=true"), threading.Event()
    waiting = threading.Thread(target=lambda: (bus.await_time(), begun.set()))
    waiting.start()
    assert not begun.wait(0.2)
    time.say(3 * SEC, begun.is_set)
    waiting.join()
    assert bus.now_ns() == 3 * SEC
    other = make_bus(("odom",), (), "-p", "use_sim_time:=true")
    threading.Timer(0.2, other.end).start()
    other.await_time()
    assert other.now_ns() == 0


def test_messages_come_while_simulated_time_stands_still(make_bus: MakeBus, time: Time) -> None:
    writer = make_bus((), ("instruction",))
    bus = make_bus(("instruction",), (), "-p", "use_sim_time:=true")
    time.say(7 * SEC, shows(bus, 7 * SEC))
    writer.send("instruction", encode_text("go"))
    sample = bus.recv(8 * SEC)
    assert sample is not None
    assert sample.stamp_ns == 7 * SEC


def test_real_time_is_not_simulated(make_bus: MakeBus) -> None:
    bus = make_bus(("odom",))
    before_ns = bus.now_ns()
    assert bus.recv(before_ns + 20 * MS) is None
    assert 20 * MS <= bus.now_ns() - before_ns < FAR_NS
