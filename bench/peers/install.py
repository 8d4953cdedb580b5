"""Environments for the stock clients and servers, outside the repository."""

from __future__ import annotations

import json
import subprocess
import venv
from pathlib import Path

CACHE = Path.home() / ".cache" / "saccade" / "peers"
PACKAGES = {
    # It imports typing_extensions without asking for it.
    "openpi": ["openpi-client==0.1.2", "websockets==17.4", "typing_extensions==4.16.0"],
    # What gr00t/policy/server_client.py and what it imports need; the whole of GR00T would bring CUDA.
    "gr00t": ["numpy==1.26.4", "msgpack==1.2.4", "pyzmq==27.3.0"],
}


def install(checkouts: dict[str, Path]) -> None:
    """Make an environment for each peer whose checkout is given, and remember where that is."""
    for name, checkout in checkouts.items():
        folder = CACHE / name
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES[name]], check=True)
        (folder / "checkout.json").write_text(json.dumps(str(checkout.resolve())))


def found() -> dict[str, tuple[Path, Path]]:
    """Python and checkout of each peer that is installed."""
    files = {name: CACHE / name / "checkout.json" for name in PACKAGES}
    return {
        name: (CACHE / name / "bin" / "python", Path(json.loads(file.read_text())))
        for name, file in files.items()
        if file.is_file()
    }
