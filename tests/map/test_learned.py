"""Learned reconstruction: it fills what is shown, it is judged first, and nothing that moves a robot notices it."""

import os
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learned_scenes import DA3, TOLD, UNIT, card_at, changed, keyframes

from engines.engine import EngineError
from engines.views.splats import Splats
from map_node.learned.align import Alignment, gaussians_in_odom
from map_node.learned.fill import fill
from map_node.learned.model import Job, Learned, Model
from map_node.learned.params import LearnedParams
from map_node.learned.service import LearnedMap
from map_node.volume.base import Blocks, Snapshot, VolumeParams
from map_node.volume.clearance import rays
from map_node.volume.cpu import CpuVolume
from map_node.volume.esdf import Esdf
from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.geometry import SE3

VOLUME = VolumeParams(voxel_m=0.1, size_m=(8.0, 6.0, 4.0))
CENTRE = (0.0, 0.0, 1.2)


def learned_map(card, takes_s=1.0, **params):
    return LearnedMap(LearnedParams(card=card, **params), VOLUME, takes_s)


def answer(made, views=None, now_ns=10 * SEC):
    """What comes of one run on virtual time."""
    assert made.offer(keyframes() if views is None else views, CENTRE, now_ns)
    assert made.poll(now_ns + 999 * MS) is None
    return made.poll(now_ns + SEC)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    return card_at(tmp_path_factory.mktemp("card"))


def measured(views):
    volume = CpuVolume(VOLUME)
    for view in views:
        volume.centre(CENTRE)
        volume.integrate(view.depth, view.T_odom_from_cam, view.picture)
    return volume


def snapshot(volume):
    return Snapshot(volume.params, volume.corner, volume.stamp_ns, volume.blocks())


def test_its_scale_is_found_and_its_poses_are_judged(card):
    made = learned_map(card)
    found = answer(made)
    assert found.refused == ""
    assert found.alignment.scale == pytest.approx(UNIT, rel=0.01)
    assert found.alignment.spread < 0.02
    assert found.alignment.turn_deg < 0.1
    assert found.alignment.way < 0.01
    first = keyframes()[0].T_odom_from_cam
    np.testing.assert_allclose(found.alignment.T_odom_from_world.t, first.t, atol=0.02)
    assert "3 views, scale 3" in made.told()["last run"]


def test_what_was_not_measured_is_filled_and_what_was_keeps_its_bits(card):
    made = learned_map(card)
    answer(made)
    before = snapshot(measured(keyframes()))
    known, shown = before.known, fill(before, made.blocks).known
    truth = measured(keyframes(hole=False)).blocks()
    before, after, whole = ({tuple(at): n for n, at in enumerate(b.at.tolist())} for b in (known, shown, truth))
    for at, n in before.items():
        sure = known.weight[n] >= VOLUME.min_weight
        for name in ("sdf_m", "weight", "rgb"):
            np.testing.assert_array_equal(getattr(known, name)[n][sure], getattr(shown, name)[after[at]][sure])
    new = filled_right = 0
    for at, n in after.items():
        sure = shown.weight[n] >= VOLUME.min_weight
        if at in before:
            sure &= known.weight[before[at]] < VOLUME.min_weight
        if at in whole:
            both = sure & (truth.weight[whole[at]] >= VOLUME.min_weight)
            new += int(both.sum())
            filled_right += int((np.abs(shown.sdf_m[n] - truth.sdf_m[whole[at]])[both] < 0.1).sum())
    assert new > 3000
    assert filled_right > 0.9 * new


def test_where_all_was_measured_nothing_is_learned(card):
    found = answer(learned_map(card), keyframes(hole=False))
    assert found.refused == ""
    assert found.blocks.weight.max(initial=0) == 0


