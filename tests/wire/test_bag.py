"""Recordings as buses: the same samples whatever the storage, canonical and in order, with what is odd named."""

import numpy as np
import pytest
from bags import ODOM, T0, TYPES, scene, write_ros1, write_ros2, write_split

from saccade.clock import MS, SEC
from saccade.errors import ConfigError, DataError
from saccade.geometry import SE3
from saccade.node import NEVER_NS, BusEnd, Out, Sample, run
from saccade.stages import Stages
from saccade.types import RobotState
from saccade.wire.bag import open_bag, open_recording
from saccade.wire.check import check_bus
from saccade.wire.convert import decode_odom, decode_transforms, encode_odom, encode_text, encode_transforms
from saccade.wire.images import decode_image, encode_mono8
from saccade.wire.open import open_bus
from saccade.wire.reader import Record
from saccade.wire.virtual import LocalBus, VirtualBus

NAMES = {
    "/cam/left/image_rect": "left/image_rect", "/cam/right/image_rect": "right/image_rect", "/robot/odom": "odom",
    "/cam/left/camera_info": "left/camera_info", "/cam/right/camera_info": "right/camera_info",
}  # fmt: skip


def play(recording):
    source, out = recording.source(), []
    while source.next_ns() is not None:
        sample = source.take()
        out.append(sample._replace(cdr=bytes(sample.cdr)))
    return out


def canonical(records):
    return [Sample(NAMES[r.topic], r.stamp_ns, r.cdr) for r in records if r.topic in NAMES]


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write_ros2(tmp_path_factory.mktemp("bag") / "bag", scene())


@pytest.mark.parametrize("kind", ["mcap", "sqlite3", "split", "ros1"])
def test_whatever_the_storage_the_same_samples_are_played(tmp_path, kind):
    write = {
        "mcap": lambda: write_ros2(tmp_path / "bag", scene()),
        "sqlite3": lambda: write_ros2(tmp_path / "bag", scene(), "sqlite3", "message"),
        "split": lambda: write_split(tmp_path / "bag", scene()),
        "ros1": lambda: write_ros1(tmp_path / "bag.bag", scene(), "lz4"),
    }[kind]
    recording = open_recording(write())
    first, *rest = play(recording)
    assert first.topic == "tf_static"
    assert {child for _, _, child, _ in decode_transforms(first.cdr)} == {"left_optical", "right_optical"}
    assert sorted(rest) == sorted(canonical(scene()))
    assert [s.stamp_ns for s in rest] == sorted(s.stamp_ns for s in rest)
    assert recording.problems == []
    assert "assumed" not in str(recording.mapping)
    assert play(recording) == [first, *rest]


def test_open_bus_plays_what_is_read_and_ends(bag):
    bus = open_bus(f"bag:{bag}", reads=["odom"])
    assert bus.now_ns() == T0 + MS
    assert bus.recv(T0) is None
    assert [bus.recv(NEVER_NS).topic for _ in range(10)] == ["odom"] * 10
    with pytest.raises(BusEnd):
        bus.recv(NEVER_NS)
    bus.close()
    bus.close()


def test_the_bus_of_a_recording_keeps_the_contract(bag):
    bus = open_bag(str(bag), frozenset(), frozenset())
    check_bus(bus, bus)


class Darkness:
    """A node whose output depends on everything it hears and when."""

    name, reads, writes, stages = (
        "darkness",
        frozenset({"left/image_rect", "odom"}),
        frozenset({"instruction"}),
        Stages(),
    )

    def __init__(self):
        self.said, self._x, self._tick = [], 0.0, T0

    def next_ns(self, now_ns):
        return self._tick

    def on_tick(self, now_ns):
        self._tick += 70 * MS
        return [self._say(f"tick {now_ns} x {self._x}")]

    def on_sample(self, sample, now_ns):
        if sample.topic == "odom":
            self._x = decode_odom(sample.cdr)[0].T_odom_from_body.t[0]
            return []
        return [self._say(f"{now_ns} {decode_image(sample.topic, sample.cdr).data.mean()} {self._x}")]

    def _say(self, text):
        self.said.append(text)
        return Out("instruction", encode_text(text))

    def close(self):
        return []


