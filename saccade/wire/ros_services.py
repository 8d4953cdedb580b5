"""Services on rclpy as two topics of bytes: requests with a return address in front, replies that go back to it."""

from __future__ import annotations

import struct
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message

from saccade.topics import Topic
from saccade.wire.ros_process import RosProcess
from saccade.wire.ros_types import message_class

_ADDRESS = struct.Struct("<16xq")
_PENDING = 1000
"""Requests that may wait for their reply at a time; the oldest are forgotten first."""


def service_name(row: Topic) -> str:
    """What a service is called whose half this row is."""
    return row.wire_name.rpartition("/")[0]


class Server:
    """One service: requests are taken by the bus and not by rclpy's executor, as a reply may be a long time coming.

    (An rclpy callback that awaits keeps its executor busy all the while.)
    """

    def __init__(self, process: RosProcess, row: Topic) -> None:
        self._node, self._type = process.node, message_class(row.type)
        self._service = self._node.create_service(self._type, service_name(row), _never, callback_group=process.group)
        self.handle = self._service.handle
        self._headers: dict[bytes, Any] = {}
        self._asked = 0

    def take(self) -> bytes | None:
        """The oldest request: 24 bytes that say where the reply goes, and the CDR of the request."""
        request, header = self.handle.service_take_request(self._type.Request)
        if header is None:
            return None
        self._asked += 1
        address = _ADDRESS.pack(self._asked)
        self._headers[address] = header
        if len(self._headers) > _PENDING:
            del self._headers[next(iter(self._headers))]
        return address + bytes(serialize_message(request))

    def write(self, cdr: bytes | memoryview) -> None:
        """Send the CDR of a response to whom its first 24 bytes say; nowhere if that is not known any more."""
        header = self._headers.pop(bytes(cdr[: _ADDRESS.size]), None)
        if header is not None:
            response = deserialize_message(bytes(cdr[_ADDRESS.size :]), self._type.Response)
            self._service.send_response(response, header)

    def close(self) -> None:
        """Offer the service no more."""
        self._node.destroy_service(self._service)


def _never(_: object, response: object) -> object:
    """A service must have a callback; ours is the node."""
    return response
