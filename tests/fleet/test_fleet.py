"""Independent jobs: in order, wherever they run; and what a cluster's address must be."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from saccade.cli import fleet
from saccade.cli.fleet import FleetError, as_they_end, checked, map_jobs
from saccade.cli.session import run_session
from saccade.errors import ConfigError, DataError
from sim.bus import open_world


def test_one_process_is_this_one() -> None:
    seen: list[int] = []
    results = map_jobs(lambda job: seen.append(job) or -job, [3, 1, 2], 1)
    assert next(results) == -3
    assert seen == [3], "one after another, as they are asked for"
    assert list(results) == [-1, -2]


@pytest.mark.parametrize("address", ["local", "auto", "10.0.0.5:6379", "ray://head.example:10001", "[::1]:6379"])
def test_an_address_of_a_cluster(address: str) -> None:
    assert checked(address) == address


@pytest.mark.parametrize(
    "address", ["here", "10.0.0.5", "http://a:1", "a:0", "a:99999", "ray://a", "a:b", "a b:1", ":1"]
)
def test_what_is_no_address_is_told_what_is(address: str) -> None:
    with pytest.raises(ConfigError, match="expected local"):
        list(map_jobs(str, [1], ray=address))


def test_where_nothing_listens_it_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "_library", FakeRay)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(ConfigError, match="nothing answers there"):
        list(map_jobs(str, [1], ray=f"127.0.0.1:{port}"))


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"saccade\[fleet\]"):
        list(map_jobs(str, [1], ray="auto"))


class FakeRay:
    """A cluster of three that does a job when its result is asked for; `lost` jobs never come back."""

    class exceptions:
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            cause: Exception

    util = SimpleNamespace(get_node_ip_address=lambda: "127.0.0.1")

    def __init__(self, lost: tuple[int, ...] = ()) -> None:
        self.lost, self.down, self.sent = lost, False, 0
        self.most = 0

    def init(self, *_: Any, **__: Any) -> None:
        """Nothing to do."""

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 3.0}

    def remote(self, **_: Any) -> Any:
        def of(function: Any) -> Any:
            def send(*args: Any) -> Any:
                self.sent += 1
                self.most = max(self.most, self.sent)
                return lambda: function(*args)

            return SimpleNamespace(remote=send)

        return of

    def get(self, reference: Any) -> Any:
        try:
            result = reference()
        except Exception as error:
            told = self.exceptions.RayTaskError()
            told.cause = error
            raise told from None
        self.sent -= 1
        if result in self.lost:
            raise self.exceptions.RayError("The worker died.\nMore of it")
        return result

    def wait(self, references: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        """The one that was sent last is the first to end."""
        assert num_returns == 1
        return references[-1:], references[:-1]

    def shutdown(self) -> None:
        self.down = True


def on(ray: FakeRay, monkeypatch: pytest.MonkeyPatch, function: Any, jobs: list[int]) -> list[Any]:
    monkeypatch.setattr(fleet, "_library", lambda: ray)
    return list(map_jobs(function, jobs, ray="auto"))


def test_a_cluster_gives_the_results_in_order_and_is_never_sent_more_than_it_can_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray = FakeRay()
    assert on(ray, monkeypatch, lambda job: 2 * job, list(range(10))) == list(range(0, 20, 2))
    assert ray.most == 3
    assert ray.down


def test_each_result_is_there_as_soon_as_its_job_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "_library", FakeRay)
    ended = list(as_they_end(lambda job: 2 * job, [5, 6, 7, 8], ray="auto"))
    assert ended == [(2, 14), (3, 16), (1, 12), (0, 10)]


def test_processes_give_the_results_in_order_and_what_a_job_raises() -> None:
    assert list(map_jobs(abs, [-3, 1, -2], 2)) == [3, 1, 2]
    with pytest.raises(TypeError, match="abs"):
        list(map_jobs(abs, [-3, "1"], 1))


def test_what_a_job_raises_comes_out_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(job: int) -> int:
        raise DataError(f"job {job}")

    ray = FakeRay()
    with pytest.raises(DataError, match="job 1"):
        on(ray, monkeypatch, fail, [1])
    assert ray.down


def test_a_lost_job_and_another_version_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FleetError, match=r"lost a job: The worker died\.$"):
        on(FakeRay(lost=(2,)), monkeypatch, lambda job: job, [1, 2])
    versions = iter(["1.0", "2.0"])  # here, then there
    monkeypatch.setattr(fleet, "version", lambda _: next(versions))
    with pytest.raises(ConfigError, match=r"has Saccade 2\.0, this machine 1\.0"):
        on(FakeRay(), monkeypatch, lambda job: job, [1])


def test_a_node_without_saccade_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(job: int) -> int:
        raise ModuleNotFoundError("No module named 'saccade'")

    with pytest.raises(ConfigError, match="install Saccade there"):
        on(FakeRay(), monkeypatch, fail, [1])


KILLED = """
import os, sys, time
from saccade.cli.fleet import map_jobs

def work(_):
    print(os.getpid(), flush=True)
    time.sleep(300)

if __name__ == "__main__":
    list(map_jobs(work, [1, 2], 2))
"""


@pytest.mark.slow
def test_processes_end_with_the_one_that_they_work_for(tmp_path: Path) -> None:
    script = tmp_path / "killed_script.py"
    script.write_text(KILLED)
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=path) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in "ab"]
        parent.kill()
        try:
            parent.communicate(timeout=60)  # reads until no process has the pipe open any more
        except subprocess.TimeoutExpired:
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            raise


LOCALLY = """
import json, sys
from pathlib import Path
sys.path.insert(0, {scenes!r})
from yard_scenes import episode
from saccade.cli.episodes.episode import play
from saccade.cli.fleet import map_jobs

def main():
    episodes = [episode(seed, limit_s=2.0) for seed in (102, 125, 130)]
    on_ray = list(map_jobs(play, episodes, 2, "local"))
    print(json.dumps([on_ray, list(map_jobs(play, episodes, 1))]))

if __name__ == "__main__":
    main()
"""


RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray (in requirements-dev.txt)")


@pytest.mark.slow
@RAY
def test_two_workers_of_a_local_ray_find_the_same_bytes(tmp_path: Path) -> None:
    scenes = str(Path(__file__).parents[1] / "episodes")
    script = tmp_path / "fleet_script.py"
    script.write_text(LOCALLY.format(scenes=scenes))
    # Not in this process: Ray reads its settings when it is imported.
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    on_ray, here = json.loads(done.stdout.splitlines()[-1])
    assert on_ray == here
    assert len(on_ray) == 3


@pytest.mark.slow
@RAY
def test_recordings_replayed_on_ray_are_the_same_bytes(tmp_path: Path) -> None:
    names = ("one", "two")
    for seed, name in enumerate(names):
        world = open_world(f"hall?seed={seed}&seconds=1.5&camera_hz=5")
        run_session(world, "hall", tmp_path / name, instruction="go to the red box", keep_inputs=True)
        (tmp_path / name / "run.mcap").rename(tmp_path / f"{name}.mcap")

    def replay(*more: str) -> None:
        told = [sys.executable, "-m", "saccade.cli", "replay", "one.mcap", "two.mcap", "--robot", "hall", *more]
        done = subprocess.run(told, cwd=tmp_path, env=path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr

    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    replay("--out", "here")
    replay("--out", "there", "--ray", "local", "-j", "2")
    for name in names:
        here, there = ((tmp_path / place / name / "run.mcap").read_bytes() for place in ("here", "there"))
        assert here == there
        assert len(here) > 1000
