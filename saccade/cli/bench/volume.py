"""The volume on a real RGB-D sequence, beside Open3D's VoxelBlockGrid on the same frames."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from map_node.volume.agreement import Agreement, agreement
from map_node.volume.base import VolumeParams
from map_node.volume.cpu import CpuVolume
from map_node.volume.mesh import mesh
from saccade.cli.bench.scene import Shot, shots
from saccade.cli.bench.sections import Section, Settings, Table, spans
from saccade.errors import DataError
from saccade.geometry import F64

RECORDING = "rgbd_7scenes"
RANGE_M = 4.0
_VOXELS_M, _TRUNCATION = (0.05, 0.02), 4.0
_HELD_OUT, _THINNED = 10, 13
"""Every tenth image is not fused; every 13th of its pixels is a point of the reference."""
_SPREAD = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]]) / np.array([[3], [6], [6], [6]])
"""Where on each triangle points are taken (barycentric)."""
_ABOUT = f"""Recording `{RECORDING}`, colours included, truncation {_TRUNCATION:g} voxels, range {RANGE_M:g} m. Saccade
carves free space as well, on {VolumeParams().threads} threads; Open3D does not carve, and uses all cores. The
reference are the depth points of every {_HELD_OUT}th image, which neither has fused; it is as noisy as that. Accuracy
and completeness are medians, F counts what is within a voxel. The last row compares the two surfaces with each other,
both taken as triangles."""


class Fused(NamedTuple):
    """Times a frame, bytes of the voxels in use, and points (n, 3) all over the surface."""

    wall_ms: list[float]
    cpu_ms: list[float]
    mb: float
    points: F64


def tsdf(settings: Settings) -> Section:
    """Both volumes at two sizes of voxels: time, memory, and how well their surfaces fit what they have not seen."""
    path = settings.data / RECORDING
    if not path.is_dir():
        return Section({}, absent=[f"{RECORDING} is not in {settings.data}"])
    frames = shots(path)
    fused = [shot for n, shot in enumerate(frames) if n % _HELD_OUT != _HELD_OUT // 2]
    reference = np.concatenate([_points(shot) for shot in frames[_HELD_OUT // 2 :: _HELD_OUT]])
    figures: dict[str, Any] = {"frames": len(fused)}
    rows, missed, absent = [], [], []
    for voxel_m in _VOXELS_M:
        made = {"Saccade": ours(fused, voxel_m)}
        try:
            if settings.open3d is None:
                raise DataError("give its Python with --open3d")
            figures["open3d"], made["Open3D"] = theirs(settings.open3d, fused, voxel_m)
        except DataError as error:
            absent.append(f"Open3D at {voxel_m * 100:g} cm: {error}")
        size = figures[f"{voxel_m * 100:g} cm"] = {}
        for name, volume in made.items():
            fit = agreement(volume.points, reference, voxel_m)
            size[name] = _figures(volume, fit)
            rows.append([f"{voxel_m * 100:g} cm", name, *_row(volume), *_fit(fit)])
        if len(made) == 2:
            fit = agreement(made["Saccade"].points, made["Open3D"].points, voxel_m)
            size["each other"] = fit._asdict()
            rows.append([f"{voxel_m * 100:g} cm", "each other", "", "", "", "", *_fit(fit)])
            if size["Saccade"]["wall_ms"]["p50"] >= size["Open3D"]["wall_ms"]["p50"]:
                missed.append(f"a frame at {voxel_m * 100:g} cm in less time than Open3D takes")
    columns = ("voxels", "", "ms p50", "p95", "CPU ms p50", "MB", "accuracy mm", "completeness mm", "F")
    return Section(figures, [Table("Surface", _ABOUT, columns, rows)], missed, absent)


def ours(frames: list[Shot], voxel_m: float) -> Fused:
    """Saccade's volume, its window as large as the scene."""
    volume = CpuVolume(VolumeParams(voxel_m, (10.0, 10.0, 10.0), _TRUNCATION * voxel_m, RANGE_M, blocks=30_000))
    x, y, z = np.mean([shot.T_odom_from_cam.t for shot in frames], axis=0).tolist()
    volume.centre((x, y, z))
    wall_ms, cpu_ms = [], []
    for depth, rgb, T in frames:
        wall, cpu = time.perf_counter(), time.process_time()
        volume.integrate(depth, T, rgb)
        wall_ms.append((time.perf_counter() - wall) * 1e3)
        cpu_ms.append((time.process_time() - cpu) * 1e3)
    in_use = sum(part.nbytes for part in volume.blocks())
    return Fused(wall_ms, cpu_ms, in_use / 1e6, _spread(*mesh(volume)[::2]))


