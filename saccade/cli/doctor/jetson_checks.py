"""The checks of `saccade doctor` on a Jetson: board, JetPack, power mode and clocks. They are told, never changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from saccade.cli.doctor.facts import look
from saccade.cli.doctor.findings import Finding, Grade
from saccade.cli.doctor.fits import dotted, jetpack
from saccade.cli.doctor.host import Host


def jetson(host: Host) -> Iterator[Finding]:
    """Nothing on other machines."""
    facts = look(host)
    if not facts.jetson:
        return
    row = jetpack(facts.l4t)
    brings = (
        f"JetPack {row.name}: CUDA {dotted(row.cuda)}, TensorRT {dotted(row.tensorrt)}, Python {dotted(row.python)}"
        if row else "a JetPack that docs/platforms.md does not know"
    )  # fmt: skip
    yield Finding(Grade.OK, "Jetson", f"{facts.board or 'board not told'}, L4T {dotted(facts.l4t)} ({brings})")
    if row and row.python < (3, 10):
        advice = (
            f"its TensorRT is for Python {dotted(row.python)}, Saccade needs 3.10: engines run on the processor here. "
            "Orin: flash JetPack 6 or 7"
        )
        yield Finding(Grade.WARN, "JetPack", f"{row.name} is too old for TensorRT from Saccade", advice)
    yield _power(host)
    yield from _clocks(host)


def _power(host: Host) -> Finding:
    """The power mode against those of /etc/nvpmodel.conf; their numbers differ from board to board."""
    answer = host.tell("nvpmodel", "-q")
    mode = re.search(r"NV Power Mode: (\S+)", answer.out)
    if not mode:
        return Finding(Grade.OK, "power mode", f"not told: {answer.last}", "sudo nvpmodel -q tells it")
    listed = re.findall(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", host.text("etc/nvpmodel.conf"))
    modes = {name: number for number, name in listed}
    strongest = next((name for name in ("MAXN_SUPER", "MAXN") if name in modes), None)
    if strongest is None or mode[1] in ("MAXN_SUPER", strongest):
        return Finding(Grade.OK, "power mode", mode[1])
    advice = f"where power and cooling allow: sudo nvpmodel -m {modes[strongest]} ({strongest}; it may ask to reboot)"
    return Finding(Grade.WARN, "power mode", f"{mode[1]}, of {', '.join(modes)}", advice)


def _clocks(host: Host) -> Iterator[Finding]:
    """The GPU's clock: where it may fall, the first frames after a pause are slow, and the slowest ones with them."""
    for folder in host.paths("sys/class/devfreq/*"):
        if not re.search(r"gpu|ga10b|gv11b", folder.name):
            continue
        least, most, now = (_mhz(folder / f"{name}_freq") for name in ("min", "max", "cur"))
        if 0 in (least, most):
            continue
        if least == most:
            yield Finding(Grade.OK, "GPU clock", f"{folder.name} held at {most} MHz")
        else:
            advice = "frames after a pause are slow; to hold it until the next boot: sudo jetson_clocks"
            said = f"{folder.name} at {now} MHz, may be {least} to {most} MHz"
            yield Finding(Grade.WARN, "GPU clock", said, advice)


def _mhz(file: Path) -> int:
    try:
        return round(int(file.read_text()) / 1e6)
    except (OSError, ValueError):
        return 0
