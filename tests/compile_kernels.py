"""Compile all kernels into their caches: `make test` does it before its two processes, which would do it both."""

from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("saccade", "engines", "perception_node", "map_node", "vla_node", "safety_node", "sim", "training")

for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
    text = path.read_text()
    if "from saccade.kernel import" in text and "from numba import cuda" not in text:  # those need a device
        import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
