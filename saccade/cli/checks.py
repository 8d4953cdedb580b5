"""The checks of `saccade doctor` on the machine itself. What may crash or hang is tried in a process of its own."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_MIN_PYTHON = (3, 10)


class Grade(str, Enum):
    """How a finding counts."""

    OK = "OK"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `advice` is what to do, empty when there is nothing to do."""

    grade: Grade
    what: str
    found: str
    advice: str = ""


def ask(script: str, *args: str, timeout_s: float = 30.0) -> tuple[bool, str]:
    """(whether it ended well, its last line) of a Python script run in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, *args], capture_output=True, text=True, timeout=timeout_s, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False, f"no answer in {timeout_s:g} s"
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return done.returncode == 0, lines[-1] if lines else f"exit code {done.returncode}"


def python_and_packages() -> Iterator[Finding]:
    """The interpreter, and every package that Saccade requires."""
    grade = Grade.OK if sys.version_info >= _MIN_PYTHON else Grade.ERROR
    advice = "" if grade is Grade.OK else "Saccade needs Python 3.10 or newer"
    yield Finding(grade, "python", f"{platform.python_version()}, {platform.machine()}, {platform.system()}", advice)
    required = [r for r in importlib.metadata.requires("saccade") or () if "extra ==" not in r]
    versions, missing = [], []
    for name in (re.split(r"[^A-Za-z0-9._-]", requirement)[0] for requirement in required):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        advice = f"pip install {' '.join(missing)}"
        yield Finding(Grade.ERROR, "packages", f"missing: {', '.join(missing)}", advice)
    yield Finding(Grade.OK, "packages", ", ".join(versions))


def inference() -> Iterator[Finding]:
    """ONNX Runtime's providers, OpenCV's threads, and the GPU with TensorRT, which are not needed."""
    well, told = ask("import onnxruntime; print(', '.join(onnxruntime.get_available_providers()))")
    yield finding(well, Grade.ERROR, "onnxruntime", told, "pip install --force-reinstall onnxruntime")
    well, told = ask("import cv2; print(cv2.__version__, 'with', cv2.getNumThreads(), 'threads')")
    advice = "pip install --force-reinstall opencv-contrib-python-headless (and apt install libgl1 if it asks for it)"
    yield finding(well, Grade.ERROR, "opencv", told, advice)
    yield Finding(Grade.OK, "GPU", gpu() or "none found (not needed: engines run on the processor)")
    well, told = ask("import tensorrt; print(tensorrt.__version__)")
    yield Finding(Grade.OK, "TensorRT", told if well else f"not for this Python: {told}")


def gpu() -> str:
    """Name, driver and memory of the NVIDIA GPUs, or the Jetson's release; empty where there is none."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
        return "; ".join(done.stdout.strip().splitlines())
    except (OSError, subprocess.SubprocessError):
        release = Path("/etc/nv_tegra_release")
        return f"Jetson, {release.read_text().splitlines()[0].lstrip('# ')}" if release.is_file() else ""


_GL = """
import importlib, sys
context = importlib.import_module("mujoco." + sys.argv[1]).GLContext(64, 64)
context.make_current()
from OpenGL import GL
print(GL.glGetString(GL.GL_RENDERER).decode())
"""


def rendering() -> Iterator[Finding]:
    """OpenGL without a display, for the simulator's second renderer."""
    packages = {"egl": "libegl1 libgl1-mesa-dri", "osmesa": "libosmesa6"}
    tried = {backend: ask(_GL, backend) for backend in packages}
    for backend, (well, told) in tried.items():
        if well:
            yield Finding(Grade.OK, "rendering", f"{backend}: {told}")
            return
    advice = " or ".join(f"apt install {package}" for package in packages.values())
    yield Finding(Grade.WARN, "rendering", "no EGL, no OSMesa: the simulator uses its own software renderer", advice)


def machine() -> Iterator[Finding]:
    """Cores, governor, real-time permission, and a place to keep things."""
    cores = len(os.sched_getaffinity(0))
    advice = "" if cores >= 2 else "one core is shared by perception and the gate: expect late ticks"
    yield Finding(Grade.OK if cores >= 2 else Grade.WARN, "cores", f"{cores} of {os.cpu_count()} usable", advice)
    yield _governor()
    well, told = ask("from saccade.wire.live import real_time; print(real_time())")
    advice = "the gate's ticks will be late under load; allow it in /etc/security/limits.d/saccade.conf: "
    advice += "'@saccade - rtprio 60' and '@saccade - memlock unlimited', then join group saccade and log in again"
    granted = well and told.startswith("SCHED_FIFO")
    yield finding(granted, Grade.WARN, "real-time scheduling", told, advice)
    folder = Path.home() / ".cache" / "saccade"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            yield Finding(Grade.OK, "cache folder", f"{folder} can be written")
    except OSError as error:
        advice = f"make it writable: mkdir -p {folder} && chown $USER {folder}"
        yield Finding(Grade.ERROR, "cache folder", f"{folder}: {error.strerror}", advice)


def _governor() -> Finding:
    files = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    governors = {file.read_text().strip() for file in files}
    if not governors:
        return Finding(Grade.OK, "CPU governor", "not adjustable on this machine")
    slow = governors & {"powersave", "conservative"}
    advice = "frames take longer while the clock is low; cpupower frequency-set -g performance" if slow else ""
    return Finding(Grade.WARN if slow else Grade.OK, "CPU governor", ", ".join(sorted(governors)), advice)


def finding(well: bool, otherwise: Grade, what: str, found: str, advice: str) -> Finding:
    return Finding(Grade.OK if well else otherwise, what, found, "" if well else advice)
