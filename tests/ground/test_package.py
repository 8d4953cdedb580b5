"""The package says the same thing everywhere, and importing it stays cheap."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points, metadata, requires
from pathlib import Path

import pytest

from saccade.cli import VERBS, main
from saccade.paths import share

ROOT = Path(__file__).resolve().parents[2]


def test_package_xml_is_the_one_place_for_name_version_and_dependencies():
    package = ET.parse(ROOT / "package.xml").getroot()
    installed = metadata("saccade")
    assert installed["Name"] == package.findtext("name")
    assert installed["Version"] == package.findtext("version")
    wanted = {e.get("requires", "").split(">")[0].split("=")[0] for e in package.iterfind("export/pip")}
    plain = [r for r in requires("saccade") or [] if "extra ==" not in r]
    assert wanted == {r.split(">")[0].split("<")[0].split("=")[0].strip() for r in plain}


def test_every_dependency_is_pinned():
    pinned = (ROOT / "requirements.txt").read_text().lower()
    package = ET.parse(ROOT / "package.xml").getroot()
    names = [e.get("requires", "").split(">")[0].split("=")[0].lower() for e in package.iterfind("export/pip")]
    assert [n for n in names if f"\n{n}==" not in pinned] == []


def test_importing_saccade_loads_no_heavy_library():
    code = "import sys, saccade, saccade.cli; print(' '.join(sys.modules))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    heavy = {"numpy", "numba", "cv2", "onnxruntime", "rosbags", "mujoco", "cyclonedds", "foxglove", "rich", "yaml"}
    assert heavy & set(loaded) == set()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(verb, capsys):
    with pytest.raises(SystemExit, match=r"\A0\Z"):
        main([verb, "--help"])
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert f"saccade {verb}" in shown


def test_help_loads_nothing_that_only_running_takes():
    """All verbs in one process; `bench` comes last, for it describes the files that it reads with OpenCV."""
    code = """
import sys
from contextlib import suppress
from saccade.cli import VERBS, main
for verb in sorted(VERBS, key="bench".__eq__):
    with suppress(SystemExit):
        main([verb, "--help"])
    print("\\nLOADED", verb, *({"numba", "scipy", "cv2", "onnxruntime", "mujoco", "cyclonedds"} & set(sys.modules)))
"""
    shown = subprocess.check_output([sys.executable, "-c", code], text=True)
    loaded = [line.split()[1:] for line in shown.splitlines() if line.startswith("LOADED")]
    assert loaded == [*([verb] for verb in VERBS if verb != "bench"), ["bench", "cv2"]]


def test_an_unknown_verb_is_wrong_usage(capsys):
    with pytest.raises(SystemExit, match=r"\A2\Z"):
        main(["rplay"])
    assert "replay" in capsys.readouterr().err


def test_bus_schemes_are_installed():
    assert {"bag", "dds", "sim"} <= {p.name for p in entry_points(group="saccade.bus")}


def test_shipped_files_are_found():
    assert (share("msg") / "Plan.msg").is_file()
    assert list((share("config") / "robots").glob("*.yaml"))
