"""Gaussians of the map on views that it never saw, beside its mesh and Gaussians of pixels made of the same frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from map_node.gaussians.base import Drawing, Gaussians, View
from map_node.gaussians.cpu import CpuRenderer
from map_node.gaussians.pictures import Scene, of_gaussians, of_mesh
from map_node.gaussians.splats import SplatParams, Splats
from map_node.volume.base import VolumeParams
from map_node.volume.cpu import CpuVolume
from map_node.volume.mesh import mesh
from saccade.cli.bench.scene import Shot, shots
from saccade.cli.bench.sections import Section, Settings, Table
from saccade.clock import perf_ns
from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.keyframes import Keyframes
from saccade.types import U8

RECORDING = "rgbd_7scenes"
COLOUR, T_COLOUR_FROM_DEPTH = Pinhole(525.0, 525.0, 320.0, 240.0, 640, 480), SE3(np.eye(3), np.array([-0.025, 0, 0]))
"""A Kinect's nominal colour camera: the recording's depth is not registered to its colours, nor says it what would."""
_HELD_OUT, _VIEWS = 8, (10, 50, 0)
"""Every eighth is held out; so many of the others are fused, 0 = all."""
_VOXEL_M, _PARTS, _BUDGET, _ROUNDS = 0.03, 2, 16, 6
_PIXELS = 3_000_000
"""Of more Gaussians of pixels, every second or third pixel each way is left out."""
_GREY = (0.5, 0.5, 0.5)
_ABOUT = f"""Recording `{RECORDING}`. Every {_HELD_OUT}th view is held out; of the others 10, 50 and all are fused,
evenly spread. Voxels of {_VOXEL_M * 100:g} cm, cut in {_PARTS} each way; refined against at most {_BUDGET} keyframes of
half the size, {_ROUNDS} steps each. A Gaussian of a pixel is as wide as the pixel. Pictures of 640x480, on one thread,
before grey; the middle pair of columns counts the pixels that all four ways of showing draw. MB is what they take,
refinement's state included; beside it those of the keyframes."""
_COLUMNS = ("views, shown by", "PSNR", "SSIM", "where all draw: PSNR", "SSIM", "covered", "number", "MB",
            "keyframes' MB", "frames/s")  # fmt: skip
MESH, PIXELS, FUSED, REFINED = "mesh", "pixels", "Gaussians, as fused", "Gaussians, refined"


