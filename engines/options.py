"""What a card may say to its backend."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from engines.device.device import Library, Priority
from engines.ort_options import CudaOptions, OpenVinoEpOptions, TensorRtEpOptions

Precision = Literal["fp32", "bf16", "fp16", "int8"]
"""fp16 and int8 are made in the graph before it is compiled. bf16 is not: the graph stays as it is, and what runs it
may compute in bfloat16, which has fp32's range and 8 significant bits."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
IN_THE_GRAPH: tuple[Precision, ...] = ("fp16", "int8")
MOST_DISPARITIES = 2048
"""OpenCV gives sixteenths of a pixel in 16 bits, and nothing at all beyond them."""
_MOST_BLOCK, _MOST_P2, _INT = 99, 30_000, 2**31 - 1
"""OpenCV's SGBM sums costs in 16 bits, too: more comes out as none, and windows of 255 px were seen to crash it."""


@dataclass(frozen=True, slots=True)
class OrtOptions:
    """ONNX Runtime: providers in order of preference, threads, and whether falling back to another is allowed."""

    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    intra_threads: int = 0
    """Threads within an operator; 0 = the engine's share of the cores (see `engines.threads`)."""
    inter_threads: int = 1
    share: float = 1.0
    spinning: bool = False
    """Whether threads wait for each other in a loop: a third quicker alone, half as quick where others need cores."""
    allow_fallback: bool = False
    cuda: CudaOptions = field(default_factory=CudaOptions)
    tensorrt: TensorRtEpOptions = field(default_factory=TensorRtEpOptions)
    openvino: OpenVinoEpOptions = field(default_factory=OpenVinoEpOptions)

    def __post_init__(self) -> None:
        _check_threads("ort", self.intra_threads, self.share)
        if not self.providers or self.inter_threads < 1:
            raise ValueError("ort: at least one provider and inter_threads of at least 1 are needed")


@dataclass(frozen=True, slots=True)
class OpenVinoOptions:
    """OpenVINO by itself, on the processor."""

    threads: int = 0
    """0 = the engine's share of the cores (see `engines.threads`)."""
    share: float = 1.0

    def __post_init__(self) -> None:
        _check_threads("openvino", self.threads, self.share)


@dataclass(frozen=True, slots=True)
class TrtOptions:
    """TensorRT by itself; nothing of it changes what is built. Which GPU, CUDA_VISIBLE_DEVICES says."""

    priority: Priority = "normal"
    """Of the engine's stream beside those of this process's other engines, where the library has priorities."""
    graphs: bool = True
    """Whether CUDA graphs are captured, where the library can."""
    library: Library | None = None
    """Through which the device is spoken to; None takes cuda-python, else pycuda."""


@dataclass(frozen=True, slots=True)
class SgbmOptions:
    """OpenCV's semi-global block matching; disparities and windows in pixels of the picture it is given."""

    mode: Literal["3way", "sgbm", "hh", "hh4"] = "3way"
    """Directions along which costs are summed: 3 in one pass, 5 in one pass, 8 in two, 4 in two."""
    disparities: int = 64
    block: int = 5
    p1: int = 200
    """Cost of a neighbour's disparity being 1 px off; OpenCV advises about 8 block²."""
    p2: int = 800
    """Cost of any larger step; OpenCV advises about 32 block²."""
    uniqueness: int = 10
    """Per cent by which the best match must beat the second."""
    left_right_px: int = 1
    """Largest disagreement of the left-right check, at least 1; -1 turns it off."""
    speckle_px: int = 60
    """Islands smaller than this are discarded; 0 keeps them."""
    wls: bool = False
    """Fill and smooth along the picture's edges (weighted least squares) instead; needs opencv-contrib."""

    def __post_init__(self) -> None:
        _check_matching("sgbm", self)
        if not 1 <= self.block <= _MOST_BLOCK or self.block % 2 == 0 or not 0 < self.p1 < self.p2 <= _MOST_P2:
            raise ValueError(f"sgbm: block must be odd, 1 to {_MOST_BLOCK}, and 0 < p1 < p2 <= {_MOST_P2}")


@dataclass(frozen=True, slots=True)
class BmOptions:
    """OpenCV's block matching; disparities and windows in pixels of the picture it is given."""

    disparities: int = 64
    block: int = 15
    prefilter: Literal["x_sobel", "normalised"] = "x_sobel"
    """What makes the pictures alike first: their slope along the row, or brightness relative to what is around."""
    prefilter_px: int = 9
    """Window of the prefilter `normalised`."""
    prefilter_cap: int = 31
    """Filtered values are cut off at plus and minus this."""
    texture: int = 10
    """Least sum of filtered values in a window that is matched."""
    uniqueness: int = 15
    """Per cent by which the best match must beat the second."""
    left_right_px: int = 1
    """Largest disagreement of the left-right check, at least 1; -1 turns it off."""
    speckle_px: int = 60
    """Islands smaller than this are discarded; 0 keeps them."""
    wls: bool = False
    """Fill and smooth along the picture's edges (weighted least squares) instead; needs opencv-contrib."""

    def __post_init__(self) -> None:
        _check_matching("bm", self)
        for name in ("block", "prefilter_px"):
            if not 5 <= getattr(self, name) <= 255 or getattr(self, name) % 2 == 0:
                raise ValueError(f"bm: {name} is {getattr(self, name)}; expected an odd number from 5 to 255")
        if not 1 <= self.prefilter_cap <= 63 or not 0 <= self.texture <= _INT:
            raise ValueError("bm: prefilter_cap must be 1 to 63 and texture not negative")


def _check_threads(where: str, threads: int, share: float) -> None:
    if threads < 0 or not 0 < share <= 1:
        raise ValueError(f"{where}: threads must not be negative (0 = by the share), and share above 0, at most 1")


def _check_matching(where: str, options: SgbmOptions | BmOptions) -> None:
    """What both kinds of matching ask of their options."""
    if not 0 < options.disparities <= MOST_DISPARITIES or options.disparities % 16:
        raise ValueError(
            f"{where}: disparities is {options.disparities}; expected a positive multiple of 16 up to "
            f"{MOST_DISPARITIES}"
        )
    if not 1 <= options.left_right_px <= _INT and options.left_right_px != -1:
        raise ValueError(f"{where}: left_right_px is {options.left_right_px}; expected at least 1, or -1")
    if not 0 <= options.uniqueness <= 100 or not 0 <= options.speckle_px <= _INT:
        raise ValueError(f"{where}: uniqueness must be 0 to 100 and speckle_px not negative")
