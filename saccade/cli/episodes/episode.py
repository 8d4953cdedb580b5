"""One episode: the nodes of a robot do an errand in a world on virtual time, and what became of it.

An episode is a value that can be sent to another process; the same episode gives the same outcome to the byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import cv2

from saccade.cli.episodes.blame import blame
from saccade.cli.episodes.variants import Variant, episode_nodes
from saccade.cli.episodes.witness import Witness
from saccade.cli.mission import MissionWatch
from saccade.cli.session import modelled_latency
from saccade.clock import SEC, nanoseconds, seconds
from saccade.errors import SaccadeError
from saccade.node import Node, Sample, run
from saccade.wire.convert import encode_text
from saccade.wire.inject import InjectSource, parse_faults
from saccade.wire.virtual import Source, VirtualBus

LYING_NS = 2 * SEC
"""A body that fell is given so long, then the episode is over."""
THERE_M = 1.05
"""From the goal's edge, or from the start: so near it must be when it says that it is done."""
_JUDGED = ("left_m", "from_start_m", "clearance_m", "collisions", "hit", "struck", "fallen_s", "stuck_s")


@dataclass(frozen=True, slots=True)
class Episode:
    """What to do where: go to what the judge of `world`, a world's name, calls the goal of this seed.

    `back`: the errand ends where it began. `variant` says what of the runtime is changed, `faults` what breaks.
    `limit_s` is when it is over at the latest; 0: 30 s and 6 s a metre of the shortest way.
    """

    world: str
    robot: str
    seed: int
    variant: Variant
    back: bool = False
    faults: str = ""
    limit_s: float = 0.0


def play(episode: Episode, extra: Iterable[Node] = ()) -> dict[str, Any]:
    """Run it; what happened, as values for JSON. A failure of the runtime itself is an outcome, too."""
    cv2.setNumThreads(1)  # episodes share the cores among them
    try:
        return _played(episode, list(extra))
    except SaccadeError as error:
        return {"seed": episode.seed, "success": False, "blame": "infrastructure", "why": str(error), "spl": 0.0}


def _played(episode: Episode, extra: list[Node]) -> dict[str, Any]:
    from sim.bus import make_world, world_kind

    nodes = [*episode_nodes(episode.robot, episode.variant), *extra]
    kind, options = world_kind(f"{episode.world}?seed={episode.seed}{episode.variant.world}")
    reads = frozenset[str]().union(*(node.reads for node in nodes))
    world = make_world(kind, replace(options, seconds=1e6), reads)
    verdict = world.judge()
    shortest_m = verdict["shortest_m"] * (2 if episode.back else 1)
    limit_ns = nanoseconds(episode.limit_s or 30.0 + 6.0 * shortest_m)
    source: Source = world
    if episode.faults:
        source = InjectSource(world, parse_faults(episode.faults), episode.seed)
    bus = VirtualBus(source, latency_ns=modelled_latency(episode.robot, nodes))
    text = f"go to the {verdict['goal']}" + (", then come back" if episode.back else "")
    bus.push(Sample("instruction", world.start_ns + SEC // 2, encode_text(text)))
    mission, witness = MissionWatch(), Witness(world)

    def over() -> bool:
        now_ns = bus.now_ns()
        fallen_s = witness.verdict["fallen_s"]
        lay = fallen_s is not None and now_ns - world.start_ns > fallen_s * SEC + LYING_NS
        return mission.over or lay or now_ns - world.start_ns >= limit_ns

    try:
        run([*nodes, mission, witness], bus, over)
    finally:
        bus.close()
    return _outcome(episode, text, limit_ns, world.judge(), mission, witness)


def _outcome(
    episode: Episode, text: str, limit_ns: int, verdict: dict[str, Any], mission: MissionWatch, witness: Witness
) -> dict[str, Any]:
    """What became of it: the judge's verdict, the witness' figures, and whose fault it was."""
    plan, factor = mission.last, 2 if episode.back else 1
    said_done = plan is not None and plan.final and plan.progress >= 1.0
    home = verdict["returned"] and verdict["from_start_m"] <= THERE_M
    there = home if episode.back else verdict["left_m"] <= THERE_M
    success = bool(said_done and there and not verdict["collisions"] and verdict["fallen_s"] is None)
    shortest_m, path_m = factor * verdict["shortest_m"], verdict["travelled_m"]
    outcome = {
        "seed": episode.seed, "instruction": text, "success": success, "said": mission.outcome,
        "time_s": round(seconds(witness.run.end_ns - witness.run.start_ns), 2), "limit_s": round(seconds(limit_ns), 1),
        "path_m": path_m, "shortest_m": round(shortest_m, 3),
        "spl": round(success * shortest_m / max(shortest_m, path_m), 4),
        **{key: verdict[key] for key in _JUDGED}, **witness.figures(),
    }  # fmt: skip
    if not success:
        outcome["blame"], outcome["why"] = blame(outcome, witness, bool(said_done), mission.over)
    return outcome
