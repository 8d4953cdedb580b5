"""The gate as a process on DDS: it ticks without any input, and its last word is a zero command."""

import os
import signal
import subprocess
import sys

import pytest

from saccade.clock import SEC
from saccade.node import Sample
from saccade.types import Decision
from saccade.wire.convert import decode_command, decode_verdict
from saccade.wire.open import open_bus

URL = f"dds:{100 + os.getpid() % 100}"
pytest.importorskip("cyclonedds")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_goodbye_with_a_stop(number: signal.Signals) -> None:
    bus = open_bus(URL, {"cmd_vel", "verdict"})
    process = subprocess.Popen([sys.executable, "-m", "safety_node", "--bus", URL], stderr=subprocess.PIPE, text=True)
    heard: list[Sample] = []
    try:
        deadline = bus.now_ns() + 30 * SEC
        while len(heard) < 100 and bus.now_ns() < deadline:
            if sample := bus.recv(deadline):
                heard.append(sample)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
        while sample := bus.recv(bus.now_ns() + SEC // 2):
            heard.append(sample)
    finally:
        process.kill()
        bus.close()
    verdicts = [decode_verdict(sample.cdr) for sample in heard if sample.topic == "verdict"]
    commands = [decode_command(sample.cdr) for sample in heard if sample.topic == "cmd_vel"]
    assert process.returncode == 0, said
    assert "parameters from defaults" in said
    assert any(word in said for word in ("SCHED_FIFO", "ordinary scheduling"))
    assert verdicts[0].reason == "chunk missing; local_map missing; odom missing"
    assert verdicts[-1].reason == "shut down"
    assert all(verdict.decision is Decision.STOP for verdict in verdicts)
    assert not any(command.values.any() for command in commands)
