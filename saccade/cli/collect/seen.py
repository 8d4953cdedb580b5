"""Which of a world's things the robot itself saw, by the eyes of its own reasoner."""

from __future__ import annotations

import math
from collections.abc import Iterable

from saccade.cli.collect.rollout import Rollout
from vla_node.planner import Observation
from vla_node.reasoners.embedded.language import Misunderstood, parse
from vla_node.reasoners.embedded.sight import Memory
from vla_node.reasoners.embedded.steps import GoTo
from vla_node.reasoners.embedded.tabletop import best


def landmark(name: str) -> GoTo | None:
    """A name such as "red box" as what is looked for; None where the language has no words for it."""
    steps = parse(f"go to the {name}")
    if isinstance(steps, Misunderstood) or len(steps) != 1 or not isinstance(steps[0], GoTo):
        return None
    return steps[0]


def look_for(memory: Memory, seen: Observation, targets: Iterable[GoTo], rollout: Rollout) -> None:
    """Search an observation as the robot's own reasoner does: one that flies knows nothing of the ground below."""
    memory.look(seen, targets, -math.inf if rollout.film.flies else None)


def seen_names(rollout: Rollout, names: Iterable[str], within_m: float = math.inf) -> list[str]:
    """Of these names, what was seen at any of the rollout's thoughts so near to the start, in their order."""
    targets = {name: target for name in names if (target := landmark(name)) is not None}
    if rollout.arm is not None:  # it stands where it began, and what it looks at is small
        looks = [thought.observation for thought in rollout.thoughts]
        return [name for name, target in targets.items() if any(best(seen, target) is not None for seen in looks)]
    memory = Memory()
    for thought in rollout.thoughts:
        seen = thought.observation
        if math.dist(seen.state.T_odom_from_body.t[:2], seen.start.t[:2]) <= within_m:
            look_for(memory, seen, targets.values(), rollout)
    return [name for name, target in targets.items() if memory.recall(target) is not None]