def test_the_same_node_says_the_same_on_local_bus_and_bag(bag):
    recording = open_recording(bag)
    samples = play(recording)
    local = LocalBus(start_ns=samples[0].stamp_ns)
    for sample in samples:
        local.push(sample)
    on_local, on_bag = Darkness(), Darkness()
    run([on_local], local, lambda: local.now_ns() >= samples[-1].stamp_ns)
    bus = VirtualBus(recording.source())
    run([on_bag], bus, lambda: bus.now_ns() >= samples[-1].stamp_ns)
    assert on_bag.said == on_local.said
    assert len(on_bag.said) > 20


def test_fixed_transforms_are_played_to_the_bit(tmp_path):
    """Quaternions do not survive the way through a matrix in their last digits, and commands would differ."""
    turns = np.random.default_rng(3).uniform(-3, 3, (20, 3))
    links = [("left_optical", f"marker_{i}", SE3.from_rpy(*turn)) for i, turn in enumerate(turns)]
    mount = [link[1:] for link in decode_transforms(scene()[0].cdr)]
    fixed = bytes(encode_transforms(T0, [*mount, *links]))
    again = encode_transforms(T0, [link[1:] for link in decode_transforms(fixed)])
    assert bytes(again) != fixed
    recording = open_recording(write_ros2(tmp_path / "bag", [scene()[0]._replace(cdr=fixed), *scene()[1:]]))
    assert play(recording)[0].cdr == fixed


def test_log_times_that_jump_back_are_held_and_named(tmp_path):
    late = [r._replace(stamp_ns=r.stamp_ns - (3 * SEC if i == 30 else 0)) for i, r in enumerate(scene())]
    split = write_split(tmp_path / "bag", late)
    recording = open_recording(split)
    played = play(recording)
    assert [s.stamp_ns for s in played] == sorted(s.stamp_ns for s in played)
    assert sorted(s.cdr for s in played[1:]) == sorted(s.cdr for s in canonical(late))
    (problem,) = (p for p in recording.problems if "out of order in log time" in p)
    assert problem.startswith("1 message(s), such as of ")


def test_stamps_that_are_not_of_this_time_are_named(tmp_path):
    moved = [r._replace(stamp_ns=r.stamp_ns + 2 * SEC) for r in scene()]
    problems = open_recording(write_ros2(tmp_path / "bag", moved)).problems
    assert any("left/image_rect arrived 2.000 s after its header stamp" in p for p in problems)
    assert any("odom arrived 2.001 s after its header stamp" in p for p in problems)
    early = [r._replace(stamp_ns=r.stamp_ns - SEC) for r in scene()]
    problems = open_recording(write_ros2(tmp_path / "early", early)).problems
    assert any("odom arrived -0.999 s after its header stamp" in p for p in problems)


def test_a_corrupt_odometry_message_is_played_for_the_nodes_to_diagnose(tmp_path):
    records = [
        Record("/odom", T0 + i * MS, bytes(encode_odom(RobotState(T0, "map", SE3.identity(), np.ones(6)))))
        for i in range(4)
    ]
    records[3] = records[3]._replace(cdr=b"\0\1\0\0junk")
    recording = open_recording(write_ros2(tmp_path / "bag", records, types={"/odom": ODOM}))
    played = play(recording)
    assert decode_odom(played[2].cdr)[0].frame_id == "odom"
    assert played[3].cdr == b"\0\1\0\0junk"


def test_corrupt_first_messages_do_not_stop_a_recording(tmp_path):
    records = [
        r._replace(cdr=b"\0\1\0\0junk") if i in (1, 5) or r.topic == "/tf_static" else r for i, r in enumerate(scene())
    ]
    recording = open_recording(write_ros2(tmp_path / "bag", records))
    assert len(play(recording)) >= len(records) - 1
    assert any("tf_static" in p for p in recording.problems)


