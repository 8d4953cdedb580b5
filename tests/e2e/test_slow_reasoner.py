"""A reasoner that takes three seconds for each plan: the fast half does not wait for it."""

from pathlib import Path

import pytest

from saccade.cli.session import run_session
from saccade.robots import robot_file
from sim.bus import open_world

SLOW = "planner: {latency_s: 3.0, period_s: 1.0, valid_for_s: %s, standoff_m: 0.6}"


def mission(tmp_path: Path, valid_for_s: float):
    """Summary of the demo's mission in the hall."""
    text = robot_file("hall").read_text()
    (line,) = (line.strip() for line in text.splitlines() if line.strip().startswith("planner:"))
    robot = tmp_path / "slow.yaml"
    robot.write_text(text.replace(line, SLOW % valid_for_s))
    world = open_world("hall?seed=7&seconds=45")
    result = run_session(world, str(robot), tmp_path / "out", instruction="go to the red box, then come back")
    return result.summary


@pytest.mark.slow
def test_the_robot_does_not_wait_and_gets_there(tmp_path):
    summary = mission(tmp_path, 8.0)
    assert summary["plans"][0]["inference_ms"] == 3000
    assert summary["plans"][-1]["text"].startswith("done")
    assert summary["continuity"]["mission_s"] > 20, "so long was there something to wait for"
    assert summary["continuity"]["waiting_ratio"] < 0.01
    assert summary["continuity"]["pauses"] == 0


@pytest.mark.slow
def test_with_plans_that_expire_too_soon_it_waits_and_that_is_seen(tmp_path):
    continuity = mission(tmp_path, 4.0)["continuity"]
    assert continuity["waiting_ratio"] > 0.1
    assert continuity["pauses"] > 2
