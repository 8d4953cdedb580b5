"""Message types out of .msg, .srv and .action files, expanded as rosidl expands services and actions.

A service is its request, its response and, since Iron, an event of both (REP 2012); an action is a goal, a result and a
feedback, two services and a message around them. Each is a message type by itself, named as on the wire, and the whole
is one too: that type is never sent, but it has a type hash (REP 2016).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import get_types_from_msg

Part = tuple[list[Any], list[Any]]
"""Constants (name, type, value) and fields (name, rosbags descriptor) of a message."""
Types = dict[str, Part]

_EMPTY = [("structure_needs_at_least_one_member", (Nodetype.BASE, ("uint8", 0)))]
_CANCEL_GOAL = """action_msgs/GoalInfo goal_info
---
int8 ERROR_NONE=0
int8 ERROR_REJECTED=1
int8 ERROR_UNKNOWN_GOAL_ID=2
int8 ERROR_GOAL_TERMINATED=3
int8 return_code
action_msgs/GoalInfo[] goals_canceling
"""


def read_types(package: str, files: list[Path], events: bool) -> Types:
    """Types of a package's interface files, and of the service that every action shares; `events` as since Iron."""
    types = _service("action_msgs/srv/CancelGoal", _parts("action_msgs", _CANCEL_GOAL), events)
    for path in files:
        name, parts = f"{package}/{path.suffix[1:]}/{path.stem}", _parts(package, path.read_text())
        if path.suffix == ".msg":
            types[name] = parts[0]
        elif path.suffix == ".srv":
            types |= _service(name, parts, events)
        else:
            types |= _action(name, parts, events)
    return types


def read_messages(folder: Path) -> Types:
    """Messages of other packages, as `folder/<package>/msg/<Name>.msg`; they may be made of one another."""
    files = sorted(folder.glob("*/msg/*.msg"))
    return {f"{f.parts[-3]}/msg/{f.stem}": _parts(f.parts[-3], f.read_text())[0] for f in files}


def _parts(package: str, text: str) -> list[Part]:
    """(constants, fields) of each part between lines of `---`; names without a package are of this one's messages."""
    found = []
    for part in re.split(r"^---\s*$", text, flags=re.MULTILINE):
        ((constants, fields),) = get_types_from_msg(part, f"{package}/msg/Part").values()
        found.append((list(constants), list(fields) or _EMPTY))
    return found


def _service(name: str, parts: list[Part], events: bool) -> Types:
    types = dict(zip((f"{name}_Request", f"{name}_Response"), parts, strict=True))
    if events:
        halves = [_field(half.lower(), f"{name}_{half}", most=1) for half in ("Request", "Response")]
        types[f"{name}_Event"] = ([], [_field("info", "service_msgs/msg/ServiceEventInfo"), *halves])
        members = ("Request", "Response", "Event")
        types[name] = ([], [_field(f"{member.lower()}_message", f"{name}_{member}") for member in members])
    return types


def _action(name: str, parts: list[Part], events: bool) -> Types:
    types = dict(zip((f"{name}_Goal", f"{name}_Result", f"{name}_Feedback"), parts, strict=True))
    goal_id = _field("goal_id", "unique_identifier_msgs/msg/UUID")
    accepted, status = ("accepted", (Nodetype.BASE, ("bool", 0))), ("status", (Nodetype.BASE, ("int8", 0)))
    send_goal: list[Part] = [
        ([], [goal_id, _field("goal", f"{name}_Goal")]),
        ([], [accepted, _field("stamp", "builtin_interfaces/msg/Time")]),
    ]
    get_result: list[Part] = [([], [goal_id]), ([], [status, _field("result", f"{name}_Result")])]
    types |= _service(f"{name}_SendGoal", send_goal, events) | _service(f"{name}_GetResult", get_result, events)
    types[f"{name}_FeedbackMessage"] = ([], [goal_id, _field("feedback", f"{name}_Feedback")])
    if events:
        members = {
            "goal": "Goal", "result": "Result", "feedback": "Feedback", "send_goal_service": "SendGoal",
            "get_result_service": "GetResult", "feedback_message": "FeedbackMessage",
        }  # fmt: skip
        types[name] = ([], [_field(member, f"{name}_{part}") for member, part in members.items()])
    return types


def _field(name: str, msgtype: str, most: int = 0) -> tuple[str, Any]:
    """A member of a message type, or with `most` a sequence of at most so many."""
    one = (Nodetype.NAME, msgtype)
    return name, (Nodetype.SEQUENCE, (one, most)) if most else one
