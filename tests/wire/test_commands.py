"""Commands in every form a robot takes, under the name that a robot knows, on every bus and in recordings."""

import numpy as np
import pytest
from mcap.reader import make_reader

from saccade.cli.mission import commands
from saccade.clock import MS, SEC
from saccade.errors import DataError
from saccade.node import Sample, run
from saccade.report.run import read_run
from saccade.topics import TOPICS, on_wire, topic
from saccade.types import Command
from saccade.wire.commands import (
    decode_joint_state,
    decode_joint_trajectory,
    decode_twist,
    encode_joint_state,
    encode_joint_trajectory,
    encode_twist,
)
from saccade.wire.convert import decode
from saccade.wire.record import Recorder
from saccade.wire.virtual import LocalBus
from sim.bus import open_world
from sim.world import START_NS

COMMAND = Command(7, ("wz", "vx"), np.array([-0.5, 0.25]))


def test_a_twist_has_six_axes_and_no_stamp():
    cdr = encode_twist(COMMAND)
    assert len(cdr) == 4 + 6 * 8
    again = decode_twist(cdr, 9)
    assert (again.stamp_ns, again.values.tolist()) == (9, [0.25, 0, 0, 0, 0, -0.5])
    assert decode("cmd_vel_unstamped", cdr).angular.z == -0.5


def test_a_joint_trajectory_is_one_point_that_begins_now():
    cdr = encode_joint_trajectory(("a", "b"), np.array([0.1, -0.2]), 10 * MS)
    msg = decode("joint_trajectory", cdr)
    assert (msg.header.stamp.sec, msg.header.stamp.nanosec) == (0, 0)
    (point,) = msg.points
    assert (point.velocities.size, point.accelerations.size, point.effort.size) == (0, 0, 0)
    joints, positions, reach_ns = decode_joint_trajectory(cdr)
    assert (joints, positions.tolist(), reach_ns) == (("a", "b"), [0.1, -0.2], 10 * MS)


def test_joint_states_are_picked_by_name():
    stamp, positions = decode_joint_state(encode_joint_state(5, ("x", "b", "a"), np.array([9.0, 2.0, 1.0])), ("a", "b"))
    assert (stamp, positions.tolist()) == (5, [1.0, 2.0])
    with pytest.raises(DataError, match="lacks b; it has a"):
        decode_joint_state(encode_joint_state(5, ("a",), np.array([1.0])), ("a", "b"))


def test_two_forms_share_one_name_on_the_wire():
    assert [row.name for row in on_wire("/cmd_vel")] == ["cmd_vel", "cmd_vel_unstamped"]
    assert on_wire("odom") == [topic("odom")]
    assert on_wire("cmd_vel_unstamped") == []
    names = [(row.wire_name, row.type) for row in TOPICS.values()]
    assert len(set(names)) == len(names)


def test_a_recording_calls_it_cmd_vel_and_is_read_back(tmp_path):
    path = tmp_path / "run.mcap"
    bus = LocalBus(start_ns=SEC)
    for k in range(3):
        bus.push(Sample("cmd_vel_unstamped", SEC + k * 10 * MS, encode_twist(COMMAND)))
    run([Recorder(path, ["cmd_vel", "cmd_vel_unstamped"])], bus, lambda: bus.now_ns() > 2 * SEC)
    with path.open("rb") as stream:
        (channel,) = make_reader(stream).get_summary().channels.values()
        assert channel.topic == "/cmd_vel"
    found = read_run(path)
    assert found.problems == []
    assert [c.values[0] for c in found.commands] == [0.25] * 3
    stamps, values = commands(path)
    assert stamps.tolist() == [SEC, SEC + 10 * MS, SEC + 20 * MS]
    assert values[0].tolist() == [0.25, 0, 0, 0, 0, -0.5]


def test_the_hall_obeys_a_twist():
    world = open_world("hall?seconds=2", frozenset({"odom"}))
    before = world.truth().t
    for k in range(10):
        now = START_NS + k * 100 * MS
        world.advance(now)
        world.heard("cmd_vel_unstamped", encode_twist(Command(now, ("vx",), np.array([0.3]))), now)
    world.advance(START_NS + SEC)
    assert np.linalg.norm(world.truth().t - before) > 0.1
    world.close()
