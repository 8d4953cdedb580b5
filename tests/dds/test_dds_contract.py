"""The contract every bus keeps, on DDS: within one process' domain and on one bus alone."""

from __future__ import annotations

import os

from saccade.clock import SEC
from saccade.wire.check import check_bus, payloads
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address


def test_one_bus_keeps_the_contract() -> None:
    topics = payloads()
    bus = DdsBus(Address(1 + os.getpid() % 200), topics, topics)
    check_bus(bus, bus, live=True)


def test_two_buses_keep_the_contract() -> None:
    address, topics = Address(1 + os.getpid() % 200), payloads()
    check_bus(DdsBus(address, (), topics), DdsBus(address, topics), live=True, settle_ns=SEC // 5)
