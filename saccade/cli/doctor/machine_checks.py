"""The checks of `saccade doctor` on the machine itself. What may crash or hang is tried in a process of its own."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator

from saccade.cli.doctor.findings import Finding, Grade, finding
from saccade.cli.doctor.host import Host
from saccade.paths import user_cache

_MIN_PYTHON = (3, 10)


def python_and_packages(host: Host) -> Iterator[Finding]:
    """The interpreter, and every package that Saccade requires."""
    grade = Grade.OK if sys.version_info >= _MIN_PYTHON else Grade.ERROR
    advice = "" if grade is Grade.OK else "Saccade needs Python 3.10 or newer"
    yield Finding(grade, "python", f"{platform.python_version()}, {platform.machine()}, {platform.system()}", advice)
    elsewhere = ("extra ==", f'platform_machine != "{host.machine}"')
    required = [r for r in importlib.metadata.requires("saccade") or () if not any(marker in r for marker in elsewhere)]
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


_GL = """
import importlib, sys
context = importlib.import_module("mujoco." + sys.argv[1]).GLContext(64, 64)
context.make_current()
from OpenGL import GL
print(GL.glGetString(GL.GL_RENDERER).decode())
"""


def rendering(host: Host) -> Iterator[Finding]:
    """OpenGL without a display, for the simulator's second renderer."""
    packages = {"egl": "libegl1 libgl1-mesa-dri", "osmesa": "libosmesa6"}
    tried = {backend: host.ask(_GL, backend) for backend in packages}
    for backend, (well, told) in tried.items():
        if well:
            yield Finding(Grade.OK, "rendering", f"{backend}: {told}")
            return
    advice = " or ".join(f"apt install {package}" for package in packages.values())
    yield Finding(Grade.WARN, "rendering", "no EGL, no OSMesa: the simulator uses its own software renderer", advice)


def machine(host: Host) -> Iterator[Finding]:
    """Cores, governor, real-time permission, and a place to keep things."""
    cores = len(os.sched_getaffinity(0))
    advice = "" if cores >= 2 else "one core is shared by perception and the gate: expect late ticks"
    yield Finding(Grade.OK if cores >= 2 else Grade.WARN, "cores", f"{cores} of {os.cpu_count()} usable", advice)
    yield _governor(host)
    well, told = host.ask("from saccade.wire.live import real_time; print(real_time())")
    advice = "the gate's ticks will be late under load; allow it in /etc/security/limits.d/saccade.conf: "
    advice += "'@saccade - rtprio 60' and '@saccade - memlock unlimited', then join group saccade and log in again"
    granted = well and told.startswith("SCHED_FIFO")
    yield finding(granted, Grade.WARN, "real-time scheduling", told, advice)
    folder = user_cache()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            yield Finding(Grade.OK, "cache folder", f"{folder} can be written")
    except OSError as error:
        advice = f"make it writable: mkdir -p {folder} && chown $USER {folder}"
        yield Finding(Grade.ERROR, "cache folder", f"{folder}: {error.strerror}", advice)


def _governor(host: Host) -> Finding:
    files = host.paths("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    governors = {file.read_text().strip() for file in files}
    if not governors:
        return Finding(Grade.OK, "CPU governor", "not adjustable on this machine")
    slow = governors & {"powersave", "conservative"}
    advice = "frames take longer while the clock is low; cpupower frequency-set -g performance" if slow else ""
    return Finding(Grade.WARN if slow else Grade.OK, "CPU governor", ", ".join(sorted(governors)), advice)
