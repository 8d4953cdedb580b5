"""Saccade's own protocol for reasoners off board, version 2: what is said, as bytes. docs/fast_in_slow.md describes it.

Each message is one frame of msgpack: a map with the fields of one of the dataclasses here, none missing that has no
default, none more. Poses are x y z m, then a unit quaternion x y z w.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import cv2
import msgpack
import numpy as np

from saccade.errors import SaccadeError
from saccade.geometry import F32, SE3
from saccade.params import build, plain
from saccade.types import U8

VERSION = 2
"""2: an observation says its lead."""
MOST_BYTES = 16 * 1024 * 1024
"""A message larger than this is refused by whoever gets it, before it is looked at."""
MOST_PIXELS = 16_000_000
PIXEL_SIDE = 16_384
_MM = 1000.0

Pose = tuple[float, float, float, float, float, float, float]
T = TypeVar("T")


class ProtocolError(SaccadeError):
    """Bytes that are no message of this protocol, or of another version; the text says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Part:
    """Words or a picture of a question; a picture where `jpeg` is not empty."""

    text: str = ""
    jpeg: bytes = b""


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked and answered before, in the same exchange."""

    parts: tuple[Part, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class WireQuestion:
    """A dialect's question."""

    system: str
    parts: tuple[Part, ...]
    temperature: float
    max_tokens: int
    before: tuple[Turn, ...] = ()
    ends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture, grey or colour, and where the robot was then."""

    stamp_ns: int
    frame_id: str
    jpeg: bytes
    pose: Pose


@dataclass(frozen=True, slots=True)
class WireObservation:
    """What the robot saw and where it was; see `vla_node.planner.Observation`. `depth_png` is 16 bit, mm, 0 = none.

    `lead` are poses x, y, z m and yaw rad in odom, 0.1 s apart, through which it goes until the answer is expected.
    """

    stamp_ns: int
    instruction: str
    frame_id: str
    pose: Pose
    twist: tuple[float, float, float, float, float, float]
    start: Pose
    held_ns: int
    valid_for_ns: int
    blind: str = ""
    event: str = ""
    feedback: tuple[str, ...] = ()
    image: Shot | None = None
    history: tuple[Shot, ...] = ()
    depth_png: bytes = b""
    camera: tuple[float, float, float, float, int, int] | None = None
    camera_pose: Pose | None = None
    lead: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """From a robot. plan: exactly one of `question`, in `dialect`, and `observation`; an answer is wanted in `left_ns`.

    cancel: the plan of this id is wanted no more; it has no reply. health: how the server is.
    """

    kind: Literal["plan", "cancel", "health"]
    id: int
    epoch: int = 0
    left_ns: int = 0
    dialect: str = ""
    question: WireQuestion | None = None
    observation: WireObservation | None = None
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class WirePlan:
    """A plan in the frame of the observation's odometry; stamp, pose and epoch are those of the observation."""

    kind: Literal["text", "waypoints", "pixel_goal", "latent", "velocity", "stop"]
    text: str
    waypoints: tuple[tuple[float, float, float], ...] = ()
    values: tuple[float, ...] = ()
    confidence: float = 1.0
    final: bool = False
    progress: float = 0.0
    valid_for_ns: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """How a server is. `busy_ns` is for how long it has been thinking, 0 when it is not; `trouble` what failed last."""

    dialect: str
    busy_ns: int = 0
    waiting: int = 0
    answered: int = 0
    failed: int = 0
    last_ns: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """To a robot, with id and epoch of the request: an error, the text for a dialect, a plan, or the health."""

    id: int
    epoch: int
    error: str = ""
    text: str | None = None
    plan: WirePlan | None = None
    asked: str = ""
    answered: str = ""
    health: Health | None = None
    version: int = VERSION


def pack(message: Request | Reply) -> bytes:
    """A message as bytes; ProtocolError where it is too large."""
    data: bytes = msgpack.packb(plain(message))
    if len(data) > MOST_BYTES:
        raise ProtocolError(f"a message of {len(data)} bytes; at most {MOST_BYTES} are taken. Send fewer pictures")
    return data


def unpack(cls: type[T], data: bytes) -> T:
    """The message in some bytes; ProtocolError where there is none."""
    if len(data) > MOST_BYTES:
        raise ProtocolError(f"a message of {len(data)} bytes; at most {MOST_BYTES} are taken")
    try:
        values = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException) as error:
        raise ProtocolError(f"not msgpack: {error or type(error).__name__}") from error
    if not isinstance(values, dict) or values.get("version") != VERSION:
        version = values.get("version") if isinstance(values, dict) else None
        raise ProtocolError(f"a message of version {version!r:.20}; this is version {VERSION} of the protocol")
    try:
        return build(cls, values, cls.__name__.lower(), finite=False)  # what the values are worth is judged later
    except SaccadeError as error:
        raise ProtocolError(str(error)[:400]) from error


def pose(T: SE3) -> Pose:
    """A transform as it is sent."""
    x, y, z = (float(value) for value in T.t)
    return (x, y, z, *T.quaternion())


def se3(values: Pose, what: str) -> SE3:
    """A transform as it was sent; ProtocolError where it is none."""
    try:
        if not np.isfinite(values).all():
            raise ValueError("not finite")
        return SE3.from_quaternion(values[3:], values[:3])
    except ValueError as error:
        raise ProtocolError(f"{what}: {error}") from error


def picture(jpeg: bytes) -> U8:
    """The picture in a JPEG file, grey (h, w) or RGB (h, w, 3) uint8; ProtocolError where there is none."""
    _bounded(_jpeg_size(jpeg))
    data = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if data is None:
        raise ProtocolError("a picture that is no JPEG")
    return np.asarray(data if data.ndim == 2 else cv2.cvtColor(data, cv2.COLOR_BGR2RGB), np.uint8)


def depth_png(depth_m: F32) -> bytes:
    """Depth (h, w) float32 metres, NaN = none, as a PNG of 16 bit, mm, 0 = none; beyond 65.535 m is none."""
    mm = np.nan_to_num(depth_m * np.float32(_MM), nan=0.0, posinf=0.0, neginf=0.0).round()
    _, data = cv2.imencode(".png", np.where((mm > 0) & (mm < 65536), mm, 0).astype(np.uint16))
    return data.tobytes()


def depth(png: bytes) -> F32:
    """The inverse of `depth_png`; ProtocolError where it is none."""
    if png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR" or len(png) < 24:
        raise ProtocolError("depth that is no PNG")
    _bounded(struct.unpack(">II", png[16:24])[::-1])
    mm = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if mm is None or mm.dtype != np.uint16 or mm.ndim != 2:
        raise ProtocolError("depth that is no PNG of 16 bit, grey")
    out: F32 = mm.astype(np.float32) / np.float32(_MM)
    out[mm == 0] = np.nan
    return out


def _jpeg_size(data: bytes) -> tuple[int, ...]:
    """Height and width in a JPEG's frame header (ITU-T T.81, B.2.2), so that nothing huge is ever unfolded."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return struct.unpack(">HH", data[at + 5 : at + 9])
        at += 2 + length
    raise ProtocolError("a picture that is no JPEG")


def _bounded(size: tuple[Any, ...]) -> None:
    if not 0 < size[0] * size[1] <= MOST_PIXELS or max(size) > PIXEL_SIDE:
        raise ProtocolError(f"a picture of {size[1]}x{size[0]}; at most {MOST_PIXELS} pixels are taken")
