from pathlib import Path

import pytest

from saccade import params
from saccade.errors import ConfigError
from saccade.paths import share
from safety_node.__main__ import main
from safety_node.limits import Limits

FILES = sorted((share("config") / "limits").glob("*.yaml")) + sorted((share("config") / "robots").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shipped_files_load(path: Path) -> None:
    limits = params.load(Limits, path, "safety_node")
    assert params.build(Limits, params.plain(limits)) == limits
    assert "safety_node" in path.read_text()


def test_the_hall_robot_is_the_default() -> None:
    for folder in ("limits", "robots"):
        assert params.load(Limits, share("config") / folder / "hall.yaml", "safety_node") == Limits()


def test_the_bench_is_slow_and_hears_the_operator() -> None:
    bench = params.load(Limits, share("config") / "limits" / "bench.yaml", "safety_node")
    assert all(b <= h / 5 for b, h in zip(bench.max_speed, Limits().max_speed, strict=True))
    assert "operator_stop" in bench.required


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("max_speed: [0.8]", "max_speed has 1 numbers for 2 axes"),
        ("max_brake: [0.8, .nan]", "max_brake[1] is nan; expected a finite number"),
        ("max_sped: [0.8, 1.5]", "did you mean 'max_speed'"),
        ("axes: [vx, yaw]", "axes names 'yaw'"),
        ("reaction_s: 0.001", "reaction_s is 0.001"),
        ("required: {chunk: 3600.0}", "required.chunk is 3600.0 s"),
        ("required: {local_mop: 0.4}", "did you mean 'local_map'"),
        ("radius_m: wide", "radius_m is 'wide' (str); expected float"),
    ],
)
def test_errors_name_file_and_key(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(f"safety_node:\n  ros__parameters:\n    {line}\n")
    with pytest.raises(ConfigError) as caught:
        params.load(Limits, path, "safety_node")
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_process_refuses_a_bad_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text("safety_node:\n  ros__parameters:\n    margin_m: -1.0\n")
    assert main(["--bus", "dds:0", "--params", str(path)]) == 2
    assert "margin_m is -1.0" in caplog.text
