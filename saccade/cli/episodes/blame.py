"""Whose fault a failed episode is, by rules that are stated; the first one that holds decides.

1. infrastructure: the runtime raised an error, no plan was ever made, or the body fell over.
2. A collision is perception's if the robot's own map showed its place as free when they touched; if the map knew of
   the obstacle it is the gate's, which has the last word and let it happen. A robot without a map touches what its
   policy moves it to.
3. reasoner: it said that the errand was done, or gave it up, and it was not done.
4. Out of time, by what most of the last twenty seconds were: stopped for lack of a map, pictures or odometry:
   perception; stopped for lack of chunks: infrastructure; stopped or held by clearance: the gate; a plan that says
   stop: the reasoner; a plan to follow and nothing requested, or motion that led nowhere: the policy.
"""

from __future__ import annotations

from collections import Counter

from saccade.cli.episodes.witness import Witness
from saccade.cli.mission import MissionWatch
from saccade.types import Decision, PlanKind

PARTS = ("reasoner", "policy", "perception", "gate", "infrastructure")
LAST_S = 20.0
_SENSES = ("local_map", "odom", "clearance stale", "clearance missing", "clearance frozen")


def blame(fallen_s: float | None, witness: Witness, mission: MissionWatch, missed: str) -> tuple[str, str]:
    """(one of PARTS, why in words); `fallen_s` is when the body tipped over, `missed` how far from done it ended."""
    if fallen_s is not None:
        return "infrastructure", f"the body tipped over at {fallen_s:.1f} s"
    if not witness.run.plans:
        return "infrastructure", "no plan was made"
    if witness.contact is not None:
        touch = witness.contact
        if touch.shown is None:
            return "policy", f"ran into {touch.name} at {touch.at_s:.1f} s"
        shown = "showed" if touch.shown else "did not show"
        why = f"ran into {touch.name} at {touch.at_s:.1f} s, which its map {shown}"
        return ("gate" if touch.shown else "perception"), why
    if mission.over:
        return "reasoner", f"{'said' if mission.done else 'gave up'}: {mission.outcome} ({missed})"
    return _out_of_time(witness)


def _out_of_time(witness: Witness) -> tuple[str, str]:
    kinds: Counter[tuple[str, str]] = Counter()
    stands = witness.run.plans[-1][1].kind is PlanKind.STOP
    for decision, reason, requested, granted in witness.ticks(LAST_S):
        if decision is Decision.STOP and any(name in reason for name in _SENSES):
            kinds["perception", "stopped for lack of senses"] += 1
        elif decision is Decision.STOP and "chunk" in reason:
            kinds["infrastructure", "stopped for lack of chunks"] += 1
        elif requested and not granted:
            kinds["gate", "held by the gate"] += 1
        elif granted:
            kinds["policy", "drove, and did not arrive"] += 1
        elif stands:
            kinds["reasoner", "the plan was to stand"] += 1
        else:
            kinds["policy", "had a plan and did not move"] += 1
    part, why = max(kinds, key=lambda kind: (kinds[kind], kind)) if kinds else ("infrastructure", "no verdicts")
    return part, f"out of time: {why}"
