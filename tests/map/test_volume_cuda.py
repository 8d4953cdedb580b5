"""The volume on CUDA knows what that on the CPU knows: on a GPU (`make test-gpu`), or in numba's simulator of one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from volume_scenes import HZ_NS, looking, plane, render, sphere, union

from map_node.volume.base import BLOCK, Change, VolumeParams
from map_node.volume.clearance import rays, sweep
from map_node.volume.esdf import FREE, Labels
from map_node.volume.open import open_esdf, open_volume
from saccade.errors import ConfigError
from saccade.geometry import Pinhole

CAMERA = Pinhole(30.0, 30.0, 19.5, 14.5, 40, 30)
SCENE = union(plane((0, 1, 0), -0.5), sphere((0.1, 0.0, 0.0), 0.25))
EYES = looking((0.0, 0.7, 0.1), (0.0, 0.0, 0.0)), looking((0.2, 0.6, -0.1), (0.1, 0.0, 0.0))
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_in_the_simulator():
    """All of the below, without a GPU: in a process of its own, as numba asks for the simulator once."""
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu", __file__]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_without_cuda_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr("numba.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"saccade\[gpu\].*device: cpu"):
        open_volume(VolumeParams(device="cuda"))
    with pytest.raises(ConfigError, match="cpu or cuda"):
        VolumeParams(device="gpu")


@pytest.fixture
def few_threads(monkeypatch):
    """In the simulator each of CUDA's threads is one of Python's."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        monkeypatch.setattr("map_node.volume.cuda._THREADS", 4)
        monkeypatch.setattr("map_node.volume.cuda._MOST_GROUPS", 2)


def both(**changes):
    small = {"voxel_m": 0.1, "size_m": (1.6, 1.6, 1.6), "max_range_m": 3.0, "min_weight": 0.5, **changes}
    return [open_volume(VolumeParams(**small, device=device)) for device in ("cpu", "cuda")]


def see(volumes, scene, eye, n, coloured=True):
    depth, rng = render(scene, eye, n * HZ_NS, camera=CAMERA), np.random.default_rng(n)
    depth.confidence[:] = rng.integers(150, 256, depth.confidence.shape, np.uint8)
    depth.depth_m[3, 4:9] = np.nan, np.inf, 0, -1, np.nan
    rgb = rng.integers(0, 256, (*depth.depth_m.shape, 3), np.uint8) if coloured else None
    changes = [volume.integrate(depth, eye, rgb) for volume in volumes]
    np.testing.assert_array_equal(changes[0].at, changes[1].at)


def agree(cpu, gpu, most=0.002):
    """Voxels may differ whose middle is at the edge of a pixel: few."""
    a, b = cpu.blocks(), gpu.blocks()
    np.testing.assert_array_equal(a.at, b.at)
    np.testing.assert_array_equal(a.seen_ns, b.seen_ns)
    assert len(a.at)
    apart = (np.abs(a.sdf_m - b.sdf_m) > 1e-4) | (np.abs(a.weight - b.weight) > 1e-4)
    apart |= (np.abs(a.rgb.astype(int) - b.rgb) > 2).any(axis=2)
    assert apart.mean() <= most
    told = []
    for volume in (cpu, gpu):
        labels = Labels(volume)
        labels.update(Change(a.at, True))
        told.append(labels.labels.astype(int))
    assert (np.abs(told[0] - told[1]) > 1).mean() <= most


@pytest.mark.gpu
@pytest.mark.usefixtures("few_threads")
def test_it_knows_what_the_cpu_knows():
    volumes = both()
    for volume in volumes:
        volume.centre((0.0, 0.0, 0.0))
    see(volumes, SCENE, EYES[0], 1)
    agree(*volumes)
    known = volumes[0].blocks()
    assert known.rgb.any()
    assert len(np.unique(known.sdf_m)) > 100
    see(volumes, SCENE, EYES[1], 2, coloured=False)
    for volume in volumes:
        volume.centre((0.9, 0.0, 0.0))  # a block onward
    see(volumes, plane((0, 1, 0), -0.5), EYES[0], 40)  # the ball has gone, and time has passed
    agree(*volumes)


@pytest.mark.gpu
@pytest.mark.usefixtures("few_threads")
def test_blocks_in_front_of_everything_are_free_on_both():
    volumes = both()
    for volume in volumes:
        volume.centre((0.0, 0.0, 0.0))
    see(volumes, plane((0, 1, 0), -2.0), looking((0.0, 1.9, 0.0), (0.0, 0.0, 0.0)), 1)
    agree(*volumes)
    assert (volumes[1].blocks().sdf_m == np.float32(volumes[1].params.reach_m)).all(axis=1).any()


@pytest.mark.gpu
@pytest.mark.usefixtures("few_threads")
def test_full_pools_memory_and_what_is_put_back():
    volumes = both(blocks=3, forget_s=2.0)
    see(volumes, SCENE, EYES[0], 1)
    agree(*volumes)
    kept, corner = volumes[0].blocks(), volumes[0].corner
    assert len(kept.at) == 3
    for volume in volumes:
        volume.clear()
        assert len(volume.blocks().at) == 0
        volume.restore(kept, corner, HZ_NS)
    agree(*volumes, most=0)
    see(volumes, lambda p: np.ones(len(p)), EYES[0], 40)
    assert [len(volume.blocks().at) for volume in volumes] == [0, 0]


@pytest.mark.gpu
@pytest.mark.usefixtures("few_threads")
def test_distances_gradients_and_clearance_are_those_of_the_cpu():
    cpu, gpu = both()
    see([cpu, gpu], SCENE, EYES[0], 1)
    gpu.restore(cpu.blocks(), cpu.corner, cpu.stamp_ns)
    distances = [open_esdf(volume, 0.6) for volume in (cpu, gpu)]
    for esdf in distances:
        assert (esdf.squared == esdf.reach_voxels**2).all()
        esdf.update(Change(cpu.blocks().at, False))
    np.testing.assert_array_equal(distances[0].labels, distances[1].labels)
    np.testing.assert_array_equal(distances[0].squared, distances[1].squared)
    assert len(np.unique(distances[0].squared)) > 10
    window_m = np.array(distances[0].labels.shape) * cpu.params.voxel_m
    points = distances[0].origin_m + np.random.default_rng(0).uniform(-0.1, 1.05, (40, 3)) * window_m
    for ask in ("distance_m", "gradient"):
        told = [getattr(esdf, ask)(points) for esdf in distances]
        assert np.isfinite(told[0]).any()
        assert np.isnan(told[0]).any()
        np.testing.assert_allclose(told[1], told[0], atol=1e-5)
    way = np.linspace(EYES[0].t, (0.0, 0.3, 0.0), 8)
    for a, b in zip(
        (*rays(distances[0], EYES[0].t, -np.eye(3), 1.0, HZ_NS, 0.1), *sweep(distances[0], way, 0.1, HZ_NS, 0.1)),
        (*rays(distances[1], EYES[0].t, -np.eye(3), 1.0, HZ_NS, 0.1), *sweep(distances[1], way, 0.1, HZ_NS, 0.1)),
        strict=True,
    ):
        np.testing.assert_allclose(b, a, atol=1e-5)
    free = np.argwhere(distances[0].labels == FREE)
    assert len(free) > BLOCK
