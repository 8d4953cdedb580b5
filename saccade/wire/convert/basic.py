"""What all messages are made of: time, headers, places; and messages of one value."""

from __future__ import annotations

import math
import struct
from functools import cache
from typing import Any

from saccade.clock import SEC
from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.topics import topic
from saccade.wire.codec import codec

Cdr = bytes | memoryview
_STAMP_ENDS = 12
"""Bytes: four of encapsulation, then seconds and nanoseconds."""
_LAST_S = 2**31 - 1


def stamp_ns(stamp: Any) -> int:
    """builtin_interfaces/Time or Duration to integer nanoseconds."""
    return int(stamp.sec) * SEC + int(stamp.nanosec)


def header_stamp_ns(cdr: Cdr) -> int:
    """Header stamp of any message that begins with a std_msgs/Header, without decoding the rest.

    DataError when the bytes end before it.
    """
    if len(cdr) < _STAMP_ENDS:
        raise DataError(f"{len(cdr)} bytes are too few for a header")
    sec, nanosec = struct.unpack_from("<iI" if cdr[1] & 1 else ">iI", cdr, 4)
    return int(sec) * SEC + int(nanosec)


@cache
def starts_with_header(msgtype: str) -> bool:
    """Whether messages of this type begin with a std_msgs/Header, whose stamp is theirs."""
    (_, (_, first)), *_ = codec().fields(msgtype)
    return bool(first == "std_msgs/msg/Header")


def time_msg(ns: int) -> Any:
    """Nanoseconds since the epoch to builtin_interfaces/Time; the last second there is for what comes later.

    A message may bring such a stamp (2**31 - 1 s, and some in nanosec), and who tells of it must not end by that.
    """
    return codec().new("builtin_interfaces/msg/Time", sec=min(ns // SEC, _LAST_S), nanosec=ns % SEC)


def duration_msg(ns: int) -> Any:
    """Nanoseconds to builtin_interfaces/Duration."""
    return codec().new("builtin_interfaces/msg/Duration", sec=ns // SEC, nanosec=ns % SEC)


def header(ns: int, frame_id: str) -> Any:
    """std_msgs/Header."""
    return codec().new("std_msgs/msg/Header", stamp=time_msg(ns), frame_id=frame_id)


def vector3_msg(v: Any) -> Any:
    """geometry_msgs/Vector3 of (3,)."""
    return codec().new("geometry_msgs/msg/Vector3", x=float(v[0]), y=float(v[1]), z=float(v[2]))


def point_msg(p: Any) -> Any:
    """geometry_msgs/Point of (3,)."""
    return codec().new("geometry_msgs/msg/Point", x=float(p[0]), y=float(p[1]), z=float(p[2]))


def pose_msg(T: SE3) -> Any:
    """geometry_msgs/Pose of a transform."""
    x, y, z, w = T.quaternion()
    orientation = codec().new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
    return codec().new("geometry_msgs/msg/Pose", position=point_msg(T.t), orientation=orientation)


def se3(translation: Any, rotation: Any) -> SE3:
    """SE3 of a message's position and orientation; DataError when not finite or the quaternion has no direction."""
    t = (translation.x, translation.y, translation.z)
    if not all(math.isfinite(v) for v in t):
        raise DataError(f"pose with position {t}; expected finite metres")
    try:
        return SE3.from_quaternion((rotation.x, rotation.y, rotation.z, rotation.w), t)
    except ValueError as error:
        raise DataError(f"pose with {error}") from error


def decode(name: str, cdr: Cdr) -> Any:
    """The raw message of a canonical topic."""
    return codec().decode(topic(name).type, cdr)


def encode_clock(ns: int) -> Cdr:
    """rosgraph_msgs/Clock."""
    return codec().encode(codec().new("rosgraph_msgs/msg/Clock", clock=time_msg(ns)))


def utf8(text: str) -> str:
    """A text that can be sent: half a surrogate pair, which a model or a JSON document may hold, becomes `?`."""
    return text.encode("utf-8", "replace").decode()


def encode_text(text: str) -> Cdr:
    """std_msgs/String."""
    return codec().encode(codec().new("std_msgs/msg/String", data=text))


def encode_bool(value: bool) -> Cdr:
    """std_msgs/Bool."""
    return codec().encode(codec().new("std_msgs/msg/Bool", data=value))
