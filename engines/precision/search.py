"""Which layers must stay in fp32 so that a network's answers stay what they were.

Each run of layers is lowered alone and judged by what that does to the outputs. Then the worst are kept in fp32, one,
two, four and so on until the graph passes, and the smallest number that passes is found between the last two.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engines.compiler import Progress
from engines.engine import Array, Engine, EngineError
from engines.options import Precision
from engines.precision.graph import Lowering
from engines.precision.prepare import Kept, Prepared, Samples, Trial

RUNS = 32
"""At most this many runs of layers are judged apart."""
LOOKED = 3
"""Samples by which a run is judged."""


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive nodes that are lowered or kept together."""

    name: str
    nodes: tuple[str, ...]


def search(lowering: Lowering, precision: Precision, samples: Samples, trial: Trial, progress: Progress) -> Prepared:
    """The graph with the fewest nodes in fp32 that `trial` has nothing against. See `prepare`."""
    everything = frozenset(lowering.nodes)
    progress(f"{precision}: all layers", 0.02)
    first = _against(trial, lowering, everything)
    if not first:
        return Prepared(lowering.lowered(everything), precision, (), 1.0)
    if not samples:
        raise EngineError(f"{precision} of all layers does not pass, and without samples none can be judged apart")
    runs = runs_of(lowering.nodes)
    errors = _errors(lowering, precision, runs, samples, trial, progress)
    worst = sorted(range(len(runs)), key=lambda i: (-errors[i], i))
    failed, kept = 0, 1
    last, tried = first, 0

    def without(count: int) -> frozenset[str]:
        return everything - {name for i in worst[:count] for name in runs[i].nodes}

    def good(count: int) -> bool:
        nonlocal last, tried
        progress(f"{precision}: {count} of {len(runs)} runs of layers in fp32", 1.0 - 0.3 * 0.8**tried)
        tried += 1
        reason = _against(trial, lowering, without(count))
        last = reason or last
        return not reason

    while kept < len(runs) and not good(kept):
        failed, kept = kept, 2 * kept
    kept = min(kept, len(runs))  # all of them need not be tried: nothing is lowered then
    while kept - failed > 1:
        middle = (failed + kept) // 2
        failed, kept = (failed, middle) if good(middle) else (middle, kept)
    if kept == len(runs):
        raise EngineError(
            f"{precision} passes for no part of this graph. With {runs[worst[-1]].name} alone lowered, of "
            f"{len(runs)} runs of layers that which does least, it still says: {last}. With all lowered: {first}. "
            "Use fp32, or look at the tolerance of its card"
        )
    told = tuple(Kept(runs[i].name, len(runs[i].nodes), errors[i]) for i in worst[:kept])
    return Prepared(
        lowering.lowered(without(kept)), precision, told, 1.0 - sum(k.nodes for k in told) / len(everything)
    )


def _against(trial: Trial, lowering: Lowering, nodes: frozenset[str]) -> str:
    """What speaks against lowering these nodes: answers, or that there are none."""
    try:
        with trial.open(lowering, nodes) as engine:
            return trial.against(engine)
    except EngineError as error:
        return str(error)


def runs_of(nodes: tuple[str, ...], at_most: int = RUNS) -> list[Run]:
    """Nodes by the module that exporters name them after (`/part/layer/...`), wherever they stand: both eyes of a
    stereo network share it. Nodes without a module are taken as they follow each other.

    Where that gives more than `at_most`, neighbours are joined, those of one part first and of these the shortest.
    """
    named: dict[str, list[str]] = {}
    stretch, longest = "", -(-len(nodes) // at_most)
    for node in nodes:
        module = "/".join(node.split("/")[:-1][:3])
        if module:
            stretch = ""
        elif not stretch or len(named[stretch]) >= longest:
            stretch = node
        named.setdefault(module or stretch, []).append(node)
    runs = [Run(name, tuple(members)) for name, members in named.items()]
    while len(runs) > at_most:
        joined = [Run(f"{one.name}, {other.name}", one.nodes + other.nodes) for one, other in pairwise(runs)]
        i = min(range(len(joined)), key=lambda i: (_part(runs[i]) != _part(runs[i + 1]), len(joined[i].nodes)))
        runs[i : i + 2] = [joined[i]]
    return runs


def _part(run: Run) -> str:
    return run.nodes[0].rpartition("/")[0].split("/")[:2][-1]


def _errors(
    lowering: Lowering, precision: Precision, runs: list[Run], samples: Samples, trial: Trial, progress: Progress
) -> list[float]:
    """What lowering each run alone does to the outputs; infinite where it gives no answers, or what is no number."""
    looked = samples[:: -(-len(samples) // LOOKED)]
    want = _answers(trial.open(lowering, frozenset()), looked)
    errors = []
    for number, run in enumerate(runs):
        progress(f"{precision}: judging {run.name}", 0.05 + 0.65 * number / len(runs))
        try:
            errors.append(noise(_answers(trial.open(lowering, frozenset(run.nodes)), looked), want))
        except EngineError:
            errors.append(float("inf"))
    return errors


def noise(got: list[dict[str, Array]], want: list[dict[str, Array]]) -> float:
    """Mean difference over the mean deviation of what is wanted; of the worst output. Infinite for a missing number.

    Not the squares: where a network chooses, a few pixels choose otherwise whatever is changed, and would outweigh all.
    """
    worst = 0.0
    for name in want[0]:
        is_, should = (np.concatenate([a[name].ravel() for a in answers]).astype(np.float64) for answers in (got, want))
        known = np.isfinite(should)
        if not np.array_equal(np.isfinite(is_), known):
            return float("inf")
        if known.any():
            error = float(np.abs(is_[known] - should[known]).mean())
            spread = float(np.abs(should[known] - should[known].mean()).mean())
            worst = max(worst, error / (spread or 1.0))
    return worst


def _answers(opened: Engine, samples: Samples) -> list[dict[str, Array]]:
    with opened as engine:
        return [{name: array.copy() for name, array in engine.infer(sample).items()} for sample in samples]
