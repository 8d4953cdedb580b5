"""A CUDA device through cuda-python (`cuda.bindings.driver`): its layout since 12.8, and 13."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
from cuda.bindings import __version__ as bindings_version
from cuda.bindings import driver as cu

from engines.device.common import Twin, contiguous, failed, scalars
from engines.device.device import Argument, DeviceInfo, Event, Priority, Stream, Triple
from engines.engine import Array, ClosesItself, EngineError


class CudaPythonDevice(ClosesItself):
    """See `Device`."""

    supports_graphs = True
    supports_priorities = True

    def __init__(self, index: int = 0) -> None:
        try:
            _do(cu.cuInit, 0)
        except EngineError:
            raise
        except Exception as error:  # what is raised where there is no driver differs from version to version
            raise EngineError(
                f"cuda-python finds no NVIDIA driver ({error}); install one, see `saccade doctor`"
            ) from None
        self._device = _do(cu.cuDeviceGet, index)
        self._context = _do(cu.cuDevicePrimaryCtxRetain, self._device)
        attributes, version = cu.CUdevice_attribute, _do(cu.cuDriverGetVersion)
        self.info = DeviceInfo(
            name=_do(cu.cuDeviceGetName, 256, self._device).split(b"\0")[0].decode(),
            compute_capability=(
                self._attribute(attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
                self._attribute(attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
            ),
            unified=bool(self._attribute(attributes.CU_DEVICE_ATTRIBUTE_INTEGRATED)),
            total_bytes=int(_do(cu.cuDeviceTotalMem, self._device)),
            driver=f"{version // 1000}.{version % 1000 // 10}",
            library=f"cuda-python {bindings_version}",
        )
        with self.use():
            low, high = _do(cu.cuCtxGetStreamPriorityRange)  # the higher, the smaller the number
        self._priorities: dict[Priority, int] = {"high": high, "normal": (low + high) // 2, "low": low}

    def use(self) -> AbstractContextManager[None]:
        """See `Device.use`."""
        _do(cu.cuCtxSetCurrent, self._context)
        return nullcontext()

    def memory(self, nbytes: int) -> CudaMemory:
        """See `Device.memory`."""
        return CudaMemory(nbytes)

    def array(self, shape: Sequence[int], dtype: npt.DTypeLike) -> Twin:
        """See `Device.array`."""
        nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        flags = cu.CU_MEMHOSTALLOC_PORTABLE | (cu.CU_MEMHOSTALLOC_DEVICEMAP if self.info.unified else 0)
        host = int(_do(cu.cuMemHostAlloc, nbytes, flags))
        held: memoryview = memoryview((ctypes.c_byte * nbytes).from_address(host))
        array: Array = np.ndarray(tuple(shape), dtype, buffer=held)
        mapped_at = int(_do(cu.cuMemHostGetDevicePointer, host, 0)) if self.info.unified else None
        return Twin(self, array, mapped_at, lambda: _do(cu.cuMemFreeHost, host))

    def stream(self, priority: Priority = "normal") -> CudaStream:
        """See `Device.stream`."""
        flags = int(cu.CUstream_flags.CU_STREAM_NON_BLOCKING)
        return CudaStream(_do(cu.cuStreamCreateWithPriority, flags, self._priorities[priority]))

    def event(self) -> CudaEvent:
        """See `Device.event`."""
        return CudaEvent()

    def to_device(self, address: int, array: Array, stream: Stream) -> None:
        """See `Device.to_device`."""
        _do(cu.cuMemcpyHtoDAsync, address, contiguous(array).ctypes.data, array.nbytes, stream.handle)

    def to_host(self, array: Array, address: int, stream: Stream) -> None:
        """See `Device.to_host`."""
        _do(cu.cuMemcpyDtoHAsync, contiguous(array).ctypes.data, address, array.nbytes, stream.handle)

    def capture(self, stream: Stream, work: Callable[[], None]) -> CudaGraph:
        """See `Device.capture`."""
        # Other threads may allocate and wait meanwhile: this stream alone is captured.
        mode = cu.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        _do(cu.cuStreamBeginCapture, stream.handle, mode)
        try:
            work()
        except BaseException:
            _, unfinished = cu.cuStreamEndCapture(stream.handle)
            if unfinished is not None and int(unfinished):
                cu.cuGraphDestroy(unfinished)
            raise
        graph = _do(cu.cuStreamEndCapture, stream.handle)
        try:
            return CudaGraph(_do(cu.cuGraphInstantiate, graph, 0))
        finally:
            _do(cu.cuGraphDestroy, graph)

    def load(self, image: bytes) -> CudaModule:
        """See `Device.load`."""
        return CudaModule(_do(cu.cuModuleLoadData, image + b"\0"))  # PTX is text that ends in a zero

    def close(self) -> None:
        """See `Closes.close`."""
        if self._context is not None:
            self._context = None
            _do(cu.cuDevicePrimaryCtxRelease, self._device)

    def _attribute(self, which: Any) -> int:
        return int(_do(cu.cuDeviceGetAttribute, which, self._device))


class _Handle(ClosesItself):
    """Something of CUDA's that is given back once."""

    def __init__(self, own: Any, give_back: Callable[[Any], Any]) -> None:
        self._own, self._give_back = own, give_back

    def close(self) -> None:
        """See `Closes.close`."""
        own, self._own = self._own, None
        if own is not None:
            _do(self._give_back, own)


