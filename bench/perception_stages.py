"""Perception, stage by stage: a raw 640x480 colour pair to points, against a plain OpenCV + ONNX Runtime script.

Saccade's steps are the node's own, up to the bytes of a PointCloud2 with colours; the script (bench/plain_stereo.py)
ends with an array of points. Both take turns, frame by frame, so that what else the machine does hurts both. `new` is
how much memory, in pictures of 640x480 bytes, a frame had allocated at once beyond its result (Python and numpy).
`around it` is the total less the engine.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.__main__ import save
from bench.plain_stereo import Network, PlainStereo, onnx_runtime
from engines.card import Card, load_card, with_threads
from perception_node.cloud import Clouds
from perception_node.params import PointsParams
from saccade.cli.engine.raw_pair import BASELINE_M, PairToDepth, camera_model
from saccade.clock import perf_ns
from saccade.stages import Stages

WIDTH, HEIGHT = 640, 480
MODELS = ("stereo-s", "stereo-s-int8", "sgbm")
STAGES = ("rectify", "prepare", "engine", "finish", "depth", "points")


class Ours:
    """The node's own steps for a raw pair, without its monitoring and its map."""

    def __init__(self, card: Card, stages: Stages) -> None:
        self.stages = stages
        self.perceive = PairToDepth(card, WIDTH, HEIGHT, stages)
        self.clouds = Clouds(PointsParams(step=1))

    @property
    def prepared(self) -> str:
        """Where pictures become what the model takes."""
        return self.perceive.prepared

    def __call__(self, left: Any, right: Any) -> int:
        """Bytes of the message."""
        pair, depth = self.perceive(left, right)
        with self.stages.timed("points"):
            return len(self.clouds.out(depth, pair.left, 0).cdr)


class Plain:
    """The script, with a clock at each of its marks."""

    prepared = "on the CPU"

    def __init__(self, network: Network | None, stages: Stages) -> None:
        self.stages = stages
        camera = camera_model(WIDTH, HEIGHT)
        self.run = PlainStereo(network, camera.K, camera.D, (WIDTH, HEIGHT), BASELINE_M)

    def __call__(self, left: Any, right: Any) -> int:
        """Bytes of the points."""
        begin = perf_ns()

        def mark(stage: str) -> None:
            nonlocal begin
            end = perf_ns()
            self.stages.add(stage, begin, end)
            begin = perf_ns()

        return int(self.run(left, right, mark).nbytes)


def main() -> int:
    """Time every model with one thread and with two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--frames", type=int, default=40)
    args = parser.parse_args()
    pair = raw_pair()
    numbers = {
        f"{model}, {threads} thread{'s' * (threads > 1)}": _compare(model, threads, pair, args.frames)
        for model in MODELS
        for threads in (1, 2)
    }
    for case, both in numbers.items():
        _print(case, both)
    save(numbers, args.json)
    return 0


def _compare(model: str, threads: int, pair: tuple[Any, Any], frames: int) -> dict[str, dict[str, Any]]:
    cv2.setNumThreads(threads)
    newest = [Stages(keep=frames) for _ in range(2)]  # what came before, to warm up, is forgotten
    card = load_card(model)
    network = onnx_runtime(card.beside(card.onnx), threads) if card.onnx else None
    runs = {"saccade": Ours(with_threads(card, threads), newest[0]), "script": Plain(network, newest[1])}
    for run in runs.values():
        for _ in range(3):
            run(*pair)
    for _ in range(frames):
        for run in runs.values():
            begin = perf_ns()
            run(*pair)
            run.stages.add("total", begin, perf_ns())
    return {name: {**run.stages.summary(), "new_pictures": _new(run, pair)} for name, run in runs.items()}


def _new(run: Callable[..., int], pair: tuple[Any, Any]) -> float:
    """Pictures' worth of memory alive at once beyond the result, or all of it where that is larger."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    result = run(*pair)
    peak = tracemalloc.get_traced_memory()[1] - before - result
    tracemalloc.stop()
    return round(max(0, peak) / (WIDTH * HEIGHT), 1)


def raw_pair() -> tuple[Any, Any]:
    """A textured wall, 24 px of disparity."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH + 24, 3), np.uint8)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX)
    return np.ascontiguousarray(scene[:, :WIDTH]), np.ascontiguousarray(scene[:, 24:])


def _print(case: str, both: dict[str, dict[str, Any]]) -> None:
    ours, script = both["saccade"], both["script"]
    print(f"{case:<28} Saccade p50, p99   script p50, p99 ms")
    for stage in (*STAGES, "total"):
        print(f"    {stage:<20} {_shown(ours.get(stage))}   {_shown(script.get(stage))}")
    around = [numbers["total"]["p50_ms"] - numbers["engine"]["p50_ms"] for numbers in both.values()]
    print(f"    {'around it':<20} {around[0]:8.2f}          {around[1]:11.2f}")
    print(f"    {'new':<20} {ours['new_pictures']:8.1f}          {script['new_pictures']:11.1f}\n", flush=True)


def _shown(numbers: dict[str, float] | None) -> str:
    return f"{numbers['p50_ms']:8.2f} {numbers['p99_ms']:8.2f}" if numbers else f"{'-':>8} {'-':>8}"


if __name__ == "__main__":
    raise SystemExit(main())
