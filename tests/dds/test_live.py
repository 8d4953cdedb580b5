"""Running a node as a process: signals, last words, stage times."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator

import pytest

from saccade.clock import MS, SEC, perf_ns
from saccade.node import NEVER_NS, Out, Sample
from saccade.stages import Stages
from saccade.types import Command
from saccade.wire.codec import codec
from saccade.wire.convert import decode, encode_command, encode_text, stamp_ns
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address
from saccade.wire.live import StageTimes, stop_signals

LONER = """
import sys
from saccade.node import NEVER_NS, Out
from saccade.stages import Stages
from saccade.wire.convert import encode_text
from saccade.wire.live import serve

class Loner:
    name, reads, writes, stages = "loner", frozenset({"operator_stop"}), frozenset({"instruction"}), Stages()
    spoke = False
    def next_ns(self, now_ns): return NEVER_NS if self.spoke else 0
    def on_sample(self, sample, now_ns): return ()
    def on_tick(self, now_ns):
        self.spoke = True
        return [Out("instruction", encode_text("up"))]
    def close(self): return [Out("instruction", encode_text("last words"))]

serve(Loner(), "dds:" + sys.argv[1])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_waiting_node_with_its_last_words(number: signal.Signals) -> None:
    domain = 1 + os.getpid() % 200
    bus = DdsBus(Address(domain), ("instruction",))
    child = subprocess.Popen([sys.executable, "-c", LONER, str(domain)])
    assert heard(bus) == "up"
    child.send_signal(number)
    assert heard(bus) == "last words"
    assert child.wait(20) == 0
    bus.close()


def heard(bus: DdsBus) -> str:
    sample = bus.recv(bus.now_ns() + 20 * SEC)
    assert sample is not None
    return str(decode("instruction", sample.cdr).data)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A process that was told to end hears no SIGINT any more; this one goes on."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_stop_signals_call_back_from_another_thread() -> None:
    called = threading.Event()
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals(called.set) as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGTERM)
        assert called.wait(5)
        assert stopped()
    assert signal.getsignal(signal.SIGTERM) is before


def test_lingering_ends_after_its_time_or_with_a_second_signal() -> None:
    called = threading.Event()
    with stop_signals(called.set, linger_s=60) as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
        assert not called.wait(0.2)
        assert not stopped()
        os.kill(os.getpid(), signal.SIGINT)
        assert called.wait(5)
        assert stopped()
    called.clear()
    with stop_signals(called.set, linger_s=0.05):
        os.kill(os.getpid(), signal.SIGTERM)
        assert called.wait(5)
    with stop_signals(called.set, linger_s=60):
        pass  # ends at once when nothing came, and below while it waits
    called.clear()
    with stop_signals(called.set, linger_s=60):
        os.kill(os.getpid(), signal.SIGTERM)
    assert not called.is_set()


class Worker:
    """Works for a while on each sample and answers with a command stamped 5 s."""

    name, reads, writes = "worker", frozenset({"instruction"}), frozenset({"cmd_vel", "instruction"})

    def __init__(self, answers: bool, works: bool) -> None:
        self.stages, self._answers, self._works = Stages(), answers, works

    def next_ns(self, now_ns: int) -> int:
        return NEVER_NS

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        if self._works:
            with self.stages.timed("engine"):
                time.sleep(0.002)
        yield Out("instruction", encode_text("no header"))
        if self._answers:
            yield Out("cmd_vel", encode_command(Command(5 * SEC, ("vx",), [0.0])))  # type: ignore[arg-type]

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        return ()

    def close(self) -> Iterable[Out]:
        return ()


def test_stage_times_follow_the_work_they_describe() -> None:
    clock = lambda: perf_ns() + 100 * SEC  # noqa: E731
    node = StageTimes(Worker(answers=True, works=True), clock)
    assert node.writes == {"cmd_vel", "instruction", "stage_times"}
    for _ in range(2):  # the second frame must not carry the first one's spans
        before = clock()
        outs = list(node.on_sample(Sample("instruction", 0, b""), 0))
        assert [out.topic for out in outs] == ["instruction", "cmd_vel", "stage_times"]
        times = codec().decode("saccade_msgs/msg/StageTimes", outs[-1].cdr)
        assert (times.node, times.stages, stamp_ns(times.header.stamp)) == ("worker", ["engine"], 5 * SEC)
        assert before <= times.begin_ns[0] < times.end_ns[0] - MS < clock()


@pytest.mark.parametrize(("answers", "works"), [(False, True), (True, False)])
def test_no_stage_times_without_work_or_a_stamp(answers: bool, works: bool) -> None:
    node = StageTimes(Worker(answers, works), lambda: 0)
    assert "stage_times" not in [out.topic for out in node.on_sample(Sample("instruction", 0, b""), 0)]


def test_priority_says_what_was_granted() -> None:
    script = "from saccade.wire.live import real_time; import os; print(real_time(), os.sched_getscheduler(0))"
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert ("SCHED_FIFO priority 40" in told) == (int(told.split()[-1]) == os.SCHED_FIFO)
    assert "memory" in told
