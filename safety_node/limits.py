"""The limits file: what a robot may do, in SI units, checked when it is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from saccade.clock import MS, SEC, seconds
from saccade.errors import choices
from saccade.topics import topic

TICK_NS = 10 * MS
"""The gate's period, 100 Hz; rate limits allow one period's worth of change a tick."""
STALE_MAX_S = 2.0
"""No limits file may call an input fresh for longer: a limit without end would be a switch."""
PLANAR_AXES = ("vx", "vy", "wz")
AXES = ("vx", "vy", "vz", "wx", "wy", "wz")
REQUIRABLE = ("chunk", "local_map", "odom", "operator_stop")


def _required() -> dict[str, float]:
    return {name: seconds(topic(name).stale_ns) for name in ("chunk", "local_map", "odom")}


@dataclass(frozen=True, slots=True)
class Limits:
    """One robot's limits, in the order of `axes` (m/s and rad/s by name); the defaults are the `hall` robot's.

    The footprint is a disc of `radius_m` around base_link, kept `margin_m` away from all that is not known to be free.
    `reaction_s` is the time from a command to the base's motion, at least one tick. `escape_fraction` of the speed is
    allowed to a robot that is already nearer than that and moves no nearer. `required` gives the age in seconds after
    which an input stops the robot; without "local_map" clearance is not checked. ValueError names the key.
    """

    axes: tuple[str, ...] = ("vx", "wz")
    max_speed: tuple[float, ...] = (0.8, 1.5)
    max_accel: tuple[float, ...] = (0.8, 2.5)
    max_brake: tuple[float, ...] = (0.8, 2.5)
    radius_m: float = 0.25
    margin_m: float = 0.10
    reaction_s: float = 0.10
    escape_fraction: float = 0.2
    required: dict[str, float] = field(default_factory=_required)

    def __post_init__(self) -> None:
        """Check every number, then what they say together."""
        if not self.axes or len(set(self.axes)) != len(self.axes):
            raise ValueError(f"axes is {list(self.axes)}; expected at least one, each once")
        for axis in self.axes:
            if axis not in AXES:
                raise ValueError(f"axes names {axis!r}: {choices(axis, AXES)}")
        for key in ("max_speed", "max_accel", "max_brake"):
            values = getattr(self, key)
            if len(values) != len(self.axes):
                raise ValueError(f"{key} has {len(values)} numbers for {len(self.axes)} axes; expected one an axis")
            for i, axis in enumerate(self.axes):
                _check(f"{key} of {axis}", values[i])
        _check("radius_m", self.radius_m)
        _check("margin_m", self.margin_m)
        if not seconds(TICK_NS) <= self.reaction_s < math.inf:
            raise ValueError(f"reaction_s is {self.reaction_s}; expected at least one tick, {seconds(TICK_NS)} s")
        if not 0.0 < self.escape_fraction <= 1.0:
            raise ValueError(f"escape_fraction is {self.escape_fraction}; expected more than 0, at most 1")
        self._check_required()

    def _check_required(self) -> None:
        for name, stale_s in self.required.items():
            if name not in REQUIRABLE:
                raise ValueError(f"required names {name!r}: {choices(name, REQUIRABLE)}")
            if not 0.0 < stale_s <= STALE_MAX_S:
                raise ValueError(f"required.{name} is {stale_s} s; expected more than 0, at most {STALE_MAX_S}")
        if "chunk" not in self.required:
            raise ValueError("required lacks 'chunk': without a fresh request there is nothing to grant")
        if "local_map" in self.required and "odom" not in self.required:
            raise ValueError("required has 'local_map' but lacks 'odom', which says where on the map the robot is")
        beyond = [axis for axis in self.axes if axis not in PLANAR_AXES]
        if "local_map" in self.required and beyond:
            raise ValueError(f"required has 'local_map', which is a plane, but axes has {beyond}; leave one out")

    def stale_ns(self) -> dict[str, int]:
        """Stale-after by required topic, in the form the inbox takes."""
        return {name: round(stale_s * SEC) for name, stale_s in self.required.items()}


def _check(key: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise ValueError(f"{key} is {value}; expected a positive, finite number")
