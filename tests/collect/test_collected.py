"""The whole way, slowly: an errand at the table, played, judged, saved, and loaded by LeRobot where it is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saccade.cli import main

for library in ("mink", "pyarrow", "av"):
    pytest.importorskip(library, reason=f"needs {library} (in requirements-dev.txt)")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One errand's folder."""
    out = tmp_path_factory.mktemp("collected") / "table"
    assert main(["collect", "table", "--episodes", "1", "--out", str(out)]) == 0
    return out


def test_every_stage_of_a_good_errand_is_kept_and_the_robots_eyes_agree(collected: Path) -> None:
    (record,) = [json.loads(line) for line in (collected / "episodes.jsonl").read_text().splitlines()]
    assert record["done"], record
    assert [stage["kind"] for stage in record["stages"]] == ["reach", "grasp", "lift", "place"]
    for stage in record["stages"]:
        assert stage["kept"], stage
        assert stage["opinions"]["pictures"]["good"], stage
    assert set(record["seen"]) >= {record["goal"]}


def test_run_again_it_has_nothing_left_to_do(collected: Path) -> None:
    before = (collected / "episodes.jsonl").read_bytes()
    assert main(["collect", "table", "--episodes", "1", "--out", str(collected), "--keep", "2"]) == 0
    assert (collected / "episodes.jsonl").read_bytes() == before
    assert json.loads((collected / "dataset/meta/info.json").read_text())["total_episodes"] == 2


def test_lerobot_loads_it(collected: Path) -> None:
    datasets = pytest.importorskip("lerobot.datasets.lerobot_dataset", reason="LeRobot is not installed")
    loaded = datasets.LeRobotDataset("saccade/table", root=collected / "dataset", video_backend="pyav")
    assert loaded.num_frames == len(loaded) > 10
    first, last = loaded[0], loaded[len(loaded) - 1]
    assert first["observation.images.front"].shape == (3, 300, 400)
    assert first["action"].shape == last["observation.state"].shape == (7,)
    assert first["task"].startswith("reach for the")
