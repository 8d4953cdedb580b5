"""The kernels of one device, and the sizes of the grids that they run on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engines.device.device import Argument, Device, DeviceTensor, Stream
from engines.engine import ClosesItself, EngineError
from engines.kernels.nvrtc import image
from engines.kernels.structs import KINDS

_BLOCK = (32, 8, 1)
_FILES = {"prepare": ("prepare",), "triangulate": ("triangulate",), "between": ("unit_groups", "correlate", "halve")}

Compile = Callable[[str, tuple[int, int]], bytes]
"""The image of one file of kernels for a compute capability."""


class Kernels(ClosesItself):
    """All kernels, loaded; call within `device.use()`. EngineError as `engines.kernels.nvrtc.image`."""

    def __init__(self, device: Device, compiled: Compile = image) -> None:
        capability = device.info.compute_capability
        self._modules = [device.load(compiled(file, capability)) for file in _FILES]
        pairs = zip(self._modules, _FILES.values(), strict=True)
        self._functions = {name: module.function(name) for module, names in pairs for name in names}

    def launch(self, name: str, size: tuple[int, int, int], arguments: Sequence[Argument], stream: Stream) -> None:
        """Run a kernel on (columns, rows, depth) threads; what lies over the rim of the last blocks does nothing."""
        block = _BLOCK if size[1] > 1 else (256, 1, 1)
        columns, rows = (-(-n // b) for n, b in zip(size[:2], block[:2], strict=True))
        self._functions[name].launch((columns, rows, size[2]), block, arguments, stream)

    def close(self) -> None:
        """Unload them; closing twice is allowed."""
        for module in self._modules:
            module.close()


def kind_of(tensor: DeviceTensor, what: str) -> int:
    """The number by which kernels know its dtype; EngineError for one that they do not know."""
    if tensor.dtype not in KINDS:
        raise EngineError(f"{what} is {tensor.dtype}; kernels know {', '.join(KINDS)}")
    return KINDS[tensor.dtype]
