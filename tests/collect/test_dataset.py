"""Clips become a LeRobot v3 dataset: what is read back is what was seen, felt and done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rollout_scene import drive, film, ns, observation, picture, plan, rollout

from saccade.cli.collect import needs, stats
from saccade.cli.collect.clip import frames, save_clip
from saccade.cli.collect.lerobot import Clip, write_dataset
from saccade.cli.collect.stages import cut
from saccade.cli.collect.video import join_videos, read_video, write_video
from saccade.errors import ConfigError, DataError
from saccade.types import U8

pq = pytest.importorskip("pyarrow.parquet", reason="datasets need pyarrow (in requirements-dev.txt)")
pytest.importorskip("av", reason="datasets need PyAV (in requirements-dev.txt)")


def far(one: U8, other: U8) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def clips(folder: Path) -> list[Clip]:
    """Two stages of a drive."""
    made, out = drive(), []
    for i, stage in enumerate(cut(made)[:2]):
        more = {"opinions": {"truth": {"good": True, "why": "", "sure": 1.0}}, "score": {"quality": 0.5}}
        save_clip(folder / str(i), made, stage, frames(made, stage), more)
        out.append(Clip.load(folder / str(i)))
    return out


def test_frames_are_what_was_felt_and_then_done() -> None:
    made = drive()
    stage = replace(cut(made)[1], begin_ns=ns(1.0), end_ns=ns(2.0))
    shot = frames(made, stage)
    assert shot.fps == 10
    assert len(shot.stamps) == 10
    assert shot.state_names == ("x.pos", "y.pos", "yaw.pos", "vx.vel", "wz.vel")
    assert np.allclose(shot.state[:, 0], 0.05 * np.arange(10)), "from where the stage began"
    assert np.allclose(shot.state[:, 3], 0.5)
    assert shot.action_names == ("vx.vel", "wz.vel")
    assert np.allclose(shot.action[:, 1], 1.0 + 0.1 * np.arange(10)), "what was sent until the next frame"
    assert far(shot.pictures["left"][3], picture(1.3)) == 0.0


def test_missing_pictures_and_short_stages_are_named() -> None:
    thoughts = [(observation(0.5), plan("step 1 of 1, go to the red box"))]
    holed = rollout(film(4.0, missing=(1.5,)), thoughts)
    with pytest.raises(DataError, match="missing on the way"):
        frames(holed, cut(holed)[0])
    frozen = drive()
    frozen.film.pictures["left/image_rect"] += [frozen.film.pictures["left/image_rect"][-1]] * 200
    assert len(frames(frozen, cut(frozen)[1]).stamps) == 36, "what was taken before it froze is good"
    short = replace(cut(drive())[0], end_ns=ns(0.5))
    with pytest.raises(DataError, match="fewer than 5"):
        frames(drive(), short)


def test_joined_videos_show_each_frame_where_it_belongs(tmp_path: Path) -> None:
    shown = [[picture(i / 10) for i in range(7)], [picture(2 + i / 10) for i in range(5)]]
    for i, pictures in enumerate(shown):
        write_video(tmp_path / f"{i}.mp4", pictures, 10)
    join_videos(tmp_path / "all.mp4", [tmp_path / "0.mp4", tmp_path / "1.mp4"], [7, 5], 10)
    back = read_video(tmp_path / "all.mp4")
    assert len(back) == 12
    for one, other in zip(back, [*shown[0], *shown[1]], strict=True):
        assert far(one, other) < 4.0
    assert far(back[7], shown[0][0]) > 3 * far(back[7], shown[1][0])


def test_a_dataset_has_lerobots_files_and_columns(tmp_path: Path) -> None:
    made = clips(tmp_path / "clips")
    write_dataset(tmp_path / "set", made, "yard")
    info = json.loads((tmp_path / "set/meta/info.json").read_text())
    lengths = [clip.length for clip in made]
    assert (info["codebase_version"], info["fps"], info["total_episodes"]) == ("v3.0", 10, 2)
    assert info["total_frames"] == sum(lengths)
    assert info["features"]["observation.images.left"]["shape"] == [48, 64, 3]
    data = pq.read_table(tmp_path / "set" / info["data_path"].format(chunk_index=0, file_index=0)).to_pydict()
    assert data["index"] == list(range(sum(lengths)))
    assert data["frame_index"] == [*range(lengths[0]), *range(lengths[1])]
    assert data["timestamp"] == pytest.approx([i / 10 for i in data["frame_index"]])
    assert np.allclose(data["action"], np.vstack([clip.action for clip in made]))
    rows = pq.read_table(tmp_path / "set/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [row["tasks"] for row in rows] == [["look for the red box"], ["go through the door"]]
    assert rows[1]["dataset_from_index"] == lengths[0]
    key = "videos/observation.images.left"
    assert rows[1][f"{key}/from_timestamp"] == pytest.approx(lengths[0] / 10) == rows[0][f"{key}/to_timestamp"]
    video = read_video(tmp_path / "set/videos/observation.images.left/chunk-000/file-000.mp4")
    assert far(video[lengths[0] + 2], picture(1.2)) < 4.0
    found = json.loads((tmp_path / "set/meta/stats.json").read_text())
    assert found["action"]["mean"] == pytest.approx(np.vstack([c.action for c in made]).mean(axis=0).tolist())
    assert np.shape(found["observation.images.left"]["mean"]) == (3, 1, 1)


def test_plans_gate_and_opinions_are_beside_it(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", clips(tmp_path / "clips"), "yard")
    beside = {name: pq.read_table(tmp_path / f"set/saccade/{name}.parquet").to_pylist() for name in
              ("plans", "gate", "stages")}  # fmt: skip
    assert [row["kind"] for row in beside["stages"]] == ["search", "pass"]
    assert beside["stages"][0]["opinions"]["truth"]["good"]
    assert [row["episode_index"] for row in beside["plans"]] == [0, 1, 1, 1]
    assert beside["plans"][2]["timestamp"] == pytest.approx(1.0)
    assert beside["gate"][0]["decision"] == "pass"


def test_the_same_clips_make_the_same_bytes_and_others_do_not_fit(tmp_path: Path) -> None:
    made = clips(tmp_path / "clips")
    for name in ("one", "two"):
        write_dataset(tmp_path / name, made, "yard")
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 9
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)
    other = replace(made[1], about={**made[1].about, "fps": 5})
    with pytest.raises(DataError, match="other cameras, rates or joints"):
        write_dataset(tmp_path / "three", [made[0], other], "yard")
    with pytest.raises(DataError, match="no clip"):
        write_dataset(tmp_path / "three", [], "yard")


def test_a_clip_that_was_cut_off_is_named(tmp_path: Path) -> None:
    (tmp_path / "clip.json").write_text("{")
    with pytest.raises(DataError, match="no complete clip"):
        Clip.load(tmp_path)


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(i, 1.0 + i, (20 * (i + 1), 3)) for i in range(3)]
    together = stats.together([stats.of_values(part) for part in parts])
    whole = np.vstack(parts)
    assert together["mean"] == pytest.approx(whole.mean(axis=0).tolist())
    assert together["std"] == pytest.approx(whole.std(axis=0).tolist())
    assert together["max"] == pytest.approx(whole.max(axis=0).tolist())
    assert together["count"] == [120]


def test_what_is_missing_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r"saccade\[data\]"):
        needs.needed("no_such_library")
