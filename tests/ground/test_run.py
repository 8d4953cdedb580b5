"""The one loop and virtual time."""

from saccade.clock import MS, TickGrid
from saccade.node import NEVER_NS, Out, Sample, run
from saccade.stages import Stages
from saccade.wire.virtual import LocalBus


class Echo:
    """Answers each `instruction` on `plan` and ticks every 10 ms, writing down everything that happens."""

    name = "echo"
    reads = frozenset({"instruction", "verdict"})
    writes = frozenset({"verdict"})

    def __init__(self, until_ns):
        self.log, self.stages, self.grid, self.until_ns = [], Stages(), TickGrid(10 * MS), until_ns

    def next_ns(self, now_ns):
        if now_ns > self.until_ns:
            return NEVER_NS
        return self.grid.next_ns or self.grid.start(now_ns)

    def on_sample(self, sample, now_ns):
        self.log.append((now_ns, sample.topic, bytes(sample.cdr)))
        if sample.topic == "instruction":
            yield Out("verdict", b"re:" + bytes(sample.cdr))

    def on_tick(self, now_ns):
        self.grid.advance(now_ns)
        self.log.append((now_ns, "tick", b""))
        return ()

    def close(self):
        self.log.append((0, "closed", b""))
        return [Out("verdict", b"bye")]


def scripted(latency_ns=None):
    bus = LocalBus(latency_ns=latency_ns)
    bus.push(Sample("instruction", 15 * MS, b"a"))
    bus.push(Sample("operator_stop", 16 * MS, b"not read"))
    bus.push(Sample("instruction", 20 * MS, b"b"))
    return bus


def test_events_and_ticks_come_in_the_order_of_time():
    node = Echo(until_ns=30 * MS)
    run([node], scripted())
    assert node.log == [
        (10 * MS, "tick", b""),
        (15 * MS, "instruction", b"a"),
        (15 * MS, "verdict", b"re:a"),
        (20 * MS, "instruction", b"b"),
        (20 * MS, "verdict", b"re:b"),
        (20 * MS, "tick", b""),
        (30 * MS, "tick", b""),
        (0, "closed", b""),
    ]


def test_modelled_latency_delays_what_is_heard():
    node = Echo(until_ns=30 * MS)
    run([node], scripted({"verdict": 7 * MS}))
    heard = [(at, cdr) for at, topic, cdr in node.log if topic == "verdict"]
    assert heard == [(22 * MS, b"re:a"), (27 * MS, b"re:b")]


def test_two_nodes_on_one_bus_both_hear_and_both_tick():
    a, b = Echo(30 * MS), Echo(30 * MS)
    run([a, b], scripted())
    assert [e for e in a.log if e[1] == "tick"] == [e for e in b.log if e[1] == "tick"]
    assert [e for e in a.log if e[1] == "verdict"] == [
        (15 * MS, "verdict", b"re:a"), (15 * MS, "verdict", b"re:a"),
        (20 * MS, "verdict", b"re:b"), (20 * MS, "verdict", b"re:b"),
    ]  # fmt: skip


def test_last_words_are_heard_by_nodes_that_are_closed_later():
    first, second = Echo(0), Echo(0)
    run([first, second], LocalBus())
    assert (10 * MS, "verdict", b"bye") in second.log
    assert "verdict" not in [topic for _, topic, _ in first.log]


def test_stop_is_asked_and_the_last_words_are_said():
    node, bus = Echo(10**15), scripted()
    run([node], bus, stop=lambda: len(node.log) >= 3)
    assert node.log[-1] == (0, "closed", b"")
    assert bytes(bus.recv(10**15).cdr) in (b"re:a", b"bye")


def test_stages_summarise_what_was_measured():
    stages = Stages()
    for ms in (1, 2, 3):
        stages.add("engine", 0, ms * 1_000_000)
    assert stages.summary()["engine"]["p50_ms"] == 2
    assert stages.summary()["engine"]["total_ms"] == 6
    assert len(stages.frame) == 3


def test_stages_keep_the_newest_and_count_all() -> None:
    stages = Stages(keep=4)
    for ms in (900, 900, 1, 2, 3, 4):
        stages.add("engine", 0, ms * 1_000_000)
    summary = stages.summary()["engine"]
    assert (summary["count"], summary["total_ms"]) == (6, 1810)
    assert summary["p50_ms"] == 2.5
