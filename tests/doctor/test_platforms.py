"""`saccade doctor` on machines that are not here: what it says of each, and what it tells to install."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from recorded_hosts import (
    BASE,
    CONTAINER,
    HANGING,
    NO_GPU,
    ORIN_JETPACK_5,
    ORIN_JETPACK_6,
    QUADRO_RTX_4000,
    RTX_4090,
    RTX_4090_OLDER,
    THOR_JETPACK_7,
    UPDATED_DRIVER,
    V100_OLD_DRIVER,
    Recorded,
)

from saccade.cli.doctor.findings import Check, Finding, Grade, examine
from saccade.cli.doctor.fit_checks import fit
from saccade.cli.doctor.gpu_checks import gpu, inference
from saccade.cli.doctor.host import Host, run_command
from saccade.cli.doctor.jetson_checks import jetson
from saccade.cli.doctor.limit_checks import limits


def said(recorded: Recorded, root: Path, *checks: Check) -> list[Finding]:
    host = recorded.host(root)
    return [finding for check in checks for finding in examine(check, host)]


def only(findings: list[Finding], what: str) -> Finding:
    (found,) = [finding for finding in findings if finding.what == what]
    return found


def bad(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.grade.value, finding.what) for finding in findings if finding.grade is not Grade.OK]


def test_a_desktop_whose_pieces_match_is_told_in_one_line(tmp_path: Path) -> None:
    findings = said(RTX_4090, tmp_path, gpu, fit)
    assert bad(findings) == []
    assert only(findings, "GPU").found == (
        "NVIDIA GeForce RTX 4090, compute capability 8.9, 24564 MiB, driver 595.71.05 (CUDA up to 13.2)"
    )
    assert only(findings, "fit together").found == "onnxruntime-gpu 1.31.1, TensorRT 10.14.1.48, driver 595.71.05"


def test_a_driver_that_is_too_old_for_the_wheels_is_told_with_both_ways_out(tmp_path: Path) -> None:
    findings = [finding for finding in said(RTX_4090_OLDER, tmp_path, fit) if finding.what == "fit together"]
    assert [finding.grade for finding in findings] == [Grade.WARN] * 3
    ort, trt, bindings = findings
    assert "onnxruntime-gpu 1.31.1 wants CUDA 13; driver 570.133.04 offers CUDA 12" in ort.found
    assert "'onnxruntime-gpu>=1.23,<1.27'" in ort.advice
    assert "a driver of at least 580" in ort.advice
    assert "(tensorrt-cu13) wants CUDA 13" in trt.found
    assert "saccade[gpu-cu12]" in trt.advice
    assert "cuda-python 13.4.4 wants CUDA 13" in bindings.found
    assert bindings.advice == "pip install 'cuda-python>=12.8,<13'"


def test_tensorrt_without_anything_that_moves_its_data_is_told(tmp_path: Path) -> None:
    packages = {name: version for name, version in RTX_4090.packages.items() if name != "cuda-python"}
    found = only(said(RTX_4090.but(packages=packages), tmp_path, fit), "fit together")
    assert found.grade is Grade.WARN
    assert "TensorRT 10.14.1.48 without cuda-python" in found.found
    assert found.advice.startswith("pip install 'cuda-python>=13,<14'")
    found = only(said(RTX_4090.but(packages={**packages, "pycuda": "2026.1"}), tmp_path, fit), "fit together")
    assert found.grade is Grade.OK
    for bare in (RTX_4090.but(packages=packages, scripts={}), RTX_4090.but(packages=packages, commands={})):
        assert not [f for f in said(bare, tmp_path, fit) if "cuda-python" in f.found]  # no TensorRT; no GPU


@pytest.mark.parametrize(("version", "told"), [("12.6.2", True), ("12.8.0", False), ("13.0.0", False)])
def test_bindings_older_than_those_that_are_known_are_told(version: str, told: bool, tmp_path: Path) -> None:
    older = RTX_4090.but(packages={**RTX_4090.packages, "cuda-bindings": version})
    found = only(said(older, tmp_path, fit), "fit together")
    assert (found.grade is Grade.WARN) is told
    assert (f"cuda-python {version}; 12.8 is the oldest known" in found.found) is told


def test_tensorrt_11_beside_a_runtime_that_is_linked_to_10_is_told(tmp_path: Path) -> None:
    eleven = RTX_4090.but(
        packages={**RTX_4090.packages, "tensorrt-cu13": "11.4.0.106"}, scripts={"import tensorrt": "11.4.0.106"}
    )
    found = only(said(eleven, tmp_path, fit), "fit together")
    assert found.grade is Grade.WARN
    assert "linked to libnvinfer.so.10; TensorRT here is 11.4.0.106" in found.found
    assert "pip install 'tensorrt-cu13>=10.13.2,<11'" in found.advice


def test_both_builds_of_the_runtime_are_an_error_with_the_exact_command(tmp_path: Path) -> None:
    both = RTX_4090.but(packages={**RTX_4090.packages, "onnxruntime": "1.31.1"})
    (error,) = [finding for finding in said(both, tmp_path, fit) if finding.grade is Grade.ERROR]
    assert "onnxruntime and onnxruntime-gpu share one folder" in error.found
    assert error.advice == "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu==1.31.1"


@pytest.mark.parametrize(
    ("recorded", "told"),
    [
        (RTX_4090.but(packages={}, scripts={}), "pip install 'saccade[gpu]'"),
        (RTX_4090.but(packages=BASE, scripts={}), "pip uninstall -y onnxruntime && pip install 'saccade[gpu]'"),
        (RTX_4090.but(packages={}, scripts={}, python=(3, 10)), "pip install 'saccade[gpu-cu12]'"),
        (QUADRO_RTX_4000, "pip uninstall -y onnxruntime && pip install 'saccade[gpu-cu12]'"),
        (V100_OLD_DRIVER, "a driver of at least 525"),
        (THOR_JETPACK_7.but(scripts={}), "sudo apt install nvidia-jetpack, then pip install 'saccade[jetson]'"),
    ],
)
def test_a_gpu_that_nothing_uses_is_told_with_what_to_install(recorded: Recorded, told: str, tmp_path: Path) -> None:
    found = only(said(recorded, tmp_path, fit), "fit together")
    assert found.grade is Grade.WARN
    assert found.advice.startswith(told)


def test_a_gpu_without_code_in_the_libraries_is_told(tmp_path: Path) -> None:
    card = {**RTX_4090.commands, "nvidia-smi --query-gpu": "Tesla V100-SXM2-16GB, 595.71.05, 16384, 7.0\n"}
    findings = said(RTX_4090.but(commands=card), tmp_path, fit)
    assert any("CUDA 13, which has no code for Tesla V100-SXM2-16GB (7.0)" in finding.found for finding in findings)
    assert any("compute capability 7.0, needs 7.5" in finding.found for finding in findings)


def test_a_driver_that_does_not_know_all_fields_still_tells_its_gpu(tmp_path: Path) -> None:
    found = only(said(V100_OLD_DRIVER, tmp_path, gpu), "GPU")
    assert found.found == "Tesla V100-SXM2-16GB, 16160 MiB, driver 470.256.02 (CUDA up to 11.4)"


def test_no_gpu_is_no_fault(tmp_path: Path) -> None:
    findings = said(NO_GPU, tmp_path, gpu, jetson, fit)
    assert bad(findings) == []
    assert "none found" in only(findings, "GPU").found


def test_a_gpu_on_the_bus_without_a_driver_is_told(tmp_path: Path) -> None:
    device = "sys/bus/pci/devices/0000:01:00.0"
    without = NO_GPU.but(files={f"{device}/vendor": "0x10de\n", f"{device}/class": "0x030000\n"})
    found = only(said(without, tmp_path, gpu), "GPU")
    assert found.grade is Grade.WARN
    assert "no driver" in found.found
    assert "docker run --gpus all" in found.advice


def test_what_nvidia_smi_complains_of_is_told_with_its_remedy(tmp_path: Path) -> None:
    for recorded, remedy in ((UPDATED_DRIVER, "reboot"), (HANGING, "dmesg")):
        found = only(said(recorded, tmp_path, gpu), "GPU")
        assert found.grade is Grade.WARN
        assert remedy in found.advice
    assert "Driver/library version mismatch" in only(said(UPDATED_DRIVER, tmp_path, gpu), "GPU").found


def test_a_container_shows_its_gpu_and_its_share_of_the_processors(tmp_path: Path) -> None:
    findings = said(CONTAINER, tmp_path, gpu, limits)
    assert only(findings, "GPU").found == "NVIDIA GeForce RTX 4090, driver 580.95.05"
    quota = only(findings, "CPU quota")
    assert quota.grade is Grade.WARN
    assert "0.5 processors' time" in quota.found
    assert "intra_threads" in quota.advice


def test_an_older_cgroup_and_no_limit_are_read_too(tmp_path: Path) -> None:
    old = {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "25000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}
    assert "0.2 processors" in only(said(NO_GPU.but(files=old), tmp_path / "1", limits), "CPU quota").found
    for text in ("max 100000\n", ""):
        free = said(NO_GPU.but(files={"sys/fs/cgroup/cpu.max": text}), tmp_path / f"{len(text)}m", limits)
        assert "CPU quota" not in {finding.what for finding in free}


def test_an_orin_with_jetpack_6_is_told_how_to_see_its_tensorrt(tmp_path: Path) -> None:
    findings = said(ORIN_JETPACK_6, tmp_path, gpu, jetson, inference)
    assert only(findings, "GPU").found == "Orin (nvgpu), compute capability 8.7, driver 540.4.0 (CUDA up to 12.6)"
    assert only(findings, "CUDA").found == "toolkit 12.6.11 in /usr/local/cuda-12.6"
    board = only(findings, "Jetson").found
    assert board.startswith("NVIDIA Jetson Orin NX Engineering Reference Developer Kit, L4T 36.4.4 (JetPack 6.1, 6.2: ")
    assert only(findings, "power mode") == Finding(Grade.OK, "power mode", "MAXN_SUPER")
    clock = only(findings, "GPU clock")
    assert (clock.grade, clock.found) == (Grade.WARN, "17000000.gpu at 306 MHz, may be 306 to 625 MHz")
    trt = only(findings, "TensorRT")
    assert trt.grade is Grade.WARN
    assert "/usr/lib/python3.10/dist-packages, not seen by this Python" in trt.found
    assert "--system-site-packages" in trt.advice
    assert "echo /usr/lib/python3.10/dist-packages >" in trt.advice


def test_an_orin_with_jetpack_6_that_sees_its_tensorrt_hears_what_it_computes_wrongly(tmp_path: Path) -> None:
    sees = ORIN_JETPACK_6.but(scripts={"import tensorrt": "10.3.0"}, packages={**BASE, "cuda-python": "12.9.10"})
    (wrong,) = said(sees, tmp_path, fit)
    assert wrong.what == "known to be wrong"
    assert wrong.grade is Grade.WARN
    assert "DINOv2" in wrong.found
    assert "NVIDIA/TensorRT#4419" in wrong.found


def test_wheels_for_desktops_on_a_jetson_are_told(tmp_path: Path) -> None:
    wheels = {"onnxruntime-gpu": "1.31.1", "tensorrt": "11.4.0.106", "tensorrt-cu13": "11.4.0.106"}
    wrong = ORIN_JETPACK_6.but(packages=wheels, scripts={"import tensorrt": "11.4.0.106"})
    told = [finding for finding in said(wrong, tmp_path, fit) if finding.what == "fit together"]
    assert any("onnxruntime-gpu 1.31.1 wants CUDA 13; JetPack 6.1, 6.2 offers CUDA 12" in t.found for t in told)
    assert any("pip uninstall -y tensorrt tensorrt-cu13" in t.advice for t in told)


def test_an_orin_with_jetpack_5_is_told_that_its_python_is_too_old(tmp_path: Path) -> None:
    findings = said(ORIN_JETPACK_5, tmp_path, gpu, jetson, inference)
    assert only(findings, "GPU").found == "NVIDIA Jetson AGX Orin Developer Kit, compute capability 8.7"
    assert only(findings, "JetPack").grade is Grade.WARN
    assert "flash JetPack 6 or 7" in only(findings, "JetPack").advice
    power = only(findings, "power mode")
    assert (power.grade, power.found) == (Grade.WARN, "MODE_30W, of MAXN, MODE_15W, MODE_30W, MODE_50W")
    assert "sudo nvpmodel -m 0 (MAXN" in power.advice
    assert only(findings, "GPU clock") == Finding(Grade.OK, "GPU clock", "17000000.ga10b held at 612 MHz")
    assert "built for Python 3.8, this is 3.10" in only(findings, "TensorRT").advice


def test_a_thor_with_jetpack_7_fits(tmp_path: Path) -> None:
    findings = said(THOR_JETPACK_7, tmp_path, gpu, jetson, inference, fit)
    assert only(findings, "GPU").found == "NVIDIA Thor, compute capability 11.0, driver 580.00 (CUDA up to 13.0)"
    assert "L4T 38.2.0 (JetPack 7.0, 7.1: CUDA 13.0, TensorRT 10.13" in only(findings, "Jetson").found
    assert "sudo nvpmodel -m 0 (MAXN" in only(findings, "power mode").advice
    assert only(findings, "TensorRT").grade is Grade.OK
    assert only(findings, "fit together") == Finding(Grade.OK, "fit together", "TensorRT 10.13.3.9, driver 580.00")


def test_a_jetpack_that_the_table_does_not_know_is_told_so(tmp_path: Path) -> None:
    new = THOR_JETPACK_7.but(files={"etc/nv_tegra_release": "# R40 (release), REVISION: 1.0, GCID: 1"})
    found = only(said(new, tmp_path, jetson), "Jetson")
    assert "L4T 40.1.0 (a JetPack that docs/platforms.md does not know)" in found.found


def test_nothing_that_runs_networks_but_opencv_is_told(tmp_path: Path) -> None:
    found = only(said(NO_GPU.but(packages={}), tmp_path, inference), "onnxruntime")
    assert found.grade is Grade.WARN
    assert "saccade[cpu]" in found.advice


def test_a_tensorrt_that_is_not_known_is_told(tmp_path: Path) -> None:
    for version, grade in (("8.5.2", Grade.WARN), ("8.6.1", Grade.OK), ("11.4.0", Grade.OK), ("12.0.0", Grade.WARN)):
        host = RTX_4090.but(scripts={"import tensorrt": version})
        assert only(said(host, tmp_path / version, inference), "TensorRT").grade is grade, version


def test_a_check_that_fails_is_a_finding_and_keeps_what_it_had_found(tmp_path: Path) -> None:
    def broken(host: Host):
        yield Finding(Grade.OK, "first", "well")
        raise KeyError("no such key")

    first, second = examine(broken, NO_GPU.host(tmp_path))
    assert first.what == "first"
    assert (second.grade, second.what) == (Grade.WARN, "broken")
    assert "KeyError: 'no such key'" in second.found


@pytest.mark.parametrize("text", ["", "garbage", "a, b\n", "\0\0", "NVIDIA GeForce RTX 4090, [N/A], [N/A], [N/A]\n"])
def test_whatever_is_answered_no_check_fails(text: str, tmp_path: Path) -> None:
    names = [*ORIN_JETPACK_6.files, *CONTAINER.files, "sys/bus/pci/devices/0000:01:00.0/vendor"]
    commands = dict.fromkeys(("nvidia-smi", "nvpmodel", "ldconfig"), text)
    odd = Recorded(dict.fromkeys(names, text), commands, {"import": text})
    findings = said(odd, tmp_path, gpu, jetson, inference, fit, limits)
    assert not [finding for finding in findings if "this check failed" in finding.found]


def test_a_command_that_hangs_is_ended_with_its_children_and_its_silence_is_the_answer() -> None:
    begin = time.monotonic()
    answer = run_command(("sh", "-c", "sleep 61 & sleep 61"), 0.3)
    assert not answer.well
    assert answer.last == "no answer in 0.3 s"
    assert time.monotonic() - begin < 30  # not the 61 s that it would take to wait for them


def test_a_command_that_is_not_there_or_fails_is_an_answer() -> None:
    missing = run_command(("no-such-command-here",), 5)
    assert not missing.found
    assert "No such file" in missing.last
    failed = run_command(("sh", "-c", "echo told; echo why >&2; exit 3"), 5)
    assert (failed.well, failed.out, failed.last) == (False, "told\n", "why")
