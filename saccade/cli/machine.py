"""The machine that figures were measured on, in words."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path

_LIBRARIES = (
    "numpy",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
)


def cpu() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions(more: Iterable[str] = ()) -> dict[str, str]:
    """Version of each library that figures of matching depend on, and of `more`, of those that are installed."""
    found = {}
    for name in (*_LIBRARIES, *more):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str | int | dict[str, str]]:
    """Processor, usable cores, system, Python and library versions."""
    return {
        "cpu": cpu(), "cores": len(os.sched_getaffinity(0)), "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(), "libraries": versions(),
    }  # fmt: skip
