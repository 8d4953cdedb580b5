"""What a volume keeps, forgets and refuses."""

import os
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from volume_scenes import HZ_NS, looking, plane, render, sphere, union, volume

from map_node.volume.base import VolumeParams
from map_node.volume.esdf import FREE, SURFACE, Esdf
from map_node.volume.store import load, save
from saccade.errors import ConfigError, DataError
from saccade.geometry import SE3

WALL, BALL = plane((0, 1, 0), -0.8), sphere((0.0, 0.0, 0.0), 0.3)
T = looking((0.0, 1.2, 0.0), (0.0, 0.0, 0.0))


def labelled(made, points):
    esdf = Esdf(made)
    esdf.update(made.restore(made.blocks(), made.corner, made.stamp_ns))
    at = np.floor((np.array(points) - esdf.origin_m) / made.params.voxel_m).astype(int)
    return esdf.labels[tuple(at.T)]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.blocks(), b.blocks(), strict=True))


def seen(scene, frames, made=None, first=1):
    made = made or volume()
    depth = render(scene, T)
    for n in range(frames):
        made.integrate(replace(depth, stamp_ns=(first + n) * HZ_NS), T)
    return made


def test_it_carves_free_space_and_knows_what_it_has_not_seen():
    made = seen(union(WALL, BALL), 2)
    what = labelled(made, [(0.0, 0.8, 0.0), (0.0, 0.28, 0.0), (0.0, -0.5, 0.0), (0.0, 1.5, 0.0), (0.6, -0.3, 0.0)])
    assert what[0] == FREE
    assert what[1] >= SURFACE
    assert what[2] == what[3] == 0
    assert what[4] == FREE


def test_what_moves_away_is_gone_after_six_frames():
    made = seen(union(WALL, BALL), 40)  # as sure as it gets
    assert labelled(made, [(0.0, 0.28, 0.0)])[0] >= SURFACE
    seen(WALL, 6, made, 41)
    assert labelled(made, [(0.0, 0.28, 0.0), (0.0, 0.25, 0.0), (0.1, 0.25, 0.1)]).tolist() == [FREE] * 3


def test_what_is_not_seen_fades_and_is_forgotten():
    made = seen(WALL, 20, volume(forget_s=10.0))
    away = looking((0.0, 1.2, 0.0), (0.0, 2.0, 0.0))
    before = len(made.blocks().at)
    nothing = render(lambda p: np.ones(len(p)), away, 20 * HZ_NS + 11_000_000_000)
    change = made.integrate(nothing, away)
    assert len(made.blocks().at) == 0
    assert len(change.at) == before


def test_confidence_is_weight():
    made = volume()
    made.integrate(render(WALL, T, sure=51), T)
    assert made.blocks().weight.max() == pytest.approx(0.2)
    made.integrate(render(WALL, T, 2 * HZ_NS, sure=0), T)
    assert made.blocks().weight.max() == pytest.approx(0.2, rel=0.01)


def test_blocks_in_front_of_everything_are_treated_like_others():
    depth = render(WALL, T)
    whole, broken = volume(), volume()
    whole.integrate(depth, T)
    depth.depth_m[::16, ::16] = np.nan  # no tile is complete: every pixel is looked up
    broken.integrate(depth, T)
    a, b = whole.blocks(), broken.blocks()
    np.testing.assert_array_equal(a.at, b.at)
    both = (a.weight > 0) & (b.weight > 0)
    assert both.sum() > 0.95 * (a.weight > 0).sum()
    np.testing.assert_array_equal(a.sdf_m[both], b.sdf_m[both])


def test_rolling_keeps_what_stays_in_the_window():
    made = seen(union(WALL, BALL), 2)
    made.centre((0.0, 0.0, 0.0))
    before = made.blocks()
    made.centre((0.85, -0.4, 0.4))
    after = made.blocks()
    kept = ((before.at >= made.corner) & (before.at < np.add(made.corner, made.params.shape))).all(axis=1)
    assert 0 < kept.sum() < len(kept)
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was[kept], now)


def test_memory_is_flat_and_full_pools_drop_the_oldest():
    made = volume(blocks=150)
    most = 0
    depth = render(WALL, T)
    tracemalloc.start()
    for n in range(60):
        moved = SE3(T.R, T.t + np.array([0.2 * n, 0.0, 0.0]))
        made.centre((0.2 * n, 0.0, 0.0))
        made.integrate(replace(depth, stamp_ns=(n + 1) * HZ_NS), moved)
        most = max(most, len(made.blocks().at))
        if n == 20:
            early = tracemalloc.get_traced_memory()[0]
    late = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert most == 150
    assert late - early < 100_000
    assert made.blocks().seen_ns.max() == 60 * HZ_NS


