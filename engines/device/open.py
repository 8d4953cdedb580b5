"""`open_device`: the GPU, through whichever library is installed."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from engines.device.device import Device, Library
from engines.engine import EngineError

_KINDS = {"cuda-python": ("engines.device.cuda_python", "CudaPythonDevice"),
          "pycuda": ("engines.device.pycuda", "PyCudaDevice")}  # fmt: skip


def open_device(index: int = 0, prefer: Library | None = None) -> Device:
    """CUDA device number `index`, through cuda-python, else pycuda, or through the one that is preferred alone.

    EngineError where neither is installed, or where there is no driver or no such device.
    """
    reasons = []
    for kind in [prefer] if prefer else _KINDS:
        module, name = _KINDS[kind]
        try:
            opened = getattr(import_module(module), name)
        except ImportError as error:  # also what pycuda raises where there is no driver
            reasons.append(f"{kind}: {error}")
            continue
        return cast(Device, opened(index))
    raise EngineError(
        f"no library that speaks to a CUDA device ({'; '.join(reasons)}). Install cuda-python >= 12.8 "
        "(pip install 'saccade[gpu]'), or on an older Jetson pycuda; see docs/tensorrt.md"
    )
