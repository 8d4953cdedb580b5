"""What the map's window costs as it moves: distances, clearance, and memory over a long drive."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from map_node.volume.base import Change, VolumeParams
from map_node.volume.clearance import rays, sweep
from map_node.volume.cpu import CpuVolume
from map_node.volume.esdf import Esdf
from saccade.cli.bench.rooms import STEP_M, drive
from saccade.cli.bench.scene import shots
from saccade.cli.bench.sections import Section, Settings, Table, spans, told
from saccade.cli.bench.volume import RANGE_M, RECORDING

_ESDF_MS, _GROWN_MB = 10.0, 4.0
_REPEATS = 200
_PAGE = 4096


def esdf(settings: Settings) -> Section:
    """Distances at 5 cm in 8x8x3 m, kept up to date frame by frame while the window follows the camera."""
    path = settings.data / RECORDING
    if not path.is_dir():
        return Section({}, absent=[f"{RECORDING} is not in {settings.data}"])
    volume = CpuVolume(VolumeParams(max_range_m=RANGE_M))
    distances = Esdf(volume)
    ms: dict[str, list[float]] = {"wall_ms": [], "cpu_ms": []}
    rolled: list[float] = []
    for depth, rgb, T in shots(path):
        before = volume.corner
        x, y, z = T.t.tolist()
        volume.centre((x, y, z))
        change, moved = volume.integrate(depth, T, rgb), volume.corner != before
        for name, took in zip(ms, _timed(lambda change=change: distances.update(change)), strict=True):  # type: ignore[misc]
            ms[name].append(took)
        if moved and len(ms["wall_ms"]) > 1:  # the first image only says where the window is
            rolled.append(ms["wall_ms"][-1])
    everything = Change(volume.blocks().at, True)
    fresh = [Esdf(volume) for _ in range(5)]  # one that has it all already would find that nothing has changed
    anew = [_timed(lambda made=made: made.update(everything))[0] for made in fresh]  # type: ignore[misc]
    figures = {name: spans(values[1:]) for name, values in ms.items()}
    rows = [["update, wall", *told(figures["wall_ms"])], ["update, CPU", *told(figures["cpu_ms"])]]
    rows += [[f"of these, {len(rolled)} in which the window moved, wall", *told(spans(rolled))]] if rolled else []
    rows += [["everything anew, wall", *told(spans(anew))]]
    about = (
        f"`{RECORDING}`, 5 cm in 8x8x3 m, distances up to 2 m, on {volume.params.threads} threads; asked for: at most "
        f"{_ESDF_MS:g} ms."
    )
    missed = [f"an update of distances within {_ESDF_MS:g} ms (p95)"] if figures["wall_ms"]["p95"] > _ESDF_MS else []
    asked = _clearance(distances, volume)
    return Section(
        {**figures, "moved": len(rolled), "anew_ms": spans(anew), "clearance_per_ms": asked},
        [
            Table("Distances", about, ("ms", "p50", "p95", "worst"), rows),
            Table("Clearance", "Asked of those distances, on one thread.", ("", "a ms"),
                  [[what, f"{rate:.0f}"] for what, rate in asked.items()]),
        ], missed,
    )  # fmt: skip


def _clearance(distances: Esdf, volume: CpuVolume) -> dict[str, float]:
    """How many of each kind of question are answered in a millisecond."""
    middle = distances.origin_m + np.array(distances.labels.shape) * volume.params.voxel_m / 2
    angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)], axis=1)
    path = middle + np.linspace(0, 2, 50)[:, None] * np.array([1.0, 0.2, 0.0])
    points = middle + np.random.default_rng(0).uniform(-1.4, 1.4, (10_000, 3))
    asked: dict[str, tuple[int, Callable[[], object]]] = {
        "rays of up to 4 m": (len(around), lambda: rays(distances, middle, around, 4.0, volume.stamp_ns, 0.5)),
        "motions of 50 points": (1, lambda: sweep(distances, path, 0.3, volume.stamp_ns, 0.5)),
        "distances with gradient": (len(points), lambda: distances.distance_m(points)),
    }
    return {
        what: many / float(np.median([_timed(ask)[0] for _ in range(_REPEATS)])) for what, (many, ask) in asked.items()
    }


def memory(settings: Settings) -> Section:
    """Resident memory, and blocks in use, while volume and distances follow a long drive through rooms.

    In a process of its own: what other parts have freed would hide what this one takes.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool_blocks, seen = pool.submit(_driven, settings.drive_m).result()
    grown_mb = seen[-1][1] - seen[len(seen) // 2][1]
    rows = [[f"{gone:.0f}", f"{mb:.1f}", f"{blocks}"] for gone, mb, blocks in seen]
    about = (
        f"A generated drive of {settings.drive_m:g} m through rooms, in loops of 50 m; the pool of {pool_blocks} "
        "blocks is made at the start, and its pages are touched as they are first used."
    )
    missed = [f"memory that stays as it is ({grown_mb:+.1f} MB in the second half)"] if grown_mb > _GROWN_MB else []
    return Section(
        {"resident_mb": [mb for _, mb, _ in seen], "blocks": [b for *_, b in seen], "pool": pool_blocks,
         "grown_mb": grown_mb},
        [Table("Memory", about, ("m driven", "resident MB", "blocks in use"), rows)], missed,
    )  # fmt: skip


def _driven(metres: float) -> tuple[int, list[tuple[float, float, int]]]:
    """Blocks of the pool; and ten times on the way, metres, resident MB and blocks in use."""
    volume = CpuVolume(VolumeParams(max_range_m=RANGE_M))
    distances, seen, every_m = Esdf(volume), list[tuple[float, float, int]](), metres / 10
    for n, (depth, T) in enumerate(drive(metres)):
        x, y, z = T.t.tolist()
        volume.centre((x, y, z))
        distances.update(volume.integrate(depth, T))
        if (n + 1) * STEP_M >= every_m * (len(seen) + 1) - 1e-6:
            seen.append((every_m * (len(seen) + 1), _resident_mb(), len(volume.blocks().at)))
    return int(np.prod(volume.params.shape)), seen


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1e6


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds by the clock and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3
