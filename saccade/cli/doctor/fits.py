"""Which versions of driver, CUDA, TensorRT, ONNX Runtime and JetPack fit together, each with who says so.

`saccade doctor` judges by this table, docs/platforms.md shows it, and a test holds the extras of setup.py to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

Version = tuple[int, ...]


def version(text: str) -> Version:
    """The leading numbers of a version: "10.3.0.30-1+cuda12.5" is (10, 3, 0, 30); empty where there are none.

    >>> version("10.16.1.11"), version("N/A")
    ((10, 16, 1, 11), ())
    """
    found = re.match(r"\s*v?(\d+(?:\.\d+)*)", text)
    return tuple(map(int, found[1].split("."))) if found else ()


def dotted(numbers: Version) -> str:
    """A version for people."""
    return ".".join(map(str, numbers))


@dataclass(frozen=True, slots=True)
class Driver:
    """The least Linux driver that runs anything built with a CUDA of one major number."""

    cuda: int
    least: int
    source: str = "docs.nvidia.com/deploy/cuda-compatibility, minor version compatibility"


@dataclass(frozen=True, slots=True)
class OrtGpu:
    """Wheels of onnxruntime-gpu on PyPI from one version to before another: what their libraries are linked to."""

    first: Version
    before: Version
    cuda: int
    cudnn: int
    tensorrt: int
    python: Version
    source: str


@dataclass(frozen=True, slots=True)
class TensorRt:
    """Versions of TensorRT from one to before another: the CUDA it is made for, and the least compute capability."""

    first: Version
    before: Version
    cuda: tuple[int, ...]
    capability: Version
    source: str


@dataclass(frozen=True, slots=True)
class JetPack:
    """What NVIDIA's system for Jetson brings, by the version of its Linux (L4T)."""

    l4t: Version
    name: str
    cuda: Version
    tensorrt: Version
    cudnn: Version
    python: Version
    boards: str
    source: str


DRIVERS = (Driver(11, 450), Driver(12, 525), Driver(13, 580))
ORT_GPU = (
    OrtGpu((1, 19), (1, 27), 12, 9, 10, (3, 10), "the libraries in the wheels of 1.23.2 and 1.26.0"),
    OrtGpu((1, 27), (1, 32), 13, 9, 10, (3, 11), "the libraries in the wheels of 1.27.0 and 1.31.1"),
)
TENSORRT = (
    TensorRt((8, 6), (9,), (11, 12), (5, 0), "TensorRT 8.5.2 release notes: Kepler removed next, Maxwell with 9"),
    TensorRt((10, 0), (10, 5), (11, 12), (7, 0), "TensorRT 10.1 support matrix"),
    TensorRt((10, 5), (10, 13, 2), (11, 12), (7, 5), "TensorRT 10.5 release notes: Volta removed"),
    TensorRt((10, 13, 2), (12,), (12, 13), (7, 5), "TensorRT 10.13.2 release notes, 11.2.1 prerequisites"),
)
CUDA_13_CAPABILITY = (7, 5)
"""CUDA 13 has no code for Maxwell, Pascal and Volta (CUDA 13.0 release notes)."""
JETPACKS = (
    JetPack((35,), "5.1", (11, 4), (8, 5), (8, 6), (3, 8), "Orin, Xavier", "NVIDIA's JetPack 5.1 page"),
    JetPack((36, 3), "6.0", (12, 2), (8, 6), (8, 9), (3, 10), "Orin", "NVIDIA's JetPack 6.0 page"),
    JetPack((36, 4), "6.1, 6.2", (12, 6), (10, 3), (9, 3), (3, 10), "Orin",
            "pytorch.org/TensorRT, Torch-TensorRT in JetPack 6.1"),
    JetPack((36, 5), "6.2.2", (12, 6), (10, 3), (9, 3), (3, 10), "Orin", "as 6.2; L4T as in rbonghi/jetson_stats"),
    JetPack((38,), "7.0, 7.1", (13, 0), (10, 13), (9, 12), (3, 12), "Thor", "rbonghi/jetson_stats#820"),
    JetPack((39,), "7.2", (13, 2), (10, 16), (9, 20), (3, 12), "Thor, Orin",
            "OE4T/meta-tegra#2224, roboflow/inference#2531"),
)  # fmt: skip
CAPABILITIES = {"tegra194": (7, 2), "tegra234": (8, 7), "tegra264": (11, 0)}
"""Compute capability of Jetson's GPUs, by the chip's name in the device tree (Xavier, Orin, Thor)."""


def ort_gpu(found: Version) -> OrtGpu | None:
    """What a version of onnxruntime-gpu wants; None where it is not in the table."""
    return next((row for row in ORT_GPU if row.first <= found < row.before), None)


def tensorrt(found: Version) -> TensorRt | None:
    """What a version of TensorRT wants; None where it is not in the table."""
    return next((row for row in TENSORRT if row.first <= found < row.before), None)


def jetpack(l4t: Version) -> JetPack | None:
    """The JetPack of a version of Jetson Linux; None where it is not in the table."""
    return next((row for row in JETPACKS if l4t[: len(row.l4t)] == row.l4t), None)


def cuda_of(driver: Version) -> int | None:
    """The newest major CUDA that a driver runs; None for one that is too old for any."""
    return max((row.cuda for row in DRIVERS if driver and driver[0] >= row.least), default=None)


def driver_for(cuda: int) -> int:
    """The least driver for a major CUDA."""
    return next(row.least for row in DRIVERS if row.cuda == cuda)


def markdown() -> str:
    """The tables, as docs/platforms.md has them."""
    ort = [
        (_span(row), f"≥ {dotted(row.python)}", row.cuda, row.cudnn, f"{row.tensorrt} (`libnvinfer.so.{row.tensorrt}`)",
         row.source) for row in ORT_GPU
    ]  # fmt: skip
    trt = [(_span(row), " or ".join(map(str, row.cuda)), dotted(row.capability), row.source) for row in TENSORRT]
    jetpacks = [
        (dotted(row.l4t), row.name, row.boards, dotted(row.cuda), dotted(row.tensorrt), dotted(row.cudnn),
         dotted(row.python), row.source) for row in JETPACKS
    ]  # fmt: skip
    return "\n\n".join(
        [
            _table(
                "CUDA|driver on Linux at least|source", [(f"{row.cuda}.x", row.least, row.source) for row in DRIVERS]
            ),
            _table("onnxruntime-gpu from PyPI|Python|CUDA|cuDNN|TensorRT|source", ort),
            _table("TensorRT|CUDA|compute capability at least|source", trt),
            _table("L4T|JetPack|boards|CUDA|TensorRT|cuDNN|Python|source", jetpacks),
        ]
    )


def _span(row: OrtGpu | TensorRt) -> str:
    return f"{dotted(row.first)} to before {dotted(row.before)}"


def _table(header: str, rows: Sequence[Sequence[object]]) -> str:
    lines = [header.split("|"), ["---"] * (header.count("|") + 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
