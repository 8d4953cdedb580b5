"""Learned reconstruction: it is judged first, it fills what is shown, and nothing that moves a robot notices it."""

import numpy as np
import pytest
from learned_scenes import (
    CENTRE,
    DA3,
    TOLD,
    UNIT,
    VOLUME,
    answer,
    card_at,
    changed,
    keyframes,
    learned_map,
    measured,
    snapshot,
)

from map_node.learned.fill import fill
from map_node.volume.clearance import rays
from map_node.volume.cpu import CpuVolume
from map_node.volume.esdf import Esdf
from saccade.clock import SEC
from saccade.geometry import SE3


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    return card_at(tmp_path_factory.mktemp("card"))


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

    known = []
    for n, said in enumerate((half_sure, None)):
        folder = tmp_path / str(n)
        folder.mkdir()
        known.append(int((answer(learned_map(card_at(folder, said, fields))).blocks.weight > 0).sum()))
    assert 0 < known[0] < 0.7 * known[1]


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
