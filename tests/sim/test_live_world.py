"""A world as a node: it says what the same world says on virtual time, and obeys."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable

import pytest

from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.node import NEVER_NS, Out, Sample, run
from saccade.params import build
from saccade.stages import Stages
from saccade.types import Command
from saccade.wire.convert import decode, decode_odom, decode_plan, encode_command, encode_text, stamp_ns
from saccade.wire.open import open_bus
from saccade.wire.virtual import LocalBus, VirtualBus
from sim.bus import open_world
from sim.hall.world import SAYS
from sim.live import WorldNode, WorldParams
from sim.world import START_NS

pytestmark = pytest.mark.usefixtures("painted")


class Listener:
    """Hears everything until a second is over; says `commands` (ms, speed) on the way."""

    name, stages, writes = "listener", Stages(), frozenset({"cmd_vel"})
    reads = SAYS | {"clock"}

    def __init__(self, commands: Iterable[tuple[int, float]] = ()) -> None:
        self._script = list(commands)
        self.heard: list[tuple[str, bytes]] = []

    def next_ns(self, now_ns: int) -> int:
        return START_NS + self._script[0][0] * MS if self._script else NEVER_NS

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        self.heard.append((sample.topic, bytes(sample.cdr)))
        return ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        speed = self._script.pop(0)[1]
        return [Out("cmd_vel", encode_command(Command(now_ns, ("vx",), [speed])))]  # type: ignore[arg-type]

    def close(self) -> Iterable[Out]:
        return ()


def live(listener: Listener, until_ns: int) -> WorldNode:
    world, bus = WorldNode(WorldParams("hall?seed=7")), LocalBus(start_ns=START_NS)
    run([world, listener], bus, lambda: bus.now_ns() >= until_ns)
    return world


def test_it_says_what_the_world_says_on_virtual_time() -> None:
    listener, until_ns = Listener(), START_NS + SEC // 2
    live(listener, until_ns)
    bus, samples = VirtualBus(open_world("hall?seed=7")), []
    while (sample := bus.recv(until_ns)) and sample.stamp_ns < until_ns:
        samples.append((sample.topic, bytes(sample.cdr)))
    heard = [(name, cdr) for name, cdr in listener.heard if name != "clock"]
    assert {name for name, _ in samples} == SAYS - {"instruction"}
    assert heard[: len(samples)] == samples
    assert len(heard) - len(samples) < 5


def test_it_tells_its_time() -> None:
    listener = Listener()
    live(listener, START_NS + SEC // 2)
    times = [decode("clock", cdr).clock for name, cdr in listener.heard if name == "clock"]
    assert [stamp_ns(time) for time in times][:50] == [START_NS + 10 * MS * i for i in range(50)]
    assert "clock" not in {sample for stream in open_world("hall")._streams for sample in stream.topics}


def test_it_obeys_and_stops_by_itself_when_nobody_speaks() -> None:
    listener = Listener([(t, 0.5) for t in range(0, 500, 50)])
    live(listener, START_NS + 2 * SEC)
    states = [decode_odom(cdr)[0] for name, cdr in listener.heard if name == "odom"]
    assert max(state.twist[0] for state in states) > 0.4
    assert abs(states[-1].twist[0]) < 0.05
    assert 0.2 < states[-1].T_odom_from_body.t[0] < 1.0


def test_it_begins_when_it_is_first_asked() -> None:
    world = WorldNode()
    assert world.judge() == {}
    assert world.next_ns(77 * SEC) == 77 * SEC
    assert world.judge()["collisions"] == 0


def test_late_pictures_are_left_out() -> None:
    world = WorldNode(WorldParams("hall?camera_hz=10&odom_hz=50"))
    world.next_ns(START_NS)
    names = [out.topic for out in world.on_tick(START_NS + SEC)]
    assert (names.count("left/image_rect"), names.count("right/image_rect"), names.count("odom")) == (1, 1, 50)


def test_a_world_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match=r"no world 'hell'.*hall"):
        build(WorldParams, {"world": "hell"})


@pytest.mark.slow
def test_three_processes_drive_the_robot_in_it() -> None:
    """`saccade sim` and `saccade up` on DDS: told to move, the robot moves, and Ctrl-C stops all in order."""
    url = f"dds:{1 + os.getpid() % 200}"
    saccade = [sys.executable, "-m", "saccade.cli"]
    world = subprocess.Popen([*saccade, "sim", "hall?seed=7", "--bus", url], stderr=subprocess.PIPE, text=True)
    nodes = subprocess.Popen([*saccade, "up", "--robot", "hall", "--bus", url], stderr=subprocess.PIPE, text=True)
    bus, moved_m, plans = open_bus(url, {"odom", "plan"}, {"instruction"}), 0.0, []
    try:
        until_ns, said_ns = bus.now_ns() + 60 * SEC, 0
        while moved_m < 0.3 and bus.now_ns() < until_ns:
            if bus.now_ns() - said_ns > 5 * SEC:  # whoever is not up yet hears it again
                bus.send("instruction", encode_text("go to the red box"))
                said_ns = bus.now_ns()
            sample = bus.recv(bus.now_ns() + SEC)
            if sample and sample.topic == "odom":
                moved_m = float(abs(decode_odom(sample.cdr)[0].T_odom_from_body.t[:2]).sum())
            elif sample:
                plans.append(decode_plan(sample.cdr).text)
        nodes.send_signal(signal.SIGINT)
        _, told = nodes.communicate(timeout=20)
        world.send_signal(signal.SIGINT)
        _, judged = world.communicate(timeout=20)
    finally:
        bus.close()
        for process in (nodes, world):
            process.kill()
    assert moved_m >= 0.3, (plans, told)
    assert "stopped: vla, perception, safety" in told
    assert nodes.returncode == world.returncode == 0
    assert "collisions: 0" in judged