def test_what_the_model_is_not_sure_of_is_not_used(tmp_path):
    fields = {"views": {**DA3["views"], "confidence": "sure"}}

    def half_sure(outputs):
        sure = outputs["sure"].copy()
        sure[:, : sure.shape[1] // 2] = 0.2
        return {**outputs, "sure": sure}

    weights = []
    for n, said in enumerate((half_sure, None)):
        folder = tmp_path / str(n)
        folder.mkdir()
        weights.append(float(answer(learned_map(card_at(folder, said, fields))).blocks.weight.sum()))
    assert 0 < weights[0] < 0.7 * weights[1]


def test_a_run_that_nobody_waits_for_adds_nothing(card):
    model = Model(LearnedParams(card=card), VOLUME)
    for wanted, refused in ((False, "nobody waits"), (True, "")):
        found = model.run(Job(tuple(keyframes()), CENTRE, 0, lambda wanted=wanted: wanted))
        assert refused in found.refused
        assert (found.blocks is None) == bool(refused)
    model.close()


def clearance(card):
    """All that is read of distances after each keyframe, with the service beside it or without."""
    made = learned_map(card) if card else None
    volume, told = CpuVolume(VOLUME), []
    distances = Esdf(volume)
    for n, view in enumerate(keyframes()):
        now_ns = view.stamp_ns
        volume.centre(CENTRE)
        distances.update(volume.integrate(view.depth, view.T_odom_from_cam, view.picture))
        if made:
            made.offer(keyframes()[: n + 1], CENTRE, now_ns)
            made.poll(now_ns + SEC)
            if made.blocks:
                fill(snapshot(volume), made.blocks)
        around = rays(distances, np.array([-1.0, 0.3, 1.2]), np.eye(3), 4.0, now_ns, 0.3)
        told.append((distances.labels.tobytes(), distances.squared.tobytes(), around.free_m.tobytes()))
    if made:
        assert made.counts["used"] == 1
    return told


def test_clearance_is_the_same_to_the_bit_with_and_without_it(card):
    assert clearance(card) == clearance("")


def test_two_runs_give_the_same_bytes(card):
    a, b = (answer(learned_map(card)) for _ in range(2))
    assert all(x.tobytes() == y.tobytes() for x, y in zip(a.blocks, b.blocks, strict=True))


def hollow(depth):
    """Far things farther: no one scale."""
    return depth**1.6


def turned(extrinsics):
    more = np.stack([SE3.from_rpy(0, 0, 0.2 * i).R for i in range(len(extrinsics))])
    return np.concatenate([more @ extrinsics[..., :3], extrinsics[..., 3:]], axis=-1)


def astray(extrinsics):
    away = extrinsics.copy()
    away[1, :, 3] += 0.1
    return away


REFUSED = {
    "bent": (changed("depth", hollow), "no scale: ratios of measured depth to its own spread"),
    "own scales": (changed("depth", lambda d: d * [[[1.0]], [[1.3]], [[1.0]]]), "% between them; expected 15 %"),
    "turned": (changed("extrinsics", turned), "turns are off by"),
    "astray": (changed("extrinsics", astray), "ways are off by"),
    "focal length": (changed("intrinsics", lambda K: K * 1.5), "focal length for 1.50 to 1.50"),
    "no numbers": (changed("extrinsics", lambda e: e * np.nan), "the poses are no rotations"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_and_says_why(tmp_path, name):
    how, expected = REFUSED[name]
    made = learned_map(card_at(tmp_path, how))
    found = answer(made)
    assert expected in found.refused
    assert expected in made.told()["last run"]
    assert made.blocks is None


def test_no_measured_depth_no_scale(card):
    made = learned_map(card)
    found = answer(made, [view._replace(depth=None) for view in keyframes()])
    assert "no view has 200 pixels" in found.refused


def test_a_model_that_was_told_metres_must_say_metres(tmp_path):
    for times, expected in ((1.0, ""), (1.5, "its depth must be multiplied by 1.50")):
        folder = tmp_path / str(times)
        folder.mkdir()
        card = card_at(folder, changed("depth", lambda depth, times=times: depth / times), TOLD, 1.0)
        assert expected in answer(learned_map(card)).refused
        assert bool(expected) == bool(answer(learned_map(card)).refused)


def test_it_runs_now_and_then_and_only_on_something_new(card):
    made = learned_map(card, every_s=5.0)
    views = keyframes()
    assert not made.offer(views[:2], CENTRE, SEC)
    assert "2 keyframes; the model needs 3" in made.told()["last run"]
    assert made.offer(views, CENTRE, 2 * SEC)
    assert not made.offer(views, CENTRE, 2 * SEC + 500 * MS)
    assert made.poll(3 * SEC)
    later = [*views[1:], views[0]._replace(stamp_ns=views[-1].stamp_ns + SEC)]
    assert not made.offer(later, CENTRE, 6 * SEC)
    assert not made.offer(views, CENTRE, 8 * SEC)
    assert made.offer(later, CENTRE, 8 * SEC)
    assert made.counts["runs"] == 2


def test_the_nearest_to_the_newest_are_chosen(card):
    made = learned_map(card)
    views = keyframes()
    far = views[0]._replace(stamp_ns=0, T_odom_from_cam=SE3(views[0].T_odom_from_cam.R, np.array([9.0, 0, 0])))
    found = answer(made, [far, *views])
    assert found.refused == ""
    assert found.views == 3


def test_an_answer_that_comes_too_late_is_not_used(card):
    made = learned_map(card, takes_s=6.0, budget_s=4.0)
    assert made.offer(keyframes(), CENTRE, SEC)
    assert made.poll(5 * SEC) is None
    assert "no answer within 4 s" in made.poll(5 * SEC + 1).refused
    assert made.poll(20 * SEC) is None
    assert made.newest is None
    assert made.offer(keyframes(), CENTRE, 21 * SEC), "the same keyframes may be tried again"


def test_after_a_jump_what_was_learned_is_gone(card):
    made = learned_map(card)
    answer(made)
    made.forget()
    assert made.blocks is None
    away = SE3.from_rpy(0, 0, 0, (1.0, 0.0, 0.0))
    moved = [v._replace(stamp_ns=v.stamp_ns + SEC, T_odom_from_cam=away @ v.T_odom_from_cam) for v in keyframes()]
    found = answer(made, moved, 20 * SEC)
    fresh = answer(learned_map(card), moved, 20 * SEC)
    assert found.blocks.at.tolist() == fresh.blocks.at.tolist()


def test_cards_that_cannot_be_used_are_refused_at_once(tmp_path, card):
    with pytest.raises(ConfigError, match="no card"):
        learned_map("vgt")
    with pytest.raises(EngineError, match="expected a model of several views"):
        learned_map("sgbm")
    path = card_at(tmp_path)
    (tmp_path / "knows.verdict.json").unlink()
    with pytest.raises(EngineError, match="never probed"):
        learned_map(path)


@pytest.mark.parametrize("bad", [{"every_s": 0.0}, {"budget_s": -1.0}, {"least_confidence": 1.0}, {"threads": 0}])
def test_parameters_that_cannot_be(bad):
    with pytest.raises(ConfigError):
        LearnedParams(**bad)


def test_a_live_run_is_in_a_thread_that_stands_back(card):
    before = threading.enumerate()
    made = learned_map(card, takes_s=None)
    (worker,) = [thread for thread in threading.enumerate() if thread not in before]
    assert worker.name == "learned"
    assert made.offer(keyframes(), CENTRE, 0)
    found = None
    until = time.monotonic() + 60
    while found is None and time.monotonic() < until:
        found = made.poll(0)
        time.sleep(0.005)
    nice = os.getpriority(os.PRIO_PROCESS, worker.native_id) if sys.platform == "linux" else 10
    made.close()
    assert nice >= 10
    assert found is not None
    assert found.refused == ""


def test_the_process_does_not_end_while_the_engine_works(card, monkeypatch):
    """A daemon inside of ONNX Runtime when the interpreter ends would abort it."""
    began, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def run(self, job):
        began.set()
        go_on.wait(30)
        return Learned(0, 0, "stopped")

    monkeypatch.setattr(Model, "run", run)
    monkeypatch.setattr(Model, "close", lambda self: closed.set())
    made = learned_map(card, takes_s=None)
    made.offer(keyframes(), CENTRE, 0)
    assert began.wait(30)
    made.close()
    (waits,) = [thread for thread in threading.enumerate() if thread.name == "learned ends"]
    assert not waits.daemon
    assert not closed.is_set()
    go_on.set()
    assert closed.wait(30)


def test_gaussians_are_put_where_odometry_is():
    T = SE3.from_rpy(0.3, -0.2, 1.1, (1.0, 2.0, 3.0))
    own = SE3.from_rpy(0.5, 0.1, -0.4)
    x, y, z, w = own.quaternion()
    one = Splats(*(np.array([v], np.float32) for v in ([1, 0, 2], [0.1, 0.2, 0.3], [w, x, y, z], [1, 0, 0])),
                 np.array([0.5], np.float32))  # fmt: skip
    put = gaussians_in_odom(one, Alignment(2.0, 0.0, 1, 0.0, 0.0, T))
    np.testing.assert_allclose(put.at[0], T.apply(np.array([2.0, 0, 4.0])), atol=1e-5)
    np.testing.assert_allclose(put.scale_m[0], [0.2, 0.4, 0.6], atol=1e-6)
    w, x, y, z = put.wxyz[0].astype(float)
    np.testing.assert_allclose(SE3.from_quaternion((x, y, z, w), (0, 0, 0)).R, T.R @ own.R, atol=1e-5)


def blocks(rng, n):
    at = rng.choice(27, n, replace=False)
    at = np.column_stack([at // 9, at // 3 % 3, at % 3]).astype(np.int32)
    at = at[np.lexsort(at.T[::-1])]
    weight = rng.choice(np.array([0, 0.05, 0.5, 2], np.float32), (n, 512))
    rgb = rng.integers(0, 65535, (n, 512, 3)).astype(np.uint16)
    return Blocks(at, rng.normal(size=(n, 512)).astype(np.float32), weight, rgb, np.arange(n, dtype=np.int64))


@settings(max_examples=25)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 999))
def test_filling_never_contradicts(measured, learned, seed):
    rng = np.random.default_rng(seed)
    a, b = blocks(rng, measured), blocks(rng, learned)
    a = Blocks(*(values[a.at[:, 2] < 2] for values in a))
    params = VolumeParams(voxel_m=0.1, size_m=(2.4, 2.4, 1.6), min_weight=1.0)
    before = [values.copy() for values in (*a, *b)]
    made = fill(Snapshot(params, (0, 0, 0), 1, a), b).known
    for values, kept in zip((*a, *b), before, strict=True):
        np.testing.assert_array_equal(values, kept)
    b = Blocks(*(values[b.at[:, 2] < 2] for values in b))
    assert {tuple(at) for at in made.at.tolist()} == {tuple(at) for at in (*a.at.tolist(), *b.at.tolist())}
    where = {tuple(at): n for n, at in enumerate(b.at.tolist())}
    old = {tuple(at): n for n, at in enumerate(a.at.tolist())}
    for n, at in enumerate(map(tuple, made.at.tolist())):
        sure = a.weight[old[at]] >= 1 if at in old else np.zeros(512, bool)
        lent = ~sure & (b.weight[where[at]] >= 0.1) if at in where else np.zeros(512, bool)
        if at in old:
            np.testing.assert_array_equal(made.sdf_m[n][~lent], a.sdf_m[old[at]][~lent])
            np.testing.assert_array_equal(made.weight[n][~lent], a.weight[old[at]][~lent])
        else:
            assert not made.weight[n][~lent].any()
        if at in where:
            np.testing.assert_array_equal(made.rgb[n][lent], b.rgb[where[at]][lent])
            assert (made.weight[n][lent] == 1).all()
