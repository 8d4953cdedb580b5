"""Perception, end to end, by what runs the network: a raw 640x480 colour pair to points, on whatever is here.

Saccade's steps are the node's own, up to the bytes of a PointCloud2 with colours; on TensorRT with CUDA graphs and
without. The scripts (bench/plain_stereo.py) end with an array of points. All are fed from the host's memory and answer
there. They take turns; each is timed right after a pair that is not, as in a stream of pictures. What cannot run here
is named, with what is missing.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from bench.__main__ import save
from bench.perception_stages import HEIGHT, WIDTH, Ours, Plain, raw_pair
from bench.plain_stereo import Network, onnx_runtime, pytorch
from engines.card import Card, load_card, with_options, with_runtime, with_threads
from saccade.clock import perf_ns
from saccade.errors import SaccadeError
from saccade.stages import Stages

MODELS = ("stereo-s", "stereo-m")
COMPILED = (("OpenVINO", ("fp32", "bf16")), ("TensorRT", ("fp32", "fp16")))
Contender = Ours | Plain


def main() -> int:
    """Time every model on everything that can run it here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME", help="of our own networks, in fp32")
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    print(f"{WIDTH}x{HEIGHT}, {args.threads} threads, {args.frames} pairs", end="\n\n")
    numbers = {model: measured(load_card(model), args.threads, args.frames) for model in args.models}
    save(numbers, args.json)
    return 0


def measured(card: Card, threads: int, frames: int) -> dict[str, Any]:
    """Print and return percentiles of each contender by name, or why it cannot run here."""
    found: dict[str, Any] = {}
    with ExitStack() as open_ones:
        runs: dict[str, Contender] = {}
        for name, make in contenders(card, threads):
            try:
                run = runs[name] = make(Stages(keep=frames))
            except (SaccadeError, RuntimeError) as error:
                found[name] = str(error)
                continue
            if isinstance(run, Ours):
                open_ones.enter_context(run.perceive)
        found |= _timed(runs, frames)
    _print(card.name, found)
    return found


def contenders(card: Card, threads: int) -> Iterator[tuple[str, Callable[[Stages], Contender]]]:
    """Each one's name and what opens it."""
    card = with_threads(card, threads)
    yield "Saccade, ONNX Runtime", partial(Ours, card)
    for runtime, precisions in COMPILED:
        for precision in precisions:
            compiled = with_runtime(card, runtime.lower(), precision)
            yield f"Saccade, {runtime} {precision}", partial(Ours, compiled)
            if runtime == "TensorRT":
                yield (
                    f"Saccade, {runtime} {precision}, no graphs",
                    partial(Ours, with_options(compiled, {"graphs": False})),
                )
    model = card.beside(card.onnx)
    networks: dict[str, Callable[[], Network]] = {
        "ONNX Runtime": partial(onnx_runtime, model, threads),
        "ONNX Runtime CUDA": partial(onnx_runtime, model, threads, "CUDAExecutionProvider"),
        "PyTorch": partial(pytorch, model, threads),
        "PyTorch CUDA": partial(pytorch, model, threads, "cuda"),
    }
    for name, network in networks.items():
        yield f"script, {name}", partial(_script, network)


def _script(network: Callable[[], Network], stages: Stages) -> Plain:
    return Plain(network(), stages)


def _timed(runs: dict[str, Contender], frames: int) -> dict[str, Any]:
    pair = raw_pair()
    for turn in range(-2, frames):
        for run in runs.values():
            run(*pair)
            begin = perf_ns()
            run(*pair)
            if turn >= 0:  # the first are warm-ups: they compile, allocate and capture
                run.stages.add("total", begin, perf_ns())
    return {name: run.stages.summary()["total"] | {"prepared": run.prepared} for name, run in runs.items()}


def _print(model: str, found: dict[str, Any]) -> None:
    print(f"{model:<38}{'p50':>9}{'p95':>9}{'p99 ms':>9}")
    for name, numbers in found.items():
        if not isinstance(numbers, str):
            told = "".join(f"{numbers[key]:9.2f}" for key in ("p50_ms", "p95_ms", "p99_ms"))
            print(f"    {name:<34}{told}  {numbers['prepared']}".rstrip())
    missing: dict[str, list[str]] = {}
    for name, numbers in found.items():
        if isinstance(numbers, str):
            missing.setdefault(numbers, []).append(name)
    for why, names in missing.items():
        print(f"    not run: {'; '.join(names)}: {why}")
    print(flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
