"""Machines as public records show them: what their files and commands said. Above each stands where it is from."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from saccade.cli.doctor.host import Answer, Host

MISSING = Answer(False, "", "not found", found=False)
BASE = {"onnxruntime": "1.23.2", "cyclonedds": "11.0.1"}


@dataclass(frozen=True)
class Recorded:
    """`scripts`: by a part of the Python script that is asked, what it prints."""

    files: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str | Answer] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=lambda: BASE)
    machine: str = "x86_64"
    python: tuple[int, int] = (3, 12)

    def host(self, root: Path) -> Host:
        """It, with its files under a folder."""
        for name, text in self.files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return Host(root, self.run, lambda: self.packages, {}, self.machine, self.python)

    def run(self, command: Sequence[str], timeout_s: float) -> Answer:
        """The recorded answer: of the longest beginning of the command that there is one for."""
        if command[0] == sys.executable:
            said = next((text for part, text in self.scripts.items() if part in command[2]), None)
            return Answer(said is not None, f"{said}\n", f"ModuleNotFoundError: No module named {command[2]!r}")
        line = " ".join(command)
        for begin in sorted(self.commands, key=len, reverse=True):
            if line.startswith(begin):
                answer = self.commands[begin]
                return answer if isinstance(answer, Answer) else Answer(True, answer)
        return MISSING

    def but(self, **changed: object) -> Recorded:
        """The same machine with other packages or scripts."""
        return replace(self, **changed)  # type: ignore[arg-type]


def smi_header(driver: str, cuda: str) -> str:
    """The head of what nvidia-smi prints, as in dusty-nv/jetson-containers#1403, akash-network/provider-configs#12."""
    return f"| NVIDIA-SMI {driver:<22} Driver Version: {driver:<12} CUDA Version: {cuda:<8} |\n"


def smi(row: str, cuda: str) -> dict[str, str | Answer]:
    """nvidia-smi asked for a row of CSV, and without arguments."""
    return {"nvidia-smi": smi_header(row.split(", ")[1], cuda), "nvidia-smi --query-gpu": row + "\n"}


