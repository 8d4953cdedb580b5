"""Gaussians of the map on views that it never saw, beside its mesh and Gaussians of pixels made of the same frames.

Every eighth frame of an RGB-D recording with poses is held out. Of the others 10, 50 and all are fused, evenly spread,
so that it is seen what more views cost. Each way of showing them then draws the held-out views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from map_node.gaussians.base import Drawing, Gaussians
from map_node.gaussians.cpu import CpuRenderer
from map_node.gaussians.pictures import Scene, of_gaussians, of_mesh
from map_node.gaussians.refine import View
from map_node.gaussians.splats import SplatParams, Splats
from map_node.volume.base import VolumeParams
from map_node.volume.cpu import CpuVolume
from map_node.volume.mesh import mesh
from saccade.cli.bench_map_frames import Recording, Shot, read
from saccade.clock import perf_ns
from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.keyframes import Keyframes
from saccade.types import U8

HELD_OUT = 8
VIEWS = (10, 50, 0)
"""How many are fused; 0 = all."""
VOXEL_M, PARTS, BUDGET, ROUNDS = 0.02, 2, 16, 6
_PIXELS = 3_000_000
"""Of more Gaussians of pixels, every second or third pixel each way is left out."""
_GREY = (0.5, 0.5, 0.5)
_Say = Callable[[str], None]


def bench_gaussians(path: Path, say: _Say = print) -> dict[str, Any]:
    """All figures of one recording, printed as a table on the way. DataError where it has no RGB-D with poses."""
    recording = read(path)
    held = recording.shots[HELD_OUT // 2 :: HELD_OUT]
    used = [shot for n, shot in enumerate(recording.shots) if n % HELD_OUT != HELD_OUT // 2]
    say(f"{path.name}: {len(held)} of {len(recording.shots)} views held out; voxels {VOXEL_M * 100:g} cm, cut "
        f"{PARTS}x{PARTS}x{PARTS}; {BUDGET} keyframes, {ROUNDS} steps each; "
        f"{recording.camera.width}x{recording.camera.height}, one thread")  # fmt: skip
    say(f"    {'views':>5} {'shown by':<22} {'PSNR':>6} {'SSIM':>6}   {'where all draw':<14} {'covered':>7} "
        f"{'number':>9} {'MB':>7} {'ms':>6}")  # fmt: skip
    found: dict[str, Any] = {"held_out": len(held), "voxel_m": VOXEL_M, "views": {}}
    for wanted in VIEWS:
        count = min(wanted, len(used)) or len(used)
        chosen = [used[i] for i in np.linspace(0, len(used) - 1, count).round().astype(int)]
        scenes, extra = _scenes(recording, chosen)
        figures = _judge(recording, held, scenes)
        for name, one in figures.items():
            one |= {"number": scenes[name].number, "bytes": scenes[name].bytes}
            say(f"    {count:>5} {name:<22} {one['psnr']:6.2f} {one['ssim']:6.3f}   {one['psnr_where_all']:6.2f} "
                f"{one['ssim_where_all']:6.3f}  {100 * one['covered']:6.1f}% {one['number']:9d} "
                f"{one['bytes'] / 1e6:7.1f} {one['ms']:6.0f}")  # fmt: skip
        say(f"          {extra['keyframes']} keyframes of {extra['keyframe_bytes'] / 1e6:.1f} MB, refined in "
            f"{extra['refine_s']:.1f} s; volume of {extra['volume_bytes'] / 1e6:.1f} MB")  # fmt: skip
        found["views"][count] = {**figures, **extra}
    return found


class _Shown(NamedTuple):
    scene: Scene
    number: int
    bytes: int


def _scenes(recording: Recording, shots: Sequence[Shot]) -> tuple[dict[str, _Shown], dict[str, Any]]:
    """What is made of these frames, by name, and what it took."""
    volume, keyframes = _volume(recording, shots), Keyframes[View](BUDGET, apart_m=0.1, apart_rad=0.1)
    for shot in shots:
        depth, rgb, T_odom_from_cam = recording.seen(shot)
        volume.integrate(depth, shot.T_odom_from_depth, recording.registered(depth, rgb))
        keyframes.put(depth.stamp_ns, T_odom_from_cam, partial(_half, rgb, T_odom_from_cam, recording.camera))
    views = [anchor.payload for anchor in keyframes.anchors()]
    splats = Splats(SplatParams(parts=PARTS, most=10_000_000))
    splats.update(volume)
    fused, begin = splats.gaussians, perf_ns()
    for n in range(ROUNDS):
        for view in views[:: 1 if n % 2 == 0 else -1]:
            splats.refine(view)
    took_s = (perf_ns() - begin) / 1e9
    surface, pixels, draw = mesh(volume), _of_pixels(recording, shots), CpuRenderer()
    scenes = {
        "mesh": _Shown(of_mesh(surface), len(surface.vertices), sum(part.nbytes for part in surface)),
        "pixels' Gaussians": _Shown(of_gaussians(pixels, draw), len(pixels.at), _bytes(pixels)),
        "Gaussians, as fused": _Shown(of_gaussians(fused, draw), len(fused.at), _bytes(fused)),
        "Gaussians, refined": _Shown(of_gaussians(splats.gaussians, draw), len(fused.at), splats.bytes),
    }
    return scenes, {
        "keyframes": len(views), "keyframe_bytes": sum(view.rgb.nbytes for view in views), "refine_s": took_s,
        "volume_bytes": sum(part.nbytes for part in volume.blocks()),
    }  # fmt: skip


def _volume(recording: Recording, shots: Sequence[Shot]) -> CpuVolume:
    """An empty volume around what these frames see; nothing in it is forgotten."""
    ends = []
    for shot in shots[:: max(1, len(shots) // 10)]:
        depth, _, _ = recording.seen(shot)
        ends.append(shot.T_odom_from_depth.t + shot.T_odom_from_depth.R[:, 2] * np.nanmedian(depth.depth_m))
    params = VolumeParams(voxel_m=VOXEL_M, size_m=(6.0, 6.0, 4.0), max_range_m=5.0,
                          half_life_s=1e6, forget_s=1e6)  # fmt: skip
    volume = CpuVolume(params)
    x, y, z = np.mean(ends, axis=0).tolist()
    volume.centre((x, y, z))
    return volume


def _half(rgb: U8, T_odom_from_cam: SE3, camera: Pinhole) -> View:
    """A view of half the size each way, as keyframes are kept."""
    size = camera.width // 2, camera.height // 2
    return View(np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8), T_odom_from_cam,
                camera.scaled(*size))  # fmt: skip


def _of_pixels(recording: Recording, shots: Sequence[Shot]) -> Gaussians:
    """One Gaussian per pixel with depth, as wide as the pixel; every k-th pixel each way where there are too many."""
    camera = recording.depth_camera
    k = int(np.ceil(np.sqrt(camera.width * camera.height * len(shots) / _PIXELS)))
    v, u = np.mgrid[k // 2 : camera.height : k, k // 2 : camera.width : k]
    parts: list[tuple[F64, F64, U8]] = []
    for shot in shots:
        depth, rgb, _ = recording.seen(shot)
        depth_m = depth.depth_m[v, u].astype(np.float64)
        known = np.isfinite(depth_m)
        points = camera.unproject(np.stack([u, v], axis=-1)[known].astype(np.float64), depth_m[known])
        colours = recording.registered(depth, rgb)[v, u][known]
        parts.append((shot.T_odom_from_depth.apply(points), 0.6 * k * depth_m[known] / camera.fx, colours))
    at, size, rgb = (np.concatenate(part) for part in zip(*parts, strict=True))
    f32, upright = np.float32, np.tile(np.array([1, 0, 0, 0], np.float32), (len(at), 1))
    return Gaussians(
        at.astype(f32), np.repeat(size[:, None], 3, axis=1).astype(f32), upright, (rgb / 255).astype(f32),
        np.full(len(at), 0.9, f32),
    )  # fmt: skip


def _judge(recording: Recording, held: Sequence[Shot], scenes: dict[str, _Shown]) -> dict[str, dict[str, float]]:
    """Mean figures over the held-out views; time is the median of single drawings."""
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in scenes}
    for shot in held:
        _, rgb, T_odom_from_cam = recording.seen(shot)
        drawn: dict[str, Drawing] = {}
        ms = {}
        for name, shown in scenes.items():
            begin = perf_ns()
            drawn[name] = shown.scene(T_odom_from_cam, recording.camera, _GREY)
            ms[name] = (perf_ns() - begin) / 1e6
        everywhere = np.logical_and.reduce([one.alpha > 0.5 for one in drawn.values()])
        for name, one in drawn.items():
            error = np.square(one.picture().astype(np.float64) - rgb).mean(axis=2)
            alike = ssim(one.picture(), rgb)
            rows[name].append((
                _psnr(error), float(alike.mean()), _psnr(error[everywhere]), float(alike[everywhere].mean()),
                float((one.alpha > 0.5).mean()), ms[name],
            ))  # fmt: skip
    names = "psnr", "ssim", "psnr_where_all", "ssim_where_all", "covered"
    return {
        name: dict(zip(names, np.mean(of, axis=0)[:5].tolist(), strict=True)) | {"ms": float(np.median(of, axis=0)[5])}
        for name, of in rows.items()
    }


def _psnr(error: F64) -> float:
    return float(10 * np.log10(255**2 / max(float(error.mean()), 1e-9)))


def ssim(a: U8, b: U8) -> F32:
    """Structural similarity at each pixel (H, W), of grey levels (Wang et al. 2004: Gaussian window, 11 px, 1.5)."""
    x, y = (cv2.cvtColor(of, cv2.COLOR_RGB2GRAY).astype(np.float32) for of in (a, b))

    def mean(of: F32) -> F32:
        return np.asarray(cv2.GaussianBlur(of, (11, 11), 1.5), np.float32)

    mx, my, c1, c2 = mean(x), mean(y), np.float32((0.01 * 255) ** 2), np.float32((0.03 * 255) ** 2)
    xx, yy, xy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    alike: F32 = (2 * mx * my + c1) * (2 * xy + c2) / ((mx * mx + my * my + c1) * (xx + yy + c2))
    return alike


def _bytes(gaussians: Gaussians) -> int:
    return sum(part.nbytes for part in gaussians)
