"""Recordings: readable by rosbags and mcap, equal byte for byte between runs, and worth something after kill -9."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rosbags.rosbag2
from mcap.reader import make_reader
from rosbags.interfaces import QosDurability

from saccade.clock import MS, SEC, TickGrid
from saccade.errors import SaccadeError
from saccade.geometry import SE3
from saccade.node import BusEnd, Out, Sample, run
from saccade.stages import Stages
from saccade.types import Command, Decision, RobotState, Verdict
from saccade.wire.bag import open_recording
from saccade.wire.codec import codec
from saccade.wire.convert import encode_bool, encode_command, encode_odom, encode_text, encode_verdict
from saccade.wire.images import encode_depth
from saccade.wire.reader import open_reader
from saccade.wire.record import Recorder
from saccade.wire.virtual import LocalBus

TOPICS = {"odom", "instruction", "operator_stop", "depth/image_rect"}


class Talker:
    """Sends depth and a text at 10 Hz and stops the bus after a while."""

    name, reads, writes, stages = "talker", frozenset(), frozenset(TOPICS), Stages()

    def __init__(self, seconds):
        self._grid, self._left = TickGrid(100 * MS), seconds * 10

    def next_ns(self, now_ns):
        return self._grid.next_ns or self._grid.start(now_ns)

    def on_tick(self, now_ns):
        self._grid.advance(now_ns)
        self._left -= 1
        depth = np.full((48, 64), now_ns % 977, np.float32)
        return [
            Out("depth/image_rect", encode_depth(now_ns, "cam", depth)),
            Out("instruction", encode_text(f"{now_ns}")),
        ]

    def on_sample(self, sample, now_ns):
        return []

    def close(self):
        return []

    @property
    def done(self):
        return self._left <= 0


def record(path, seconds=3):
    talker, bus = Talker(seconds), LocalBus(start_ns=50 * SEC)
    bus.push(Sample("operator_stop", 51 * SEC, encode_bool(False)))
    run([talker, Recorder(path, TOPICS)], bus, lambda: talker.done)
    return path


def test_rosbags_reads_what_was_sent_with_types_and_quality_of_service(tmp_path):
    path = record(tmp_path / "run.mcap")
    with rosbags.rosbag2.Reader(path) as reader:
        by_topic = {c.topic: c for c in reader.connections}
        assert set(by_topic) == {"/depth/image_rect", "/instruction", "/operator_stop"}
        assert by_topic["/depth/image_rect"].msgtype == "sensor_msgs/msg/Image"
        assert by_topic["/depth/image_rect"].msgdef.data == codec().definition("sensor_msgs/msg/Image")[0]
        assert by_topic["/instruction"].ext.offered_qos_profiles[0].durability == QosDurability.TRANSIENT_LOCAL
        assert by_topic["/depth/image_rect"].ext.offered_qos_profiles[0].durability == QosDurability.VOLATILE
        stamps = [stamp for c, stamp, raw in reader.messages() if c.topic == "/instruction"]
        texts = [codec().decode(c.msgtype, raw).data for c, _, raw in reader.messages() if c.topic == "/instruction"]
    assert len(texts) >= 29
    assert texts == [str(stamp) for stamp in stamps]


def test_mcap_has_an_index_and_nothing_that_changes_between_runs(tmp_path):
    first, second = record(tmp_path / "a.mcap"), record(tmp_path / "b.mcap")
    assert first.read_bytes() == second.read_bytes()
    with first.open("rb") as file:
        reader = make_reader(file)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
    assert summary.statistics.chunk_count == len(summary.chunk_indexes) >= 5
    assert {index.compression for index in summary.chunk_indexes} == {"lz4"}


def test_a_long_message_queue_keeps_the_order(tmp_path):
    recorder = Recorder(tmp_path / "run.mcap", {"instruction"})
    for i in range(2000):
        recorder.on_sample(Sample("instruction", i, encode_text(str(i))), i)
    recorder.close()
    recorder.close()
    records = list(open_reader(tmp_path / "run.mcap").records({"/instruction": "std_msgs/msg/String"}))
    assert [r.cdr for r in records] == [encode_text(str(i)) for i in range(2000)]


def test_what_is_not_asked_for_is_not_recorded(tmp_path):
    recorder, bus = Recorder(tmp_path / "run.mcap", {"instruction"}), LocalBus()
    bus.push(Sample("operator_stop", 1, encode_bool(True)))
    bus.push(Sample("instruction", 2, encode_text("go")))
    run([recorder], bus, lambda: not bus._queue)
    assert [t.topic for t in open_reader(tmp_path / "run.mcap").topics] == ["/instruction"]


@pytest.mark.parametrize("where", ["missing/../file.txt/run.mcap", "."])
def test_a_path_that_cannot_be_written_is_named(tmp_path, where):
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "missing").mkdir()
    with pytest.raises(SaccadeError, match="cannot write"):
        Recorder(tmp_path / where, {"odom"})


def test_a_full_disk_is_told_by_the_node(tmp_path):
    recorder = Recorder(Path("/dev/full"), {"instruction"})

    def write_on():
        for i in range(10):
            recorder.on_sample(Sample("instruction", i, encode_text("x" * 100_000)), i)
            recorder.on_tick(i * SEC)

    with pytest.raises(SaccadeError, match="cannot write /dev/full"):
        write_on()
    with pytest.raises(SaccadeError, match="cannot write /dev/full"):
        recorder.close()


CRASHING = """
import sys, time
from pathlib import Path
from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.wire.convert import encode_text
from saccade.wire.record import Recorder
recorder, now = Recorder(Path(sys.argv[1]), {"instruction"}), 0
due = recorder.next_ns(now)
while True:
    now += 10 * MS
    recorder.on_sample(Sample("instruction", now, encode_text(str(now))), now)
    if now >= due:
        recorder.on_tick(now)
        due = recorder.next_ns(now)
    if now % SEC == 0:
        print(now, flush=True)
        time.sleep(0.02)
