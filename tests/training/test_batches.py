"""Crops, mirrorings and cameras change the pictures and never the truth; skips where torch is not installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="batches are tensors of torch")

from training import batches  # noqa: E402
from training.batches import Crops, swapped, tensors, through_cameras, varied  # noqa: E402
from training.pairs import PIXEL, SUBPIXEL, Packed, file_of, make  # noqa: E402


@pytest.fixture(scope="module")
def pair() -> Packed:
    return make(70, (128, 96))


def match_error(pair: Packed) -> float:
    """Median difference, in grey values, of visible left pixels and the right ones that the truth says they match."""
    width = pair.shape[1]
    left, right = (pair[side].astype(np.float32).mean(2) for side in ("left", "right"))
    column = np.arange(width) - pair["disparity"] / SUBPIXEL
    seen = ~pair["occluded"] & (column >= 0)
    low = np.floor(column).astype(int).clip(0, width - 2)
    part = column - low
    moved = np.take_along_axis(right, low, 1) * (1 - part) + np.take_along_axis(right, low + 1, 1) * part
    return float(np.median(np.abs(left - moved)[seen]))


def test_the_mirrored_swapped_pair_has_a_truth_that_matches_its_pictures(pair: Packed) -> None:
    mirrored = swapped(pair)
    assert match_error(mirrored) < 1.5 * match_error(pair) + 2.0
    wrong = mirrored.copy()
    wrong["disparity"] = pair["disparity"]  # the left picture's truth is not the mirrored right one's
    assert match_error(wrong) > 2 * match_error(mirrored)


def test_swapping_twice_gives_the_pair_back(pair: Packed) -> None:
    twice = swapped(swapped(pair))
    for name in ("left", "right", "disparity", "right_disparity"):
        assert np.array_equal(twice[name], pair[name]), name
    assert (twice["occluded"] == pair["occluded"]).mean() > 0.9  # told from disparities, not from rays


def test_a_crop_keeps_the_truth_of_its_pixels(pair: Packed) -> None:
    rng = np.random.default_rng(0)
    for _ in range(8):
        crop = varied(pair, (64, 32), rng)
        assert crop.shape == (32, 64)
        known = set(pair["disparity"].ravel()) | set(pair["right_disparity"].ravel())
        assert set(crop["disparity"].ravel()) <= known


def test_what_a_crop_cuts_off_or_something_covers_is_not_seen_by_the_right_camera(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wall 5 px away in both pictures, of noise: where neighbours are equal, something stands before the camera."""
    monkeypatch.setattr(batches, "through_cameras", lambda left, right, _: (left, right))
    wall = np.zeros((96, 128), PIXEL)
    wall["left"], wall["right"] = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3), np.uint8)
    wall["disparity"], wall["right_disparity"], wall["confidence"] = 5 * SUBPIXEL, 5 * SUBPIXEL, 255
    covers = 0
    for seed in range(20):
        crop = varied(wall, (64, 64), np.random.default_rng(seed))
        right = crop["right"].astype(int)
        beside = (right[:, :-1] == right[:, 1:]).all(2)
        covered = np.pad(beside, ((0, 0), (0, 1))) | np.pad(beside, ((0, 0), (1, 0)))
        expected = np.ones((64, 64), bool)
        expected[:, 5:] = covered[:, :-5]
        assert np.array_equal(crop["occluded"], expected)
        assert np.array_equal(crop["confidence"] == 0, expected)
        covers += bool(covered.any())
    assert 0 < covers < 20


def test_both_cameras_change_and_not_quite_alike(pair: Packed) -> None:
    rng = np.random.default_rng(1)
    changed = [through_cameras(pair["left"], pair["left"], rng) for _ in range(8)]
    assert all(p.shape == (*pair.shape, 3) and p.dtype == np.uint8 for two in changed for p in two)
    assert any((a != pair["left"]).any() for a, _ in changed)
    assert any((a != b).any() for a, b in changed)


def test_what_the_sun_lights_may_be_white_and_the_shade_is_not(pair: Packed, monkeypatch: pytest.MonkeyPatch) -> None:
    def white(dazzled: float) -> list[float]:
        monkeypatch.setattr(batches, "DAZZLED", dazzled)
        rng = np.random.default_rng(2)
        return [float((through_cameras(pair["left"], pair["right"], rng)[0] > 250).mean()) for _ in range(60)]

    never, always = white(0.0), white(1.0)
    assert np.mean([share > 0.2 for share in never]) < 0.2
    assert np.mean([share > 0.2 for share in always]) > 0.4
    assert max(always) < 0.9


def test_batches_repeat_with_their_seed_and_differ_with_another(pair: Packed, tmp_path: Path) -> None:
    np.save(file_of(tmp_path, 0), pair)

    def first(seed: int) -> dict[str, object]:
        return next(iter(Crops(tmp_path, (64, 32), seed)))

    assert all(torch.equal(first(1)[k], first(1)[k]) for k in first(1))
    assert not torch.equal(first(1)["left"], first(2)["left"])


def test_tensors_are_in_pixels(pair: Packed) -> None:
    batch = tensors(pair)
    assert batch["left"].shape == (3, 96, 128)
    assert float(batch["disparity"].max()) == pytest.approx(float(pair["disparity"].max()) / SUBPIXEL)
    assert batch["visible"].dtype == torch.bool
