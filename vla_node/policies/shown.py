"""The half of a policy card that says what the model is shown: names, order, sizes, units, ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from saccade.errors import choices
from saccade.geometry import F64

T = TypeVar("T")
_EPS = 1e-12
TWIST_AXES = ("vx", "vy", "vz", "wx", "wy", "wz")
POSE_AXES = ("x", "y", "z", "yaw")
TOOL_AXES = ("x", "y", "z", "rx", "ry", "rz")


@dataclass(frozen=True, slots=True)
class Statistics:
    """The numbers a model was trained with: `mean` and `std`, or `q01` and `q99`, which become -1 and 1."""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    q01: tuple[float, ...] = ()
    q99: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        pairs = [(self.mean, self.std), (self.q01, self.q99)]
        if [bool(a or b) for a, b in pairs].count(True) != 1 or any(len(a) != len(b) for a, b in pairs):
            raise ValueError("normalise: write mean: [...] and std: [...], or q01: [...] and q99: [...], equally long")
        if not all(map(math.isfinite, (*self.mean, *self.std, *self.q01, *self.q99))):
            raise ValueError("normalise: every number must be finite")
        if min(self.spread) < _EPS:
            raise ValueError("normalise: std must be above 0, and q99 above q01; leave out what never varies")

    def __len__(self) -> int:
        return len(self.centre)

    @property
    def centre(self) -> F64:
        """What becomes 0, (n,)."""
        return np.array(self.mean) if self.mean else (np.array(self.q01) + np.array(self.q99)) / 2

    @property
    def spread(self) -> F64:
        """What becomes 1 above it, (n,)."""
        return np.array(self.std) if self.std else (np.array(self.q99) - np.array(self.q01)) / 2


@dataclass(frozen=True, slots=True)
class ImagePart:
    """One camera's picture. size: width and height in pixels.

    `fit`: pad keeps the picture's shape and fills with black, crop keeps it and cuts the edges, resize does neither.
    dtype float32 needs `range`, what black and white become.
    """

    camera: str = ""
    size: tuple[int, int] | None = None
    fit: Literal["pad", "crop", "resize"] | None = None
    layout: Literal["hwc", "chw"] | None = None
    dtype: Literal["uint8", "float32"] | None = None
    order: Literal["rgb", "bgr"] = "rgb"
    range: tuple[float, float] | None = None
    normalise: Statistics | None = None

    def __post_init__(self) -> None:
        required("image.camera", self.camera, "the name of a camera, e.g. camera: front")
        size = required("image.size", self.size, "width and height in pixels, e.g. size: [224, 224]")
        required("image.fit", self.fit, "pad, crop or resize")
        required("image.layout", self.layout, "hwc or chw")
        if required("image.dtype", self.dtype, "uint8 or float32") == "float32":
            required("image.range", self.range, "what black and white become, e.g. range: [0, 1]")
        elif self.range or self.normalise:
            raise ValueError("image: uint8 pixels are sent as they are; range and normalise need dtype: float32")
        if min(size) < 1 or max(size) > 8192:
            raise ValueError(f"image.size is {list(size)}; expected width and height from 1 to 8192")
        if self.normalise and len(self.normalise) != 3:
            raise ValueError("image.normalise: expected 3 numbers each, one a channel")


@dataclass(frozen=True, slots=True)
class DepthPart:
    """The depth image in metres, float32 (height, width); `none` stands where there is none, `most_m` for the far."""

    size: tuple[int, int] | None = None
    none: float | None = None
    most_m: float = math.inf

    def __post_init__(self) -> None:
        required("depth.size", self.size, "width and height in pixels, e.g. size: [224, 224]")
        required("depth.none", self.none, "what stands where there is no depth, e.g. none: 0.0")


@dataclass(frozen=True, slots=True)
class Part:
    """Some numbers of a vector, exactly one kind of them; each is sent as `scale` times it plus `offset`.

    joints: positions by name, in `unit`. twist: of the body. odometry: pose in the odometry's frame. tool: position
    and rotation vector in the arm's base frame. waypoints: so many points x y of the plan, `spacing_m` apart from where
    the robot is nearest, in the body's frame; the last repeated. goal: the plan's last waypoint in the body's frame.
    ego_motion: how the body has moved since the plan's picture, in the body's frame of then (TIC-VLA).
    number: since_plan_s (TIC-VLA's delay), stop (1 where the plan says so), delay_rows (real-time chunking).
    """

    joints: tuple[str, ...] = ()
    twist: tuple[str, ...] = ()
    odometry: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()
    waypoints: int = 0
    goal: tuple[str, ...] = ()
    ego_motion: tuple[str, ...] = ()
    number: Literal["since_plan_s", "stop", "delay_rows"] | None = None
    unit: Literal["rad", "deg", "m", "mm", "own"] | None = None
    spacing_m: float | None = None
    scale: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        kinds = ("joints", "twist", "odometry", "tool", "waypoints", "goal", "ego_motion", "number")
        exactly_one("vector", self, kinds)
        for name, valid in (
            ("twist", TWIST_AXES), ("odometry", POSE_AXES), ("tool", TOOL_AXES), ("goal", ("x", "y", "z")),
            ("ego_motion", ("x", "y", "yaw")),
        ):  # fmt: skip
            for axis in getattr(self, name):
                if axis not in valid:
                    raise ValueError(f"vector.{name} has {axis!r}; {choices(axis, valid)}")
        if self.joints:
            unit = required("vector.unit of joints", self.unit, "rad, deg, m, mm, or own with scale and offset")
            if unit == "own" and (self.scale, self.offset) == ((1.0,), (0.0,)):
                raise ValueError("vector: unit own needs scale or offset: what is sent is scale * (rad or m) + offset")
        elif self.unit:
            raise ValueError("vector: unit is for joints; all else is in m, rad, s and may have scale and offset")
        if self.waypoints:
            required("vector.spacing_m of waypoints", self.spacing_m, "metres along the path, e.g. spacing_m: 0.25")
        if self.waypoints < 0 or (self.spacing_m is not None and not 0 < self.spacing_m < 1e3):
            raise ValueError("vector: waypoints and spacing_m must be positive")
        for name in ("scale", "offset"):
            if len(getattr(self, name)) not in (1, self.size):
                raise ValueError(f"vector.{name}: expected 1 or {self.size} numbers")

    @property
    def size(self) -> int:
        """How many numbers it is."""
        listed = self.joints or self.twist or self.odometry or self.tool or self.goal or self.ego_motion
        return 2 * self.waypoints if self.waypoints else len(listed) or 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the observation, exactly one kind of content, within the mapping `group` where one is named.

    text: the instruction, or the words of the plan. promised: so many rows that will be executed whatever is answered,
    as the model would have answered them. `axes_before` axes of length 1 stand before those of the array.
    """

    key: str = ""
    group: str = ""
    image: ImagePart | None = None
    depth: DepthPart | None = None
    text: Literal["instruction", "plan"] | None = None
    vector: tuple[Part, ...] = ()
    promised: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    normalise: Statistics | None = None
    axes_before: int = 0

    def __post_init__(self) -> None:
        required("observation: key", self.key, "the name the model knows it by")
        try:
            exactly_one("it", self, ("image", "depth", "text", "vector", "promised"))
        except ValueError as error:
            raise ValueError(f"observation {self.key!r}: {error}") from None
        size = sum(part.size for part in self.vector)
        if self.normalise and len(self.normalise) != size:
            raise ValueError(f"observation {self.key!r}: normalise has {len(self.normalise)} numbers, vector {size}")
        if not 0 <= self.axes_before <= 4 or self.promised < 0:
            raise ValueError(f"observation {self.key!r}: axes_before is 0 to 4, promised not negative")


def required(what: str, value: T | None, write: str) -> T:
    """The value; ValueError that says what to write where there is none."""
    if value is None or value in ("", ()):
        raise ValueError(f"{what} is missing; write {write}")
    return value


def exactly_one(what: str, of: object, names: tuple[str, ...]) -> None:
    """ValueError unless exactly one of these fields is given."""
    given = [name for name in names if getattr(of, name) not in (None, (), 0, "")]
    if len(given) != 1:
        found = " and ".join(given) or "nothing of it"
        raise ValueError(f"{what} holds {found}; write exactly one of {', '.join(names)}")
