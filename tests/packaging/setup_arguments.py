"""What setup.py hands to setuptools, read without building anything."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]


def setup_arguments() -> dict[str, Any]:
    """The arguments of its call of `setup`; setuptools itself need not be installed."""
    given: dict[str, Any] = {}
    setuptools = SimpleNamespace(setup=lambda **arguments: given.update(arguments), find_packages=lambda include: [])
    before = Path.cwd()
    os.chdir(ROOT)  # setup.py reads package.xml beside itself, as pip starts it
    try:
        with patch.dict(sys.modules, {"setuptools": setuptools}):  # type: ignore[dict-item]
            runpy.run_path("setup.py")
    finally:
        os.chdir(before)
    return given
