"""`saccade bench stereo` from end to end: on generated pairs, on real ones, and on what people give it by mistake."""

from __future__ import annotations

import json

import made_sets as made
import numpy as np
import pytest

from saccade.cli import main
from training.sample import sample

ONE = ["--threads", "1"]


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Two generated pairs in ETH3D's layout."""
    root = tmp_path_factory.mktemp("generated")
    for seed in (1, 2):
        s = sample(seed, (192, 128), 48, effects=())
        made.write(root / f"{seed}" / "im0.png", s.left)
        made.write(root / f"{seed}" / "im1.png", s.right)
        made.write_pfm(root / f"{seed}" / "disp0GT.pfm", np.where(s.disparity > 0, s.disparity, np.nan))
        made.write(root / f"{seed}" / "mask0nocc.png", np.where(s.occluded, 128, 255).astype(np.uint8))
    return root


def bench(*args, data, out):
    """Exit code and what was written as JSON."""
    code = main(["bench", "stereo", "--data", str(data), "--json", str(out / "all.json"), *args])
    return code, json.loads((out / "all.json").read_text()) if (out / "all.json").exists() else {}


def test_generated_pairs_end_to_end(generated, tmp_path, capsys):
    cards = ("--card", "sgbm-full", "bm")
    files = ("--markdown", str(tmp_path / "page.md"), "--pictures", str(tmp_path / "pictures"))
    code, first = bench(*cards, *files, "--threads", "1,2", data=generated, out=tmp_path)
    assert code == 0
    found = first["sets"][generated.name]
    assert list(found["methods"]) == ["sgbm-full", "bm"]
    full, pairs = found["methods"]["sgbm-full"], found["pairs"]
    assert set(full["ms"]) == {"1", "2"}
    assert full["ms"]["1"]["p50"] <= full["ms"]["1"]["p95"]
    assert all(ratio > 0 for ratio in full["to_bare_3way"].values())
    assert set(full["scores"]) == {"given_all", "given_seen", "dense_all", "dense_seen"}
    assert full["scores"]["dense_all"]["density"] == 100 > full["scores"]["given_all"]["density"] > 50
    assert (
        full["scores"]["given_seen"]["epe"] < full["scores"]["dense_seen"]["epe"] < full["scores"]["dense_all"]["epe"]
    )
    assert full["scores"]["dense_seen"]["bad2"] < 40
    each = [pair["methods"]["sgbm-full"]["scores"]["dense_all"]["epe"] for pair in pairs.values()]
    assert full["scores"]["dense_all"]["epe"] == pytest.approx(np.mean(each))
    assert 0 < full["jitter"]["median"] <= full["jitter"]["p95"]
    assert first["machine"]["cores"] >= 1
    assert "numpy" in first["machine"]["libraries"]
    printed = capsys.readouterr()
    assert "sgbm-full" in printed.out
    assert f"{full['scores']['dense_seen']['epe']:.2f}" in printed.out
    assert f"| {full['scores']['dense_seen']['epe']:.2f} |" in (tmp_path / "page.md").read_text()
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        f"stereo-{generated.name}-{seed}.jpg" for seed in (1, 2)
    ]

    _, again = bench(*cards, *files, *ONE, data=generated, out=tmp_path)
    for name, pair in again["sets"][generated.name]["pairs"].items():
        for method, record in pair["methods"].items():
            before = pairs[name]["methods"][method]
            assert record["scores"] == before["scores"]
            assert record["jitter"] == before["jitter"]
    assert (tmp_path / "page.md").read_text().count("## stereo") == 1


def test_a_scene_whose_truth_is_known_exactly_scores_well_and_a_wrong_truth_does_not(tmp_path):
    made.eth3d(tmp_path / "right" / "scene")
    made.eth3d(tmp_path / "wrong" / "scene")
    made.write_pfm(tmp_path / "wrong" / "scene" / "disp0GT.pfm", made.truth() + 2.5)
    _, found = bench("--card", "sgbm-full", *ONE, data=tmp_path, out=tmp_path)
    right, wrong = (found["sets"][name]["methods"]["sgbm-full"]["scores"] for name in ("right", "wrong"))
    assert right["dense_seen"]["bad1"] < 5
    assert right["given_seen"]["epe"] < 0.2
    assert wrong["dense_seen"]["bad2"] > 90
    assert wrong["dense_seen"]["bad4"] < 5


