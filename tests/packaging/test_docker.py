"""The Dockerfiles, as far as they can be checked without building an image: linted, and what they name is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from setup_arguments import ROOT, setup_arguments

FILES = sorted((ROOT / "docker").glob("Dockerfile*"))


def lines(file: Path) -> list[str]:
    """Its instructions, each on one line, without comments."""
    text = "\n".join(line for line in file.read_text().splitlines() if not line.startswith("#"))
    return [line.strip() for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip()]


def hadolint() -> str:
    """The linter, beside this Python or on the path."""
    beside = Path(sys.executable).parent / "hadolint"
    found = str(beside) if beside.is_file() else shutil.which("hadolint")
    if found is None:
        pytest.skip("hadolint is not installed (requirements-dev.txt has it for x86-64)")
    return found


def test_there_is_one_for_x86_and_one_for_jetson() -> None:
    assert [file.name for file in FILES] == ["Dockerfile", "Dockerfile.jetson"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_linter_finds_nothing(file: Path) -> None:
    done = subprocess.run([hadolint(), "--no-color", str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_finds_what_it_is_there_for(tmp_path: Path) -> None:
    careless = tmp_path / "Dockerfile"
    careless.write_text("FROM debian:latest\nRUN apt-get install curl\nENTRYPOINT saccade\n")
    done = subprocess.run([hadolint(), "--no-color", str(careless)], capture_output=True, text=True)
    assert done.returncode != 0
    assert {"DL3007", "DL3008", "DL3025"} <= set(re.findall(r"DL\d+", done.stdout))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_runs_as_nobody_special_from_a_pinned_base_with_a_way_in(file: Path) -> None:
    said = lines(file)
    (base,) = [line.split("=", 1)[1] for line in said if line.startswith("ARG BASE=")]
    assert re.search(r":[a-z]?\d+\.\d+\.\d+", base)
    stages = [i for i, line in enumerate(said) if line.startswith("FROM")]
    assert any("AS build" in said[i] for i in stages[:-1])  # compilers and caches stay there
    last = said[stages[-1] :]
    assert not [line for line in last if "build-essential" in line or "pip install" in line]
    assert "USER 1000:1000" in last
    assert any(line.startswith('ENTRYPOINT ["') for line in last)
    assert 'CMD ["doctor"]' in last
    assert any(line.startswith("HEALTHCHECK") for line in last)
    assert not re.search(r"(?i)secret|token|password|api_key", file.read_text())


def test_nothing_is_fetched_but_packages_from_their_registries() -> None:
    for file in FILES:
        assert not [line for line in lines(file) if line.startswith("ADD") or re.search(r"\b(curl|wget|git)\b", line)]


def test_the_jetson_starts_with_ros_in_its_environment() -> None:
    said = "\n".join(lines(ROOT / "docker" / "Dockerfile.jetson"))
    script = ROOT / "docker" / "entrypoint.sh"
    assert f"COPY docker/{script.name} /opt/saccade/bin/{script.name}" in said
    assert f'ENTRYPOINT ["{script.name}"]' in said
    assert script.stat().st_mode & 0o111
    sourced = re.findall(r"^source (/opt/\S+)/setup.bash$", script.read_text(), re.MULTILINE)
    assert sourced == ["/opt/ros/humble", "/opt/saccade_ws"]
    assert "ros-humble-ros-base" in said
    assert "--install-base /opt/saccade_ws" in said
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0


def context() -> set[str]:
    """Files that reach the builder: .dockerignore leaves out everything, then lets some in."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = [rule[1:] for rule in rules if rule.startswith("!")]
    assert [name for name in let_in if not (ROOT / name).exists()] == []
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return {name for name in tracked if any(name == rule or name.startswith(f"{rule}/") for rule in let_in)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_it_copies_and_installs_is_there(file: Path) -> None:
    there, extras = context(), setup_arguments()["extras_require"]
    copied = [line.split()[1:-1] for line in lines(file) if line.startswith("COPY") and "--from" not in line]
    folders = {str(parent) for name in there for parent in Path(name).parents}  # "." among them
    assert [name for names in copied for name in names if name not in there | folders] == []
    installs = [part for line in lines(file) for part in line.split("&&") if "pip install" in part]
    assert len(installs) == 2
    assert sum('".[' in install for install in installs) == 1
    for install in installs:
        for name in re.findall(r"(?:-r|--constraint) (\S+)", install):
            assert name in there or name == "pinned.txt"
        for extra in re.findall(r'"\.\[([^\]]+)\]"', install):
            assert extra in extras or extra == "${EXTRA}"
    for default in re.findall(r"EXTRA=([a-z0-9-]+)", file.read_text()):
        assert default in extras


def test_all_that_the_package_is_built_of_reaches_the_builder() -> None:
    there = context()
    text = (ROOT / "setup.py").read_text()
    for folder in re.findall(r'glob\(f?"([a-z_0-9/]+)/', text):
        assert any(name.startswith(f"{folder}/") for name in there), folder
    for name in ("package.xml", "setup.cfg", "pyproject.toml", "resource/saccade", "engines/cards/stereo-s.yaml"):
        assert name in there
