"""The hall behind a bus: what comes when, what commands do, and that two runs are the same bytes."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.geometry import SE3, wrap_angle
from saccade.node import NEVER_NS, BusEnd, Sample
from saccade.tf import TfBuffer
from saccade.types import Command
from saccade.wire.convert import decode, decode_camera, decode_odom, encode_command, se3, stamp_ns
from saccade.wire.images import decode_image
from saccade.wire.open import open_bus
from saccade.wire.virtual import VirtualBus
from sim.bus import open_world
from sim.world import START_NS, World

Script = Callable[[float], tuple[float, float] | None]


def play(world: World, script: Script = lambda _: None, every_ns: int = 50 * MS) -> list[Sample]:
    """Run a world to its end while `script(seconds)` says the command, every 50 ms."""
    bus, samples, tick = VirtualBus(world), [], START_NS
    while True:
        try:
            sample = bus.recv(tick)
        except BusEnd:
            bus.close()
            return samples
        if sample is None:
            tick += every_ns
            command = script((bus.now_ns() - START_NS) / SEC)
            if command is not None:
                message = Command(bus.now_ns(), ("vx", "wz"), np.array(command))
                bus.send("cmd_vel", encode_command(message))
        elif sample.topic != "cmd_vel":
            samples.append(sample)


def digest(samples: list[Sample]) -> str:
    sha = hashlib.sha256()
    for topic, when, cdr in samples:
        sha.update(f"{topic} {when}".encode())
        sha.update(bytes(cdr))
    return sha.hexdigest()


def weave(s: float) -> tuple[float, float]:
    return 0.4, math.sin(3 * s)


BODY = frozenset({"odom", "imu", "tf", "tf_static"})


def test_the_same_commands_give_the_same_bytes() -> None:
    runs = [digest(play(open_world("hall?seed=7&seconds=1"), weave)) for _ in range(2)]
    assert runs[0] == runs[1]


def test_other_commands_or_another_seed_give_others() -> None:
    def run(seed: int, script: Script) -> str:
        return digest(play(open_world(f"hall?seed={seed}&seconds=1", BODY), script))

    assert len({run(7, weave), run(8, weave), run(7, lambda s: (0.4, 0.0))}) == 3


def test_what_nobody_reads_changes_nothing_else() -> None:
    alone = play(open_world("hall?seconds=1", frozenset({"imu"})), weave)
    among = play(open_world("hall?seconds=1", BODY), weave)
    assert {s.topic for s in alone} == {"imu"}
    assert digest(alone) == digest([s for s in among if s.topic == "imu"])


@pytest.mark.usefixtures("painted")
def test_every_sensor_comes_at_its_rate_with_its_latency() -> None:
    samples = play(open_world("hall?seconds=1.05"))
    arrivals, stamps = defaultdict(list), defaultdict(list)
    for sample in samples:
        if sample.topic in ("tf", "tf_static"):
            continue
        arrivals[sample.topic].append(sample.stamp_ns)
        stamps[sample.topic].append(stamp_ns(decode(sample.topic, sample.cdr).header.stamp))
    images = [f"{side}/{name}" for side in ("left", "right") for name in ("image_rect", "camera_info")]
    assert set(stamps) == {*images, "odom", "imu"}
    for topic, period, latency in [*((i, 100, 12) for i in images), ("odom", 20, 2), ("imu", 10, 1)]:
        assert stamps[topic][0] == START_NS
        assert {b - a for a, b in pairwise(stamps[topic])} == {period * MS}
        assert {a - s for a, s in zip(arrivals[topic], stamps[topic], strict=True)} == {latency * MS}
    assert [s.stamp_ns for s in samples] == sorted(s.stamp_ns for s in samples)
    assert len(stamps["left/image_rect"]) == 11


def test_rates_can_be_asked_for() -> None:
    samples = play(open_world("hall?seconds=1.005&odom_hz=10&imu_hz=50", frozenset({"odom", "imu"})))
    assert sum(s.topic == "odom" for s in samples) == 11
    assert sum(s.topic == "imu" for s in samples) == 51


@pytest.mark.usefixtures("painted")
@pytest.mark.parametrize(("right", "shape"), [("mono", (240, 320)), ("rgb", (240, 320, 3))])
def test_pictures_and_calibration(right: str, shape: tuple[int, ...]) -> None:
    got = {s.topic: s.cdr for s in play(open_world(f"hall?seconds=0.02&right={right}"))}
    left, other = (decode_image(f"{side}/image_rect", got[f"{side}/image_rect"]) for side in ("left", "right"))
    assert left.data.shape == (240, 320, 3)
    assert other.data.shape == shape
    assert (left.frame_id, other.frame_id) == ("left_optical", "right_optical")
    assert 60 < left.data.mean() < 200
    for side, offset in (("left", 0.0), ("right", -200.0 * 0.12)):
        _, camera = decode_camera(got[f"{side}/camera_info"])
        assert (camera.width, camera.height, camera.frame_id) == (320, 240, f"{side}_optical")
        assert camera.P.tolist() == [[200, 0, 159.5, offset], [0, 200, 119.5, 0], [0, 0, 1, 0]]
        assert not camera.D.any()


@pytest.mark.usefixtures("painted")
def test_pictures_are_noisy_but_not_much() -> None:
    first, second = (
        decode_image(s.topic, s.cdr).data.astype(int)
        for s in play(open_world("hall?seconds=0.15", frozenset({"left/image_rect"})))
    )
    spread = (first - second).std() / math.sqrt(2)
    assert 0.8 < spread < 3


def test_fixed_frames_are_sent_once_at_the_start() -> None:
    samples = play(open_world("hall?seconds=1", BODY))
    fixed = [s for s in samples if s.topic == "tf_static"]
    assert [s.stamp_ns for s in fixed] == [START_NS]
    tf = TfBuffer()
    for link in decode("tf_static", fixed[0].cdr).transforms:
        T = se3(link.transform.translation, link.transform.rotation)
        tf.set_static(link.header.frame_id, link.child_frame_id, T)
    T_left_from_right = tf.lookup("left_optical", "right_optical", 0)
    assert np.allclose(T_left_from_right.t, [0.12, 0, 0])
    assert np.allclose(T_left_from_right.R, np.eye(3))
    T = tf.lookup("base_link", "left_optical", 0)
    assert np.allclose(T.apply(np.array([0.0, 0.0, 1.0])), [1.10, 0.06, 0.35])


def final(samples: list[Sample], topic: str) -> Sample:
    return [s for s in samples if s.topic == topic][-1]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_odometry_drifts_as_little_as_a_real_one(seed: int) -> None:
    world = open_world(f"hall?seed={seed}&seconds=20", BODY)
    start = world.truth()
    samples = play(world, lambda s: (0.1, 0.5 * math.sin(s)))
    state, child = decode_odom(final(samples, "odom").cdr)
    true = start.inverse() @ world.truth()
    off = math.dist(state.T_odom_from_body.t[:2], true.t[:2])
    assert (state.frame_id, child) == ("odom", "base_link")
    assert 1e-5 < off < 0.05
    assert abs(wrap_angle(state.T_odom_from_body.yaw - true.yaw)) < math.radians(2)
    link = decode("tf", final(samples, "tf").cdr).transforms[0]
    assert (link.header.frame_id, link.child_frame_id) == ("odom", "base_link")
    sent = se3(link.transform.translation, link.transform.rotation)
    assert np.allclose(sent.t, state.T_odom_from_body.t)


def test_the_robot_does_as_told_and_says_how_fast() -> None:
    world = open_world("hall?seed=2&seconds=2", BODY)
    start = world.truth()
    samples = play(world, lambda _: (0.3, 0.0))
    moved: SE3 = start.inverse() @ world.truth()
    assert moved.t[0] == pytest.approx(0.6, rel=0.1)
    state, _ = decode_odom(final(samples, "odom").cdr)
    assert state.twist[0] == pytest.approx(0.3, abs=0.02)
    assert decode("imu", final(samples, "imu").cdr).linear_acceleration.z == pytest.approx(9.81, abs=0.3)


def test_silence_stops_the_robot_after_half_a_second() -> None:
    world = open_world("hall?seed=2&seconds=3", BODY)
    start = world.truth()
    samples = play(world, lambda s: (0.4, 0.0) if s < 0.5 else None)
    when = {stamp: abs(decode_odom(s.cdr)[0].twist[0]) for s in samples if s.topic == "odom"
            for stamp in [(s.stamp_ns - START_NS) / SEC]}  # fmt: skip
    assert all(v > 0.3 for t, v in when.items() if 0.6 < t < 0.9)
    assert all(v < 0.02 for t, v in when.items() if t > 1.4)
    assert 0.2 < np.linalg.norm((start.inverse() @ world.truth()).t) < 0.5


def test_what_is_not_a_command_moves_nothing() -> None:
    world = open_world("hall?seed=2&seconds=2", BODY)
    start = world.truth()
    world.heard("cmd_vel", b"\x00\x01\x00\x00rubbish", START_NS)
    world.heard("verdict", encode_command(Command(0, ("vx",), np.array([0.5]))), START_NS)
    world.advance(START_NS + 1 * SEC)
    assert np.linalg.norm((start.inverse() @ world.truth()).t) < 0.01


def test_driving_into_things_is_counted() -> None:
    world = open_world("hall?seed=2&seconds=12", frozenset({"odom"}))
    play(world, lambda _: (0.8, 0.0))
    assert world.judge()["collisions"] >= 1
    assert len(world.judge()["hit"]) == world.judge()["collisions"]


def test_the_judge_wants_there_and_back() -> None:
    world = open_world("hall?seconds=1")
    judge, box, start = world.simulation._judge, world.simulation.layout.thing("red box"), world.simulation.layout.start
    assert not judge.verdict()["reached"]
    judge.see(start, 1 * SEC)
    assert not judge.verdict()["returned"]
    near = SE3.from_rpy(0, 0, 0, (box.x - 1.2, box.y, 0.0))
    judge.see(near, 2 * SEC)
    assert judge.verdict()["reached_s"] == 2.0
    judge.see(SE3.from_rpy(0, 0, 0, (start.t[0] + 0.51, start.t[1], 0.0)), 3 * SEC)
    assert not judge.verdict()["returned"]
    judge.see(start, 4 * SEC)
    assert judge.verdict()["returned_s"] == 4.0


def test_instructions_are_spoken_on_time() -> None:
    samples = play(
        open_world("hall?seconds=3&instruction=go to the red box&say=2:stop&say=2.5:", frozenset({"instruction"}))
    )
    spoken = [((s.stamp_ns - START_NS) / SEC, decode(s.topic, s.cdr).data) for s in samples]
    assert spoken == [(0.5, "go to the red box"), (2.0, "stop"), (2.5, "")]


def test_open_bus_opens_it() -> None:
    bus = open_bus("sim:hall?seed=7&seconds=0.1", ["odom"], ["cmd_vel"])
    sample = bus.recv(NEVER_NS)
    assert sample is not None
    assert sample.topic == "odom"
    assert bus.now_ns() == START_NS + 2 * MS
    bus.close()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hal?seed=7", "did you mean 'hall'"),
        ("hall?sed=7", "did you mean 'seed'"),
        ("hall?renderer=sof", "did you mean 'soft'"),
        ("hall?right=color", "Valid: mono, rgb"),
        ("hall?seed=x", "expected a number"),
        ("hall?seed=1.5", "expected a whole number"),
        ("hall?seed=-1", "expected a number, 0 or more"),
        ("hall?seconds=nan", "expected a number"),
        ("hall?camera_hz=30", "expected one of 1, 2"),
        ("hall?seed=1&seed=2", "given twice"),
        ("hall?say=later", "expected SECONDS:TEXT"),
        ("hall?say=x:stop", "expected a number"),
    ],
)
def test_wrong_addresses_say_what_is_right(address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_world(address)