def gaussians(settings: Settings) -> Section:
    """PSNR and SSIM on held-out views, frames a second, number and memory as views grow."""
    path: Path = settings.data / RECORDING
    if not path.is_dir():
        return Section({}, absent=[f"{RECORDING} is not in {settings.data}"])
    frames = shots(path)
    held = frames[_HELD_OUT // 2 :: _HELD_OUT]
    used = [shot for n, shot in enumerate(frames) if n % _HELD_OUT != _HELD_OUT // 2]
    figures: dict[str, Any] = {"held_out": len(held), "voxel_m": _VOXEL_M, "views": {}}
    rows = []
    for wanted in _VIEWS:
        count = min(wanted, len(used)) or len(used)
        chosen = [used[i] for i in np.linspace(0, len(used) - 1, count).round().astype(int)]
        shown, took = _scenes(chosen)
        by_name = judge(held, {name: one.scene for name, one in shown.items()})
        for name, found in by_name.items():
            found |= {"number": shown[name].number, "mb": shown[name].mb}
            rows.append([f"{count}, {name}", *(f"{found[key]:{form}}" for key, form in _FORMS.items())])
            rows[-1].insert(-1, f"{took['keyframe_mb']:.1f}" if name == REFINED else "–")
        figures["views"][str(count)] = {**by_name, **took}
    return Section(figures, [Table("held-out views", _ABOUT, _COLUMNS, rows)], _missed(figures["views"]))


_FORMS = {"psnr": ".2f", "ssim": ".3f", "psnr_where_all": ".2f", "ssim_where_all": ".3f", "covered": ".1%",
          "number": "d", "mb": ".1f", "fps": ".1f"}  # fmt: skip


def _missed(views: dict[str, Any]) -> list[str]:
    """Where the refined Gaussians do not show held-out views better than the others."""
    return [
        f"{count} views: {REFINED} {found[REFINED][key]:.3f} {key}, {name} {found[name][key]:.3f}"
        for count, found in views.items() for name in (MESH, PIXELS) for key in ("psnr", "ssim")
        if found[REFINED][key] <= found[name][key]
    ]  # fmt: skip


class _Shown(NamedTuple):
    scene: Scene
    number: int
    mb: float


def _scenes(chosen: Sequence[Shot]) -> tuple[dict[str, _Shown], dict[str, Any]]:
    """What is made of these frames, by name, and what it took."""
    volume, keyframes = _volume(chosen), Keyframes[View](_BUDGET, apart_m=0.1, apart_rad=0.1)
    for shot in chosen:
        volume.integrate(shot.depth, shot.T_odom_from_cam, registered(shot))
        T = colour_pose(shot)
        keyframes.put(shot.depth.stamp_ns, T, partial(_half, shot.rgb, T))
    views = [anchor.payload for anchor in keyframes.anchors()]
    splats = Splats(SplatParams(parts=_PARTS, most=10_000_000))
    splats.update(volume)
    fused, begin = splats.gaussians, perf_ns()
    for n in range(_ROUNDS):
        for view in views[:: 1 if n % 2 == 0 else -1]:
            splats.refine(view)
    took_s = (perf_ns() - begin) / 1e9
    surface, pixels, draw = mesh(volume), _of_pixels(chosen), CpuRenderer()
    scenes = {
        MESH: _Shown(of_mesh(surface), len(surface.vertices), _mb(surface)),
        PIXELS: _Shown(of_gaussians(pixels, draw), len(pixels.at), _mb(pixels)),
        FUSED: _Shown(of_gaussians(fused, draw), len(fused.at), _mb(fused)),
        REFINED: _Shown(of_gaussians(splats.gaussians, draw), len(fused.at), splats.bytes / 1e6),
    }
    return scenes, {
        "keyframes": len(views), "keyframe_mb": sum(view.rgb.nbytes for view in views) / 1e6, "refine_s": took_s,
        "volume_mb": _mb(volume.blocks()),
    }  # fmt: skip


def _volume(chosen: Sequence[Shot]) -> CpuVolume:
    """An empty volume around what these frames see; nothing in it is forgotten."""
    ends = [shot.T_odom_from_cam.t + shot.T_odom_from_cam.R[:, 2] * np.nanmedian(shot.depth.depth_m) for shot in chosen]
    params = VolumeParams(voxel_m=_VOXEL_M, size_m=(6.0, 6.0, 4.0), max_range_m=5.0, half_life_s=1e6, forget_s=1e6)
    volume = CpuVolume(params)
    x, y, z = np.mean(ends, axis=0).tolist()
    volume.centre((x, y, z))
    return volume


def colour_pose(shot: Shot) -> SE3:
    """Where the colour camera was."""
    return shot.T_odom_from_cam @ T_COLOUR_FROM_DEPTH.inverse()


def registered(shot: Shot) -> U8:
    """The colours of the depth image's pixels."""
    camera = shot.depth.camera
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float64)
    points = T_COLOUR_FROM_DEPTH.apply(camera.unproject(np.stack([u, v], -1), shot.depth.depth_m.astype(np.float64)))
    uv = np.nan_to_num(COLOUR.project(points), nan=-9).astype(np.float32)
    return np.asarray(cv2.remap(shot.rgb, uv[..., 0], uv[..., 1], cv2.INTER_LINEAR), np.uint8)


def _half(rgb: U8, T_odom_from_cam: SE3) -> View:
    """A view of half the size each way, as keyframes are kept."""
    size = COLOUR.width // 2, COLOUR.height // 2
    smaller = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return View(smaller, T_odom_from_cam, COLOUR.scaled(*size))


def _of_pixels(chosen: Sequence[Shot]) -> Gaussians:
    """One Gaussian per pixel with depth, as wide as the pixel; every k-th pixel each way where there are too many."""
    camera = chosen[0].depth.camera
    k = int(np.ceil(np.sqrt(camera.width * camera.height * len(chosen) / _PIXELS)))
    v, u = np.mgrid[k // 2 : camera.height : k, k // 2 : camera.width : k]
    parts: list[tuple[F64, F64, U8]] = []
    for shot in chosen:
        depth_m = shot.depth.depth_m[v, u].astype(np.float64)
        known = np.isfinite(depth_m)
        points = camera.unproject(np.stack([u, v], -1)[known].astype(np.float64), depth_m[known])
        size_m = 0.6 * k * depth_m[known] / camera.fx
        parts.append((shot.T_odom_from_cam.apply(points), size_m, registered(shot)[v, u][known]))
    at, size, rgb = (np.concatenate(part) for part in zip(*parts, strict=True))
    f32, upright = np.float32, np.tile(np.array([1, 0, 0, 0], np.float32), (len(at), 1))
    return Gaussians(
        at.astype(f32), np.repeat(size[:, None], 3, axis=1).astype(f32), upright, (rgb / 255).astype(f32),
        np.full(len(at), 0.9, f32),
    )  # fmt: skip


def judge(held: Sequence[Shot], scenes: dict[str, Scene]) -> dict[str, dict[str, Any]]:
    """Mean figures over the held-out views; `fps` is of the median time of a drawing."""
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in scenes}
    for shot in held:
        T, drawn, ms = colour_pose(shot), dict[str, Drawing](), {}
        for name, scene in scenes.items():
            begin = perf_ns()
            drawn[name] = scene(T, COLOUR, _GREY)
            ms[name] = (perf_ns() - begin) / 1e6
        everywhere = np.logical_and.reduce([one.alpha > 0.5 for one in drawn.values()])
        for name, one in drawn.items():
            error = np.square(one.picture().astype(np.float64) - shot.rgb).mean(axis=2)
            alike = ssim(one.picture(), shot.rgb)
            rows[name].append((
                psnr(error), float(alike.mean()), psnr(error[everywhere]), float(alike[everywhere].mean()),
                float((one.alpha > 0.5).mean()), ms[name],
            ))  # fmt: skip
    keys = "psnr", "ssim", "psnr_where_all", "ssim_where_all", "covered"
    return {
        name: dict(zip(keys, np.mean(of, axis=0)[:5].tolist(), strict=True)) | {"fps": 1e3 / np.median(of, axis=0)[5]}
        for name, of in rows.items()
    }


def psnr(error: F64) -> float:
    """Decibels of square errors of grey levels, of 255."""
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


def _mb(arrays: Sequence[Any]) -> float:
    return float(sum(part.nbytes for part in arrays)) / 1e6
