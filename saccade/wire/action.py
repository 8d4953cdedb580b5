"""The server's half of a ROS 2 action as a pure state machine, so that it runs on every bus.

An action is three services and two topics (design.ros2.org/articles/actions.html). Which goals are good, what becomes
of them and what the feedback is, is for the owner to say.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from saccade.clock import MS, SEC
from saccade.node import Out, Sample
from saccade.topics import topic
from saccade.wire.codec import codec
from saccade.wire.convert import stamp_ns, time_msg
from saccade.wire.service import decode_request, encode_reply

FEEDBACK_NS = 200 * MS
KEPT_NS = 60 * SEC
"""How long the result of a goal can be asked for."""
_KEPT_MOST = 16
_ASKERS_MOST = 16


class Status(IntEnum):
    """What has become of a goal; values as in action_msgs/GoalStatus."""

    UNKNOWN = 0
    EXECUTING = 2
    CANCELING = 3
    SUCCEEDED = 4
    CANCELED = 5
    ABORTED = 6

    @property
    def terminal(self) -> bool:
        """Whether nothing more becomes of it."""
        return self >= Status.SUCCEEDED


class Cancel(IntEnum):
    """The answer to a wish to cancel; values as in action_msgs/CancelGoal."""

    NONE = 0
    UNKNOWN_GOAL_ID = 2
    GOAL_TERMINATED = 3


class GoalRequest(NamedTuple):
    """Somebody's wish: where the answer goes, the goal's id (16 bytes) and the goal message."""

    address: bytes
    goal_id: bytes
    goal: Any


@dataclass(slots=True, eq=False)
class _Goal:
    id: bytes
    accepted_ns: int
    status: Status = Status.EXECUTING
    changed_ns: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    askers: deque[bytes] = field(default_factory=lambda: deque(maxlen=_ASKERS_MOST))


class ActionServer:
    """One action's goals, of which at most one is under way; `no_result` are the fields of an unknown goal's result."""

    def __init__(self, name: str, action_type: str, no_result: dict[str, Any]) -> None:
        self._name, self._type, self._no_result = f"{name}/_action", action_type, no_result
        self._goals: dict[bytes, _Goal] = {}
        self._current: _Goal | None = None
        self._fed_ns: int | None = None

    @property
    def status(self) -> Status | None:
        """Of the goal under way; None when there is none."""
        return self._current.status if self._current else None

    @property
    def since_ns(self) -> int:
        """When the goal under way came to its status."""
        return self._current.changed_ns if self._current else 0

    def wish(self, sample: Sample) -> GoalRequest:
        """A sample on `send_goal/request`; DataError if it is none."""
        address, request = decode_request(sample)
        return GoalRequest(address, bytes(request.goal_id.uuid), request.goal)

    def knows(self, goal_id: bytes) -> bool:
        """Whether a goal of this id is under way or its result is kept."""
        return goal_id in self._goals

    def accept(self, wish: GoalRequest, now_ns: int) -> list[Out]:
        """Set about a goal. A goal id that is in use is rejected; the goal before must have been finished."""
        if wish.goal_id in self._goals:
            return [self._reply("send_goal", wish.address, accepted=False, stamp=time_msg(0))]
        if self._current is not None:
            raise ValueError(f"goal {self._current.id.hex()} is under way; finish it before accepting another")
        self._forget(now_ns)
        self._current = self._goals[wish.goal_id] = _Goal(wish.goal_id, now_ns, changed_ns=now_ns)
        self._fed_ns = None
        return [
            self._reply("send_goal", wish.address, accepted=True, stamp=time_msg(now_ns)),
            self._status(),
        ]

    def cancel(self, sample: Sample, now_ns: int) -> list[Out]:
        """A sample on `cancel_goal/request`: the goal under way is CANCELING from now on, if it is meant."""
        address, request = decode_request(sample)
        goal_id, until_ns = bytes(request.goal_info.goal_id.uuid), stamp_ns(request.goal_info.stamp)
        outs, canceling, code = [], [], Cancel.NONE
        named, current = self._goals.get(goal_id), self._current
        if any(goal_id) and named is None:
            code = Cancel.UNKNOWN_GOAL_ID
        elif named is not None and named.status.terminal:
            code = Cancel.GOAL_TERMINATED
        all_until = until_ns or (0 if any(goal_id) else now_ns)
        if current is not None and (current is named or current.accepted_ns <= all_until):
            canceling, code = [_info(current)], Cancel.NONE
            if current.status is Status.EXECUTING:
                current.status, current.changed_ns = Status.CANCELING, now_ns
                outs.append(self._status())
        return [self._reply("cancel_goal", address, return_code=int(code), goals_canceling=canceling), *outs]

    def ask_result(self, sample: Sample, now_ns: int) -> list[Out]:
        """A sample on `get_result/request`: answered now if the goal has ended or is not known, else when it ends."""
        address, request = decode_request(sample)
        self._forget(now_ns)
        goal = self._goals.get(bytes(request.goal_id.uuid))
        if goal is not None and not goal.status.terminal:
            goal.askers.append(address)
            return []
        return [self._result(address, goal)]

    def finish(self, status: Status, now_ns: int, **result: Any) -> list[Out]:
        """End the goal under way; CANCELED is only for one that is CANCELING."""
        goal = self._current
        if goal is None or not status.terminal or (status is Status.CANCELED and goal.status is not Status.CANCELING):
            raise ValueError(f"a goal that is {goal.status.name if goal else 'not there'} cannot become {status.name}")
        goal.status, goal.changed_ns, goal.result, self._current = status, now_ns, result, None
        return [self._status(), *(self._result(address, goal) for address in goal.askers)]

    def feedback_due(self, now_ns: int) -> bool:
        """Whether there is a goal under way whose last feedback is FEEDBACK_NS old."""
        return self._current is not None and (self._fed_ns is None or not 0 <= now_ns - self._fed_ns < FEEDBACK_NS)

    def feedback(self, now_ns: int, **fields: Any) -> Out:
        """Say how far the goal under way has come."""
        assert self._current is not None
        self._fed_ns = now_ns
        row, new = topic(f"{self._name}/feedback"), codec().new
        message = new(f"{self._type}_Feedback", **fields)
        return Out(row.name, codec().encode(new(row.type, goal_id=_uuid(self._current.id), feedback=message)))

    def _forget(self, now_ns: int) -> None:
        """Drop what ended long ago, and the oldest beyond _KEPT_MOST."""
        ended = [goal for goal in self._goals.values() if goal.status.terminal]
        for goal in ended:
            if now_ns - goal.changed_ns > KEPT_NS or len(self._goals) >= _KEPT_MOST:
                del self._goals[goal.id]

    def _status(self) -> Out:
        row, new = topic(f"{self._name}/status"), codec().new
        goals = [
            new("action_msgs/msg/GoalStatus", goal_info=_info(g), status=int(g.status)) for g in self._goals.values()
        ]
        return Out(row.name, codec().encode(new(row.type, status_list=goals)))

    def _result(self, address: bytes, goal: _Goal | None) -> Out:
        result = codec().new(f"{self._type}_Result", **(goal.result if goal else self._no_result))
        return self._reply("get_result", address, status=int(goal.status if goal else Status.UNKNOWN), result=result)

    def _reply(self, service: str, address: bytes, **fields: Any) -> Out:
        return encode_reply(f"{self._name}/{service}", address, **fields)


def _uuid(goal_id: bytes) -> Any:
    return codec().new("unique_identifier_msgs/msg/UUID", uuid=np.frombuffer(goal_id, np.uint8))


def _info(goal: _Goal) -> Any:
    return codec().new("action_msgs/msg/GoalInfo", goal_id=_uuid(goal.id), stamp=time_msg(goal.accepted_ns))
