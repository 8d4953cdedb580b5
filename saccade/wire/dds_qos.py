"""How topics look on DDS: QoS from the topic table, and the domain's network settings from the bus' address."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from urllib.parse import parse_qsl

from cyclonedds.qos import Policy, Qos

from saccade.errors import ConfigError, choices
from saccade.paths import share
from saccade.topics import BRIDGED, SERVICES, TOPICS, Role, Topic
from saccade.wire.codec import codec
from saccade.wire.endpoints import Endpoint, reading, writing

_CDR1 = Policy.DataRepresentation(use_cdrv0_representation=True)
_RELIABLE = Policy.Reliability.Reliable(max_blocking_time=0)  # a send never waits; see RawWriter.dropped
_DOMAINS = range(233)  # what the RTPS port formula leaves room for


def reader_qos(row: Topic, depth: int = 1, service_id: str = "") -> Qos:
    """QoS of a reader; see `reading`."""
    return _qos(row, reading(row, depth), service_id)


def volatile_reader_qos(row: Topic, depth: int = 1) -> Qos:
    """QoS of a latched topic's second reader, for writers that keep nothing; DDS does not match them with the first."""
    return _qos(row, reading(row, depth)._replace(latched=False))


def writer_qos(row: Topic, service_id: str = "") -> Qos:
    """QoS of a writer; see `writing`."""
    return _qos(row, writing(row), service_id)


def _user_data(row: Topic, service_id: str) -> Policy:
    """USER_DATA of an endpoint: the RIHS01 hash of its type, which ROS 2's tools show (REP 2011), and whose half it is.

    `service_id` is what rmw_cyclonedds' clients recognise the two topics of one server by.
    """
    server = f"serviceid={service_id};" if service_id else ""
    return Policy.Userdata(f"{server}typehash={codec().type_hash(row.message_type)};".encode())


def _qos(row: Topic, end: Endpoint, service_id: str = "") -> Qos:
    reliability = _RELIABLE if end.reliable else Policy.Reliability.BestEffort
    durability = Policy.Durability.TransientLocal if end.latched else Policy.Durability.Volatile
    history = Policy.History.KeepLast(end.depth)
    return Qos(_CDR1, reliability, durability, history, _user_data(row, service_id))


@dataclass(frozen=True, slots=True)
class Address:
    """A DDS bus' address: domain id; network interface, None = loopback only; samples kept per reader; ROS names.

    `namespace` and `remap`, pairs (name, the robot's own name), mean what they mean to a ROS 2 node.
    """

    domain: int = 0
    interface: str | None = None
    depth: int = 1
    namespace: str = ""
    remap: tuple[tuple[str, str], ...] = ()

    def full_name(self, name: str) -> str:
        """A topic's or service's name on the wire, without the leading slash.

        >>> Address(namespace="go2", remap=(("odom", "/utlidar/odom"),)).full_name("odom")
        'utlidar/odom'
        """
        name = dict(self.remap).get(name, name)
        inside = self.namespace and not name.startswith("/")
        return f"{self.namespace}/{name}" if inside else name.removeprefix("/")

    def dds_name(self, row: Topic) -> str:
        """A row's topic on DDS: `rt/NAME`, of a service `rq/SERVICERequest` and `rr/SERVICEReply`."""
        if row.role is not Role.SERVICE:
            return f"rt/{self.full_name(row.wire_name)}"
        service = self.full_name(row.service)
        return f"rq/{service}Request" if row.name.endswith("/request") else f"rr/{service}Reply"


_OPTIONS = ("depth", "interface", "namespace", "remap")
_NAME = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)


def parse(rest: str) -> Address:
    """`[DOMAIN][?interface=NAME&depth=N&namespace=NAME&remap=TOPIC:=NAME&remap=…]`; ConfigError naming what is wrong.

    Without a number it is domain 0, as in ROS 2.

    >>> parse("7?interface=eth0")
    Address(domain=7, interface='eth0', depth=1, namespace='', remap=())
    """
    number, _, query = rest.partition("?")
    domain = number or "0"
    asked = f"bus 'dds:{rest}'"
    if not domain.isdecimal() or int(domain) not in _DOMAINS:
        raise ConfigError(f"{asked}: domain {domain!r} is not a number from 0 to {_DOMAINS[-1]}, as in dds:0")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    for name in options:
        if name not in _OPTIONS:
            raise ConfigError(f"{asked}: unknown parameter {name!r}; {choices(name, _OPTIONS)}")
    depth = options.get("depth", "1")
    if not depth.isdecimal() or not 1 <= int(depth) <= 1000:
        raise ConfigError(f"{asked}: depth {depth!r} is not a number from 1 to 1000")
    if options.get("interface") == "":
        raise ConfigError(f"{asked}: interface is empty; name one, as in interface=eth0, or leave it out for loopback")
    namespace = options.get("namespace", "")
    if namespace and not _NAME.fullmatch(namespace):
        raise ConfigError(f"{asked}: namespace {namespace!r} is not a ROS name such as /go2")
    remap = tuple(_rule(asked, text) for key, text in pairs if key == "remap")
    return Address(int(domain), options.get("interface"), int(depth), namespace.strip("/"), remap)


def _rule(asked: str, text: str) -> tuple[str, str]:
    """One remapping rule, as after `-r` on a ROS 2 command line."""
    name, _, own = text.partition(":=")
    names = {row.service or row.wire_name for row in (*TOPICS.values(), *SERVICES.values(), *BRIDGED.values())}
    if name not in names:
        raise ConfigError(f"{asked}: remap of unknown topic {name!r}; {choices(name, names)}")
    if not _NAME.fullmatch(own):
        raise ConfigError(f"{asked}: remap={text}: expected TOPIC:=NAME, as in odom:=/utlidar/robot_odom")
    return name, own


def domain_config(address: Address) -> str:
    """CycloneDDS settings (XML), the files that ROS nodes get from the launch files too.

    Loopback is the default and nothing then leaves the machine, multicast included.
    """
    if address.interface is None:
        return (share("config") / "cyclonedds.xml").read_text()
    root = ET.parse(share("config") / "cyclonedds_network.xml").getroot()
    for interface in root.iter("NetworkInterface"):
        interface.attrib = {"name": address.interface}
    return ET.tostring(root, encoding="unicode")
