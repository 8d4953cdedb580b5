"""`pycuda.driver` of a fake GPU, with the calls that pycuda's sources have."""

import sys
import types

import numpy as np
from fake_gpu import API, CudaError, Recorded, imported_anew, view

TEXTS = {
    "CUDA_ERROR_OUT_OF_MEMORY": "out of memory",
    "CUDA_ERROR_INVALID_CONTEXT": "invalid device context",
    "CUDA_ERROR_NOT_FOUND": "named symbol not found",
    "CUDA_ERROR_INVALID_DEVICE": "invalid device ordinal",
}


class Error(Exception):
    """pycuda.driver.Error"""


def install(monkeypatch, gpu):
    """Make `import pycuda.driver` find this fake, over `gpu`, and nothing find cuda-python."""
    driver = Recorded.of(API["pycuda"]["calls"], translated(behaviours(gpu)))
    driver.Error = Error
    driver.device_attribute = types.SimpleNamespace(INTEGRATED="INTEGRATED")
    driver.host_alloc_flags = types.SimpleNamespace(PORTABLE=1, DEVICEMAP=2)
    driver.pagelocked_empty = translated(behaviours(gpu))["pagelocked_empty"]  # takes a keyword
    package = types.ModuleType("pycuda")
    package.VERSION_TEXT, package.driver = "fake", driver
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    imported_anew(monkeypatch, "engines.device.pycuda")


def translated(calls):
    """Calls that say no as pycuda does."""

    def of(call):
        def answer(*arguments, **named):
            try:
                return call(*arguments, **named)
            except CudaError as error:
                raise Error(f"call failed: {TEXTS.get(str(error), error)}") from error

        return answer

    return {name: of(call) for name, call in calls.items()}


class Held:
    """An object of pycuda's with the recorded methods only; it gives itself back when nothing refers to it."""

    def __init__(self, gpu, kind, handle=None, **methods):
        self._gpu, self.handle, self._thing = gpu, handle, gpu.alive.get(handle)
        allowed = API["pycuda"]["methods"][kind]
        for name, method in translated(methods).items():
            if name not in allowed:
                raise AttributeError(f"pycuda's {kind} has no {name}")
            setattr(self, name, Recorded.held(name, allowed[name], method))

    def __int__(self):
        return self.handle

    def __del__(self):
        if self._thing is not None and self._gpu.alive.get(self.handle) is self._thing:  # not freed before
            del self._gpu.alive[self.handle]


def behaviours(gpu):
    """pycuda.driver's functions and classes by name."""

    def device(index):
        if index:
            raise CudaError("CUDA_ERROR_INVALID_DEVICE")
        context = Held(gpu, "Context", push=lambda: gpu.current.append(1), pop=lambda: gpu.current.pop() and None)
        return Held(gpu, "Device", name=lambda: "Fake", compute_capability=lambda: (8, 7), total_memory=lambda: 1 << 30,
                    get_attribute=lambda which: int(gpu.unified), retain_primary_context=lambda: context)  # fmt: skip

    def stream(flags):
        handle = gpu.new_stream()
        return Held(gpu, "Stream", handle, synchronize=lambda: gpu.synchronize(handle),
                    wait_for_event=lambda event: gpu.enqueue(handle, lambda: None))  # fmt: skip

    def event():
        gpu.needs_context()
        time = {"time": None}

        def synchronize():
            for handle in gpu.queues:
                if time["time"] is None:
                    gpu.synchronize(handle)

        def time_since(start):
            return float(time["time"] - start.time["time"])

        def record(stream):
            gpu.record(time, stream.handle)

        made = Held(gpu, "Event", gpu.new(time), record=record, synchronize=synchronize, time_since=time_since)
        made.time = time
        return made

    def memory(nbytes):
        handle = gpu.allocate(nbytes, "device")
        return Held(gpu, "DeviceAllocation", handle, free=lambda: gpu.free(handle))

    def pagelocked(shape, dtype, mem_flags):
        handle = gpu.allocate(int(np.prod(shape)) * np.dtype(dtype).itemsize, "pinned")
        base = Held(gpu, "PagelockedHostAllocation", handle, free=lambda: gpu.free(handle),
                    get_device_pointer=lambda: handle)  # fmt: skip
        array = view(handle, shape, dtype).view(Based)
        array.holder = base
        return array

    def module(image):
        handle = gpu.new("module")

        def function(name):
            if name not in gpu.kernels:
                raise CudaError("CUDA_ERROR_NOT_FOUND")

            def call(*arguments, grid, block, stream, shared):
                sizes = {"int": np.int32, "float": np.float32, "pointer": np.uint64}
                assert [type(a) for a in arguments] == [sizes[kind] for kind in gpu.kernels[name].kinds]
                gpu.launch(name, [a.item() for a in arguments], stream.handle)

            return call

        return Held(gpu, "Module", handle, get_function=function)

    return {
        "init": lambda: None, "get_driver_version": lambda: 12060, "Device": device, "Stream": stream, "Event": event,
        "mem_alloc": memory, "pagelocked_empty": pagelocked, "module_from_buffer": module,
        "memcpy_htod_async": lambda to, array, stream: gpu.copy(
            to, array.ctypes.data, array.nbytes, stream.handle, array.ctypes.data),
        "memcpy_dtoh_async": lambda array, source, stream: gpu.copy(
            array.ctypes.data, source, array.nbytes, stream.handle, array.ctypes.data),
    }  # fmt: skip


class Based(np.ndarray):
    """An array whose `base` is pycuda's allocation."""

    holder = None

    @property
    def base(self):
        return self.holder
