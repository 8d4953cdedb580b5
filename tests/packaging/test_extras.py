"""The extras of setup.py: what they hold fits together by the table that `saccade doctor` judges by."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from saccade.cli import fits
from saccade.cli.fits import ORT_GPU, dotted, ort_gpu, tensorrt, version

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"cpu", "gpu", "gpu-cu12", "jetson", "openvino", "sim", "train", "viz"}


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What setup.py hands to setuptools."""
    kept: dict[str, object] = {}
    fake = SimpleNamespace(setup=lambda **given: kept.update(given), find_packages=lambda include: [])
    monkeypatch.setitem(sys.modules, "setuptools", fake)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return kept


def needs(package: dict[str, object], extra: str, python: str = "3.12") -> dict[str, Requirement]:
    """By name, what an extra asks for on this Python."""
    parsed = [Requirement(need) for need in package["extras_require"][extra]]  # type: ignore[index]
    here = [need for need in parsed if need.marker is None or need.marker.evaluate({"python_version": python})]
    return {need.name: need for need in here}


def ends(need: Requirement) -> tuple[fits.Version, fits.Version]:
    """The first version that is asked for, and the one it has to be before."""
    found = {spec.operator: version(spec.version) for spec in need.specifier}
    return found[">="], found["<"]


def test_the_extras_are_those_that_the_documents_name(package: dict[str, object]) -> None:
    assert set(package["extras_require"]) == NAMES  # type: ignore[call-overload]
    files = [*(ROOT / "saccade").rglob("*.py"), *(ROOT / "engines").rglob("*.py"), *(ROOT / "docs").glob("*.md")]
    named = {
        n for file in files for n in re.findall(r"(?:saccade|'\.|EXTRA=|or )\[?([a-z0-9,-]+)\]'", file.read_text())
    }
    assert {part for names in named for part in names.split(",")} <= NAMES


@pytest.mark.parametrize(
    ("extra", "python", "cuda"),
    [("gpu", "3.12", 13), ("gpu", "3.10", 12), ("gpu-cu12", "3.12", 12), ("gpu-cu12", "3.10", 12)],
)  # fmt: skip
def test_what_is_installed_for_a_gpu_fits_together(
    package: dict[str, object], extra: str, python: str, cuda: int
) -> None:
    wanted = needs(package, extra, python)
    assert set(wanted) == {"onnxruntime-gpu", f"tensorrt-cu{cuda}", "cuda-python"}
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


def test_the_table_has_one_row_for_every_version() -> None:
    for rows in (ORT_GPU, fits.TENSORRT):
        for earlier, later in pairwise(rows):
            assert earlier.first < earlier.before <= later.first


def test_nothing_shadows_jetpack(package: dict[str, object]) -> None:
    for python, cuda in (("3.10", 12), ("3.12", 13)):  # JetPack 6 and 7
        wanted = needs(package, "jetson", python)
        assert set(wanted) == {"onnxruntime", "cuda-python"}
        assert ends(wanted["cuda-python"])[1] == (cuda + 1,)


def test_the_base_has_what_the_demo_needs_and_no_build_of_onnx_runtime(package: dict[str, object]) -> None:
    base = {Requirement(need).name for need in package["install_requires"]}  # type: ignore[attr-defined]
    assert not [name for name in base if name.startswith("onnxruntime")]
    assert "mujoco" in base
    assert set(needs(package, "sim")) == {"mujoco"}
    holding = [extra for extra in NAMES if any(name.startswith("onnxruntime") for name in needs(package, extra))]
    assert sorted(holding) == ["cpu", "gpu", "gpu-cu12", "jetson"]


def test_the_pinned_environment_lies_within_the_ranges(package: dict[str, object]) -> None:
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^;\s]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    for need in map(Requirement, [*package["install_requires"], *package["extras_require"]["cpu"]]):  # type: ignore[index,misc]
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


def test_without_onnx_runtime_what_needs_it_says_what_to_install() -> None:
    told = without(["onnxruntime"], "from saccade.cli import main; sys.exit(main(['engine', 'list']))")
    assert told.returncode == 2
    assert told.stderr.startswith("saccade engine: ONNX Runtime cannot be imported")
    assert "pip install 'saccade[cpu]'" in told.stderr


def test_without_cyclonedds_a_dds_bus_says_where_to_look() -> None:
    told = without(["cyclonedds"], "from saccade.cli import main; sys.exit(main(['up', '--bus', 'dds:0']))")
    assert told.returncode == 2
    assert told.stderr.startswith("saccade up: bus 'dds:0' needs what cannot be imported here")
    assert "docs/platforms.md" in told.stderr


@pytest.mark.slow
@pytest.mark.parametrize("extra", sorted(NAMES))
def test_every_extra_can_be_had(package: dict[str, object], extra: str) -> None:
    """Each requirement alone. TensorRT's libraries are left out: their package fetches them from NVIDIA's own index."""
    wanted = [str(Requirement(need)) for need in package["extras_require"][extra]]  # type: ignore[index]
    asked = [re.sub(r"^(tensorrt-cu\d+)", r"\1-bindings", need) for need in wanted]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "-q", *asked]
    done = subprocess.run(command, capture_output=True, text=True)
    if "Max retries exceeded" in done.stderr or "Temporary failure in name resolution" in done.stderr:
        pytest.skip("no package index within reach")
    assert done.returncode == 0, done.stderr


def test_the_document_shows_the_table_that_doctor_judges_by() -> None:
    assert fits.markdown() in (ROOT / "docs" / "platforms.md").read_text()
