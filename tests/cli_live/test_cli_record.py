"""`saccade record`: what is on the bus is in the file, and Ctrl-C finishes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from saccade.cli import USAGE, main
from saccade.cli.record import patient
from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.types import RobotState
from saccade.wire.convert import encode_odom
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address


def test_records_what_is_said_until_told_to_stop(tmp_path: Path) -> None:
    domain, out = 1 + os.getpid() % 200, tmp_path / "drive.mcap"
    url = f"dds:{domain}"
    command = [sys.executable, "-m", "saccade.cli", "record", "--bus", url, "-o", str(out), "--topics", "odom"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    bus = DdsBus(Address(domain), (), ("odom",))
    wait_for_listener(bus)
    cdrs = [bytes(encode_odom(RobotState(n * SEC, "odom", SE3.identity(), np.zeros(6)))) for n in range(200)]
    for cdr in cdrs:
        bus.send("odom", cdr)
        time.sleep(0.002)
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=10)
    bus.close()
    assert child.returncode == 0
    with AnyReader([out]) as reader:
        recorded = [bytes(raw) for _, _, raw in reader.messages()]
    assert recorded == cdrs
    assert "200 messages on 1 topics" in told


def wait_for_listener(bus: DdsBus) -> None:
    for _ in range(600):
        if bus._writers["odom"].entity.matched_sub:
            time.sleep(0.2)  # the listener has yet to learn of us
            return
        time.sleep(0.05)
    raise AssertionError("the recorder did not join the bus in 30 s")


def test_does_not_overwrite_unless_told(tmp_path: Path) -> None:
    out = tmp_path / "drive.mcap"
    out.write_text("precious")
    assert main(["record", "-o", str(out)]) == USAGE
    assert out.read_text() == "precious"


def test_unknown_topics_are_refused(tmp_path: Path) -> None:
    assert main(["record", "-o", str(tmp_path / "a.mcap"), "--topics", "odm"]) == USAGE


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("dds:0", "dds:0?depth=32"),
        ("dds:0?interface=eth0", "dds:0?interface=eth0&depth=32"),
        ("dds:0?depth=2", "dds:0?depth=2"),
        ("sim:hall", "sim:hall"),
    ],
)
def test_a_recorder_is_patient(url: str, wanted: str) -> None:
    assert patient(url) == wanted
