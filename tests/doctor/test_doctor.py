"""`saccade doctor`: findings are graded, advice is given where something is wrong, the exit code tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from saccade.cli import FAILED, OK, doctor, main
from saccade.cli.doctor import machine_checks, wire_checks
from saccade.cli.doctor.findings import Finding, Grade
from saccade.cli.doctor.host import Answer, Host

FINE = Finding(Grade.OK, "cores", "2")
POOR = Finding(Grade.WARN, "governor", "powersave", "cpupower")
BROKEN = Finding(Grade.ERROR, "packages", "missing: mcap", "pip install mcap")


@pytest.mark.parametrize(
    ("findings", "code", "strict"),
    [
        ([FINE], OK, False), ([FINE, POOR], OK, False), ([FINE, BROKEN, POOR], FAILED, False), ([], OK, False),
        ([FINE], OK, True), ([FINE, POOR], FAILED, True), ([BROKEN], FAILED, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_json", [False, True])
def test_the_worst_finding_is_the_exit_code(
    findings: list[Finding], code: int, strict: bool, as_json: bool, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(doctor, "CHECKS", [lambda host: iter(findings)])
    assert main(["doctor", *(["--json"] if as_json else []), *(["--strict"] if strict else [])]) == code
    told = capsys.readouterr().out
    if as_json:
        assert [(f["grade"], f["what"], f["advice"]) for f in json.loads(told)] == [
            (f.grade.value, f.what, f.advice) for f in findings
        ]
    else:
        assert all(f.grade.value in told and f.found in told and f.advice in told for f in findings)
        assert told.splitlines()[-1] == doctor.summary(findings)


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ([FINE], "no ERROR, 0 WARN: Saccade runs"),
        ([FINE, POOR, POOR], "no ERROR, 2 WARN: Saccade runs, with less speed or without a feature"),
        ([POOR, BROKEN], "1 ERROR, 1 WARN: Saccade will not run before the errors are mended"),
    ],
)
def test_the_last_line_is_all_of_it(findings: list[Finding], told: str) -> None:
    assert doctor.summary(findings) == told


def test_a_probe_that_crashes_or_hangs_is_a_finding() -> None:
    ask = Host().ask
    assert ask("print('a'); print('b')") == (True, "b")
    assert ask("raise ValueError('broken stack')") == (False, "ValueError: broken stack")
    well, told = ask("import os; os.abort()")
    assert not well
    assert told
    assert ask("import time; time.sleep(60)", timeout_s=0.5) == (False, "no answer in 0.5 s")


def silent(well: bool = False, told: str = "no library", **changed: object) -> Host:
    """A machine where every script says the same."""
    return Host(run=lambda command, timeout_s: Answer(well, told, told), **changed)  # type: ignore[arg-type]


@pytest.mark.slow
def test_this_machine_can_talk_to_itself() -> None:
    found = {finding.what: finding for finding in wire_checks.middleware(Host())}
    assert found["DDS loopback"].grade is Grade.OK, found["DDS loopback"].found
    assert "ms one way" in found["DDS loopback"].found


def test_a_missing_package_is_an_error_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        machine_checks.importlib.metadata, "requires", lambda _: ["numpy>=1", "no-such-thing>=2", "x; extra == 'y'"]
    )
    found = [finding for finding in machine_checks.python_and_packages(Host()) if finding.grade is Grade.ERROR]
    assert [(finding.found, finding.advice) for finding in found] == [
        ("missing: no-such-thing", "pip install no-such-thing")
    ]


def test_missing_opengl_names_the_packages() -> None:
    (found,) = machine_checks.rendering(silent())
    assert found.grade is Grade.WARN
    assert "apt install libegl1" in found.advice
    assert "apt install libosmesa6" in found.advice


def test_small_limits_come_with_the_lines_to_set(tmp_path: Path) -> None:
    for key, size in (("core/rmem_max", 212_992), ("core/wmem_max", 2**23), ("ipv4/ipfrag_high_thresh", 2**23)):
        file = tmp_path / "proc/sys/net" / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{size}\n")
    lo = tmp_path / "sys/class/net/lo"
    lo.mkdir(parents=True)
    (lo / "flags").write_text("0x9\n")
    (lo / "mtu").write_text("65536\n")
    host = silent(True, "0.4 ms one way", root=tmp_path, packages=lambda: {"cyclonedds": "11.0.1"})
    found = {finding.what: finding for finding in wire_checks.middleware(host)}
    assert found["DDS loopback"].found == "0.4 ms one way"
    assert found["socket buffers"].grade is found["IP fragments"].grade is Grade.WARN
    assert "sysctl -w net.core.rmem_max=4194304;" in found["socket buffers"].advice
    assert "sysctl -w net.ipv4.ipfrag_high_thresh=134217728 net.ipv4.ipfrag_time=3;" in found["IP fragments"].advice
    assert found["interfaces up"].found == "lo (mtu 65536)"


@pytest.mark.parametrize(("flags", "grade"), [("0x9", Grade.OK), ("0x8", Grade.ERROR)])
def test_a_loopback_that_is_down_is_an_error(flags: str, grade: Grade, tmp_path: Path) -> None:
    lo = tmp_path / "sys/class/net/lo"
    lo.mkdir(parents=True)
    (lo / "flags").write_text(flags)
    (lo / "mtu").write_text("65536")
    *_, found = wire_checks.middleware(silent(root=tmp_path, packages=dict))
    assert (found.what, found.grade) == ("interfaces up", grade)
    assert ("ip link set lo up" in found.advice) is (grade is Grade.ERROR)


def test_without_cyclonedds_there_are_no_dds_buses(tmp_path: Path) -> None:
    found = next(wire_checks.middleware(silent(root=tmp_path, packages=dict)))
    assert (found.grade, found.what) == (Grade.WARN, "DDS loopback")
    assert "docs/platforms.md" in found.advice


def ros_findings(root: Path, well: bool, told: str, **variables: str) -> dict[str, Finding]:
    host = silent(well, told, root=root, environ=variables)
    return {finding.what: finding for finding in wire_checks.ros(host)}


def test_a_sourced_ros_tells_its_middleware_and_domain(tmp_path: Path) -> None:
    found = ros_findings(tmp_path, True, "rmw_cyclonedds_cpp", ROS_DISTRO="jazzy", ROS_DOMAIN_ID="7")
    assert found["ROS 2"].found == "jazzy, sourced"
    assert "rmw_cyclonedds_cpp" in found["rclpy"].found
    assert "the same graph is dds:7" in found["ROS graph"].found
    assert "export CYCLONEDDS_URI=file:///" in found["ROS graph"].advice
    told = ros_findings(tmp_path, True, "", ROS_DISTRO="jazzy", CYCLONEDDS_URI="file:///mine.xml")["ROS graph"]
    assert "file:///mine.xml" in told.found
    assert not told.advice


def test_an_rclpy_for_another_python_is_explained(tmp_path: Path) -> None:
    other = {"ROS_DISTRO": "foxy", "PYTHONPATH": "/opt/ros/foxy/lib/python3.8/site-packages"}
    found = ros_findings(tmp_path, False, "ModuleNotFoundError: No module named 'rclpy._rclpy'", **other)
    assert found["rclpy"].grade is Grade.WARN
    assert "built for python3.8" in found["rclpy"].advice
    assert "saccade_msgs" not in found


def test_no_ros_is_no_fault(tmp_path: Path) -> None:
    (found,) = ros_findings(tmp_path, False, "").values()
    assert found.grade is Grade.OK
    assert "not installed" in found.found


def test_a_cache_folder_that_cannot_be_made_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".cache").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    found = {finding.what: finding for finding in machine_checks.machine(silent(told="ordinary scheduling"))}
    assert found["cache folder"].grade is Grade.ERROR
    assert found["real-time scheduling"].grade is Grade.WARN
    assert "rtprio" in found["real-time scheduling"].advice


@pytest.mark.parametrize(("cores", "grade"), [({0}, Grade.WARN), ({0, 1}, Grade.OK)])
def test_a_single_core_is_told(cores: set[int], grade: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks.os, "sched_getaffinity", lambda process: cores)
    found = next(machine_checks.machine(silent()))
    assert (found.what, found.grade, bool(found.advice)) == ("cores", grade, grade is Grade.WARN)


@pytest.mark.parametrize(
    ("governors", "grade"), [([], Grade.OK), (["performance"], Grade.OK), (["performance", "powersave"], Grade.WARN)]
)
def test_a_governor_that_saves_power_is_told(governors: list[str], grade: Grade, tmp_path: Path) -> None:
    for cpu, governor in enumerate(governors):
        file = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"
        file.parent.mkdir(parents=True)
        file.write_text(f"{governor}\n")
    found = {finding.what: finding for finding in machine_checks.machine(silent(root=tmp_path))}["CPU governor"]
    assert (found.grade, "cpupower" in found.advice) == (grade, grade is Grade.WARN)
