"""The checks of `saccade doctor`. What may crash or hang is tried in a process of its own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_RMEM_BYTES = 4 * 2**20
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
    """ONNX Runtime's providers and OpenCV's threads."""
    well, told = ask("import onnxruntime; print(', '.join(onnxruntime.get_available_providers()))")
    yield _finding(well, Grade.ERROR, "onnxruntime", told, "pip install --force-reinstall onnxruntime")
    well, told = ask("import cv2; print(cv2.__version__, 'with', cv2.getNumThreads(), 'threads')")
    advice = "pip install --force-reinstall opencv-contrib-python-headless (and apt install libgl1 if it asks for it)"
    yield _finding(well, Grade.ERROR, "opencv", told, advice)


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


_LOOPBACK = """
import subprocess, sys, time
from saccade.wire.convert import encode_text
from saccade.wire.open import open_bus
echo = '''
from saccade.node import NEVER_NS
from saccade.wire.open import open_bus
bus = open_bus("dds:231", ["instruction"], ["instruction"])
while True:
    cdr = bytes(bus.recv(NEVER_NS).cdr)
    if b"ping" in cdr:
        bus.send("instruction", cdr.replace(b"ping", b"pong"))
'''
child = subprocess.Popen([sys.executable, "-c", echo])
try:
    bus, times = open_bus("dds:231", ["instruction"], ["instruction"]), []
    for n in range(300):
        begin = time.perf_counter()
        bus.send("instruction", encode_text(f"ping {n}"))
        while sample := bus.recv(bus.now_ns() + 50_000_000):
            if f"pong {n}".encode() in bytes(sample.cdr):
                times.append(time.perf_counter() - begin)
                break
        if len(times) == 50:
            break
    times = sorted(times)
    if not times:
        sys.exit("no message came back")
    print(f"{1e3 * times[len(times) // 2] / 2:.2f} ms one way (median of {len(times)})")
finally:
    child.kill()
"""


def middleware() -> Iterator[Finding]:
    """DDS between two processes on loopback, the kernel's socket buffers, and whether ROS 2 is here."""
    well, told = ask(_LOOPBACK)
    advice = "check that the loopback interface is up (ip link set lo up) and that no firewall drops UDP on it"
    yield _finding(well, Grade.ERROR, "DDS loopback", told, advice)
    sizes = {key: _sysctl(f"net/core/{key}") for key in ("rmem_max", "wmem_max")}
    small = [key for key, size in sizes.items() if size is not None and size < _RMEM_BYTES]
    found = ", ".join(f"{key} {size / 2**20:.1f} MB" for key, size in sizes.items() if size is not None)
    advice = "sysctl -w " + " ".join(f"net.core.{key}={_RMEM_BYTES}" for key in small) if small else ""
    advice += "; to keep it: the same lines in /etc/sysctl.d/60-saccade.conf" if small else ""
    yield Finding(Grade.WARN if small else Grade.OK, "socket buffers", found or "not readable here", advice)
    ros = sorted(path.name for path in Path("/opt/ros").glob("*"))
    rclpy = "rclpy can be imported" if importlib.util.find_spec("rclpy") else "rclpy cannot be imported"
    found = f"{', '.join(ros)}; {rclpy}" if ros else "not installed (not needed: DDS works without it)"
    advice = f"source /opt/ros/{ros[-1]}/setup.bash" if ros and not importlib.util.find_spec("rclpy") else ""
    yield Finding(Grade.OK, "ROS 2", found, advice)


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
    yield _finding(granted, Grade.WARN, "real-time scheduling", told, advice)
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


def _sysctl(path: str) -> int | None:
    try:
        return int(Path("/proc/sys", path).read_text())
    except OSError:
        return None


def _finding(well: bool, otherwise: Grade, what: str, found: str, advice: str) -> Finding:
    return Finding(Grade.OK if well else otherwise, what, found, "" if well else advice)


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python_and_packages, inference, rendering, middleware, machine,
)  # fmt: skip
