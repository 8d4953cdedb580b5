"""diagnostic_msgs/DiagnosticArray: one status a message, as rqt_robot_monitor and Foxglove show it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, header


class Level(IntEnum):
    """How bad it is; values as in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


def encode_diagnostics(
    stamp_ns: int, name: str, level: Level, message: str, values: Mapping[str, object] | None = None
) -> Cdr:
    """One status of the stage `name` (e.g. "safety_node/gate"), with details as text by key."""
    new = codec().new
    details = [new("diagnostic_msgs/msg/KeyValue", key=key, value=str(value)) for key, value in (values or {}).items()]
    status = new(
        "diagnostic_msgs/msg/DiagnosticStatus", OK=0, WARN=1, ERROR=2, STALE=3,
        level=int(level), name=name, message=message, hardware_id="", values=details,
    )  # fmt: skip
    return codec().encode(new("diagnostic_msgs/msg/DiagnosticArray", header=header(stamp_ns, ""), status=[status]))
