"""What Python 3.10, the oldest that the package allows, cannot run, and no linter says: tests run on a newer one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = (
    "saccade",
    "engines",
    "perception_node",
    "map_node",
    "vla_node",
    "safety_node",
    "bridge_node",
    "sim",
    "training",
)
GENERIC_TUPLE = re.compile(r"^class \w+\((NamedTuple, |[^)]*, NamedTuple\b)", re.MULTILINE)


def test_no_named_tuple_is_generic():
    """Since 3.11; before, defining one raises TypeError."""
    assert GENERIC_TUPLE.search("import x\nclass A(NamedTuple, Generic[T]):")
    files = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]
    assert len(files) > 300
    wrong = [str(file.relative_to(ROOT)) for file in files if GENERIC_TUPLE.search(file.read_text())]
    assert not wrong, f"use a dataclass instead in {', '.join(wrong)}"
