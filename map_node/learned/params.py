"""Parameters of learned reconstruction."""

from __future__ import annotations

from dataclasses import dataclass

from saccade.errors import ConfigError
from saccade.params import param


@dataclass(frozen=True, slots=True)
class LearnedParams:
    """A model of several views that is run on keyframes; off without a card."""

    card: str = param("", "card of a model of several views, such as vggt or da3 once it was added; empty = off")
    every_s: float = param(5.0, "time from one run to the next, at least", low=0, live=True)
    budget_s: float = param(4.0, "an answer that takes longer is not used", low=0, live=True)
    threads: int = param(1, "threads of the model; its card may ask for a GPU instead", low=1)
    keyframes: int = param(16, "keyframes that are kept, at most", low=1)
    views: int = param(0, "keyframes of a run, at most; 0 = as many as the model takes", low=0)
    least_confidence: float = param(0.3, "what the model is less sure of is not used, 0 to 1", low=0, high=1)
    spread: float = param(0.15, "how far its scale may spread, within and between views", low=0, high=1)
    turn_deg: float = param(5.0, "how far its poses may be turned from odometry's", low=0)
    way: float = param(0.2, "how far its poses may be off, as a share of how far the cameras are apart", low=0)

    def __post_init__(self) -> None:
        if min(self.every_s, self.budget_s, self.spread, self.turn_deg, self.way) <= 0 or self.threads < 1:
            raise ConfigError("learned: every_s, budget_s, spread, turn_deg and way are positive, threads at least 1")
        if not 0 <= self.least_confidence < 1 or self.views < 0 or self.keyframes < 1:
            raise ConfigError("learned: least_confidence is 0 to below 1, views at least 0 and keyframes at least 1")
