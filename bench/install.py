"""The default environment's size (asked for: at most 700 MB) and the time of `import saccade` (at most 0.3 s)."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from bench.__main__ import ROOT, save

IMPORTS = ("saccade", "saccade.cli", "safety_node.node", "perception_node.node", "vla_node.node")


def main() -> int:
    """Install into an empty environment as `make demo` does, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "-r", str(ROOT / "requirements.txt")], check=True)
        subprocess.run([*pip, "--no-deps", "-e", str(ROOT)], check=True)
        size_mb = sum(f.lstat().st_size for f in Path(folder).rglob("*") if f.is_file()) / 1e6
        times_s = {name: _import_s(python, name) for name in IMPORTS}
    print(f"default environment: {size_mb:.0f} MB (limit 700), Python {sys.version.split()[0]}")
    for name, seconds in times_s.items():
        print(f"import {name:<22} {seconds * 1000:6.0f} ms" + (" (limit 300)" if name == "saccade" else ""))
    save({"environment_mb": size_mb, "import_s": times_s}, args.json)
    return 0


def _import_s(python: Path, name: str) -> float:
    code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
    runs = [float(subprocess.check_output([str(python), "-c", code], cwd=ROOT)) for _ in range(5)]
    return statistics.median(runs)


if __name__ == "__main__":
    sys.exit(main())
