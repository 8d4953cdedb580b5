"""What both implementations of a device share: arrays on two sides, arguments of kernels, and advice on errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engines.device.device import Argument, Device, DeviceTensor, Stream
from engines.engine import Array, Circumstance, ClosesItself, EngineError

_ADVICE = {
    "out of memory": "close other programs or engines on this GPU, or take a smaller model or picture",
    "no CUDA-capable device": "no GPU is visible here; run `saccade doctor`",
    "invalid device ordinal": "there is no GPU of that number; run `saccade doctor`",
    "driver version is insufficient": "update the NVIDIA driver, or install an older CUDA library",
    "invalid device context": "call it within `with device.use():`",
    "PTX": "the kernel was compiled for a newer driver or another GPU; compile it on this machine",
    "no kernel image": "the kernel was compiled for another GPU; compile it on this machine",
    "named symbol not found": 'the kernel must be declared `extern "C"` by that name',
}


class Twin(ClosesItself):
    """A `HostDeviceArray` over a pinned array: with memory of its own on the device, or mapped at `mapped_at`."""

    def __init__(self, device: Device, array: Array, mapped_at: int | None, release: Callable[[], None]) -> None:
        self.array, self.nbytes, self.mapped = array, array.nbytes, mapped_at is not None
        self._device, self._release = device, release
        try:
            self._memory = None if self.mapped else device.memory(array.nbytes)
        except EngineError:
            release()
            raise
        self.address: int = self._memory.address if self._memory else mapped_at or 0
        self._open = True

    def upload(self, stream: Stream) -> None:
        """See `HostDeviceArray.upload`."""
        if not self.mapped:
            self._device.to_device(self.address, self.array, stream)

    def download(self, stream: Stream) -> None:
        """See `HostDeviceArray.download`."""
        if not self.mapped:
            self._device.to_host(self.array, self.address, stream)

    def tensor(self) -> DeviceTensor:
        """See `HostDeviceArray.tensor`."""
        return DeviceTensor(self.address, self.array.shape, self.array.dtype.name)

    def close(self) -> None:
        """See `Closes.close`."""
        if self._open:
            self._open = False
            if self._memory:
                self._memory.close()
            self._release()


def scalars(arguments: Sequence[Argument]) -> list[np.generic]:
    """A kernel's arguments as numpy scalars of the size that the kernel expects."""
    return [_scalar(argument) for argument in arguments]


def contiguous(array: Array) -> Array:
    """The same array; EngineError where its bytes are not one after the other."""
    if not array.flags.c_contiguous:
        raise EngineError(f"an array with strides {array.strides} cannot be copied; expected one that is C-contiguous")
    return array


def failed(call: str, what: str) -> EngineError:
    """The error of a call of CUDA, with what to do."""
    advice = next((advice for words, advice in _ADVICE.items() if words.lower() in what.lower()), "")
    kind = Circumstance if "out of memory" in what.lower() else EngineError
    return kind(f"{call}: {what}; {advice or 'run `saccade doctor`'}")


def _scalar(argument: Argument) -> np.generic:
    scalar: np.generic
    if isinstance(argument, np.generic):
        scalar = argument
    elif isinstance(argument, float):
        scalar = np.float32(argument)
    elif not isinstance(argument, int):
        scalar = np.uint64(argument.address)
    elif -(2**31) <= argument < 2**31:
        scalar = np.int32(argument)
    else:
        raise EngineError(f"{argument} is no C int; give a kernel larger numbers as np.int64 or np.uint64")
    return scalar
