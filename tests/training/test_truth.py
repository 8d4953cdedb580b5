"""The truth of a generated pair is exact: disparity, occlusion, left and right, whatever is done to the pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import ConfigError
from saccade.geometry import F32
from training.sample import EFFECTS, StereoSample, row_error_for, sample, stream
from training.scenes import SCENES

SIZE = (192, 128)
SEEDS = range(6, 12)  # one library of textures


def pair(seed: int, effects: tuple[str, ...] = (), scene: str | None = None) -> StereoSample:
    return sample(seed, SIZE, 48, effects, scene)


def fetched(picture: npt.NDArray[np.generic], x: F32, row: F32 | None = None) -> F32:
    """Values of a picture (H, W) or (H, W, 3) at columns x (H, W), linear between pixels; rows likewise where given."""
    height, width = x.shape
    y = np.arange(height, dtype=np.float32)[:, None] if row is None else row
    x, y = np.clip(x, 0, width - 1.001), np.broadcast_to(np.clip(y, 0, height - 1.001), x.shape)
    i, j = x.astype(int), y.astype(int)
    p, q = (x - i), (y - j)
    if picture.ndim == 3:
        p, q = p[..., None], q[..., None]
    top = picture[j, i] * (1 - p) + picture[j, i + 1] * p
    low = picture[j + 1, i] * (1 - p) + picture[j + 1, i + 1] * p
    return np.asarray(top * (1 - q) + low * q, np.float32)


def smooth(s: StereoSample) -> npt.NDArray[np.bool_]:
    """Pixels that both cameras see, away from edges, holes and mirrors: there a picture can be compared."""
    d = s.disparity
    flat = np.zeros(d.shape, bool)
    span = np.ptp(np.stack([np.roll(d, (a, b), (0, 1)) for a in (-2, 0, 2) for b in (-2, 0, 2)]), axis=0)
    flat[3:-3, 3:-3] = span[3:-3, 3:-3] < 1.0
    x = np.arange(d.shape[1]) - d
    seen = ~s.occluded & (s.confidence > 0.99) & (x > 2) & (d > 0.5)
    for step in (-2, 2):
        seen &= ~np.roll(s.occluded, step, 1)
    return flat & seen


def residual(s: StereoSample, disparity: F32) -> float:
    """Median difference in grey levels between left and the right picture brought over, where there is texture."""
    warped = fetched(s.right.astype(np.float32), np.arange(SIZE[0], dtype=np.float32)[None] - disparity)
    left = s.left.astype(np.float32)
    slope = np.abs(np.diff(left.mean(2), axis=1, append=0))
    where = smooth(s) & (slope > 6)
    assert where.sum() > 100, "nothing to compare in this scene"
    return float(np.median(np.abs(warped - left).mean(2)[where]))


@pytest.mark.parametrize("scene", list(SCENES))
def test_the_right_picture_brought_over_by_the_disparity_is_the_left_one(scene: str) -> None:
    for seed in (6, 7):  # windows on something with texture
        s = pair(seed, scene=scene)
        exact = residual(s, s.disparity)
        assert exact < 4.0
        assert residual(s, s.disparity + 1) > 1.5 * exact + 2.0
        assert residual(s, s.disparity - 1) > 1.5 * exact + 2.0


def test_half_a_pixel_is_seen_in_the_mean_of_many_scenes() -> None:
    scenes = [pair(seed, scene="table") for seed in SEEDS]
    exact, off = ([residual(s, s.disparity + e) for s in scenes] for e in (0.0, 0.5))
    assert np.mean(off) > 1.5 * np.mean(exact)


@pytest.mark.parametrize("seed", SEEDS)
def test_left_and_right_disparities_agree_where_both_see_and_differ_where_one_does_not(seed: int) -> None:
    s = pair(seed)
    x = np.arange(SIZE[0], dtype=np.float32)[None] - s.disparity
    rows, low = np.arange(SIZE[1])[:, None], np.clip(x, 0, SIZE[0] - 2).astype(int)
    there = np.stack([s.right_disparity[rows, low], s.right_disparity[rows, low + 1]])
    seen = ~s.occluded & (x >= 0) & (x <= SIZE[0] - 1)
    assert np.quantile(np.abs(there - s.disparity).min(axis=0)[seen], 0.95) < 0.5
    assert np.mean(np.abs(there + 2 - s.disparity).min(axis=0)[seen] < 0.5) < 0.3
    # What the right camera has in front of a hidden point is nearer.
    hidden = s.occluded & (x >= 1) & (x <= SIZE[0] - 2)
    if hidden.sum() > 50:
        assert np.mean((there.max(axis=0) - s.disparity)[hidden] > 0) > 0.9


def test_occlusion_is_what_projection_says() -> None:
    """Against another way to find it: a point is hidden when another of its row lands on the same spot, nearer."""
    agreement = []
    for s in (pair(seed, scene=scene) for seed, scene in ((1, "table"), (2, "room"), (3, "street"))):
        width = SIZE[0]
        x = np.rint(np.arange(width)[None] - s.disparity).astype(int)
        front = np.zeros(s.disparity.shape, np.float32)
        rows = np.broadcast_to(np.arange(SIZE[1])[:, None], x.shape)
        inside = x >= 0
        np.maximum.at(front, (rows[inside], x[inside]), s.disparity[inside])
        hidden = ~inside | (front[rows, np.maximum(x, 0)] > s.disparity + 1.5)
        agreement.append(np.mean(hidden == s.occluded))
        assert s.occluded[x < -1].all()
        assert 0.01 < s.occluded.mean() < 0.7
    assert min(agreement) > 0.93


@settings(max_examples=12)
@given(st.integers(0, 63), st.sampled_from(list(SCENES)), st.sampled_from([16, 48, 96]))
def test_ranges(seed: int, scene: str, most: int) -> None:
    s = sample(seed, (96, 64), most, (), scene)
    assert s.left.shape == s.right.shape == (64, 96, 3)
    assert s.left.dtype == s.right.dtype == np.uint8
    assert s.disparity.dtype == np.float32
    assert s.disparity.shape == s.occluded.shape == s.confidence.shape == (64, 96)
    assert np.isfinite(s.disparity).all()
    assert s.disparity.min() >= 0.0
    assert s.disparity.max() <= most * (1 + 1e-6)
    assert ((s.confidence >= 0) & (s.confidence <= 1)).all()
    assert (s.confidence[s.occluded] == 0).all()


@settings(max_examples=4)
@given(st.integers(0, 62))
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(seed: int) -> None:
    one, two, other = (sample(n, (96, 64)) for n in (seed, seed, seed + 1))
    for name in ("left", "right", "disparity", "right_disparity", "occluded", "confidence"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes(), name
    assert (one.scene, one.effects, one.rig, one.row_error_px) == (two.scene, two.effects, two.rig, two.row_error_px)
    assert one.left.tobytes() != other.left.tobytes()


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_changes_the_pictures_and_never_the_truth(effect: str) -> None:
    clean, changed = pair(4), pair(4, (effect,))
    assert changed.effects == (effect,)
    assert changed.disparity.tobytes() == clean.disparity.tobytes()
    assert np.abs(changed.right.astype(int) - clean.right).mean() > 0.2
    if effect == "rectification":  # it moves the right picture alone, at whose border a few points are then unseen
        assert changed.left.tobytes() == clean.left.tobytes()
        assert np.array_equal(changed.occluded[3:-3], clean.occluded[3:-3])
    else:
        assert np.abs(changed.left.astype(int) - clean.left).mean() > 0.2
        assert changed.right_disparity.tobytes() == clean.right_disparity.tobytes()
        assert np.array_equal(changed.occluded, clean.occluded)


def test_the_rectification_error_moves_the_rows_of_the_right_picture_by_what_is_said() -> None:
    ideal, skewed = pair(4), pair(4, ("rectification",))  # wide surfaces, no leaves
    shift, tilt, stretch = skewed.row_error_px
    assert max(abs(shift), abs(tilt), abs(stretch)) > 0.05
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
    rig = ideal.rig
    u, v = (rig.width - 1) / 2, (rig.height - 1) / 2
    row = y + shift + tilt * (x - u) / rig.width + stretch * (y - v) / rig.height
    inner = np.s_[4:-4, 4:-4]

    def apart(rows: F32) -> float:
        return float(np.abs(fetched(ideal.right_disparity, x, rows) - skewed.right_disparity)[inner].clip(0, 1).mean())

    assert apart(row) < 0.5 * apart(y)
    assert apart(row) < 0.5 * apart(2 * y - row)


def test_the_rectification_error_stays_within_a_pixel() -> None:
    for seed in range(200):
        shift, tilt, stretch = row_error_for(stream(seed, "rectification"))
        assert abs(shift) + abs(tilt) / 2 + abs(stretch) / 2 <= 1.0


@pytest.mark.parametrize(
    ("size", "most", "effects", "scene", "words"),
    [
        ((16, 64), 48, (), None, "32x32"),
        ((64, 64), 2, (), None, "max_disparity"),
        ((64, 64), 48, ("fogg",), None, "fogg"),
        ((64, 64), 48, (), "rooom", "did you mean 'room'"),
    ],
)
def test_what_cannot_be_made_is_named(
    size: tuple[int, int], most: int, effects: tuple[str, ...], scene: str | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        sample(0, size, most, effects, scene)