# /etc/nv_tegra_release, nvpmodel -q and the GPU's clocks: a "Jetson System Information" that somebody keeps in a public
# repository, of an Orin NX with JetPack 6.2.1. nvidia-smi: dusty-nv/jetson-containers#1403, and "Orin (nvgpu), 8.7" as
# several public records have it. The names of modes: an Orin Nano Super's, listed in a public bring-up log.
ORIN_JETPACK_6 = Recorded(
    files={
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.4, GCID: 41062509, BOARD: generic, EABI: aarch64, DATE: "
        "Mon Jun 16 16:07:13 UTC 2025\n# KERNEL_VARIANT: oot\nTARGET_USERSPACE_LIB_DIR=nvidia\n"
        "TARGET_USERSPACE_LIB_DIR_PATH=usr/lib/aarch64-linux-gnu/nvidia\n",
        "proc/device-tree/model": "NVIDIA Jetson Orin NX Engineering Reference Developer Kit\0",
        "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0000\0nvidia,p3767-0000\0nvidia,tegra234\0",
        "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >\n"
        "< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n",
        "sys/class/devfreq/17000000.gpu/min_freq": "306000000\n",
        "sys/class/devfreq/17000000.gpu/max_freq": "624750000\n",
        "sys/class/devfreq/17000000.gpu/cur_freq": "306000000\n",
        "usr/local/cuda-12.6/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.11"}}',
        "usr/lib/python3.10/dist-packages/tensorrt/__init__.py": "",
    },
    commands={
        **smi("Orin (nvgpu), 540.4.0, [N/A], 8.7", "12.6"),
        "nvpmodel -q": "NV Power Mode: MAXN_SUPER\n2\n",
        "ldconfig -p": "\tlibnvinfer.so.10 (libc6,AArch64) => /usr/lib/aarch64-linux-gnu/libnvinfer.so.10\n",
    },
    machine="aarch64",
    python=(3, 10),
)
# /etc/nv_tegra_release: a public set-up record of an AGX Orin with JetPack 5.1.2. Power mode and clocks: jetson_clocks
# --show before and after it was run, in a public experiment's notes. There is no nvidia-smi in JetPack 5.
ORIN_JETPACK_5 = Recorded(
    files={
        "etc/nv_tegra_release": "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, DATE: "
        "Tue Aug  1 19:57:35 UTC 2023\n",
        "proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
        "proc/device-tree/compatible": "nvidia,p3737-0000+p3701-0000\0nvidia,tegra234\0",
        "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=MODE_15W >\n"
        "< POWER_MODEL ID=2 NAME=MODE_30W >\n< POWER_MODEL ID=3 NAME=MODE_50W >\n",
        "sys/class/devfreq/17000000.ga10b/min_freq": "612000000\n",
        "sys/class/devfreq/17000000.ga10b/max_freq": "612000000\n",
        "sys/class/devfreq/17000000.ga10b/cur_freq": "612000000\n",
        "usr/lib/python3.8/dist-packages/tensorrt/__init__.py": "",
    },
    commands={"nvpmodel -q": "NV Power Mode: MODE_30W\n2\n"},
    machine="aarch64",
    python=(3, 10),
)
# rbonghi/jetson_stats#711 (release, model, compatible), #820 (power mode, TensorRT 10.13.3.9), #885 (names of the GPU's
# clocks), and "NVIDIA Thor, 11.0, 580.00, 13.0" of a public build log.
THOR_JETPACK_7 = Recorded(
    files={
        "etc/nv_tegra_release": "# R38 (release), REVISION: 2.0, GCID: 41844464, BOARD: generic, EABI: aarch64, DATE: "
        "Fri Aug 22 00:55:42 UTC 2025\n",
        "proc/device-tree/model": "NVIDIA Jetson AGX Thor Developer Kit\0",
        "proc/device-tree/compatible": "nvidia,p4071-0000+p3834-0008\0nvidia,p3834-0008\0nvidia,tegra264\0",
        "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=120W >\n",
        "sys/class/devfreq/gpu-gpc-0/min_freq": "306000000\n",
        "sys/class/devfreq/gpu-gpc-0/max_freq": "1575000000\n",
        "sys/class/devfreq/gpu-gpc-0/cur_freq": "306000000\n",
    },
    commands={**smi("NVIDIA Thor, 580.00, [N/A], 11.0", "13.0"), "nvpmodel -q": "NV Power Mode: 120W\n1\n"},
    scripts={"import tensorrt": "10.13.3.9", "import onnxruntime": "CPUExecutionProvider"},
    packages={**BASE, "cuda-python": "13.4.4", "cuda-bindings": "13.4.4"},
    machine="aarch64",
)
# "NVIDIA GeForce RTX 4090, 8.9, 595.71.05, 24564" with TensorRT 10.14.1.48: a public performance report.
RTX_4090 = Recorded(
    commands=smi("NVIDIA GeForce RTX 4090, 595.71.05, 24564, 8.9", "13.2"),
    scripts={"import tensorrt": "10.14.1.48", "import onnxruntime": "CUDAExecutionProvider, CPUExecutionProvider"},
    packages={"onnxruntime-gpu": "1.31.1", "tensorrt-cu13": "10.14.1.48", "cuda-python": "13.4.4"},
)
# Driver 570.133.04 with CUDA 12.8 on a machine with RTX 4090s: aikitoria/open-gpu-kernel-modules#1.
RTX_4090_OLDER = RTX_4090.but(commands=smi("NVIDIA GeForce RTX 4090, 570.133.04, 24564, 8.9", "12.8"))
# akash-network/provider-configs#12.
QUADRO_RTX_4000 = Recorded(commands=smi("Quadro RTX 4000, 535.129.03, 8192, 7.5", "12.2"))
# "Tesla V100-SXM2-16GB" with driver 470.256.02, which does not know compute_cap: a public test of another set-up tool.
V100_OLD_DRIVER = Recorded(
    commands={
        "nvidia-smi": smi_header("470.256.02", "11.4"),
        "nvidia-smi --query-gpu=name,driver_version,memory.total,compute_cap": Answer(
            False, 'Field "compute_cap" is not a valid field to query.\n\n', "exit code 2"
        ),
        "nvidia-smi --query-gpu=name,driver_version,memory.total --format": "Tesla V100-SXM2-16GB, 470.256.02, 16160\n",
    }
)
# The two lines that nvidia-smi prints after an update of the driver, as a public monitoring log has them.
UPDATED_DRIVER = Recorded(
    commands={
        "nvidia-smi": Answer(
            False,
            "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.173\n",
            "exit code 18",
        )
    }
)
NO_GPU = Recorded()
# A container without nvidia-smi, the driver's own files (as a public log of a rented RTX machine shows them), and half
# of its processors' time (cgroup v2, kernel documentation).
CONTAINER = Recorded(
    files={
        "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release "
        "Build  (dvs-builder@U22-I3-B17-02-5)  Tue Sep 23 09:55:41 UTC 2025\nGCC version:  gcc version 11.4.0\n",
        "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA GeForce RTX 4090\nIRQ:   \t\t 148\n",
        "sys/fs/cgroup/cpu.max": "50000 100000\n",
    }
)
HANGING = Recorded(commands={"nvidia-smi": Answer(False, "", "no answer in 10 s")})
