"""Parameters of the dialects: what no answer says, and only the operator can know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from saccade.params import param


@dataclass(frozen=True, slots=True)
class MobileVlaUnits:
    """What the numbers of MobileVLA-R1's answers mean; no velocity is obeyed until `declared`.

    `linear` and `angular` are what a number of 1 stands for; a sign of -1 says that the model's x points back, its y
    right, or that its yaw turns right. An answer's speeds are kept for `duration_s` from the picture's stamp.
    """

    declared: bool = param(False, "the other values are known to be right for the model that is served")
    linear: float = param(1.0, "m/s that a velocity of 1 stands for", low=0, high=10.0)
    angular: float = param(1.0, "rad/s that a yaw rate of 1 stands for", low=0, high=10.0)
    sign_x: Literal[-1, 1] = param(1, "1 where positive x is forward")
    sign_y: Literal[-1, 1] = param(1, "1 where positive y is left")
    sign_yaw: Literal[-1, 1] = param(1, "1 where positive yaw turns left")
    sideways: bool = param(False, "the robot and its policy can walk sideways")
    duration_s: float = param(1.0, "how long an answer's speeds are kept, from the picture's stamp", low=0, high=10.0)

    def __post_init__(self) -> None:
        for name in ("linear", "angular", "duration_s"):
            value = getattr(self, name)
            if not 0 < value <= 10:
                raise ValueError(f"mobilevla_r1.{name} is {value}; expected a number above 0 and at most 10")


@dataclass(frozen=True, slots=True)
class DialectParams:
    """What dialects are made with."""

    standoff_m: float = param(0.6, "distance kept to the surface of a thing that a model points to", low=0, high=10.0)
    vla_r1_asks: Literal["box", "path"] = param("box", "what VLA-R1 is asked for: a box around a thing, or a path")
    dualvln_order: Literal["xy", "yx"] = param("xy", "order of DualVLN's pixel: the model's x y, or its agent's [y, x]")
    dualvln_latents: bool = param(False, "the fast policy takes DualVLN's latents")
    r1_3d_boxes: Literal["refused", "body", "odom"] = param(
        "refused", "frame of 3D-R1's boxes in metres: the robot's where the picture was taken, or the odometry's"
    )
    mobilevla_r1: MobileVlaUnits = field(default_factory=MobileVlaUnits)

    def __post_init__(self) -> None:
        if not 0 <= self.standoff_m <= 10:
            raise ValueError(f"standoff_m is {self.standoff_m}; expected a number from 0 to 10")
