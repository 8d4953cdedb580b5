"""Peers of another type or with another QoS on our topics: named in `problems`, told in diagnostics, gone when gone."""

from __future__ import annotations

import os
import time

import pytest
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader

from saccade.clock import SEC
from saccade.wire.convert import decode
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address
from saccade.wire.dds_types import RawTopic
from saccade.wire.live import StageTimes
from safety_node.limits import Limits
from safety_node.node import SafetyNode

_CDR1 = Policy.DataRepresentation(use_cdrv0_representation=True)
RELIABLE, BEST_EFFORT = Policy.Reliability.Reliable(0), Policy.Reliability.BestEffort
VOLATILE, LATCHED = Policy.Durability.Volatile, Policy.Durability.TransientLocal


@pytest.fixture
def bus():
    bus = DdsBus(Address(100 + os.getpid() % 100), ["odom", "tf_static", "local_map", "instruction"], ["cmd_vel"])
    yield bus
    bus.close()


def peer(name, msgtype, reliability=RELIABLE, durability=VOLATILE, *, sends=True):
    participant = DomainParticipant(100 + os.getpid() % 100)
    end = DataWriter if sends else DataReader
    made = end(participant, RawTopic(participant, f"rt/{name}", msgtype), Qos(_CDR1, reliability, durability))
    return participant, made


def settled(bus, wanted):
    """Problems once there are as many as wanted, or after three seconds."""
    for _ in range(60):
        if len(bus.problems()) == wanted:
            break
        time.sleep(0.05)
    return bus.problems()


WRONG = {
    "another type": (
        ("odom", "geometry_msgs/msg/PoseStamped"), {},
        "odom: a peer sends geometry_msgs/msg/PoseStamped, expected nav_msgs/msg/Odometry; remap it or convert it",
    ),
    "transforms that are not latched": (
        ("tf_static", "tf2_msgs/msg/TFMessage"), {},
        "tf_static: a peer sends volatile, expected transient local",
    ),
    "a best-effort map": (
        ("local_map", "saccade_msgs/msg/LocalMap", BEST_EFFORT), {},
        "local_map: a peer sends best effort, expected reliable",
    ),
    "a base of the other twist": (
        ("cmd_vel", "geometry_msgs/msg/Twist"), {"sends": False},
        "cmd_vel: a peer listens for geometry_msgs/msg/Twist, but this node sends geometry_msgs/msg/TwistStamped",
    ),
    "a latched listener": (
        ("cmd_vel", "geometry_msgs/msg/TwistStamped", RELIABLE, LATCHED), {"sends": False},
        "cmd_vel: a peer listens for transient local, but this node sends volatile",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_peer_that_is_not_heard_is_named_until_it_has_gone(bus, name):
    args, kwargs, says = WRONG[name]
    there = peer(*args, **kwargs)
    assert settled(bus, 1) == [says]
    del there
    assert settled(bus, 0) == []


def test_peers_that_are_heard_are_no_problem(bus):
    there = [
        peer("odom", "nav_msgs/msg/Odometry", BEST_EFFORT), peer("imu", "std_msgs/msg/String"),
        peer("tf_static", "tf2_msgs/msg/TFMessage", RELIABLE, LATCHED), peer("instruction", "std_msgs/msg/String"),
        peer("cmd_vel", "geometry_msgs/msg/TwistStamped", BEST_EFFORT, sends=False),
    ]  # fmt: skip
    both = DdsBus(Address(100 + os.getpid() % 100), ["cmd_vel", "cmd_vel_unstamped"])  # a recorder reads either form
    time.sleep(1)
    assert bus.problems() == both.problems() == []
    both.close()
    del there


def test_a_live_node_tells_in_diagnostics_once_a_second():
    now, wrong = [10 * SEC], [["odom: a peer sends Pose"]]
    node = StageTimes(SafetyNode(Limits()), lambda: now[0], lambda: wrong[0])

    def told():
        outs = [out for out in node.on_tick(now[0]) if out.topic == "diagnostics"]
        now[0] += SEC // 4
        statuses = [decode("diagnostics", out.cdr).status[0] for out in outs]
        return [(int(s.level), s.message) for s in statuses if s.name == "safety_node/peers"]

    assert told() == [(2, "odom: a peer sends Pose")]
    assert told() + told() + told() == []
    assert told() == [(2, "odom: a peer sends Pose")]
    wrong[0] = []
    assert told() + told() + told() + told() == [(0, "all peers are heard")]
    assert told() + told() + told() + told() == []
