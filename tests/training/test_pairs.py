"""Pairs on disk are what the data engine makes, and variants of them keep their truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.pairs import RANGES, SUBPIXEL, WINDOWS, Packed, file_of, fill, main, make, size_of, windows_of
from training.sample import sample, stream

SIZE = (96, 64)


@pytest.fixture(scope="module")
def pair() -> Packed:
    return make(3, SIZE)


def test_a_packed_pair_holds_the_sample_of_its_seed(pair: Packed) -> None:
    s = sample(3, SIZE, int(stream(3, "range").choice(RANGES)), windows=WINDOWS)
    assert np.array_equal(pair["left"], s.left)
    assert np.array_equal(pair["occluded"], s.occluded)
    assert np.abs(pair["disparity"] / SUBPIXEL - s.disparity).max() <= 0.5 / SUBPIXEL
    assert np.abs(pair["right_disparity"] / SUBPIXEL - s.right_disparity).max() <= 0.5 / SUBPIXEL


def test_a_folder_is_filled_with_what_is_missing_only(tmp_path: Path) -> None:
    kept = file_of(tmp_path, 1)
    kept.write_bytes(b"here already")
    assert sum(fill(tmp_path, 0, 3, workers=1)) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == [file_of(tmp_path, k).name for k in range(3)]
    assert kept.read_bytes() == b"here already"
    assert np.load(file_of(tmp_path, 2)).shape == (256, 384)


def test_a_folder_can_be_given_more_of_one_kind_of_scene(tmp_path: Path) -> None:
    main(["--out", str(tmp_path), "--first", "7", "--count", "1", "--workers", "1", "--scene", "table"])
    assert np.array_equal(np.load(file_of(tmp_path, 7)), make(7, scene="table"))
    assert not np.array_equal(make(7, SIZE, "table"), make(7, SIZE))


def test_a_folder_of_wider_pairs_has_fewer_windows(tmp_path: Path) -> None:
    main(["--out", str(tmp_path), "--first", "12", "--count", "1", "--workers", "1", "--size", "512", "64"])
    assert size_of(tmp_path) == (512, 64)
    kept = np.load(file_of(tmp_path, 12))
    whole = [sample(12, (512, 64), int(stream(12, "range").choice(RANGES)), windows=w).left for w in (0.6, WINDOWS)]
    assert np.array_equal(kept["left"], whole[0])
    assert not np.array_equal(*whole)
    assert [windows_of((width, 64)) for width in (96, 384, 768)] == [WINDOWS, WINDOWS, WINDOWS / 2]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--workers", "0"], "--workers is 0; expected at least 1"),
        (["--size", "100", "64"], "--size is 100x64; expected multiples of 32"),
        (["--size", "0", "64"], "--size is 0x64; expected multiples of 32"),
        (["--size", "64", "64"], "--size is 64x64, and {} holds pairs of 96x64; use another --out"),
    ],
)
def test_what_cannot_be_made_is_refused(
    tmp_path: Path, pair: Packed, capsys: pytest.CaptureFixture[str], asked: list[str], told: str
) -> None:
    np.save(file_of(tmp_path, 3), pair)
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path), "--count", "1", *asked])
    assert told.format(tmp_path) in capsys.readouterr().err


def test_a_window_shows_what_the_whole_camera_sees_there() -> None:
    """Half of the pairs are windows of larger cameras: their principal point may lie outside of the picture."""
    rigs = [sample(seed, (64, 48), 32, effects=()).rig for seed in range(12)]
    outside = [r for r in rigs if not (0 <= r.cx < r.width and 0 <= r.cy < r.height)]
    central = [r for r in rigs if abs(r.cx - 31.5) < 0.05 * 64 and abs(r.cy - 23.5) < 0.05 * 48]
    assert outside
    assert central
