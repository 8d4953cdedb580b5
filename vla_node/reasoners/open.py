"""From parameters to a reasoner."""

from __future__ import annotations

from vla_node.dialects import POINTING, dialect
from vla_node.embodiments.arm import ArmParams
from vla_node.planner import Reasoner
from vla_node.reasoners.embedded.reasoner import EmbeddedReasoner
from vla_node.reasoners.no_reasoner import NoReasoner
from vla_node.reasoners.params import ReasonerParams

NOT_FOR_ARMS = (
    "the embedded reasoner plans for what drives; for an arm set planner.reasoner to a model that points into the "
    f"picture, in one of the dialects {', '.join(POINTING)}"
)


def open_reasoner(params: ReasonerParams, radius_m: float, standoff_m: float, arm: ArmParams | None = None) -> Reasoner:
    """The reasoner that is asked for; nothing is connected yet, so that a robot starts before its server.

    `radius_m`, what the embedded one keeps to obstacles, and `standoff_m` are the embedded one's. With
    `arm`, models that point into the picture plan for it, and the embedded one refuses. ConfigError.
    """
    if params.kind == "embedded" and arm:
        return NoReasoner(NOT_FOR_ARMS)
    if params.kind == "embedded":
        return EmbeddedReasoner(radius_m, standoff_m)
    spoken = dialect(params.dialect, params.dialects, arm) if params.dialect else None
    if spoken is not None and params.kind == "openai":
        from vla_node.reasoners.openai import OpenAiReasoner

        return OpenAiReasoner(params, spoken)
    from vla_node.reasoners.remote import RemoteReasoner

    return RemoteReasoner(params, spoken)
