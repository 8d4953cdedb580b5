"""The steps of which an instruction is made."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GoTo:
    """Drive up to the object of this colour, and of this shape where one was named; a door needs no colour."""

    colour: str | None
    shape: str | None

    @property
    def name(self) -> str:
        """What it is called."""
        return " ".join(word for word in (self.colour, self.shape or "object") if word)

    def __str__(self) -> str:
        return f"go to the {self.name}"


@dataclass(frozen=True, slots=True)
class Take:
    """Take hold of the object, and lift it."""

    thing: GoTo

    def __str__(self) -> str:
        return f"take the {self.thing.name}"


@dataclass(frozen=True, slots=True)
class Put:
    """Put what is held, or `what` after taking it, onto the object `where`."""

    where: GoTo
    what: GoTo | None = None

    def __str__(self) -> str:
        return f"put {f'the {self.what.name}' if self.what else 'it'} on the {self.where.name}"


@dataclass(frozen=True, slots=True)
class Pass:
    """Fly through the opening of the gate of this colour."""

    colour: str

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.colour} gate"

    def __str__(self) -> str:
        return f"fly through the {self.name}"


@dataclass(frozen=True, slots=True)
class Climb:
    """Rise by so many metres where it is; negative is down."""

    up_m: float

    def __str__(self) -> str:
        return f"{'climb' if self.up_m > 0 else 'descend'} {abs(self.up_m):g} m"


@dataclass(frozen=True, slots=True)
class Return:
    """Drive back to the pose where the instruction was given."""

    def __str__(self) -> str:
        return "come back"


@dataclass(frozen=True, slots=True)
class Drive:
    """Drive straight by this many metres; negative is backwards."""

    distance_m: float

    def __str__(self) -> str:
        return f"go {'forward' if self.distance_m > 0 else 'backward'} {abs(self.distance_m):g} m"


@dataclass(frozen=True, slots=True)
class Turn:
    """Turn in place by this many radians; positive is left (REP 103)."""

    angle_rad: float

    def __str__(self) -> str:
        return f"turn {'left' if self.angle_rad > 0 else 'right'} {abs(math.degrees(self.angle_rad)):g} degrees"


@dataclass(frozen=True, slots=True)
class Wait:
    """Stand still for this many seconds."""

    seconds: float

    def __str__(self) -> str:
        return f"wait {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class Explore:
    """Keep driving forward while the way is free; has no end of its own."""

    def __str__(self) -> str:
        return "drive forward while the way is free"


@dataclass(frozen=True, slots=True)
class Until:
    """Explore until the landmark is seen, then drive up to it, or with `sight` stand where it came in sight."""

    landmark: GoTo
    sight: bool = False

    def __str__(self) -> str:
        end = f"until the {self.landmark.name} is seen" if self.sight else f"up to the {self.landmark.name}"
        return f"drive forward {end}"


@dataclass(frozen=True, slots=True)
class Stop:
    """Stand still; nothing comes after it."""

    def __str__(self) -> str:
        return "stop"


Step = GoTo | Return | Drive | Turn | Wait | Explore | Until | Stop | Take | Put | Pass | Climb
