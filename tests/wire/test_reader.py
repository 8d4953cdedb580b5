"""Every storage and compression gives the same records, and broken files give what is intact."""

import shutil

import pytest
from bags import T0, TYPES, scene, write_ros1, write_ros2, write_split
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType, IndexType, Writer

from saccade.clock import MS
from saccade.errors import DataError
from saccade.wire.codec import codec
from saccade.wire.convert import encode_text
from saccade.wire.reader import open_reader
from saccade.wire.salvage import Raw, in_order

SCENE = scene()
STORAGES = [(s, m) for s in ("mcap", "sqlite3") for m in ("none", "file", "message")]
STRING = {"/text": "std_msgs/msg/String"}


def read(path, wanted=None):
    reader = open_reader(path)
    records = [r._replace(cdr=bytes(r.cdr)) for r in reader.records(wanted or TYPES)]
    problems = list(reader.problems)
    reader.close()
    return records, problems


def attempt(path, wanted=None):
    """(records, problems), or the error's text as the only problem."""
    try:
        return read(path, wanted)
    except DataError as error:
        return [], [str(error)]


def by_stamp(records):
    return sorted(records, key=lambda r: (r.stamp_ns, r.topic, r.cdr))


@pytest.mark.parametrize(("storage", "mode"), [*STORAGES, ("mcap", "storage")])
def test_every_storage_and_compression_gives_the_same_records(tmp_path, storage, mode):
    bag = write_ros2(tmp_path / "bag", SCENE, storage, mode)
    records, problems = read(bag)
    assert by_stamp(records) == by_stamp(SCENE)
    assert problems == []
    reader = open_reader(bag)
    assert {(t.topic, t.type) for t in reader.topics} == set(TYPES.items())
    assert {t.topic: t.count for t in reader.topics}["/robot/odom"] == 10
    assert reader.end_ns == SCENE[-1].stamp_ns


@pytest.mark.parametrize(("storage", "mode"), STORAGES)
def test_a_file_out_of_a_bag_is_read_without_its_metadata(tmp_path, storage, mode):
    bag = write_ros2(tmp_path / "bag", SCENE, storage, mode)
    (file,) = (f for f in bag.iterdir() if f.name != "metadata.yaml")
    records, _ = read(file)
    assert by_stamp(records) == by_stamp(SCENE)
    (bag / "metadata.yaml").unlink()
    records, problems = read(bag)
    assert by_stamp(records) == by_stamp(SCENE)
    assert "has no metadata.yaml" in problems[0]


