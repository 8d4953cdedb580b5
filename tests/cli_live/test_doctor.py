"""`saccade doctor`: findings are graded, advice is given where something is wrong, the exit code tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saccade.cli import FAILED, OK, checks, checks_wire, doctor, main
from saccade.cli.checks import Finding, Grade, ask

FINE = Finding(Grade.OK, "cores", "2")
POOR = Finding(Grade.WARN, "governor", "powersave", "cpupower")
BROKEN = Finding(Grade.ERROR, "packages", "missing: mcap", "pip install mcap")


@pytest.mark.parametrize(
    ("findings", "code"), [([FINE], OK), ([FINE, POOR], OK), ([FINE, BROKEN, POOR], FAILED), ([], OK)]
)
@pytest.mark.parametrize("as_json", [False, True])
def test_the_worst_finding_is_the_exit_code(
    findings: list[Finding], code: int, as_json: bool, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(doctor, "CHECKS", [lambda: iter(findings)])
    assert main(["doctor", *(["--json"] if as_json else [])]) == code
    told = capsys.readouterr().out
    if as_json:
        assert [(f["grade"], f["what"], f["advice"]) for f in json.loads(told)] == [
            (f.grade.value, f.what, f.advice) for f in findings
        ]
    else:
        assert all(f.grade.value in told and f.found in told and f.advice in told for f in findings)


def test_a_probe_that_crashes_or_hangs_is_a_finding() -> None:
    assert ask("print('a'); print('b')") == (True, "b")
    assert ask("raise ValueError('broken stack')") == (False, "ValueError: broken stack")
    well, told = ask("import os; os.abort()")
    assert not well
    assert told
    assert ask("import time; time.sleep(60)", timeout_s=0.5) == (False, "no answer in 0.5 s")


@pytest.mark.slow
def test_this_machine_can_talk_to_itself() -> None:
    found = {finding.what: finding for finding in checks_wire.middleware()}
    assert found["DDS loopback"].grade is Grade.OK, found["DDS loopback"].found
    assert "ms one way" in found["DDS loopback"].found


def test_a_missing_package_is_an_error_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        checks.importlib.metadata, "requires", lambda _: ["numpy>=1", "no-such-thing>=2", "x; extra == 'y'"]
    )
    found = [finding for finding in checks.python_and_packages() if finding.grade is Grade.ERROR]
    assert [(finding.found, finding.advice) for finding in found] == [
        ("missing: no-such-thing", "pip install no-such-thing")
    ]


def test_missing_opengl_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ask", lambda *_: (False, "no library"))
    (found,) = checks.rendering()
    assert found.grade is Grade.WARN
    assert "apt install libegl1" in found.advice
    assert "apt install libosmesa6" in found.advice


def test_small_limits_come_with_the_lines_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_wire, "ask", lambda *_: (True, ""))
    monkeypatch.setattr(checks_wire, "_sysctl", lambda key: 212_992 if "rmem" in key else 2**23)
    found = {finding.what: finding for finding in checks_wire.middleware()}
    assert found["socket buffers"].grade is found["IP fragments"].grade is Grade.WARN
    assert "sysctl -w net.core.rmem_max=4194304;" in found["socket buffers"].advice
    assert "sysctl -w net.ipv4.ipfrag_high_thresh=134217728 net.ipv4.ipfrag_time=3;" in found["IP fragments"].advice
    assert "lo (mtu" in found["interfaces up"].found


def ros_findings(monkeypatch: pytest.MonkeyPatch, well: bool, told: str, **variables: str) -> dict[str, Finding]:
    for name in ("ROS_DISTRO", "ROS_DOMAIN_ID", "CYCLONEDDS_URI", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(checks_wire, "ask", lambda *_: (well, told))
    return {finding.what: finding for finding in checks_wire.ros()}


def test_a_sourced_ros_tells_its_middleware_and_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ros_findings(monkeypatch, True, "rmw_cyclonedds_cpp", ROS_DISTRO="jazzy", ROS_DOMAIN_ID="7")
    assert found["ROS 2"].found == "jazzy, sourced"
    assert "rmw_cyclonedds_cpp" in found["rclpy"].found
    assert "the same graph is dds:7" in found["ROS graph"].found
    assert "export CYCLONEDDS_URI=file:///" in found["ROS graph"].advice
    told = ros_findings(monkeypatch, True, "", ROS_DISTRO="jazzy", CYCLONEDDS_URI="file:///mine.xml")["ROS graph"]
    assert "file:///mine.xml" in told.found
    assert not told.advice


def test_an_rclpy_for_another_python_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"ROS_DISTRO": "foxy", "PYTHONPATH": "/opt/ros/foxy/lib/python3.8/site-packages"}
    found = ros_findings(monkeypatch, False, "ModuleNotFoundError: No module named 'rclpy._rclpy'", **other)
    assert found["rclpy"].grade is Grade.WARN
    assert "built for python3.8" in found["rclpy"].advice
    assert "saccade_msgs" not in found


def test_no_ros_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    (found,) = ros_findings(monkeypatch, False, "").values()
    assert found.grade is Grade.OK
    assert "not installed" in found.found


def test_a_cache_folder_that_cannot_be_made_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".cache").write_text("a file where a folder should be")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(checks, "ask", lambda *_: (False, "ordinary scheduling"))
    found = {finding.what: finding for finding in checks.machine()}
    assert found["cache folder"].grade is Grade.ERROR
    assert found["real-time scheduling"].grade is Grade.WARN
    assert "rtprio" in found["real-time scheduling"].advice
