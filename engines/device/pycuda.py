"""A CUDA device through pycuda, which many Jetsons have: no graphs, no priorities of streams, otherwise the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pycuda.driver as cu
from pycuda import VERSION_TEXT

from engines.device.common import Twin, contiguous, failed, scalars
from engines.device.device import Argument, DeviceInfo, Event, Priority, Stream, Triple
from engines.device.device import Graph as GraphProtocol
from engines.engine import Array, ClosesItself, EngineError

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING, which pycuda has no name for


class PyCudaDevice(ClosesItself):
    """See `Device`."""

    supports_graphs = False
    supports_priorities = False

    def __init__(self, index: int = 0) -> None:
        _do(cu.init)
        device = _do(cu.Device, index)
        self._context: Any = _do(device.retain_primary_context)
        attribute, version = cu.device_attribute.INTEGRATED, _do(cu.get_driver_version)
        self.info = DeviceInfo(
            name=device.name(),
            compute_capability=tuple(device.compute_capability()),
            unified=bool(_do(device.get_attribute, attribute)),
            total_bytes=int(device.total_memory()),
            driver=f"{version // 1000}.{version % 1000 // 10}",
            library=f"pycuda {VERSION_TEXT}",
        )

    def use(self) -> AbstractContextManager[None]:
        """See `Device.use`."""
        return self._pushed()

    @contextmanager
    def _pushed(self) -> Iterator[None]:
        # A thread that ends with a context still pushed makes pycuda abort the process.
        _do(self._context.push)
        try:
            yield
        finally:
            _do(self._context.pop)

    def memory(self, nbytes: int) -> PyCudaMemory:
        """See `Device.memory`."""
        return PyCudaMemory(nbytes)

    def array(self, shape: Sequence[int], dtype: npt.DTypeLike) -> Twin:
        """See `Device.array`."""
        flags = cu.host_alloc_flags
        flag = flags.PORTABLE | (flags.DEVICEMAP if self.info.unified else 0)
        array: Array = _do(cu.pagelocked_empty, tuple(shape), np.dtype(dtype), mem_flags=flag)
        host: Any = array.base
        return Twin(self, array, int(_do(host.get_device_pointer)) if self.info.unified else None, host.free)

    def stream(self, priority: Priority = "normal") -> PyCudaStream:
        """See `Device.stream`; the priority is not heard."""
        return PyCudaStream(_do(cu.Stream, _NON_BLOCKING))

    def event(self) -> PyCudaEvent:
        """See `Device.event`."""
        return PyCudaEvent()

    def to_device(self, address: int, array: Array, stream: Stream) -> None:
        """See `Device.to_device`."""
        _do(cu.memcpy_htod_async, address, contiguous(array), _stream(stream))

    def to_host(self, array: Array, address: int, stream: Stream) -> None:
        """See `Device.to_host`."""
        _do(cu.memcpy_dtoh_async, contiguous(array), address, _stream(stream))

    def capture(self, stream: Stream, work: Callable[[], None]) -> GraphProtocol:
        """EngineError: pycuda has no graphs."""
        raise EngineError("pycuda cannot capture CUDA graphs; install cuda-python >= 12.8 to have them")

    def load(self, image: bytes) -> PyCudaModule:
        """See `Device.load`."""
        return PyCudaModule(_do(cu.module_from_buffer, image + b"\0"))  # PTX is text that ends in a zero

    def close(self) -> None:
        """See `Closes.close`; the context goes with the last of what was made in it."""
        self._context = None


class PyCudaMemory(ClosesItself):
    """See `Memory`."""

    def __init__(self, nbytes: int) -> None:
        self._own: Any = _do(cu.mem_alloc, nbytes)
        self.address, self.nbytes = int(self._own), nbytes

    def close(self) -> None:
        """See `Closes.close`."""
        own, self._own = self._own, None
        if own is not None:
            _do(own.free)


class _Dropped(ClosesItself):
    """Something that pycuda gives back when nothing refers to it any more."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def close(self) -> None:
        """See `Closes.close`."""
        self._own = None


class PyCudaStream(_Dropped):
    """See `Stream`."""

    @property
    def handle(self) -> int:
        """See `Stream.handle`."""
        return int(_stream(self).handle)

    def wait(self, event: Event) -> None:
        """See `Stream.wait`."""
        _do(_stream(self).wait_for_event, _event(event))

    def synchronize(self) -> None:
        """See `Stream.synchronize`."""
        _do(_stream(self).synchronize)


class PyCudaEvent(_Dropped):
    """See `Event`."""

    def __init__(self) -> None:
        super().__init__(_do(cu.Event))

    def record(self, stream: Stream) -> None:
        """See `Event.record`."""
        _do(_event(self).record, _stream(stream))

    def synchronize(self) -> None:
        """See `Event.synchronize`."""
        _do(_event(self).synchronize)

    def elapsed_ms(self, since: Event) -> float:
        """See `Event.elapsed_ms`."""
        return float(_do(_event(self).time_since, _event(since)))


class PyCudaModule(_Dropped):
    """See `Module`."""

    def function(self, name: str) -> PyCudaFunction:
        """See `Module.function`."""
        if self._own is None:
            raise EngineError("these kernels were unloaded")
        return PyCudaFunction(_do(self._own.get_function, name))


class PyCudaFunction:
    """See `Function`."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def launch(
        self, grid: Triple, block: Triple, arguments: Sequence[Argument], stream: Stream, shared_bytes: int = 0
    ) -> None:
        """See `Function.launch`."""
        _do(self._own, *scalars(arguments), grid=grid, block=block, stream=_stream(stream), shared=shared_bytes)


def _stream(stream: Stream) -> Any:
    return _owned(stream, PyCudaStream)


def _event(event: Event) -> Any:
    return _owned(event, PyCudaEvent)


def _owned(thing: object, kind: type[_Dropped]) -> Any:
    """pycuda's own object behind one of ours."""
    if not isinstance(thing, kind):
        raise EngineError(f"{type(thing).__name__} belongs to another library than this device's, pycuda")
    if thing._own is None:
        raise EngineError(f"this {kind.__name__} is closed")
    return thing._own


def _do(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call CUDA; what it gives, or EngineError with its name of what went wrong."""
    try:
        return call(*arguments, **named)
    except cu.Error as error:
        raise failed("pycuda", str(error)) from error
