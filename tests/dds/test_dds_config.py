"""The settings that ship for CycloneDDS are those that `dds:` buses run with, and old versions understand them."""

from __future__ import annotations

import os
import socket
import xml.etree.ElementTree as ET

import pytest

from saccade.paths import share
from saccade.wire.dds import DdsBus, udp_sockets
from saccade.wire.dds_qos import Address, domain_config

KNOWN_SINCE_0_10 = {
    "CycloneDDS": set(), "Domain": {"Id"}, "General": set(), "Interfaces": set(),
    "NetworkInterface": {"address", "multicast", "name", "autodetermine"}, "AllowMulticast": set(),
    "MaxMessageSize": set(), "FragmentSize": set(), "Discovery": set(), "ParticipantIndex": set(),
    "MaxAutoParticipantIndex": set(), "Peers": set(), "Peer": {"Address"}, "Internal": set(),
    "SocketReceiveBufferSize": {"max"}, "Watermarks": set(), "WhcHigh": set(),
}  # fmt: skip
"""ROS 2 Humble and Jazzy bring 0.10, which refuses to start on a setting that it does not know."""


@pytest.mark.parametrize("name", ["cyclonedds.xml", "cyclonedds_network.xml"])
def test_version_0_10_knows_every_setting(name: str) -> None:
    for element in ET.parse(share("config") / name).getroot().iter():
        assert set(element.attrib) <= KNOWN_SINCE_0_10[element.tag], element.tag


def test_a_loopback_bus_runs_on_the_shipped_file_alone() -> None:
    settings = ET.fromstring(domain_config(Address()))
    assert domain_config(Address()) == (share("config") / "cyclonedds.xml").read_text()
    assert [i.attrib for i in settings.iter("NetworkInterface")] == [{"address": "127.0.0.1", "multicast": "false"}]
    assert settings.findtext(".//AllowMulticast") == "false"


def test_a_network_bus_gets_its_interface_and_nothing_else() -> None:
    mine = ET.fromstring(domain_config(Address(0, 'a"<b')))
    shipped = ET.parse(share("config") / "cyclonedds_network.xml").getroot()
    assert [i.attrib for i in mine.iter("NetworkInterface")] == [{"name": 'a"<b'}]
    assert [(e.tag, e.text) for e in mine.iter()] == [(e.tag, e.text) for e in shipped.iter()]


def test_the_receive_buffer_is_as_large_as_the_kernel_allows() -> None:
    bus = DdsBus(Address(1 + os.getpid() % 200), ("odom",))
    with open("/proc/sys/net/core/rmem_max", encoding="ascii") as file:
        allowed = min(int(file.read()), 8 * 2**20)
    sizes = [listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2 for _, listener in udp_sockets()]
    bus.close()
    assert max(sizes) == allowed
