"""The repository as a colcon workspace: `ros2_ws` holds both packages, and package.xml names what ROS must install."""

import configparser
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from saccade.topics import SERVICES, TOPICS

ROOT = Path(__file__).resolve().parents[2]


def test_the_workspace_holds_this_package_and_its_messages():
    found = {path.parent.resolve() for path in (ROOT / "ros2_ws" / "src").glob("*/package.xml")}
    assert found == {ROOT, ROOT / "ros2_ws" / "src" / "saccade_msgs"}


def test_both_packages_have_one_version():
    packages = [ET.parse(path).getroot() for path in (ROOT / "ros2_ws" / "src").glob("*/package.xml")]
    assert len({package.findtext("version") for package in packages}) == 1


def test_every_message_package_of_the_table_is_a_dependency():
    package = ET.parse(ROOT / "package.xml").getroot()
    declared = {element.text for element in package.iterfind("exec_depend")}
    used = {row.type.partition("/")[0] for row in (*TOPICS.values(), *SERVICES.values())}
    assert used - declared == set()


def test_programs_go_where_ros2_run_looks_for_them():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["install"]["install_scripts"] == config["develop"]["script_dir"] == "$base/lib/saccade"


@pytest.mark.slow
def test_pip_still_installs_commands_into_bin(tmp_path: Path):
    """setup.cfg speaks to colcon; a wheel must not obey it."""
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(".*", "out", "build", "install", "log"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--ignore-installed"]
    subprocess.run([*pip, "--prefix", tmp_path / "prefix", tree], check=True)
    assert {path.name for path in (tmp_path / "prefix" / "bin").iterdir()} >= {
        "saccade", "perception_node", "vla_node", "safety_node",
    }  # fmt: skip
    assert not (tmp_path / "prefix" / "lib" / "saccade").exists()
