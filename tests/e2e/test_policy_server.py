"""A policy server that freezes, dies or answers nonsense: the robot comes to a stop, says why, and goes on by itself.

The sockets, and the time that is waited at them, are real. The robot's time is virtual, but in the slow tests.
"""

import math
import multiprocessing
import os
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.node import Sample, run
from saccade.params import build
from saccade.types import LocalMap, PlanKind, RobotState
from saccade.wire.convert import decode, decode_verdict, encode_map, encode_odom, encode_text
from saccade.wire.virtual import VirtualBus
from safety_node.limits import Limits
from safety_node.node import SafetyNode
from vla_node.node import VlaNode
from vla_node.params import VlaParams
from vla_node.planner import Answer, make_plan
from vla_node.policies.card import PolicyCard
from vla_node.policies.open import open_policy
from vla_node.serving.gr00t import Gr00tServer
from vla_node.serving.openpi import OpenPiServer

T0, TICK = 1_000 * SEC, 10 * MS
BROKEN_S, MENDED_S, END_S = 1.4, 2.6, 4.4
"""The server breaks, is mended, and less than two seconds later the robot must have gone on."""
STOPPED_S = 0.6
"""After it broke the robot stands: the gate's 0.3 s for a chunk, counted from its look, and what an answer takes."""
LIMITS = Limits()
PROTOCOLS = {"openpi": (OpenPiServer, "ws"), "gr00t": (Gr00tServer, "tcp")}
STATE = {"vector": [{"twist": ["vx", "wz"]}]}
OBSERVED = {
    "openpi": [{"key": "state", **STATE}, {"key": "prompt", "text": "instruction"}],
    "gr00t": [
        {"key": "speeds", "group": "state", "axes_before": 2, **STATE},
        {"key": "annotation", "group": "language", "text": "instruction"},
    ],
}


class Model:
    """Half a metre a second straight ahead, until it is told to answer something else; `freely` lets it answer."""

    metadata = {"model": "ahead"}

    def __init__(self):
        self.rows, self.freely = ahead(), threading.Event()
        self.freely.set()

    def answer(self, observation):
        self.freely.wait(20)
        return {"actions": self.rows}

    def reset(self):
        """It remembers nothing."""


def ahead():
    return np.tile(np.array([0.5, 0.0], np.float32), (8, 1))


class Host:
    """A server in a thread, that can be broken in many ways and mended."""

    def __init__(self, protocol):
        self.model, self.port, self.protocol = Model(), 0, protocol
        self.start()

    def start(self):
        server = PROTOCOLS[self.protocol][0](self.model, "127.0.0.1", self.port)
        self.port, self._stop = server.port, threading.Event()
        self._thread = threading.Thread(target=server.run, args=(self._stop,), daemon=True)
        self._thread.start()

    def kill(self):
        self._stop.set()
        self._thread.join(10)

    def freeze(self):
        self.model.freely.clear()

    def thaw(self):
        self.model.freely.set()

    def answers(self, rows):
        self.model.rows = np.asarray(rows, np.float32)

    def close(self):
        self.thaw()
        self.kill()


class Ahead:
    """A reasoner that always wants the robot to go far ahead."""

    def refuses(self, instruction):
        return ""

    def plan(self, observation):
        way = np.array([[0.0, 0.0, 0.0], [50.0, 0.0, 0.0]])
        return Answer(make_plan(observation, PlanKind.WAYPOINTS, "ahead", waypoints=way))

    def cancel(self):
        """Nothing is under way."""

    def close(self):
        """Nothing is held."""


