"""The contract suite holds for the buses on virtual time, and finds each kind of breach."""

import heapq

import pytest

from saccade.clock import MS, SEC
from saccade.node import NEVER_NS, BusEnd, Sample
from saccade.wire.check import ContractError, check_bus
from saccade.wire.virtual import LocalBus


def test_local_bus_keeps_the_contract():
    bus = LocalBus(start_ns=100 * SEC)
    check_bus(bus, bus)


def test_latency_keeps_the_contract():
    bus = LocalBus(start_ns=100 * SEC, latency_ns={"instruction": 30 * MS, "left/image_raw": 3 * MS})
    check_bus(bus, bus)


def test_a_busy_bus_keeps_the_contract():
    bus = LocalBus()
    for i in range(200):
        bus.push(Sample("imu", i * MS, b"\0\1\0\0" + bytes([i])))
    check_bus(bus, bus)


class _Early(LocalBus):
    def recv(self, deadline_ns):
        return super().recv(deadline_ns - 1)


class _Late(LocalBus):
    def recv(self, deadline_ns):
        return super().recv(deadline_ns + 1)


class _Leaky(LocalBus):
    def send(self, topic, cdr):
        if len(cdr) < 10_000:
            super().send(topic, cdr)


class _Lossy(LocalBus):
    count = 0

    def send(self, topic, cdr):
        self.count += 1
        if self.count != 6:
            super().send(topic, cdr)


class _Mangling(LocalBus):
    def send(self, topic, cdr):
        super().send(topic, bytes(cdr)[:-1] + b"!")


class _LastFirst(LocalBus):
    def push(self, sample):
        heapq.heappush(self._queue, (sample.stamp_ns, -self._count, sample))
        self._count += 1


class _Running(LocalBus):
    def now_ns(self):
        self._now_ns += 1
        return self._now_ns


class _Backwards(LocalBus):
    def recv(self, deadline_ns):
        sample = super().recv(deadline_ns)
        self._now_ns -= 1
        return sample


class _Talkative(LocalBus):
    def send(self, topic, cdr):
        self._closed = False
        super().send(topic, cdr)


class _PastMoves(LocalBus):
    def recv(self, deadline_ns):
        return super().recv(max(deadline_ns, self.now_ns() + MS))


@pytest.mark.parametrize(
    ("bus", "breach"),
    [
        (_Early, "before the deadline"),
        (_Late, "after the deadline"),
        (_Leaky, "last message did not arrive"),
        (_Lossy, "lost"),
        (_Mangling, "last message did not arrive"),
        (_LastFirst, "arrived in the order"),
        (_Running, "time passed outside of recv"),
        (_Backwards, "time went back"),
        (_Talkative, "after close"),
        (_PastMoves, "after the deadline"),
    ],
)
def test_every_breach_is_found(bus, breach):
    broken = bus(start_ns=100 * SEC)
    with pytest.raises(ContractError) as error:
        check_bus(broken, broken)
    assert breach in str(error.value)


def test_a_live_bus_may_lose_all_but_the_newest():
    class Latest(LocalBus):
        def send(self, topic, cdr):
            self._queue = [entry for entry in self._queue if entry[2].topic != topic]
            super().send(topic, cdr)

    bus = Latest(start_ns=SEC)
    check_bus(bus, bus, live=True)
    bus = Latest(start_ns=SEC)
    with pytest.raises(ContractError, match="lost"):
        check_bus(bus, bus)


def test_the_end_of_a_source_is_an_end():
    with pytest.raises(BusEnd):
        LocalBus().recv(NEVER_NS)
