"""From parameters to a reasoner."""

from __future__ import annotations

from vla_node.dialects import dialect
from vla_node.embodiments.arm import ArmParams
from vla_node.params import VlaParams
from vla_node.planner import Reasoner
from vla_node.reasoners.embedded.reasoner import EmbeddedReasoner
from vla_node.reasoners.params import ReasonerParams


def open_reasoner(
    params: ReasonerParams,
    radius_m: float,
    standoff_m: float,
    arm: ArmParams | None = None,
    flies: bool = False,
    patience_s: float = 0.0,
) -> Reasoner:
    """The reasoner that is asked for; nothing is connected yet, so that a robot starts before its server.

    `radius_m`, what the embedded one keeps to obstacles, `standoff_m` and `patience_s` are that of a base's. With
    `arm`, models that point into the picture plan for it, or the embedded one for hands; one that `flies` has its own.
    ConfigError.
    """
    if params.kind == "embedded" and arm:
        from vla_node.reasoners.embedded.hand import HandReasoner

        return HandReasoner(arm)
    if params.kind == "embedded" and flies:
        from vla_node.reasoners.embedded.flight import FlightReasoner

        return FlightReasoner(standoff_m)
    if params.kind == "embedded":
        return EmbeddedReasoner(radius_m, standoff_m, patience_s)
    spoken = dialect(params.dialect, params.dialects, arm) if params.dialect else None
    if spoken is not None and params.kind == "openai":
        from vla_node.reasoners.openai import OpenAiReasoner

        return OpenAiReasoner(params, spoken)
    from vla_node.reasoners.remote import RemoteReasoner

    return RemoteReasoner(params, spoken)


def reasoner_of(params: VlaParams) -> Reasoner:
    """The reasoner of a robot with these parameters. ConfigError."""
    planner, arm = params.planner, params.arm if params.embodiment == "arm" else None
    radius_m = params.limits.radius_m + planner.margin_m
    flies = params.embodiment == "uav"
    return open_reasoner(planner.reasoner, radius_m, planner.standoff_m, arm, flies, planner.patience_s)
