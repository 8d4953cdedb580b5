"""A folder of generated pairs, read while it fills: `python -m training.pairs --out DIR`.

One file a seed, so that a stopped run goes on where it was; nothing in it but what `training.sample` makes of the seed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track

from training.sample import sample, stream
from training.scenes import SCENES

Packed = npt.NDArray[np.void]
SIZE = (384, 256)
RANGES = (48, 64, 96, 128, 192)
"""Largest disparity of a pair, drawn for each: near robots and far roads."""
WINDOWS = 0.8
"""Share of windows of a larger camera: whole scenes at this size are busier than what cameras show (`windows_of`)."""
SUBPIXEL = 256
PIXEL = np.dtype(
    [("left", "u1", 3), ("right", "u1", 3), ("disparity", "<u2"), ("right_disparity", "<u2"), ("confidence", "u1"),
     ("occluded", "?")]
)  # fmt: skip
"""disparities in 1/256 px; confidence 255 = the pixel's light is all the surface's own."""
CHUNK = 64
"""Seeds that a worker takes at once: a library of textures serves that many."""


def make(seed: int, size: tuple[int, int] = SIZE, scene: str | None = None) -> Packed:
    """Pair number `seed` as (H, W) of `PIXEL`, of one of `SCENES` or of any; `size` = (width, height) pixels."""
    largest = int(stream(seed, "range").choice(RANGES))
    s = sample(seed, size, largest, scene=scene, windows=windows_of(size))
    packed = np.zeros(size[::-1], PIXEL)
    packed["left"], packed["right"] = s.left, s.right
    packed["disparity"] = np.rint(s.disparity * SUBPIXEL)
    packed["right_disparity"] = np.rint(s.right_disparity * SUBPIXEL)
    packed["confidence"] = np.rint(s.confidence * 255)
    packed["occluded"] = s.occluded
    return packed


def windows_of(size: tuple[int, int]) -> float:
    """Share of windows among pairs of this size: the wider a picture, the more it is what a whole camera shows."""
    return WINDOWS * min(1.0, SIZE[0] / size[0])


def size_of(folder: Path) -> tuple[int, int]:
    """(width, height) of the pairs in a folder; `SIZE` where it has none yet."""
    for file in folder.glob("*.npy"):
        height, width = np.load(file, mmap_mode="r").shape
        return width, height
    return SIZE


def file_of(folder: Path, seed: int) -> Path:
    """Where pair number `seed` lies."""
    return folder / f"{seed:08d}.npy"


def fill(
    folder: Path, first: int, count: int, workers: int, size: tuple[int, int] = SIZE, scene: str | None = None
) -> Iterator[int]:
    """Make what is missing of the pairs `first`, `first` + 1 ...; yields how many a worker has just seen to."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(first, first + count, CHUNK)
    # Not forked: a copy of a process whose libraries have threads may hang.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, fresh, cv2.setNumThreads, (1,)) as pool:
        jobs = [(folder, start, min(CHUNK, first + count - start), size, scene) for start in starts]
        yield from pool.map(_fill_chunk, jobs)


def _fill_chunk(job: tuple[Path, int, int, tuple[int, int], str | None]) -> int:
    folder, first, count, size, scene = job
    for seed in range(first, first + count):
        path = file_of(folder, seed)
        if path.exists():
            continue
        half_written = path.with_suffix(f".{os.getpid()}.tmp")
        with half_written.open("wb") as file:
            np.save(file, make(seed, size, scene))
        half_written.replace(path)
    return count


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/pairs"))
    parser.add_argument("--first", type=int, default=0, help="seed of the first pair")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("W", "H"), help="pixels, multiples of 32")
    parser.add_argument("--scene", choices=SCENES, help="only of this kind, for a folder to hold more of it")
    args = parser.parse_args(arguments)
    if args.workers < 1:
        parser.error(f"--workers is {args.workers}; expected at least 1")
    size = tuple(args.size)
    if min(size) < 32 or any(side % 32 for side in size):
        parser.error(f"--size is {_words(size)}; expected multiples of 32, as the network takes")
    if any(args.out.glob("*.npy")) and (has := size_of(args.out)) != size:
        parser.error(f"--size is {_words(size)}, and {args.out} holds pairs of {_words(has)}; use another --out")
    steps = fill(args.out, args.first, args.count, args.workers, size, args.scene)
    for _ in track(steps, "generating, in 64s", total=-(-args.count // CHUNK)):
        pass


def _words(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))


if __name__ == "__main__":
    main()
