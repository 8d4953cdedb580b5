import struct

import numpy as np
import pytest

from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.geometry import SE3
from saccade.node import BusEnd, Sample
from saccade.types import Image, RobotState
from saccade.wire.convert import decode_odom, encode_odom, header_stamp_ns
from saccade.wire.images import decode_image, encode_depth, encode_image
from saccade.wire.inject import InjectSource, parse_faults
from saccade.wire.virtual import VirtualBus

T0 = 10 * SEC


class Script:
    """A source with odometry every 100 ms and a picture 50 ms after each."""

    start_ns = T0

    def __init__(self, n=20):
        self.samples = []
        for i in range(n):
            t = T0 + i * 100 * MS
            state = RobotState(t, "odom", SE3.identity(), np.zeros(6))
            self.samples.append(Sample("odom", t, encode_odom(state)))
            image = Image(t + 50 * MS, "left_optical", np.full((4, 4), 100, np.uint8))
            self.samples.append(Sample("left/image_rect", t + 50 * MS, encode_image(image)))

    def next_ns(self):
        return self.samples[0].stamp_ns if self.samples else None

    def take(self):
        return self.samples.pop(0)

    def advance(self, to_ns):
        assert not self.samples or to_ns <= self.samples[0].stamp_ns

    def heard(self, topic, cdr, now_ns): ...
    def close(self): ...


def play(spec, seed=0):
    bus = VirtualBus(InjectSource(Script(), parse_faults(spec), seed))
    heard = []
    try:
        while True:
            heard.append((bus.recv(T0 + 100 * SEC), bus.now_ns()))
    except BusEnd:
        return heard


def images(heard):
    return [(s, now) for s, now in heard if s.topic == "left/image_rect"]


def test_without_faults_nothing_changes():
    assert [(s.topic, s.stamp_ns, bytes(s.cdr)) for s, _ in play("")] == [
        (s.topic, s.stamp_ns, bytes(s.cdr)) for s in Script().samples
    ]


def test_latency_delays_cameras_only_and_keeps_order_of_time():
    heard = play("latency=80ms")
    assert [now for s, now in images(heard)] == [T0 + i * 100 * MS + 130 * MS for i in range(20)]
    assert [now for s, now in heard] == sorted(now for s, now in heard)
    assert [now for s, now in heard if s.topic == "odom"] == [T0 + i * 100 * MS for i in range(20)]


def test_drops_are_seeded_and_bounded_in_time():
    kept = images(play("drops=1@0.5s+0.5s"))
    assert [now - T0 for _, now in kept if 500 * MS <= now - T0 < 1000 * MS] == []
    assert len(kept) == 15
    a, b, c = (len(images(play("drops=0.5", seed))) for seed in (1, 1, 2))
    assert a == b
    assert 0 < a < 20
    assert 0 < c < 20


def test_a_gap_on_one_topic_leaves_the_others():
    heard = play("gap:odom@0.2s+1s")
    assert len([s for s, _ in heard if s.topic == "odom"]) == 10
    assert len(images(heard)) == 20


def test_freeze_repeats_the_same_stamp():
    stamps = [decode_odom(s.cdr)[0].stamp_ns for s, _ in play("freeze:odom@1s") if s.topic == "odom"]
    assert stamps[10:] == [stamps[10]] * 10
    assert len(set(stamps[:11])) == 11


def test_back_shifts_header_stamps():
    stamps = [decode_odom(s.cdr)[0].stamp_ns for s, _ in play("back:odom=5s@1s") if s.topic == "odom"]
    assert stamps[9] - stamps[10] == 5 * SEC - 100 * MS


def test_duplicate_corrupt_and_noise():
    assert len(images(play("duplicate"))) == 40
    assert all(len(s.cdr) < 60 for s, _ in images(play("corrupt")))
    noisy = np.stack([decode_image(s.topic, s.cdr).data for s, _ in images(play("noise=5"))])
    assert 3 < noisy.std() < 7


def test_what_is_corrupt_already_is_left_as_it_is():
    assert all(len(s.cdr) < 60 for s, _ in images(play("corrupt,back=1s")))
    assert all(len(s.cdr) < 60 for s, _ in images(play("corrupt,noise=5")))


def test_noise_leaves_depth_images_alone():
    depth = Sample("rgbd/depth/image_rect", T0, encode_depth(T0, "optical", np.full((4, 4), 2.0, np.float32)))
    source = Script(0)
    source.samples = [depth]
    noisy = InjectSource(source, parse_faults("noise=5"))
    assert noisy.take() == depth


def test_back_reads_the_byte_order_of_the_message():
    big = bytes((0, 0, 0, 0)) + struct.pack(">iI", 20, 7)
    source = Script(0)
    source.samples = [Sample("odom", T0, big)]
    assert header_stamp_ns(InjectSource(source, parse_faults("back:odom=5s")).take().cdr) == 15 * SEC + 7


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("drop=0.1", "did you mean 'drops'"),
        ("drops", "needs a value"),
        ("drops=2", "not a valid probability"),
        ("latency=80", "expected for example 80ms"),
        ("gap:odm", "did you mean 'odom'"),
        ("drops=x", "not a number"),
        ("???", "unknown fault"),
        ("drops=nan", "not a valid probability"),
        ("noise=inf", "not a valid grey levels"),
        ("back:tf=1s", "messages on tf have no header stamp"),
        ("back:instruction=1s", "messages on instruction have no header stamp"),
    ],
)
def test_a_wrong_fault_is_explained(spec, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        parse_faults(spec)
