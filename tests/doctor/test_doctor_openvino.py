"""`saccade doctor` on OpenVINO: whether it can be imported, and whether this processor has bfloat16 for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from recorded_hosts import BASE, NO_GPU, Recorded

from saccade.cli.doctor.findings import Finding, Grade, examine
from saccade.cli.doctor.gpu_checks import _OPENVINO, inference


def openvino(recorded: Recorded, root: Path) -> Finding:
    (found,) = [f for f in examine(inference, recorded.host(root)) if f.what == "OpenVINO"]
    return found


def test_an_openvino_that_cannot_be_imported_costs_a_feature(tmp_path: Path) -> None:
    packages = {**BASE, "openvino": "2026.4.1"}
    found = openvino(NO_GPU.but(packages=packages), tmp_path / "1")
    assert (found.grade, found.advice) == (Grade.WARN, "pip install --force-reinstall 'saccade[openvino]'")
    sound = NO_GPU.but(packages=packages, scripts={"import openvino": "['CPU'] for --precision bf16 too"})
    found = openvino(sound, tmp_path / "2")
    assert (found.grade, found.found) == (Grade.OK, "2026.4.1: ['CPU'] for --precision bf16 too")


@pytest.mark.parametrize(("capabilities", "words"), [("FP32 BF16", "for --precision bf16 too"), ("FP32", "no instruc")])
def test_openvino_is_asked_here_and_told_with_what_the_processor_can(capabilities: str, words: str) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed (an extra)")
    script = f"""
from engines.openvino import OpenVinoCompiler
OpenVinoCompiler.versions = lambda self: {{"capabilities": {capabilities!r}}}
{_OPENVINO}"""
    answer = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=True).stdout
    assert "'CPU'" in answer
    assert words in answer
