"""One episode: the nodes of a robot do an errand in a world on virtual time, and what became of it.

An episode is a value that can be sent to another process; the same episode gives the same outcome to the byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import cv2

from saccade.cli.episodes.blame import blame
from saccade.cli.episodes.errand import Errand
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


@dataclass(frozen=True, slots=True)
class Episode:
    """An errand in the world of this seed.

    `variant` says what of the runtime is changed, `faults` what breaks. `limit_s` is when it is over at the latest;
    0: as the errand says.
    """

    errand: Errand
    seed: int
    variant: Variant
    faults: str = ""
    limit_s: float = 0.0


def play(episode: Episode, extra: Iterable[Node] = ()) -> dict[str, Any]:
    """Run it; what happened, as values for JSON. A failure of the runtime itself is an outcome, too."""
    cv2.setNumThreads(1)  # episodes share the cores among them
    try:
        return _played(episode, list(extra))
    except SaccadeError as error:
        return {"seed": episode.seed, "success": False, "blame": "infrastructure", "why": str(error)}


def _played(episode: Episode, extra: list[Node]) -> dict[str, Any]:
    from sim.bus import make_world, world_kind

    errand = episode.errand
    nodes = [*episode_nodes(errand.robot, episode.variant), *extra]
    kind, options = world_kind(f"{errand.world}?seed={episode.seed}{episode.variant.world}")
    reads = frozenset[str]().union(*(node.reads for node in nodes))
    world = make_world(kind, replace(options, seconds=1e6), reads)
    verdict = world.judge()
    limit_ns, text = nanoseconds(episode.limit_s or errand.limit_s(verdict)), errand.words(verdict)
    source: Source = world
    if episode.faults:
        source = InjectSource(world, parse_faults(episode.faults), episode.seed)
    bus = VirtualBus(source, latency_ns=modelled_latency(errand.robot, nodes))
    bus.push(Sample("instruction", world.start_ns + SEC // 2, encode_text(text)))
    mission, witness = MissionWatch(), Witness(world)

    def over() -> bool:
        now_ns = bus.now_ns()
        fallen_s = witness.verdict.get("fallen_s")
        lay = fallen_s is not None and now_ns - world.start_ns > fallen_s * SEC + LYING_NS
        return mission.over or lay or now_ns - world.start_ns >= limit_ns

    try:
        run([*nodes, mission, witness], bus, over)
    finally:
        bus.close()
    judged = world.judge()
    outcome = {
        "seed": episode.seed, "instruction": text, "said": mission.outcome,
        "time_s": round(seconds(witness.run.end_ns - witness.run.start_ns), 2), "limit_s": round(seconds(limit_ns), 1),
        **errand.figures(judged, mission.done), **witness.figures(),
    }  # fmt: skip
    if not outcome["success"]:
        missed = errand.missed(judged)
        outcome["blame"], outcome["why"] = blame(judged.get("fallen_s"), witness, mission, missed)
    return outcome
