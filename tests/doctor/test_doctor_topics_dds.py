"""`saccade doctor --topics` on a live DDS domain: what only discovery tells, of peers that our readers never meet."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader

from saccade.cli.doctor.findings import Finding, Grade
from saccade.cli.doctor.topics import check_topics
from saccade.wire.dds import DdsBus
from saccade.wire.dds_qos import Address
from saccade.wire.dds_types import RawTopic

DOMAIN = 100 + os.getpid() % 100
_CDR1 = Policy.DataRepresentation(use_cdrv0_representation=True)
RELIABLE, BEST_EFFORT = Policy.Reliability.Reliable(0), Policy.Reliability.BestEffort
VOLATILE, LATCHED = Policy.Durability.Volatile, Policy.Durability.TransientLocal


@pytest.fixture(scope="module")
def findings() -> Iterator[dict[str, Finding]]:
    """Of `hall` beside a robot of which much is wrong."""
    open_domain = DdsBus(Address(DOMAIN))  # loopback settings come before anything else on the domain
    participant = DomainParticipant(DOMAIN)

    def end(
        made: type, name: str, msgtype: str, reliability: object = RELIABLE, durability: object = VOLATILE
    ) -> object:
        return made(participant, RawTopic(participant, f"rt/{name}", msgtype), Qos(_CDR1, reliability, durability))

    ends = [
        end(DataWriter, "odom", "geometry_msgs/msg/PoseStamped"),
        end(DataWriter, "tf_static", "tf2_msgs/msg/TFMessage"),
        end(DataWriter, "left/image_rect", "sensor_msgs/msg/Image", BEST_EFFORT),
        end(DataWriter, "zed/right/image_rect", "sensor_msgs/msg/Image", BEST_EFFORT),
        end(DataWriter, "zed/left/image_rect", "sensor_msgs/msg/Image", BEST_EFFORT),
        end(DataReader, "cmd_vel", "geometry_msgs/msg/Twist"),
    ]
    yield {f.what: f for f in check_topics("hall", f"dds:{DOMAIN}", 1.0)}
    ends.clear()
    open_domain.close()


def test_another_type_on_the_graph_is_named(findings: dict[str, Finding]) -> None:
    assert findings["odom"].grade is Grade.ERROR
    assert findings["odom"].found == (
        "wrongly typed: odom is sent as geometry_msgs/msg/PoseStamped, not nav_msgs/msg/Odometry"
    )


def test_a_quality_of_service_that_does_not_match_is_named(findings: dict[str, Finding]) -> None:
    assert findings["tf_static"].found == "QoS does not match: tf_static is sent volatile, expected transient local"
    assert findings["tf_static"].advice == "set the publisher of tf_static to transient local"


def test_a_sender_that_is_silent_is_not_missing(findings: dict[str, Finding]) -> None:
    assert findings["left/image_rect"].found == "silent: left/image_rect is announced, but nothing came"


def test_what_looks_like_it_is_proposed_as_a_line_of_the_robots_file(findings: dict[str, Finding]) -> None:
    assert findings["right/image_rect"].found.startswith("missing: nobody sends right/image_rect")
    assert "topics: {right/image_rect: /zed/right/image_rect}" in findings["right/image_rect"].advice


def test_a_base_that_takes_the_other_twist_is_told_what_to_set(findings: dict[str, Finding]) -> None:
    assert findings["cmd_vel"].grade is Grade.ERROR
    assert (
        "listened to as geometry_msgs/msg/Twist, but sent as geometry_msgs/msg/TwistStamped"
        in findings["cmd_vel"].found
    )
    assert findings["cmd_vel"].advice == "in the robot's file: safety_node command: twist"


def test_a_robot_that_nobody_drives_is_told() -> None:
    (told,) = [f for f in check_topics("hall", f"dds:{DOMAIN}?namespace=there", 0.3) if f.what == "cmd_vel"]
    assert (told.grade, told.found) == (Grade.WARN, "nobody listens to there/cmd_vel")
