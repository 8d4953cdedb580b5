"""The limits file: what a robot may do, in SI units, checked when it is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from saccade.clock import MS, SEC, seconds
from saccade.errors import choices
from saccade.params import param
from saccade.topics import topic

TICK_NS = 10 * MS
"""The gate's period, 100 Hz; rate limits allow one period's worth of change a tick."""
STALE_MAX_S = 2.0
"""No limits file may call an input fresh for longer: a limit without end would be a switch."""
PLANAR_AXES = ("vx", "vy", "wz")
AXES = ("vx", "vy", "vz", "wx", "wy", "wz")
AROUND = ("local_map", "clearance")
"""Inputs that tell what is around the robot: in the plane, or in three dimensions."""
REQUIRABLE = ("chunk", "joint_states", "odom", "operator_stop", *AROUND)


def _required() -> dict[str, float]:
    return {name: seconds(topic(name).stale_ns) for name in ("chunk", "local_map", "odom")}


@dataclass(frozen=True, slots=True)
class Limits:
    """One robot's limits, in the order of `axes` (m/s and rad/s by name); the defaults are the `hall` robot's.

    `command` is what the robot takes: a twist, or for joints a trajectory of positions, whose axes are the joints'
    names; each then has a range, `position_min` to `position_max` (rad, or m of a sliding joint), and may be `max_lag`
    away from where it was sent.

    The footprint is a disc of `radius_m` around base_link, kept `margin_m` away from all that is not known to be free.
    With `clearance` it is a ball, or an upright cylinder with round ends, its axis `height_m` long up and down from
    base_link; and no place may count as free that was last seen more than `memory_s` ago.
    `reaction_s` is the time from a command to the base's motion, at least one tick. `escape_fraction` of the speed is
    allowed to a robot that is already nearer than that and moves no nearer. `required` gives the age in seconds after
    which an input stops the robot; with neither of `AROUND` clearance is not checked. ValueError names the key.
    """

    axes: tuple[str, ...] = param(
        ("vx", "wz"), "names of the command's numbers, in their order: of a twist, or of joints"
    )
    max_speed: tuple[float, ...] = param((0.8, 1.5), "speed by axis, m/s or rad/s", live=True)
    max_accel: tuple[float, ...] = param((0.8, 2.5), "acceleration by axis", live=True)
    max_brake: tuple[float, ...] = param((0.8, 2.5), "deceleration by axis", live=True)
    radius_m: float = param(0.25, "radius of the footprint around base_link", low=0, live=True)
    margin_m: float = param(
        0.10, "distance kept from all that is not known to be free, beyond the footprint", low=0, live=True
    )
    height_m: float = param(0.0, "half of the footprint's axis, for a robot that is taller than wide", low=0, live=True)
    memory_s: float = param(30.0, "how long after it was last seen a place may count as free, s", low=0, live=True)
    reaction_s: float = param(0.10, "time from a command to the base's motion, at least one tick", low=0, live=True)
    escape_fraction: float = param(
        0.2,
        "share of the speed allowed where the margin is lost already, if that brings it no nearer",
        low=0,
        high=1,
        live=True,
    )
    required: dict[str, float] = param(_required, "age of an input that stops the robot, s")
    command: Literal["twist_stamped", "twist", "joint_trajectory"] = param("twist_stamped", "what the robot takes")
    position_min: tuple[float, ...] = param((), "lowest position by joint, rad or m")
    position_max: tuple[float, ...] = param((), "highest position by joint")
    max_lag: tuple[float, ...] = param((), "how far a joint may be from where it was sent")

    @property
    def joints(self) -> bool:
        """Whether the axes are joints that are told positions."""
        return self.command == "joint_trajectory"

    @property
    def around(self) -> str:
        """The required input that tells what is around the robot, or empty."""
        return next((name for name in AROUND if name in self.required), "")

    def __post_init__(self) -> None:
        """Check every number, then what they say together."""
        if not self.axes or len(set(self.axes)) != len(self.axes):
            raise ValueError(f"axes is {list(self.axes)}; expected at least one, each once")
        for axis in self.axes:
            if axis not in AXES and not self.joints:
                raise ValueError(f"axes names {axis!r}: {choices(axis, AXES)}")
        for key in ("max_speed", "max_accel", "max_brake", *(("max_lag",) if self.joints else ())):
            values = self._each(key)
            for i, axis in enumerate(self.axes):
                _check(f"{key} of {axis}", values[i])
        _check("radius_m", self.radius_m)
        _check("margin_m", self.margin_m)
        _check("memory_s", self.memory_s)
        if self.height_m and self.around != "clearance":
            raise ValueError(f"height_m is {self.height_m}, which only 'clearance' has a use for; leave it out")
        if not 0.0 <= self.height_m < math.inf:
            raise ValueError(f"height_m is {self.height_m}; expected 0 or a positive, finite number")
        if not seconds(TICK_NS) <= self.reaction_s < math.inf:
            raise ValueError(f"reaction_s is {self.reaction_s}; expected at least one tick, {seconds(TICK_NS)} s")
        if not 0.0 < self.escape_fraction <= 1.0:
            raise ValueError(f"escape_fraction is {self.escape_fraction}; expected more than 0, at most 1")
        self._check_required()
        self._check_positions()

    def _each(self, key: str) -> tuple[float, ...]:
        values: tuple[float, ...] = getattr(self, key)
        if len(values) != len(self.axes):
            raise ValueError(f"{key} has {len(values)} numbers for {len(self.axes)} axes; expected one an axis")
        return values

    def _check_positions(self) -> None:
        if not self.joints:
            for key in ("position_min", "position_max", "max_lag"):
                if getattr(self, key):
                    raise ValueError(f"{key} belongs to joints, but command is {self.command!r}; leave it out")
            return
        low, high = self._each("position_min"), self._each("position_max")
        for i, axis in enumerate(self.axes):
            if not low[i] < high[i]:
                raise ValueError(f"position_min of {axis} is {low[i]}, position_max {high[i]}; expected a range")
        if "joint_states" not in self.required:
            raise ValueError("required lacks 'joint_states', which say where the joints are that get positions")

    def _check_required(self) -> None:
        for name, stale_s in self.required.items():
            if name not in REQUIRABLE:
                raise ValueError(f"required names {name!r}: {choices(name, REQUIRABLE)}")
            if not 0.0 < stale_s <= STALE_MAX_S:
                raise ValueError(f"required.{name} is {stale_s} s; expected more than 0, at most {STALE_MAX_S}")
        if "chunk" not in self.required:
            raise ValueError("required lacks 'chunk': without a fresh request there is nothing to grant")
        if "joint_states" in self.required and not self.joints:
            raise ValueError(f"required has 'joint_states', but command is {self.command!r}, which moves no joints")
        self._check_around()

    def _check_around(self) -> None:
        if self.around and "odom" not in self.required:
            raise ValueError(f"required has {self.around!r} but lacks 'odom', which says where in it the robot is")
        if all(name in self.required for name in AROUND):
            raise ValueError(f"required has both of {list(AROUND)}; leave out the one that does not move as the robot")
        known = {"local_map": PLANAR_AXES, "clearance": AXES}.get(self.around, self.axes)
        if beyond := [axis for axis in self.axes if axis not in known]:
            raise ValueError(f"required has {self.around!r}, for the axes {known}, but axes has {beyond}")

    def stale_ns(self) -> dict[str, int]:
        """Stale-after by required topic, in the form the inbox takes."""
        return {name: round(stale_s * SEC) for name, stale_s in self.required.items()}


def _check(key: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise ValueError(f"{key} is {value}; expected a positive, finite number")