class World:
    """A `Source`: a base on a free floor that does what the gate grants; at times, in seconds, something happens."""

    def __init__(self, events):
        self.start_ns, self._now_ns = T0, T0
        self._events = sorted(((T0 + round(at_s * SEC), act) for at_s, act in events), key=lambda event: event[0])
        self._queue, self._due_ns = [Sample("instruction", T0 + SEC // 5, encode_text("go"))], T0
        self.x, self.granted, self.bad = 0.0, [], []

    def next_ns(self):
        if not self._queue or self._queue[0].stamp_ns > self._due_ns:
            self._sense(self._due_ns)
        return self._queue[0].stamp_ns if self._queue[0].stamp_ns <= T0 + round(END_S * SEC) else None

    def take(self):
        return self._queue.pop(0)

    def advance(self, to_ns):
        while self._events and self._events[0][0] <= to_ns:
            self._events.pop(0)[1]()
        self.x += self.speed * (to_ns - self._now_ns) / SEC
        self._now_ns = to_ns

    def heard(self, topic, cdr, now_ns):
        if topic == "verdict":
            self.granted.append(((now_ns - T0) / SEC, decode_verdict(cdr).granted))
        elif topic == "diagnostics":
            at_s = (now_ns - T0) / SEC
            self.bad += [
                (at_s, s.message) for s in decode(topic, cdr).status if s.name == "vla_node/policy" and s.level
            ]

    def close(self):
        """Nothing is held."""

    @property
    def speed(self):
        return float(self.granted[-1][1][0]) if self.granted else 0.0

    def fastest(self, from_s, to_s):
        return max(np.abs(granted).max() for at_s, granted in self.granted if from_s <= at_s < to_s)

    def _sense(self, at_ns):
        """Odometry 50 times and a map 10 times a second."""
        pose, twist = SE3.from_rpy(0, 0, 0, (self.x, 0, 0)), np.array([self.speed, 0, 0, 0, 0, 0])
        self._queue.append(Sample("odom", at_ns, encode_odom(RobotState(at_ns, "odom", pose, twist))))
        if at_ns % (100 * MS) == 0:
            free = np.zeros((80, 80), np.int8)
            origin = (math.floor(self.x / 0.1) * 0.1 - 4.0, -4.0)
            far = np.full(free.shape, 4.0, np.float32)
            self._queue.append(Sample("local_map", at_ns, encode_map(LocalMap(at_ns, "odom", 0.1, origin, free, far))))
        self._queue.sort(key=lambda sample: sample.stamp_ns)
        self._due_ns += 20 * MS


def card(protocol, port, timeout_s):
    """A card of that protocol for a base, its server on a port of this machine."""
    moves = {"axes": ["vx", "wz"], "units": ["m/s", "rad/s"], "limits": [[-0.8, 0.8], [-1.5, 1.5]]}
    document = {
        "name": "ahead", "protocol": protocol, "address": f"{PROTOCOLS[protocol][1]}://127.0.0.1:{port}",
        "timeout_s": timeout_s, "observation": OBSERVED[protocol], "path": "ahead.yaml",
        "actions": {"kind": "velocity", "frame": "body", "dt_s": 0.05, "horizon": 8, "parts": [moves]},
    }  # fmt: skip
    return build(PolicyCard, document, "ahead.yaml")


def drive(protocol, port, events, worker="modelled", timeout_s=0.1, pace=None):
    """The world after a drive with this server."""
    defaults = VlaParams()
    params = replace(defaults, planner=replace(defaults.planner, worker=worker, latency_s=0.1))
    world = World(events)
    policy = open_policy(card(protocol, port, timeout_s))
    run([VlaNode(params, Ahead(), policy), SafetyNode(LIMITS)], VirtualBus(world, pace=pace))
    return world


def kept_within_limits(world):
    """Every speed, and every change from tick to tick but a stop, which the gate makes zero at once."""
    granted = np.array([row for _, row in world.granted])
    changes = np.abs(np.diff(granted, axis=0)) * SEC / TICK
    moving = granted[1:].any(axis=1)
    assert (changes[moving] <= np.maximum(LIMITS.max_brake, LIMITS.max_accel) + 1e-6).all()
    assert (np.abs(granted) <= np.array(LIMITS.max_speed) + 1e-9).all()


def stood_and_went_on(world, reason):
    """It drove, came to a standstill, said why, and went on without being told to."""
    assert world.fastest(BROKEN_S - 0.2, BROKEN_S) > 0.4
    assert world.fastest(BROKEN_S + STOPPED_S, MENDED_S) == 0.0
    said = [text for at_s, text in world.bad if BROKEN_S < at_s < MENDED_S]
    assert any(reason in text for text in said), said
    assert world.fastest(MENDED_S, END_S) > 0.4
    kept_within_limits(world)


FAULTS = {
    "frozen": (Host.freeze, Host.thaw, {"openpi": "no answer", "gr00t": "no answer"}),
    "killed": (Host.kill, Host.start, {"openpi": "refused", "gr00t": "no connection"}),
    "nan": (
        lambda host: host.answers(ahead() * np.nan), lambda host: host.answers(ahead()),
        {"openpi": "NaN or infinity", "gr00t": "NaN or infinity"},
    ),
    "width": (
        lambda host: host.answers(np.zeros((8, 1))), lambda host: host.answers(ahead()),
        {"openpi": "expected", "gr00t": "expected"},
    ),
}  # fmt: skip


@pytest.fixture
def host(request):
    host = Host(request.param)
    yield host
    host.close()


SLOW = {("openpi", "killed"), ("openpi", "width"), ("gr00t", "frozen"), ("gr00t", "nan")}
"""Left to `make test-slow`: each fault and each protocol is tested without them."""


@pytest.mark.parametrize(
    ("host", "fault"),
    [
        pytest.param(protocol, fault, marks=[pytest.mark.slow] if (protocol, fault) in SLOW else [])
        for protocol in PROTOCOLS
        for fault in FAULTS
    ],
    indirect=["host"],
)
def test_a_broken_server_stops_the_robot_which_goes_on_when_it_is_mended(host, fault):
    breaks, mends, reasons = FAULTS[fault]
    events = [(BROKEN_S, lambda: breaks(host)), (MENDED_S, lambda: mends(host))]
    stood_and_went_on(drive(host.protocol, host.port, events), reasons[host.protocol])


@pytest.mark.parametrize("host", PROTOCOLS, indirect=True)
def test_a_server_that_is_started_again_is_found_again(host):
    def again():
        host.kill()
        host.start()

    world = drive(host.protocol, host.port, [(BROKEN_S, again)])
    assert world.fastest(BROKEN_S - 0.2, BROKEN_S) > 0.4
    assert world.fastest(BROKEN_S + 1.5, BROKEN_S + 2.0) > 0.4
    assert not [text for at_s, text in world.bad if at_s > BROKEN_S + 2.0]
    kept_within_limits(world)


def serve(protocol, port, pipe):
    """A server's process."""
    server = PROTOCOLS[protocol][0](Model(), "127.0.0.1", port)
    pipe.send(server.port)
    server.run(threading.Event())


class Process:
    """A server in a process of its own."""

    def __init__(self, protocol):
        self.protocol, self.port = protocol, 0
        self.start()

    def start(self):
        mine, its = multiprocessing.get_context("spawn").Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(self.protocol, self.port, its), daemon=True
        )
        self._process.start()
        assert mine.poll(60), "the server did not come up"
        self.port = mine.recv()

    def signal(self, number):
        os.kill(self._process.pid, number)

    def close(self):
        self._process.kill()
        self._process.join(10)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_in_real_time_a_frozen_process_stops_the_robot_until_it_wakes(protocol):
    process = Process(protocol)
    try:
        events = [
            (BROKEN_S, lambda: process.signal(signal.SIGSTOP)),
            (MENDED_S, lambda: process.signal(signal.SIGCONT)),
        ]
        world = drive(protocol, process.port, events, worker="thread", timeout_s=0.2, pace=1.0)
    finally:
        process.close()
    stood_and_went_on(world, "no answer")
