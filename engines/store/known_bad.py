"""Combinations of library, device and model that others have seen give wrong numbers: named before they are built."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from engines.compiler import BuildPlan
from engines.onnx_file import operators

Versions = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KnownBad:
    """One combination: whether building it is refused or only warned of, what was seen, who says so, what to do."""

    runtime: str
    applies: Callable[[Versions, BuildPlan, bool], bool]
    """Told the compiler's versions, the plan, and whether the model is a vision transformer."""
    action: Literal["refuse", "warn"]
    seen: str
    instead: str
    sources: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.seen} ({', '.join(self.sources)}). {self.instead}"


TABLE = (
    KnownBad(
        "tensorrt",
        lambda versions, plan, transformer: transformer and (10, 3) <= _version(versions) < (10, 5),
        "refuse",
        "TensorRT 10.3 (JetPack 6.2) computes vision transformers such as DINOv2 wrongly; 10.5 was seen to be right",
        "Run TensorRT 10.14 or newer in its container (nvcr.io/nvidia/tensorrt), take a convolutional model, or stay "
        "with runtime onnxruntime",
        ("NVIDIA/TensorRT#4419", "NVIDIA/TensorRT#4723", "spacewalk01/depth-anything-tensorrt#49",
         "ika-rwth-aachen/ros2-depth-anything-v3-trt#16"),
    ),
    KnownBad(
        "tensorrt",
        lambda versions, plan, transformer: transformer and plan.precision == "fp16" and _version(versions) < (10, 0),
        "warn",
        "layer normalisation of transformers overflows in fp16 under TensorRT 8",
        "Keep the normalisation in fp32 if the engine does not pass, or build with --precision fp32",
        ("NVIDIA/TensorRT#2564", "NVIDIA/TensorRT#3101"),
    ),
    KnownBad(
        "tensorrt",
        lambda versions, plan, transformer: (
            plan.precision == "fp16"
            and _version(versions)[:2] == (10, 16)
            and versions.get("compute capability", "").startswith("12")
        ),
        "warn",
        "TensorRT 10.16 was seen to give NaN in fp16 on GeForce RTX 50 (SM 12.0)",
        "If the engine does not pass: --precision fp32, or another version of TensorRT",
        ("NVIDIA/TensorRT#4748",),
    ),
    KnownBad(
        "openvino",
        lambda versions, plan, transformer: _version(versions)[:2] == (2024, 2),
        "warn",
        "OpenVINO 2024.2 was seen to be inexact on CPUs with models that 2022.3 runs rightly",
        "pip install -U openvino",
        ("openvinotoolkit/openvino#25744",),
    ),
)  # fmt: skip
_TRANSFORMER_SOFTMAXES = 6
"""Self-attention has one softmax a block: ViT-S has 12, stereo networks of convolutions one or a few."""


def known_bad(runtime: str, versions: Versions, plan: BuildPlan, models: tuple[bytes, ...]) -> list[KnownBad]:
    """What is known of building these graphs so; empty where nothing is."""
    transformer = any(is_transformer(model) for model in models)
    return [bad for bad in TABLE if bad.runtime == runtime and bad.applies(versions, plan, transformer)]


def is_transformer(model: bytes) -> bool:
    """Whether a graph is a vision transformer, by its operators: names of models and cards say nothing sure."""
    return operators(model)["Softmax"] >= _TRANSFORMER_SOFTMAXES


def _version(versions: Versions) -> tuple[int, ...]:
    """Of the library."""
    said = versions.get("tensorrt", versions.get("openvino", ""))
    return tuple(int(part) for part in re.findall(r"\d+", said)[:3])
