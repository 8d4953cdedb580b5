"""A closed loop: the arm of the table world takes what is named, through all nodes, and puts it on the tray."""

import pytest

pytest.importorskip("mink", reason="arms need mink (an extra, in requirements-dev.txt)")

from saccade.cli.mission import MissionWatch
from saccade.cli.session import run_session
from sim.bus import open_world

pytestmark = pytest.mark.slow


def errand(tmp_path, seed, name):
    world, watch = open_world(f"table?seed={seed}&seconds=60"), MissionWatch()
    words = f"put the {name} on the purple tray"
    run_session(world, "table", tmp_path, instruction=words, watch=[watch], stop=lambda: watch.over)
    return watch, world.judge()


@pytest.mark.parametrize(("seed", "name"), [(0, "red cylinder"), (2, "green ball"), (8, "red box")])
def test_what_is_named_comes_to_lie_on_the_tray(tmp_path, seed, name):
    watch, verdict = errand(tmp_path, seed, name)
    assert watch.outcome.startswith("done")
    assert list(verdict["lifted"]) == verdict["on_tray"] == [name]
    assert verdict["pushed"] == []
    assert verdict["collisions"] == 0


def test_two_runs_are_the_same(tmp_path):
    for run in ("one", "two"):
        world = open_world("table?seed=1&seconds=6")
        run_session(world, "table", tmp_path / run, instruction="take the red ball")
    assert (tmp_path / "one/run.mcap").read_bytes() == (tmp_path / "two/run.mcap").read_bytes()