def test_what_is_broken_is_told_and_the_rest_is_done(tmp_path, capsys):
    for scene in ("a", "b", "c"):
        made.eth3d(tmp_path / "set" / scene)
    (tmp_path / "set" / "b" / "im1.png").write_bytes(b"")
    (tmp_path / "holiday").mkdir()
    code, found = bench("--card", "sgbm", *ONE, data=tmp_path, out=tmp_path)
    assert code == 3
    assert list(found["sets"]["set"]["pairs"]) == ["a", "c"]
    assert found["sets"]["set"]["methods"]["sgbm"]["pairs"] == 2
    assert "im1.png" in found["sets"]["set"]["broken"]["b"]
    assert found["skipped"] == [str(tmp_path / "holiday")]
    told = capsys.readouterr().err
    assert "im1.png" in told
    assert "skipped" in told
    assert "holiday" in told


def test_a_set_of_broken_pairs_only_is_told(tmp_path, capsys):
    made.eth3d(tmp_path / "set" / "a")
    (tmp_path / "set" / "a" / "im1.png").write_bytes(b"")
    args = ("--card", "sgbm", *ONE, "--pictures", str(tmp_path / "pictures"), "--markdown", str(tmp_path / "page.md"))
    code, found = bench(*args, data=tmp_path / "set", out=tmp_path)
    assert code == 3
    assert found["sets"]["set"]["pairs"] == {}
    assert "0 pairs, 1 that could not be read" in (tmp_path / "page.md").read_text()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--data", "nowhere"), "no folder nowhere"),
        (("--card", "sgbm-ful"), "did you mean 'sgbm-full'"),
        (("--card", "cards/none.yaml"), "cannot read card cards/none.yaml"),
        (("--disparities", "100"), "multiple of 16"),
        (("--disparities", "2064"), "up to 2048"),
    ],
)
def test_what_cannot_be_used_is_named(generated, capsys, args, told):
    assert main(["bench", "stereo", "--data", str(generated), *args]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "args", [("--threads", "0"), ("--threads", "two"), ("--limit", "-1"), ("--disparities", "1.5")]
)
def test_numbers_that_are_none_are_refused(args, capsys):
    with pytest.raises(SystemExit) as left:
        main(["bench", "stereo", *args])
    assert left.value.code == 2
    assert args[0] in capsys.readouterr().err


def test_without_data_beside_the_project_it_says_what_to_give(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("saccade.cli.bench.stereo.DATA", tmp_path / "none")
    assert main(["bench", "stereo"]) == 2
    told = capsys.readouterr().err
    assert "--data" in told
    assert "Middlebury" in told


def test_only_pictures_that_may_be_published_go_beside_the_page(tmp_path):
    made.named(tmp_path / "samples")
    page = tmp_path / "docs" / "page.md"
    code, _ = bench("--card", "sgbm", *ONE, "--markdown", str(page), data=tmp_path / "samples", out=tmp_path)
    assert code == 0
    assert [path.name for path in (page.parent / "pictures").iterdir()] == ["stereo-samples-aloe.jpg"]
    assert "(pictures/stereo-samples-aloe.jpg)" in page.read_text()
    assert "Apache-2.0" in page.read_text()


def test_a_file_that_cannot_be_written_is_named(tmp_path, capsys):
    made.eth3d(tmp_path / "set" / "a")
    (tmp_path / "taken").write_text("")
    args = ("--card", "sgbm", *ONE, "--json", str(tmp_path / "taken" / "all.json"))
    assert main(["bench", "stereo", "--data", str(tmp_path / "set"), *args]) == 1
    told = capsys.readouterr()
    assert "cannot write" in told.err
    assert "sgbm" in told.out


def test_the_range_of_search_follows_the_truth(tmp_path):
    made.eth3d(tmp_path / "far" / "scene")
    made.eth3d(tmp_path / "near" / "scene")
    made.write_pfm(tmp_path / "near" / "scene" / "disp0GT.pfm", made.truth() + 136)
    _, found = bench("--card", "sgbm-full", *ONE, data=tmp_path, out=tmp_path)
    assert {name: data["disparities"] for name, data in found["sets"].items()} == {"far": 128, "near": 160}
    _, found = bench("--card", "sgbm-full", *ONE, "--disparities", "64", data=tmp_path, out=tmp_path)
    assert {data["disparities"] for data in found["sets"].values()} == {64}


@pytest.mark.slow
def test_two_real_pairs(shared_data, tmp_path):
    code, found = bench("--card", "sgbm", "sgbm-full", *ONE, "--limit", "2", data=shared_data / "stereo" / "kitti2012",
                        out=tmp_path)  # fmt: skip
    assert code == 0
    assert len(found["sets"]["kitti2012"]["pairs"]) == 2
    for figures in found["sets"]["kitti2012"]["methods"].values():
        assert figures["scores"]["dense_seen"]["bad3"] < 15
        assert figures["scores"]["dense_seen"]["epe"] < 4
