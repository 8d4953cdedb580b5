"""For a robot that the embedded reasoner cannot plan for: every instruction is refused, with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from saccade.types import PlanKind
from vla_node.planner import Answer, Observation, make_plan
from vla_node.reasoners.embedded.language import says_stop


@dataclass(frozen=True, slots=True)
class NoReasoner:
    """Refuses for the reason `why`; what means stop is no instruction, and stops."""

    why: str

    def refuses(self, instruction: str) -> str:
        """See `Reasoner.refuses`."""
        return "" if says_stop(instruction) else self.why

    def plan(self, observation: Observation) -> Answer:
        """See `Reasoner.plan`: a standstill."""
        return Answer(make_plan(observation, PlanKind.STOP, self.why))

    def cancel(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is held."""
