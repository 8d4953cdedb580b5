"""The gate of adaptation: parts in time, figures that follow the truth, and a verdict that noise does not sway."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from saccade.geometry import F32
from saccade.types import U8
from training.gate import Change, Look, compare, hold_out, judged, mismatch, refusal

RNG = np.random.default_rng(0)
GOOD = (2.0, 2.0)


def pair(shift: float, seed: int = 0, noise: float = 2.0) -> tuple[U8, U8]:
    """A textured wall at one disparity, with noise of its own in either picture."""
    rng = np.random.default_rng(seed)
    wide = cv2.GaussianBlur(rng.uniform(0, 255, (64, 160)).astype(np.float32), (0, 0), 1.5) * 3 % 255
    x = np.arange(96, dtype=np.float32)[None].repeat(64, 0)
    y = np.arange(64, dtype=np.float32)[:, None].repeat(96, 1)
    seen = (cv2.remap(wide, x + at, y, cv2.INTER_LINEAR) + rng.normal(0, noise, x.shape) for at in (16.0, 16.0 + shift))
    left, right = (p.clip(0, 255).astype(np.uint8) for p in seen)
    return left, right


def flat(disparity: float, noise: float = 0.0) -> Look:
    def one() -> F32:
        return (disparity + noise * RNG.standard_normal((64, 96))).astype(np.float32)

    return Look(one(), one())


@pytest.mark.parametrize("count", [2, 3, 7, 15, 16, 40, 200])
def test_judged_pairs_are_never_learned_from_nor_next_to_such(count: int) -> None:
    split = hold_out(count)
    assert split.learn
    assert split.judge
    assert not set(split.judge) & (set(split.learn) | set(split.watch))
    assert max(split.judge) < count
    if count >= 16:
        assert not set(split.watch) & set(split.learn)
        assert min(abs(a - b) for a in split.judge + split.watch for b in split.learn) >= 2
        runs = np.split(np.array(split.judge), np.flatnonzero(np.diff(split.judge) > 1) + 1)
        assert len(runs) == 2
        assert 0.2 * count <= len(split.judge) <= 0.3 * count


def test_a_disparity_nearer_to_the_truth_has_less_error() -> None:
    figures = [compare(*pair(6.0, seed), flat(9.0), flat(6.2)) for seed in range(9)]
    photometric, apart, density = judged(figures)
    assert photometric.relative < -0.2
    assert photometric.high < -0.2
    assert apart.relative == pytest.approx(0.0, abs=0.05)
    assert refusal([photometric, apart, density], GOOD) == ""
    back = judged([compare(*pair(6.0, seed), flat(6.2), flat(9.0)) for seed in range(9)])
    assert "not better" in refusal(back, GOOD)


@pytest.mark.parametrize("count", [1, 9])
def test_the_same_twice_is_not_better(count: int) -> None:
    look = flat(6.0)
    assert "not better" in refusal(judged([compare(*pair(6.0, seed), look, look) for seed in range(count)]), GOOD)


def test_a_gain_within_the_noise_is_not_better() -> None:
    """Half of the pairs get better by as much as the others get worse."""
    looks = [(flat(8.0), flat(6.0)) if i % 2 else (flat(6.0), flat(8.0)) for i in range(20)]
    found = judged([compare(*pair(6.0, i), before, after) for i, (before, after) in enumerate(looks)])
    assert found[0].low < 0 < found[0].high
    assert "not better" in refusal(found, GOOD)


def test_exposure_and_veil_of_one_eye_do_not_count() -> None:
    left, right = pair(6.0, noise=0.0)
    veiled = (0.7 * right + 40).astype(np.uint8)
    plain, veil = (judged([compare(left, r, flat(6.0), flat(6.0))])[0].before for r in (right, veiled))
    assert veil < plain + 0.1
    assert judged([compare(left, veiled, flat(9.0), flat(9.0))])[0].before > 2 * veil


def test_eyes_that_disagree_and_points_lost_are_seen() -> None:
    before, after = flat(6.0, noise=0.1), flat(6.0, noise=1.5)
    _, apart, density = judged([compare(*pair(6.0, seed), before, after) for seed in range(9)])
    assert apart.relative > 0.5
    assert density.relative < -0.2


def test_pictures_of_different_moments_are_no_pairs() -> None:
    for apart, matches in ((0, True), (1, False)):
        looks = [(pair(6.0, seed)[0], pair(6.0, seed + apart)[1], flat(6.5), flat(6.0)) for seed in range(9)]
        told = mismatch([compare(*look) for look in looks])
        assert ("do not show the same" in told) is not matches


def change(name: str, relative: float, high: float) -> Change:
    return Change(name, 1.0, 1.0 + relative, relative - 0.1, high)


@pytest.mark.parametrize(
    ("changes", "dry", "why"),
    [
        ((-0.05, -0.01, 0.0, 0.0), (2.0, 2.05), ""),
        ((-0.05, 0.01, 0.0, 0.0), (2.0, 2.0), "not better"),
        ((-0.002, -0.001, 0.0, 0.0), (2.0, 2.0), "not better"),
        ((-0.05, -0.004, 0.0, 0.0), (2.0, 2.0), "not better"),
        ((-0.05, -0.006, 0.0, 0.0), (2.0, 2.0), ""),
        ((-0.05, -0.01, 0.05, 0.0), (2.0, 2.0), "agree less"),
        ((-0.05, -0.01, 0.0, -0.05), (2.0, 2.0), "fewer pixels"),
        ((-0.05, -0.01, 0.0, 0.0), (2.0, 2.3), "forgot"),
    ],
)
def test_each_figure_can_refuse(changes: tuple[float, float, float, float], dry: tuple[float, float], why: str) -> None:
    relative, high, apart, density = changes
    found = refusal(
        [change("photometric error", relative, high), change("disagreement", apart, apart),
         change("density", density, density)], dry,
    )  # fmt: skip
    assert (why in found) if why else not found