def test_two_runs_give_the_same_bytes():
    assert same(seen(union(WALL, BALL), 3), seen(union(WALL, BALL), 3))


def test_threads_change_nothing():
    colours = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    made = []
    for threads in (1, 3):
        made.append(volume(threads=threads))
        for n in range(3):
            made[-1].integrate(render(union(WALL, BALL), T, n * HZ_NS), T, colours)
    assert len(made[0].blocks().at) > 100
    assert same(*made)


def test_what_was_saved_is_loaded(tmp_path):
    made, other = seen(union(WALL, BALL), 3), volume()
    save(made, tmp_path / "v.npz")
    load(tmp_path / "v.npz", other)
    assert same(made, other)
    assert (made.stamp_ns, made.corner) == (other.stamp_ns, other.corner)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.update(voxel_m=np.float64(0.1)), "voxel_m"),
        (lambda a: a.update(sdf_m=a["sdf_m"][:, :7]), "sdf_m"),
        (lambda a: a.update(weight=a["weight"] * np.float32(np.nan)), "not numbers"),
        (lambda a: a.update(at=a["at"] * 0), "one place"),
        (
            lambda a: a.update({k: np.repeat(a[k], 90, 0) for k in ("at", "sdf_m", "weight", "rgb", "seen_ns")}),
            "at most",
        ),
        (lambda a: a.pop("rgb"), "rgb"),
        (lambda a: a.update(at=np.array([None])), "not a volume"),
        (lambda a: a.update(corner=a["corner"] + 2**40), "from the origin"),
        (lambda a: a.update(at=a["at"] + np.int32(2**30)), "from the origin"),
        (lambda a: a.update(seen_ns=a["seen_ns"] + 1), "seen later"),
        (lambda a: a.update(seen_ns=a["seen_ns"] * 0 - 1), "before time began"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, change, said):
    made = seen(WALL, 1)
    save(made, tmp_path / "v.npz")
    arrays = dict(np.load(tmp_path / "v.npz"))
    change(arrays)
    np.savez(tmp_path / "bad.npz", **arrays)
    before = made.blocks()
    with pytest.raises(DataError, match=said):
        load(tmp_path / "bad.npz", made)
    assert all(np.array_equal(x, y) for x, y in zip(before, made.blocks(), strict=True))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "v.npz").read_bytes()[:400])
    with pytest.raises(DataError, match="not a volume"):
        load(tmp_path / "cut.npz", made)


def test_a_damaged_file_is_refused_whatever_the_damage(tmp_path):
    """zlib, zipfile and the parser of numpy's headers each have exceptions of their own."""
    made = seen(WALL, 1)
    save(made, tmp_path / "v.npz")
    whole, rng, path = (tmp_path / "v.npz").read_bytes(), np.random.default_rng(0), tmp_path / "bad.npz"
    refused = 0
    for _ in range(300):
        hurt = bytearray(whole)
        at = int(rng.integers(len(hurt)))
        hurt[at : at + 8] = rng.bytes(8)
        path.write_bytes(hurt)
        try:
            load(path, made)
        except DataError:
            refused += 1
    assert refused > 250


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    made, path, order = seen(WALL, 1), tmp_path / "v.npz", []
    monkeypatch.setattr("os.fsync", lambda fd: order.append((os.fstat(fd).st_size, path.exists())))
    save(made, path)
    assert order == [(path.stat().st_size, False)]


def test_what_cannot_be_integrated_is_refused():
    made, depth = seen(WALL, 2), render(WALL, T, 3 * HZ_NS)
    with pytest.raises(ValueError, match="not finite"):
        made.integrate(depth, SE3(T.R, T.t * np.nan))
    with pytest.raises(ValueError, match="comes after"):
        made.integrate(render(WALL, T, HZ_NS), T)
    with pytest.raises(ValueError, match="colours"):
        made.integrate(depth, T, np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="finite"):
        made.centre((0.0, float("nan"), 0.0))
    before = made.blocks()
    depth.depth_m[:] = np.nan
    made.integrate(depth, T)
    assert np.array_equal(before.sdf_m, made.blocks().sdf_m)


@pytest.mark.parametrize(
    "wrong",
    [
        {"voxel_m": 0.0},
        {"truncation_m": 0.05},
        {"voxel_m": 0.001},
        {"max_weight": 0.5},
        {"yielding": 0.0},
        {"threads": 0},
    ],
)
def test_parameters_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(ConfigError):
        VolumeParams(**wrong)
