"""Pairs on disk are what the data engine makes, and variants of them keep their truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.pairs import RANGES, SUBPIXEL, WINDOWS, Packed, file_of, fill, main, make
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


def test_no_workers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path), "--workers", "0"])
    assert "--workers is 0; expected at least 1" in capsys.readouterr().err


def test_a_window_shows_what_the_whole_camera_sees_there() -> None:
    """Half of the pairs are windows of larger cameras: their principal point may lie outside of the picture."""
    rigs = [sample(seed, (64, 48), 32, effects=()).rig for seed in range(12)]
    outside = [r for r in rigs if not (0 <= r.cx < r.width and 0 <= r.cy < r.height)]
    central = [r for r in rigs if abs(r.cx - 31.5) < 0.05 * 64 and abs(r.cy - 23.5) < 0.05 * 48]
    assert outside
    assert central