def theirs(python: Path, frames: list[Shot], voxel_m: float) -> tuple[str, Fused]:
    """Open3D's version, and the same of it; DataError where it cannot be run."""
    camera = frames[0].depth.camera
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "frames.npz", Path(folder) / "out.npz"
        depth_mm = [np.rint(np.nan_to_num(s.depth.depth_m) * 1000).astype(np.uint16) for s in frames]
        np.savez(
            given, depth_mm=np.stack(depth_mm),
            rgb=np.stack([s.rgb for s in frames]), K=_matrix(camera.fx, camera.fy, camera.cx, camera.cy),
            T_cam_from_odom=np.stack([_homogeneous(s) for s in frames]),
        )  # fmt: skip
        script = Path(__file__).with_name("open3d_grid.py")
        command = [str(python), str(script), str(given), str(out), str(voxel_m), str(_TRUNCATION), str(RANGE_M)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        except OSError as error:
            raise DataError(f"cannot run {python}: {error.strerror}") from error
        if done.returncode:
            raise DataError(f"{python}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'it failed'}")
        with np.load(out, allow_pickle=False) as got:
            ms = got["wall_ms"].tolist(), got["cpu_ms"].tolist()
            return str(got["version"]), Fused(
                *ms, float(got["bytes"]) / 1e6, _spread(got["vertices"], got["triangles"])
            )


def _spread(vertices: NDArray[Any], triangles: NDArray[Any]) -> F64:
    """Points (n, 3) all over a surface of triangles."""
    points: F64 = np.einsum("pc,tcx->tpx", _SPREAD, vertices.astype(np.float64)[triangles]).reshape(-1, 3)
    return points


def _matrix(fx: float, fy: float, cx: float, cy: float) -> F64:
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def _homogeneous(shot: Shot) -> F64:
    T, M = shot.T_odom_from_cam.inverse(), np.eye(4)
    M[:3, :3], M[:3, 3] = T.R, T.t
    return M


def _points(shot: Shot) -> F64:
    """Points (n, 3) that an image shows, a few of them all over it."""
    v, u = np.nonzero(shot.depth.depth_m < RANGE_M)  # NaN compares false
    v, u = v[::_THINNED], u[::_THINNED]
    local = shot.depth.camera.unproject(
        np.stack([u, v], -1).astype(np.float64), shot.depth.depth_m[v, u].astype(np.float64)
    )
    return shot.T_odom_from_cam.apply(local)


def _figures(volume: Fused, fit: Agreement) -> dict[str, Any]:
    return {"wall_ms": spans(volume.wall_ms), "cpu_ms": spans(volume.cpu_ms), "mb": volume.mb, **fit._asdict()}


def _row(volume: Fused) -> list[str]:
    p50, p95 = np.percentile(volume.wall_ms, [50, 95])
    return [f"{p50:.1f}", f"{p95:.1f}", f"{np.median(volume.cpu_ms):.1f}", f"{volume.mb:.1f}"]


def _fit(fit: Agreement) -> list[str]:
    return [f"{fit.accuracy_m * 1e3:.1f}", f"{fit.completeness_m * 1e3:.1f}", f"{fit.f:.3f}"]