def test_a_split_bag_is_one_recording(tmp_path):
    bag = write_split(tmp_path / "bag", SCENE)
    assert read(bag) == (read(write_ros2(tmp_path / "whole", SCENE))[0], [])
    (bag / "split_0.mcap").write_bytes((bag / "split_0.mcap").read_bytes()[:-50])
    records, problems = read(bag)
    assert by_stamp(records) == by_stamp(SCENE)
    assert "cannot be opened as a whole" in problems[0]
    assert "split_0.mcap cannot be read by its index" in problems[1]
    (bag / "split_0.mcap").unlink()
    records, problems = read(bag)
    assert by_stamp(records) == by_stamp(SCENE[len(SCENE) // 2 :])
    assert "split_0.mcap" in problems[0]


@pytest.mark.parametrize("compression", [None, "bz2", "lz4"])
def test_ros1_becomes_cdr_and_needs_no_index(tmp_path, compression):
    bag = write_ros1(tmp_path / "bag.bag", SCENE, compression)
    records, problems = read(bag)
    assert by_stamp(records) == by_stamp(SCENE)
    assert problems == []
    unindexed = tmp_path / "crashed.bag.active"
    unindexed.write_bytes(without_index(bag.read_bytes()))
    salvaged, problems = read(unindexed)
    assert by_stamp(salvaged) == by_stamp(SCENE)
    assert "cannot be read by its index (Bag is not indexed" in problems[0]


def without_index(data):
    """The same ROS 1 bag as a crash leaves it: no index position, nothing after the last chunk."""
    at = data.index(b"index_pos=") + len(b"index_pos=")
    index = int.from_bytes(data[at : at + 8], "little")
    return data[:at] + bytes(8) + data[at + 8 : index]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An MCAP file of 200 texts in chunks of about 10, and a ROS 1 bag."""
    folder = tmp_path_factory.mktemp("whole")
    write_texts(folder / "texts.mcap", [(T0 + i * 10 * MS, f"{i:03d}" * 9) for i in range(200)], chunk_size=800)
    write_ros1(folder / "scene.bag", SCENE)
    return folder


def write_texts(path, texts, **options):
    with path.open("wb") as file:
        writer = Writer(file, **{"compression": CompressionType.ZSTD, **options})
        writer.start(profile="ros2", library="test")
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data\n")
        channel = writer.register_channel("/text", "cdr", schema, {"offered_qos_profiles": ""})
        for stamp, text in texts:
            writer.add_message(channel, log_time=stamp, data=bytes(encode_text(text)), publish_time=stamp)
        writer.finish()


def texts(path):
    records, problems = read(path, STRING)
    return [codec().decode("std_msgs/msg/String", r.cdr).data for r in records], problems


@settings(max_examples=60)
@given(st.floats(0.0, 1.0))
def test_an_mcap_cut_anywhere_gives_what_is_before_the_cut(whole, fraction):
    data = (whole / "texts.mcap").read_bytes()
    cut = whole / "cut.mcap"
    kept = int(fraction * (len(data) - 1))
    cut.write_bytes(data[:kept])
    records, problems = attempt(cut, STRING)
    assert [r.stamp_ns for r in records] == [T0 + i * 10 * MS for i in range(len(records))]
    if records:
        assert "cannot be read by its index" in problems[0]
    else:
        assert kept < 1200
        assert "holds no message that can be read" in problems[0]
    assert len(records) >= 200 * kept / len(data) - 40


@settings(max_examples=60)
@given(st.integers(100, 4000), st.binary(min_size=1, max_size=30))
def test_damage_in_the_middle_of_an_mcap_never_raises_anything_but_a_named_error(whole, at, junk):
    data = bytearray((whole / "texts.mcap").read_bytes())
    data[at : at + len(junk)] = junk
    damaged = whole / "damaged.mcap"
    damaged.write_bytes(data)
    records, problems = attempt(damaged, STRING)
    assert len(records) == 200 or problems
    assert [r.stamp_ns for r in records] == sorted(r.stamp_ns for r in records)


def test_a_damaged_chunk_costs_only_itself(whole):
    data = bytearray((whole / "texts.mcap").read_bytes())
    third = [i for i in range(len(data) - 4) if data[i : i + 4] == b"\x28\xb5\x2f\xfd"][2]
    data[third + 10 : third + 14] = b"\xff\xff\xff\xff"
    damaged = whole / "chunk.mcap"
    damaged.write_bytes(data)
    found, problems = texts(damaged)
    intact, _ = texts(whole / "texts.mcap")
    missing = sorted(set(intact) - set(found))
    assert 5 < len(missing) < 25
    assert missing == intact[intact.index(missing[0]) :][: len(missing)]
    assert "cannot be read past log time" in problems[0]


@settings(max_examples=30)
@given(st.floats(0.0, 1.0))
def test_a_ros1_bag_cut_anywhere_gives_what_is_before_the_cut(whole, fraction):
    data = (whole / "scene.bag").read_bytes()
    cut = whole / "cut.bag"
    cut.write_bytes(data[: int(fraction * (len(data) - 1))])
    records, problems = attempt(cut)
    assert set(records) <= set(SCENE)
    assert ("cannot be read by its index" if records else "holds no message that can be read") in problems[0]


@given(st.lists(st.integers(0, 900), max_size=50))
def test_log_times_are_sorted_within_the_window(jitter):
    messages = [Raw("/t", "", i * 50 + j, b"", False) for i, j in enumerate(jitter)]
    stamps = [m.stamp_ns for m in in_order(messages, 1000)]
    assert stamps == sorted(m.stamp_ns for m in messages)


@pytest.mark.parametrize("options", [{"use_chunking": False}, {"index_types": IndexType.NONE}])
def test_an_mcap_without_index_and_out_of_order_is_sorted(tmp_path, options):
    stamps = [T0 + (i ^ 3) * 100 * MS for i in range(40)]
    write_texts(tmp_path / "shuffled.mcap", [(stamp, str(stamp)) for stamp in stamps], **options)
    found, _ = texts(tmp_path / "shuffled.mcap")
    assert found == [str(stamp) for stamp in sorted(stamps)]


def test_an_mcap_of_another_profile_is_read(tmp_path):
    write_texts(tmp_path / "a.mcap", [(T0, "x")])
    data = (tmp_path / "a.mcap").read_bytes()
    (tmp_path / "b.mcap").write_bytes(data.replace(b"\x04\0\0\0ros2", b"\x04\0\0\0none", 1))
    assert texts(tmp_path / "b.mcap")[0] == ["x"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nothing.mcap", "no recording at"), ("empty", "without recordings"), ("a.txt", "is not a recording")],
)
def test_what_is_no_recording_is_named(tmp_path, name, reason):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DataError) as error:
        open_reader(tmp_path / name)
    assert reason in str(error.value)
    assert "expected a rosbag2 directory or a .mcap, .db3 or .bag file" in str(error.value)


@pytest.mark.parametrize("suffix", [".mcap", ".db3", ".bag"])
@pytest.mark.parametrize("content", [b"", b"not a bag at all" * 100])
def test_files_that_only_pretend_are_named(tmp_path, suffix, content):
    path = tmp_path / f"fake{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="fake"):
        open_reader(path)


def test_a_damaged_database_is_named(tmp_path):
    bag = write_ros2(tmp_path / "bag", SCENE, "sqlite3")
    (file,) = bag.glob("*.db3")
    data = bytearray(file.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    file.write_bytes(data)
    records, problems = attempt(file)
    assert set(records) <= set(SCENE)
    assert str(file) in problems[0]


def test_unpacked_files_are_removed(tmp_path, monkeypatch):
    bag = write_ros2(tmp_path / "bag", SCENE, "mcap", "file")
    (bag / "metadata.yaml").unlink()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    reader = open_reader(bag)
    assert len(list(scratch.iterdir())) == 1
    reader.close()
    assert list(scratch.iterdir()) == []
    shutil.rmtree(scratch)


def test_a_folder_that_is_called_like_a_recording_is_none(tmp_path):
    (tmp_path / "old.mcap").mkdir()
    with pytest.raises(DataError, match="is a directory without recordings"):
        open_reader(tmp_path)
