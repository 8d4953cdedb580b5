"""What a card may say to ONNX Runtime's execution providers, each with the reason for its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CudaOptions:
    """The CUDA provider (onnxruntime.ai, CUDA Execution Provider)."""

    device: int = 0
    memory_mb: int = 0
    """Most that its arena takes; 0 = no limit. A Jetson's memory is the robot's."""
    arena: Literal["exact", "doubling"] = "exact"
    """How the arena grows: shapes are fixed, so that it need not grow ahead of what is asked."""
    conv_search: Literal["heuristic", "exhaustive", "default"] = "heuristic"
    """How cuDNN's kernels are chosen. Exhaustive times them before ONNX Runtime 1.20, a second for each shape and not
    twice the same; default has been seen to fall back to kernels fifty times slower (PaddleOCR #17970)."""
    workspace: bool = True
    """Whether a kernel may take all the memory that it asks for: needed by the fast ones."""
    tf32: bool = False
    """Products of 10 bit mantissas where the GPU has them, which ONNX Runtime does unasked: other numbers."""
    nhwc: bool = False
    """Convolutions in the layout of tensor cores: faster in fp16, no use in fp32."""
    graph: bool = False
    """Replay as a CUDA graph: every node must run on the GPU, without If, Loop and Scan (onnxruntime #9978)."""


@dataclass(frozen=True, slots=True)
class TensorRtEpOptions:
    """The TensorRT provider; `runtime: tensorrt` in the card is the way without it, verified before it is used.

    It builds at the first call of each size. Its profile is that size alone, so that no kernel is slower for others.
    """

    cache: str = ""
    """Folder of built engines and timings, "" = none: an engine file is code, so it must be the user's alone."""
    fp16: bool = False
    int8: bool = False
    """What the builder may use besides fp32, of TensorRT before 11: needed there even for a graph in fp16 or with int8
    in it. TensorRT 11 takes neither: the graph says it all."""
    workspace_mb: int = 1024
    optimisation: int = 3
    """0..5: how long the builder searches; 3 is TensorRT's default."""
    shared_memory: bool = True
    """One scratch memory for all parts that a graph falls into, which run one after the other."""

    def __post_init__(self) -> None:
        if not 0 <= self.optimisation <= 5 or self.workspace_mb < 1:
            raise ValueError("tensorrt: optimisation is 0 to 5, workspace_mb at least 1")


@dataclass(frozen=True, slots=True)
class OpenVinoEpOptions:
    """The OpenVINO provider of onnxruntime-openvino; `runtime: openvino` in the card goes without ONNX Runtime."""

    device: str = "CPU"
    precision: Literal["FP32", "FP16", "ACCURACY"] = "FP32"
    """What is computed in: left to itself it takes bf16 where the processor has it. FP16 is for GPUs."""
    cache: str = ""
    """Folder of compiled graphs, "" = none."""
