"""What engines and kernels ask of a CUDA device: memory, streams, events, graphs and kernels, and nothing else.

Two libraries do it, cuda-python (`engines.device.cuda_python`) and pycuda (`engines.device.pycuda`); `open_device` in
`engines.device.open` takes the one that is there. Everything lives in the device's primary context, which TensorRT and
ONNX Runtime use too. Every call may raise `EngineError` with CUDA's name of the error and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

from engines.engine import Array

if TYPE_CHECKING:
    from typing_extensions import Self

Priority = Literal["high", "normal", "low"]
"""Of a stream: policies run at high, perception at normal, the reasoner at low."""
Library = Literal["cuda-python", "pycuda"]
Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Which device, and through what it is spoken to."""

    name: str
    compute_capability: tuple[int, int]
    unified: bool
    """Whether the CPU and the GPU share their memory, as on Jetson."""
    total_bytes: int
    driver: str
    """CUDA version that the driver speaks, such as "12.6"."""
    library: str
    """Which Python library, and its version."""


@dataclass(frozen=True, slots=True)
class DeviceTensor:
    """An array on the device, C-contiguous, that somebody else owns."""

    address: int
    shape: tuple[int, ...]
    dtype: str


class Closes(Protocol):
    """What is used in a `with`, or closed."""

    def close(self) -> None:
        """Give it back, after the work that needs it is done; closing twice is allowed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Memory(Closes, Protocol):
    """Bytes on the device."""

    address: int
    nbytes: int


class HostDeviceArray(Closes, Protocol):
    """One array that both sides hold: pinned memory here and a twin on the device, or on Jetson the same memory.

    Write `array`, `upload`, run; `download`, synchronise, read `array`. Both copies are nothing where `mapped`.
    Closed, its `array` must not be touched any more.
    """

    array: Array
    address: int
    nbytes: int
    mapped: bool
    """Whether `array` and `address` are the same memory."""

    def upload(self, stream: Stream) -> None:
        """Copy to the device, in the stream's order."""

    def download(self, stream: Stream) -> None:
        """Copy to the host, in the stream's order."""

    def tensor(self) -> DeviceTensor:
        """The device's side."""


class Stream(Closes, Protocol):
    """Work that is done in order; work of different streams is not."""

    @property
    def handle(self) -> int:
        """The CUstream, as libraries beside this one want it; EngineError once it is closed."""

    def wait(self, event: Event) -> None:
        """What comes next in this stream waits for what the event stands for."""

    def synchronize(self) -> None:
        """Wait, here, until all its work is done; an error in that work is raised now."""


class Event(Closes, Protocol):
    """A place in a stream's work."""

    def record(self, stream: Stream) -> None:
        """Stand for all that was given to the stream so far."""

    def synchronize(self) -> None:
        """Wait, here, for it."""

    def elapsed_ms(self, since: Event) -> float:
        """Milliseconds on the device from another event to this one; both must be over."""


class Graph(Closes, Protocol):
    """Work captured once, to be started again as a whole."""

    def launch(self, stream: Stream) -> None:
        """Do the work again, with the same addresses, in the stream's order."""


Argument = int | float | np.generic | Memory | HostDeviceArray | DeviceTensor
"""Of a kernel: an int is an `int`, a float a `float`, what has an address a pointer; numpy scalars keep their type."""


class Function(Protocol):
    """A kernel."""

    def launch(
        self, grid: Triple, block: Triple, arguments: Sequence[Argument], stream: Stream, shared_bytes: int = 0
    ) -> None:
        """Run it on a grid of blocks, in the stream's order. The arguments' memory must live until it is done."""


class Module(Closes, Protocol):
    """Compiled kernels."""

    def function(self, name: str) -> Function:
        """A kernel by its name (`extern "C"`); EngineError where there is none."""


class Device(Closes, Protocol):
    """One CUDA device. All else, of it and of what it made, is called within `with device.use():`, in any thread."""

    info: DeviceInfo
    supports_graphs: bool
    supports_priorities: bool

    def use(self) -> AbstractContextManager[None]:
        """Make the primary context the calling thread's own meanwhile; within another `use` too."""

    def memory(self, nbytes: int) -> Memory:
        """Bytes on the device, not cleared."""

    def array(self, shape: Sequence[int], dtype: npt.DTypeLike) -> HostDeviceArray:
        """An array on both sides, not cleared; zero-copy on devices that share their memory with the CPU."""

    def stream(self, priority: Priority = "normal") -> Stream:
        """A stream that does not wait for the default one."""

    def event(self) -> Event:
        """An event that can be timed."""

    def to_device(self, address: int, array: Array, stream: Stream) -> None:
        """Copy a C-contiguous array to the device; it returns at once only for pinned memory."""

    def to_host(self, array: Array, address: int, stream: Stream) -> None:
        """Copy into a C-contiguous array of the host; it returns at once only for pinned memory."""

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        """What `work` gives to the stream, not done but kept. EngineError where graphs are not supported.

        All of it must have run once before: a first run allocates and loads, which cannot be captured.
        """

    def load(self, image: bytes) -> Module:
        """Kernels from PTX text or a cubin."""
