"""What is installed holds the files that code reads beside itself, not the Python files alone."""

import pytest
from setup_arguments import ROOT, setup_arguments

ROOMS = ("saccade", "engines", "perception_node", "map_node", "vla_node", "safety_node", "bridge_node", "sim")


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_of_a_room_is_installed(room):
    patterns = setup_arguments()["package_data"]
    packed = {
        path for package, globs in patterns.items() for glob in globs
        for path in ROOT.joinpath(*package.split(".")).glob(glob)
    }  # fmt: skip
    made = {".py", ".pyc", ".nbi", ".nbc"}
    there = {path for path in (ROOT / room).rglob("*") if path.is_file() and path.suffix not in made}
    assert there <= packed, f"not in setup.py's package_data: {sorted(map(str, there - packed))}"
