"""What there is on a machine that engines depend on: GPUs, driver, CUDA, TensorRT. CUDA is not initialised for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from saccade.cli.doctor.fits import CAPABILITIES, Version, version
from saccade.cli.doctor.host import Host

_FIELDS = ("name", "driver_version", "memory.total", "compute_cap")
"""Drivers before 510 do not know the last one."""
_NVIDIA = "0x10de"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; what is not known is empty, or 0."""

    name: str
    capability: Version = ()
    memory_mib: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found; empty where there is nothing or it is not known."""

    gpus: tuple[Gpu, ...]
    driver: str
    driver_cuda: Version
    """The newest CUDA that the driver offers, as it says itself."""
    trouble: str
    """What nvidia-smi complained of."""
    board: str
    l4t: Version
    toolkits: Mapping[str, Version]
    """CUDA toolkits by folder."""
    packages: Mapping[str, str]
    tensorrt: Version
    """As this Python imports it."""
    no_tensorrt: str
    """Why it does not."""
    libraries: Mapping[str, str]
    """Path of each shared library that the system's loader knows."""

    @property
    def jetson(self) -> bool:
        """Whether this is a Jetson."""
        return bool(self.l4t)


@lru_cache(maxsize=1)
def look(host: Host) -> Facts:
    """All of it, asked once."""
    release, board = host.text("etc/nv_tegra_release"), host.text("proc/device-tree/model")
    gpus, driver, trouble = _gpus(host)
    if release and not any(gpu.capability for gpu in gpus):
        gpus = (Gpu(board or "Jetson", _chip(host)),)
    header = host.tell("nvidia-smi").out if driver else ""
    cuda = re.search(r"CUDA (?:UMD )?Version\s*:\s*(\d+\.\d+)", header)
    well, said = host.ask("import tensorrt; print(tensorrt.__version__)")
    return Facts(
        gpus, driver, version(cuda[1]) if cuda else (), trouble, board, _l4t(release), _toolkits(host),
        host.packages(), version(said) if well else (), "" if well else said, _libraries(host),
    )  # fmt: skip


def _gpus(host: Host) -> tuple[tuple[Gpu, ...], str, str]:
    """From nvidia-smi, or from what the driver shows where there is no such program, as in some containers."""
    for fields in (_FIELDS, _FIELDS[:-1]):
        answer = host.tell("nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")
        if answer.well:
            rows = [[cell.strip() for cell in line.split(",")] for line in answer.out.splitlines() if line.strip()]
            if any(len(row) < len(_FIELDS) - 1 for row in rows):
                return (), "", f"nvidia-smi said something unexpected: {answer.last}"
            gpus = tuple(Gpu(row[0], version(row[3]) if len(row) > 3 else (), _number(row[2])) for row in rows)
            return gpus, rows[0][1] if rows else "", ""
        if not re.search(r"not a valid field|no such field", answer.out + answer.error, re.IGNORECASE):
            break
    gpus = tuple(Gpu(model[1].strip()) for file in host.paths("proc/driver/nvidia/gpus/*/information")
                 if (model := re.search(r"Model:\s*(.+)", file.read_text())))  # fmt: skip
    module = re.search(r"Kernel Module(?: for \w+)?\s+(\d+[\d.]*)", host.text("proc/driver/nvidia/version"))
    if not answer.found:
        trouble = "" if gpus or not _on_the_bus(host) else "an NVIDIA GPU on the bus, and no driver"
    else:
        trouble = f"nvidia-smi: {(answer.out.strip() or answer.error.strip()).splitlines()[0]}"
    return gpus, module[1] if module else "", trouble


def _number(text: str) -> int:
    return int(found[0]) if (found := version(text)) else 0


def _on_the_bus(host: Host) -> bool:
    """Whether there is a display or 3D controller of NVIDIA's."""
    folders = [
        file.parent for file in host.paths("sys/bus/pci/devices/*/vendor") if file.read_text().strip() == _NVIDIA
    ]
    return any((folder / "class").read_text().startswith("0x03") for folder in folders)


def _chip(host: Host) -> Version:
    compatible = host.text("proc/device-tree/compatible")
    return next((capability for chip, capability in CAPABILITIES.items() if chip in compatible), ())


def _l4t(release: str) -> Version:
    """From a line as "# R36 (release), REVISION: 4.4, GCID: …"."""
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", release)
    return version(f"{found[1]}.{found[2]}") if found else ()


def _toolkits(host: Host) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for folder in host.paths("usr/local/cuda*"):
        text = host.text(f"usr/local/{folder.name}/version.json")
        try:
            said = json.loads(text)["cuda"]["version"] if text else ""
        except (ValueError, KeyError, TypeError):
            said = ""
        if numbers := version(str(said)):
            found.setdefault(f"/usr/local/{folder.name}", numbers)
    return found


def _libraries(host: Host) -> dict[str, str]:
    """As `ldconfig -p` lists them: "libcuda.so.1 (libc6,AArch64) => /usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1"."""
    answer = host.tell("ldconfig", "-p")
    if not answer.found:  # /sbin is not on everybody's path
        answer = host.tell("/sbin/ldconfig", "-p")
    return dict(re.findall(r"^\s*(\S+\.so[.\d]*) \([^)]*\) => (\S+)$", answer.out, re.MULTILINE))