"""


def test_kill_minus_nine_loses_at_most_a_second(tmp_path):
    path = tmp_path / "crash.mcap"
    with subprocess.Popen([sys.executable, "-c", CRASHING, str(path)], stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if int(line) >= 20 * SEC:
                child.send_signal(signal.SIGKILL)
                break
        reached_ns = max([20 * SEC, *(int(line) for line in child.stdout)])
    reader = open_reader(path)
    stamps = [record.stamp_ns for record in reader.records({"/instruction": "std_msgs/msg/String"})]
    assert "cannot be read by its index" in reader.problems[0]
    assert stamps == list(range(10 * MS, stamps[-1] + 1, 10 * MS))
    assert reached_ns - stamps[-1] <= SEC


def test_a_recording_by_saccade_plays_its_inputs_and_not_what_nodes_sent(tmp_path):
    recorder, bus = Recorder(tmp_path / "run.mcap", {"odom", "instruction", "verdict", "cmd_vel"}), LocalBus()
    one = np.ones(2)
    odom = encode_odom(RobotState(0, "odom", SE3.identity(), np.ones(6)))
    verdict = Verdict(0, Decision.PASS, "", ("vx", "wz"), one, one, 1.0, 1.0, 0, 0, 0)
    bus.push(Sample("odom", 1, odom))
    bus.push(Sample("verdict", 2, encode_verdict(verdict)))
    bus.push(Sample("cmd_vel", 3, encode_command(Command(0, ("vx", "wz"), one))))
    bus.push(Sample("instruction", 4, encode_text("go")))
    run([recorder], bus, lambda: not bus._queue)
    recording = open_recording(tmp_path / "run.mcap")
    source, played = recording.source(), []
    while source.next_ns() is not None:
        played.append(source.take())
    assert [(s.topic, s.stamp_ns) for s in played] == [("odom", 1), ("instruction", 4)]
    assert bytes(played[0].cdr) == bytes(odom)
    assert "assumed" not in str(recording.mapping)


def test_bus_end_closes_the_file(tmp_path):
    class Ending(LocalBus):
        def recv(self, deadline_ns):
            if not self._queue:
                raise BusEnd
            return super().recv(deadline_ns)

    bus = Ending()
    bus.push(Sample("instruction", 5, encode_text("go")))
    run([Recorder(tmp_path / "run.mcap", {"instruction"})], bus)
    assert open_reader(tmp_path / "run.mcap").problems == []
