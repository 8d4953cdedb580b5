"""What a topic is on every ROS 2 wire: its reliability, durability and history."""

from __future__ import annotations

from typing import NamedTuple

from saccade.topics import Role, Topic

_ADDITIVE_DEPTH = {"tf2_msgs/msg/TFMessage": 100, "diagnostic_msgs/msg/DiagnosticArray": 16,
                   "saccade_msgs/msg/StageTimes": 64}  # fmt: skip
"""Types whose messages add to what was said before, often by several senders: there the newest alone is not enough."""
_WRITE_DEPTH = 4
_SERVICE_DEPTH = 10
"""As rmw_qos_profile_services_default."""


class Endpoint(NamedTuple):
    """QoS of a reader or writer that keeps the last `depth` messages; `latched` is transient local."""

    reliable: bool
    latched: bool
    depth: int


def reading(row: Topic, depth: int = 1) -> Endpoint:
    """Sensors best effort (REP 2003), the rest reliable; the newest `depth` messages."""
    if row.role is Role.SERVICE:
        return Endpoint(True, False, _SERVICE_DEPTH)
    best_effort = row.role is Role.SENSOR and not row.latched
    return Endpoint(not best_effort, row.latched, max(depth, _ADDITIVE_DEPTH.get(row.type, 1)))


def volatile_too(row: Topic) -> bool:
    """Whether a latched topic gets a second reader, for writers that keep nothing: `ros2 topic pub` is one.

    Their messages do not match the first reader; those of other writers reach both, and are to be told once.
    """
    return row.latched and row.role is Role.REQUEST


def writing(row: Topic) -> Endpoint:
    """Reliable, so that readers of both kinds match; latched topics keep their last message for late joiners."""
    if row.role is Role.SERVICE:
        return Endpoint(True, False, _SERVICE_DEPTH)
    return Endpoint(True, row.latched, 1 if row.latched else _WRITE_DEPTH)


class Peer(NamedTuple):
    """Somebody else's end of a topic, as discovery or a recording tells: name on the wire without the first slash.

    `reliable` and `latched` are what it offers, or asks for; None where nobody says.
    """

    topic: str
    type: str
    sends: bool
    reliable: bool | None = None
    latched: bool | None = None


def unheard(row: Topic, sender: Peer) -> str:
    """Why our reader of a row and a sender of its type do not meet (DDS 1.4, 2.2.3), or empty."""
    asked = reading(row)
    if asked.reliable and sender.reliable is False:
        return "best effort, expected reliable"
    if asked.latched and sender.latched is False and not volatile_too(row):
        return "volatile, expected transient local"
    return ""
