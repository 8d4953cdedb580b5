"""Parameters of the VLA node; the defaults are the `hall` robot's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from saccade.errors import ConfigError
from saccade.params import param
from vla_node.cameras import CAMERAS
from vla_node.embodiments.arm import ArmParams
from vla_node.embodiments.base import BaseLimits
from vla_node.embodiments.uav import UavLimits
from vla_node.reasoners.params import ReasonerParams


@dataclass(frozen=True, slots=True)
class PlannerParams:
    """The slow planner. `latency_s` is the modelled worker's; the thread worker takes as long as it takes.

    `margin_m` is kept to obstacles beyond the robot's radius; `standoff_m` is from the robot's centre to the surface
    of an object that it was sent to.
    """

    worker: Literal["thread", "modelled"] = param(
        "thread", "thread: plans take as long as they take; modelled: exactly latency_s, for virtual time"
    )
    latency_s: float = param(0.4, "how long the modelled worker takes", low=0, high=10000.0)
    period_s: float = param(1.0, "time between two plans", low=0, high=10000.0, live=True)
    valid_for_s: float = param(
        4.0, "how long a plan may be acted on; over twice the time to think, else the robot waits", low=0, high=1000.0,
        live=True,
    )  # fmt: skip
    reasoner: ReasonerParams = field(default_factory=ReasonerParams)
    history: int = param(0, "earlier pictures that are kept for the reasoner", low=0, high=64)
    birdseye: bool = param(False, "show the reasoner the map from above, where the map node draws it")
    margin_m: float = param(0.15, "distance of plans from obstacles, beyond the robot's radius", low=0, high=10000.0)
    standoff_m: float = param(
        0.6, "distance of the robot's centre from the surface of an object that it was sent to", low=0, high=10000.0
    )
    patience_s: float = param(
        0.0, "wait so long for whoever stands in the way to go before a much longer way is taken", low=0, high=1000.0
    )

    def __post_init__(self) -> None:
        _positive("planner", self, "period_s", "valid_for_s")
        _not_negative("planner", self, "latency_s", "history", "margin_m", "standoff_m", "patience_s")


@dataclass(frozen=True, slots=True)
class PolicyParams:
    """The fast policy: ticks at `rate_hz` and, with `on_map`, also when a new local map arrives.

    `margin_m` is the clearance beyond the robot's radius that it wants of every point it will reach, a little more
    than the gate's.
    """

    rate_hz: float = param(20.0, "chunks of actions a second", low=0, high=10000.0)
    on_map: bool = param(True, "act also when a new local map arrives", live=True)
    horizon: int = param(20, "actions of a chunk", low=1, high=9999)
    cruise_m_s: float = param(0.6, "speed where nothing is in the way", low=0, high=10000.0, live=True)
    turn_rad_s: float = param(1.0, "turn rate on the spot, at most", low=0, high=10000.0, live=True)
    margin_m: float = param(
        0.12,
        "clearance wanted of every point that will be reached, beyond the robot's radius; more than the gate's",
        low=0,
        high=10000.0,
        live=True,
    )
    reached_m: float = param(0.08, "distance from a goal that counts as there", low=0, high=10000.0, live=True)
    reached_rad: float = param(0.06, "error of heading that counts as none", low=0, high=10000.0, live=True)
    lookahead_m: float = param(0.3, "distance to the point that is steered for", low=0, high=10000.0, live=True)
    lookahead_s: float = param(0.5, "what speed adds to it", low=0, high=10000.0, live=True)
    card: str = param("", "what drives: name or path of a policy's card; empty: the embedded policy")
    travel: Literal["classical", "learned"] = param("classical", "the embedded policy that travels, written or learned")
    cameras: tuple[str, ...] = param((), "what its card calls a camera and the robot's own name: front=left")
    latency_s: float = param(0.1, "how long such a policy takes on virtual time", low=0, high=60.0)

    def __post_init__(self) -> None:
        _positive(
            "policy", self, "rate_hz", "horizon", "cruise_m_s", "turn_rad_s", "reached_m", "reached_rad", "lookahead_m"
        )
        _not_negative("policy", self, "margin_m", "lookahead_s", "latency_s")
        for pair in self.cameras:
            name, sign, own = pair.partition("=")
            if not (name and sign) or own not in CAMERAS:
                raise ValueError(
                    f"policy.cameras has {pair!r}; expected NAME=CAMERA, the camera one of {', '.join(CAMERAS)}"
                )

    def camera(self, name: str) -> str:
        """The robot's own name of what a card calls a camera; ConfigError where there is none."""
        own = dict(pair.split("=", 1) for pair in self.cameras).get(name, name)
        if own not in CAMERAS:
            raise ConfigError(
                f"the policy is to be shown camera {name!r}, which the robot lacks; say which it is: "
                f"policy.cameras: ['{name}=left'], one of {', '.join(CAMERAS)}"
            )
        return own


@dataclass(frozen=True, slots=True)
class ExecutorParams:
    """How overlapping chunks are joined."""

    scheduler: Literal["hold", "swap", "ensemble", "rtc", "guard"] = param("swap", "how overlapping chunks are joined")
    ensemble_m: float = param(0.1, "ensemble: decay of the weights (ACT)", low=0, high=10000.0)
    overlap_rows: int = param(
        8, "rtc: rows over which a chunk is blended in, if its policy does not take promised rows", low=0, high=9999
    )
    guard_rows: int = param(4, "guard: rows that are committed at a time, at least", low=1, high=9999)
    least_rows: int = param(1, "rows executed before the policy is asked again", low=1, high=9999)
    delays: int = param(10, "so many delays of answers are remembered; the longest counts", low=1, high=9999)

    def __post_init__(self) -> None:
        _positive("executor", self, "guard_rows", "least_rows", "delays")
        _not_negative("executor", self, "ensemble_m", "overlap_rows")


@dataclass(frozen=True, slots=True)
class VlaParams:
    """All of them, as the section `vla_node` of a parameter file."""

    embodiment: Literal["diff_drive", "uav", "arm"] = param("diff_drive", "kind of robot: which limits count")
    limits: BaseLimits = field(default_factory=BaseLimits)
    uav: UavLimits = field(default_factory=UavLimits)
    arm: ArmParams = field(default_factory=ArmParams)
    planner: PlannerParams = field(default_factory=PlannerParams)
    policy: PolicyParams = field(default_factory=PolicyParams)
    executor: ExecutorParams = field(default_factory=ExecutorParams)

    @property
    def stands(self) -> bool:
        """Whether the robot's base never moves."""
        return self.embodiment == "arm" and self.arm.fixed

    def __post_init__(self) -> None:
        for name, speed, limit in (
            ("cruise_m_s", self.policy.cruise_m_s, self.limits.v_m_s),
            ("turn_rad_s", self.policy.turn_rad_s, self.limits.w_rad_s),
        ):
            if speed > limit:
                raise ValueError(f"policy.{name} is {speed}, above the robot's limit of {limit}; lower it")


def _positive(group: str, params: object, *names: str) -> None:
    for name in names:
        value = getattr(params, name)
        if not 0 < value < 1e4:
            raise ValueError(f"{group}.{name} is {value}; expected a number above 0 and below 10000")


def _not_negative(group: str, params: object, *names: str) -> None:
    for name in names:
        value = getattr(params, name)
        if not 0 <= value < 1e4:
            raise ValueError(f"{group}.{name} is {value}; expected a number from 0 to below 10000")
