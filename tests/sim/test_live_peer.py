"""A world that runs live, seen by a reader on DDS that shares no code with it: rates, stamps and the clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

SETTLE_S, SECONDS = 5, 10
"""What is heard while the world's process is still starting does not count."""
RATES = {"rt/clock": 100, "rt/odom": 50, "rt/imu": 100, "rt/left/image_rect": 5, "rt/right/image_rect": 5}
# Deliberately nothing of Saccade: only what every message begins with is read, a stamp, by a type of its own. A reader
# of CycloneDDS takes a type by its name, and of a sample only as much as the type says.
READER = """
import json, sys, time
from dataclasses import dataclass
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import int32, uint32
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic

def stamped(name):
    @dataclass
    class Stamped(IdlStruct, typename=name):
        sec: int32
        nanosec: uint32
    return Stamped

number, seconds = int(sys.argv[1]), float(sys.argv[2])
domain = Domain(number, '<CycloneDDS><Domain Id="any"><General><Interfaces><NetworkInterface address="127.0.0.1" '
    'multicast="false"/></Interfaces><AllowMulticast>false</AllowMulticast></General><Discovery>'
    '<ParticipantIndex>auto</ParticipantIndex><Peers AddLocalhost="true"/></Discovery></Domain></CycloneDDS>')
participant = DomainParticipant(number)
qos = Qos(Policy.DataRepresentation(use_cdrv0_representation=True), Policy.Reliability.Reliable(10**9),
          Policy.History.KeepAll)
readers = {name: DataReader(participant, Topic(participant, name, stamped(kind)), qos)
           for name, kind in json.loads(sys.argv[3]).items()}
heard = {name: [] for name in readers}
begin = None
while begin is None or time.time() < begin + seconds:
    for name, reader in readers.items():
        now = time.time_ns()
        for sample in reader.take(N=1000):
            if hasattr(sample, "sec"):
                heard[name].append((now, sample.sec * 10**9 + sample.nanosec))
    if begin is None and all(heard.values()):
        begin = time.time()
        heard = {name: [] for name in readers}
    time.sleep(0.005)
print(json.dumps(heard))
"""
TYPES = {
    "rt/clock": "rosgraph_msgs::msg::dds_::Clock_", "rt/odom": "nav_msgs::msg::dds_::Odometry_",
    "rt/imu": "sensor_msgs::msg::dds_::Imu_", "rt/left/image_rect": "sensor_msgs::msg::dds_::Image_",
    "rt/right/image_rect": "sensor_msgs::msg::dds_::Image_",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("world", ["yard?seed=102&camera_hz=5"])
def test_rates_stamps_and_clock_are_those_of_a_robot(world: str) -> None:
    number = 1 + os.getpid() % 200
    sim = subprocess.Popen([sys.executable, "-m", "saccade.cli", "sim", world, "--bus", f"dds:{number}"])
    try:
        told = subprocess.run(
            [sys.executable, "-c", READER, str(number), str(SETTLE_S + SECONDS), json.dumps(TYPES)],
            capture_output=True, text=True, check=True, timeout=120,
        ).stdout  # fmt: skip
    finally:
        sim.send_signal(signal.SIGINT)
        sim.wait(20)
    heard = json.loads(told)
    end_ns = min(messages[-1][1] for messages in heard.values())
    for name, rate_hz in RATES.items():
        stamps = [stamp for _, stamp in heard[name]]
        assert stamps == sorted(set(stamps)), f"{name}: stamps go on"
        last = [(now, stamp) for now, stamp in heard[name] if end_ns - SECONDS * 10**9 < stamp <= end_ns]
        assert len(last) == pytest.approx(rate_hz * SECONDS, rel=0.05), name
        late_s = sorted((now - stamp) / 1e9 for now, stamp in last)
        assert late_s[0] > -0.02, f"{name}: nothing comes from the future"
        assert late_s[len(late_s) // 2] < 1.0, f"{name}: stamps are of this clock"