def test_moving_transforms_are_played_only_with_the_odometry_they_belong_to(tmp_path):
    tf = [
        Record("/tf", r.stamp_ns, bytes(encode_transforms(r.stamp_ns, [("odom", "base_link", SE3.identity())])))
        for r in scene()[5:8]
    ]
    types = {**TYPES, "/tf": TYPES["/tf_static"]}
    whole = open_recording(write_ros2(tmp_path / "bag", sorted([*scene(), *tf], key=lambda r: r.stamp_ns), types=types))
    assert "tf" in whole.mapping.topics
    assert sum(s.topic == "tf" for s in play(whole)) == 3
    camera = [
        r._replace(cdr=bytes(encode_odom(RobotState(r.stamp_ns, "world", SE3.identity(), np.zeros(6)), "left_optical")))
        if r.topic == "/robot/odom" else r
        for r in scene()
    ]  # fmt: skip
    moved = open_recording(write_ros2(tmp_path / "cam", sorted([*camera, *tf], key=lambda r: r.stamp_ns), types=types))
    assert "tf" not in moved.mapping.topics
    assert not any(s.topic == "tf" for s in play(moved))
    assert "moving transforms are not played" in str(moved.mapping)


def test_a_mapping_file_by_address(bag, tmp_path):
    file = tmp_path / "map.yaml"
    file.write_text("topics: {left/image_rect: /cam/right/image_rect}")
    bus = open_bus(f"bag:{bag}?mapping={file}")
    sample = bus.recv(NEVER_NS)
    while sample.topic == "tf_static":
        sample = bus.recv(NEVER_NS)
    assert sample.topic == "left/image_rect"
    assert decode_image(sample.topic, sample.cdr).frame_id == "right_optical"


@pytest.mark.parametrize(
    ("address", "error", "reason"),
    [
        ("{bag}?maping=x", ConfigError, "did you mean 'mapping'"),
        ("{bag}?mapping=/nowhere.yaml", ConfigError, "cannot read mapping file /nowhere.yaml"),
        ("/nowhere.mcap", DataError, "no recording at /nowhere.mcap"),
    ],
)
def test_wrong_addresses_are_named(bag, address, error, reason):
    with pytest.raises(error) as raised:
        open_bus("bag:" + address.format(bag=bag))
    assert reason in str(raised.value)


def test_one_topic_may_play_two_parts(bag, tmp_path):
    file = tmp_path / "map.yaml"
    file.write_text("topics: {left/image_rect: /cam/left/image_rect, rgbd/color/image_rect: /cam/left/image_rect}")
    played = play(open_recording(bag, file))
    assert (
        sum(s.topic == "left/image_rect" for s in played)
        == sum(s.topic == "rgbd/color/image_rect" for s in played)
        == 10
    )


def test_a_recording_of_nothing_usable_names_its_topics(tmp_path):
    text = [Record("/chatter", T0, bytes(encode_text("hi")))]
    bag = write_ros2(tmp_path / "bag", text, types={"/chatter": "std_msgs/msg/String"})
    with pytest.raises(DataError) as error:
        open_recording(bag)
    assert f"{bag}: no topic that Saccade can use; found\n  /chatter (std_msgs/msg/String, 1)" in str(error.value)


def test_pictures_with_an_empty_frame_are_tied_to_the_robot_too(tmp_path):
    records = [Record("/left/image_rect", T0, bytes(encode_mono8(T0, "", np.zeros((2, 2), np.uint8))))]
    recording = open_recording(
        write_ros2(tmp_path / "bag", records, types={"/left/image_rect": TYPES["/cam/left/image_rect"]})
    )
    (link,) = decode_transforms(play(recording)[0].cdr)
    assert link[1:3] == ("base_link", "")
