"""The extras of setup.py: what they hold fits together by the table that `saccade doctor` judges by."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from itertools import pairwise
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from setup_arguments import ROOT, setup_arguments

from engines.engine import EngineError
from saccade.cli import USAGE, main
from saccade.cli.doctor import fits
from saccade.cli.doctor.fits import ORT_GPU, dotted, ort_gpu, tensorrt, version

ROOMS = (
    "saccade", "engines", "perception_node", "map_node", "vla_node", "safety_node", "bridge_node", "sim", "training",
)  # fmt: skip


@pytest.fixture(scope="module")
def package() -> dict[str, Any]:
    """What setup.py hands to setuptools."""
    return setup_arguments()


def needs(package: dict[str, Any], extra: str, python: str = "3.12") -> dict[str, Requirement]:
    """By name, what an extra asks for on this Python."""
    parsed = [Requirement(need) for need in package["extras_require"][extra]]
    here = [need for need in parsed if need.marker is None or need.marker.evaluate({"python_version": python})]
    return {need.name: need for need in here}


@pytest.mark.parametrize("python", ["3.10", "3.12"])
def test_what_brings_a_compiler_brings_what_makes_fewer_bits(package: dict[str, Any], python: str) -> None:
    for extra in ("gpu", "gpu-cu12", "jetson", "openvino"):
        assert "onnx" in needs(package, extra, python), extra


def ends(need: Requirement) -> tuple[fits.Version, fits.Version]:
    """The first version that is asked for, and the one it has to be before."""
    found = {spec.operator: version(spec.version) for spec in need.specifier}
    return found[">="], found["<"]


def test_the_extras_are_those_that_the_documents_name(package: dict[str, Any]) -> None:
    extras = set(package["extras_require"])
    table = (ROOT / "docs" / "platforms.md").read_text().partition("## Extras")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `([a-z0-9-]+)`", table, re.MULTILINE)) == extras
    files = [
        *(file for room in ROOMS for file in (ROOT / room).rglob("*.py")),
        *(ROOT / "docs").glob("*.md"), ROOT / "README.md",
    ]  # fmt: skip
    told = {part for file in files for names in re.findall(r"(?:saccade|'\.)\[([a-z0-9,-]+)\]'", file.read_text())
            for part in names.split(",")}  # fmt: skip
    assert {"cpu", "viz", "openvino"} <= told <= extras


@pytest.mark.parametrize(
    ("extra", "python", "cuda"),
    [("gpu", "3.12", 13), ("gpu", "3.10", 12), ("gpu-cu12", "3.12", 12), ("gpu-cu12", "3.10", 12)],
)  # fmt: skip
def test_what_is_installed_for_a_gpu_fits_together(package: dict[str, Any], extra: str, python: str, cuda: int) -> None:
    wanted = needs(package, extra, python)
    assert set(wanted) == {"onnxruntime-gpu", f"tensorrt-cu{cuda}", "cuda-python", "numba-cuda", "onnx"}
    first, before = ends(wanted["onnxruntime-gpu"])
    row = ort_gpu(first)
    assert row is not None
    assert row.cuda == cuda
    assert before <= row.before  # nothing beyond what is known
    assert Version(dotted(row.python)) <= Version(python)
    first, before = ends(wanted[f"tensorrt-cu{cuda}"])
    assert before <= (row.tensorrt + 1,)
    assert first >= (row.tensorrt,)
    known = tensorrt(first)
    assert known is not None
    assert cuda in known.cuda
    assert ends(wanted["cuda-python"])[0][0] == cuda
    assert ends(wanted["cuda-python"])[1] == (cuda + 1,)
    assert wanted["numba-cuda"].extras == {f"cu{cuda}"}


def test_the_table_has_one_row_for_every_version() -> None:
    for rows in (ORT_GPU, fits.TENSORRT):
        for earlier, later in pairwise(rows):
            assert earlier.first < earlier.before <= later.first


def test_nothing_shadows_jetpack(package: dict[str, Any]) -> None:
    for python, cuda in (("3.10", 12), ("3.12", 13)):  # JetPack 6 and 7
        wanted = needs(package, "jetson", python)
        assert set(wanted) == {"onnxruntime", "cuda-python", "numba-cuda", "onnx"}
        assert not wanted["numba-cuda"].extras
        assert ends(wanted["cuda-python"])[1] == (cuda + 1,)


def test_the_base_has_what_the_demo_needs_and_no_build_of_onnx_runtime(package: dict[str, Any]) -> None:
    base = {Requirement(need).name for need in package["install_requires"]}
    assert not [name for name in base if name.startswith("onnxruntime")]
    assert "mujoco" in base
    assert set(needs(package, "sim")) == {"mujoco"}
    extras = package["extras_require"]
    holding = [extra for extra in extras if any(name.startswith("onnxruntime") for name in needs(package, extra))]
    assert sorted(holding) == ["cpu", "gpu", "gpu-cu12", "jetson"]


def test_the_pinned_environment_lies_within_the_ranges(package: dict[str, Any]) -> None:
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^;\s]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    for need in map(Requirement, [*package["install_requires"], *package["extras_require"]["cpu"]]):
        assert pins[need.name] in need.specifier, need


def without(packages: list[str], code: str) -> subprocess.CompletedProcess[str]:
    """Run code as where these packages are not installed."""
    hide = f"import sys; sys.modules.update(dict.fromkeys({packages}))"
    return subprocess.run([sys.executable, "-c", f"{hide}\n{code}"], capture_output=True, text=True)


@pytest.mark.slow
def test_the_demo_does_without_onnx_runtime_and_cyclonedds() -> None:
    done = without(
        ["onnxruntime", "cyclonedds"],
        "import saccade.cli.demo, saccade.cli.sim, sim.bus, perception_node.node, vla_node.node, safety_node.node\n"
        "from engines.open import open_engine; open_engine('sgbm')\n",
    )
    assert done.returncode == 0, done.stderr


def test_without_onnx_runtime_its_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "engines.ort", raising=False)
    with pytest.raises(EngineError, match=r"pip install 'saccade\[cpu\]'"):
        import_module("engines.ort")


def test_what_a_verb_lacks_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking(name: str) -> None:
        raise EngineError(f"{name} needs more")

    monkeypatch.setattr("saccade.cli.importlib.import_module", lacking)
    assert main(["engine", "list"]) == USAGE
    assert capsys.readouterr().err == "saccade engine: saccade.cli.engine needs more\n"


@pytest.mark.slow
def test_without_onnx_runtime_what_needs_it_says_what_to_install() -> None:
    engine = "from saccade.cli import main; sys.exit(main(['engine', *{}]))"
    assert without(["onnxruntime"], engine.format(["list"])).returncode == 0
    told = without(["onnxruntime"], engine.format(["probe", "stereo-s", "--quiet"]))
    assert told.returncode == 2
    assert told.stderr.startswith("saccade engine: ONNX Runtime cannot be imported")
    assert "pip install 'saccade[cpu]'" in told.stderr


def test_without_cyclonedds_a_dds_bus_says_where_to_look() -> None:
    told = without(["cyclonedds"], "from saccade.cli import main; sys.exit(main(['up', '--bus', 'dds:0']))")
    assert told.returncode == 2
    assert told.stderr.startswith("saccade up: bus 'dds:0' needs what cannot be imported here")
    assert "docs/platforms.md" in told.stderr


def test_the_document_shows_the_table_that_doctor_judges_by() -> None:
    assert fits.markdown() in (ROOT / "docs" / "platforms.md").read_text()