class CudaMemory(_Handle):
    """See `Memory`."""

    def __init__(self, nbytes: int) -> None:
        super().__init__(_do(cu.cuMemAlloc, nbytes), cu.cuMemFree)
        self.address, self.nbytes = int(self._own), nbytes


class CudaStream(_Handle):
    """See `Stream`."""

    def __init__(self, own: Any) -> None:
        super().__init__(own, cu.cuStreamDestroy)

    @property
    def handle(self) -> int:
        """See `Stream.handle`."""
        if self._own is None:
            raise EngineError("this stream is closed")
        return int(self._own)

    def wait(self, event: Event) -> None:
        """See `Stream.wait`."""
        _do(cu.cuStreamWaitEvent, self.handle, _own(event), 0)

    def synchronize(self) -> None:
        """See `Stream.synchronize`."""
        _do(cu.cuStreamSynchronize, self.handle)


class CudaEvent(_Handle):
    """See `Event`."""

    def __init__(self) -> None:
        super().__init__(_do(cu.cuEventCreate, int(cu.CUevent_flags.CU_EVENT_DEFAULT)), cu.cuEventDestroy)

    def record(self, stream: Stream) -> None:
        """See `Event.record`."""
        _do(cu.cuEventRecord, self._own, stream.handle)

    def synchronize(self) -> None:
        """See `Event.synchronize`."""
        _do(cu.cuEventSynchronize, self._own)

    def elapsed_ms(self, since: Event) -> float:
        """See `Event.elapsed_ms`."""
        return float(_do(cu.cuEventElapsedTime, _own(since), self._own))


class CudaGraph(_Handle):
    """See `Graph`."""

    def __init__(self, own: Any) -> None:
        super().__init__(own, cu.cuGraphExecDestroy)

    def launch(self, stream: Stream) -> None:
        """See `Graph.launch`."""
        _do(cu.cuGraphLaunch, self._own, stream.handle)


class CudaModule(_Handle):
    """See `Module`."""

    def __init__(self, own: Any) -> None:
        super().__init__(own, cu.cuModuleUnload)

    def function(self, name: str) -> CudaFunction:
        """See `Module.function`."""
        return CudaFunction(_do(cu.cuModuleGetFunction, self._own, name.encode()))


class CudaFunction:
    """See `Function`."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def launch(
        self, grid: Triple, block: Triple, arguments: Sequence[Argument], stream: Stream, shared_bytes: int = 0
    ) -> None:
        """See `Function.launch`."""
        values = [np.array([scalar]) for scalar in scalars(arguments)]
        places = np.array([value.ctypes.data for value in values], np.uint64)
        _do(cu.cuLaunchKernel, self._own, *grid, *block, shared_bytes, stream.handle, places.ctypes.data, 0)


def _own(event: Event) -> Any:
    if not isinstance(event, CudaEvent):
        raise EngineError(f"{type(event).__name__} is an event of another library than this device's, cuda-python")
    return event._own


def _do(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call CUDA; what it gives, or EngineError with its name of what went wrong."""
    status, *given = call(*arguments)
    if status != cu.CUresult.CUDA_SUCCESS:
        name, text = (cu.cuGetErrorName(status)[1], cu.cuGetErrorString(status)[1])
        raise failed(call.__name__, f"{(name or b'unknown').decode()} ({(text or b'').decode()})")
    return given[0] if len(given) == 1 else given
