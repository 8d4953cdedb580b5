"""A GPU that is host memory, behind the names of cuda-python's driver and of pycuda's: for tests without a device.

Work waits in its stream until somebody synchronises, so that whoever forgets to is seen. Each call must exist, with
that many arguments, in every recorded version (data/cuda_api.yaml); others are AttributeError or TypeError.
"""

import ctypes
import sys
import threading
import types
from pathlib import Path

import numpy as np
import yaml

API = yaml.safe_load((Path(__file__).parent / "data" / "cuda_api.yaml").read_text())


class CudaError(Exception):
    """What the driver says no with."""


class Gpu:
    """Memory, streams, events and kernels; what is not given back stays in `alive`."""

    def __init__(self, unified=False, kernels=None):
        self.unified, self.kernels = unified, kernels or {}
        self.alive, self.queues, self.capturing, self._threads = {}, {}, {}, threading.local()
        self.done, self.copies, self.next = 0, 0, 0x1000
        self.fail_capture, self.priorities = False, []

    @property
    def current(self):
        """The contexts of the calling thread, the current one last."""
        return self._threads.__dict__.setdefault("contexts", [])

    def new(self, thing, handle=None):
        self.next += 256
        handle = handle or self.next
        self.alive[handle] = thing
        return handle

    def allocate(self, nbytes, what):
        self.needs_context()
        if self.capturing:
            raise CudaError("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")
        if nbytes <= 0:
            raise CudaError("CUDA_ERROR_INVALID_VALUE")
        if nbytes > 1 << 32:
            raise CudaError("CUDA_ERROR_OUT_OF_MEMORY")
        block = ctypes.create_string_buffer(b"\xa5" * (nbytes + 256), nbytes + 256)
        address = -(-ctypes.addressof(block) // 256) * 256
        return self.new((what, block, nbytes), address)

    def free(self, handle):
        self.needs_context()
        if handle not in self.alive:
            raise CudaError("CUDA_ERROR_INVALID_HANDLE")
        del self.alive[handle]

    def needs_context(self):
        if not self.current:
            raise CudaError("CUDA_ERROR_INVALID_CONTEXT")

    def pinned(self, address):
        return any(thing[0] == "pinned" and a <= address < a + thing[2]
                   for a, thing in self.alive.items() if isinstance(thing, tuple) and len(thing) == 3)  # fmt: skip

    def enqueue(self, stream, work):
        self.needs_context()
        if stream in self.capturing:
            self.capturing[stream].append(work)
        elif stream not in self.queues:
            raise CudaError("CUDA_ERROR_INVALID_HANDLE")
        else:
            self.queues[stream].append(work)

    def synchronize(self, stream):
        if stream in self.capturing:
            raise CudaError("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")
        queue = self.queues[stream]
        while queue:
            queue.pop(0)()
            self.done += 1

    def copy(self, to, source, nbytes, stream, host):
        if host and not self.pinned(host):
            if stream in self.capturing:
                raise CudaError("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")
            self.synchronize(stream)
            ctypes.memmove(to, source, nbytes)
            return
        self.copies += 1
        self.enqueue(stream, lambda: ctypes.memmove(to, source, nbytes))

    def launch(self, name, values, stream):
        self.enqueue(stream, lambda: self.kernels[name](*values))

    def new_stream(self, priority=0):
        self.needs_context()
        self.priorities.append(priority)
        handle = self.new("stream")
        self.queues[handle] = []
        return handle

    def record(self, event, stream):
        event.update(time=None)
        self.enqueue(stream, lambda: event.update(time=self.done))


def view(address, shape, dtype):
    """An array over memory of the fake device."""
    nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * nbytes).from_address(address), dtype).reshape(shape)


class Recorded(types.SimpleNamespace):
    """A library with the recorded calls only, each holding its callers to the recorded number of arguments."""

    @classmethod
    def of(cls, calls, behaviours):
        return cls(**{n: cls.held(n, args, behaviours[n]) for n, args in calls.items() if n in behaviours})

    @staticmethod
    def held(name, parameters, behaviour):
        def call(*arguments):
            required = sum("=" not in parameter for parameter in parameters)
            if not required <= len(arguments) <= len(parameters):
                raise TypeError(f"{name}({', '.join(parameters)}) was given {len(arguments)} arguments")
            return behaviour(*arguments)

        call.__name__ = name
        return call


def imported_anew(monkeypatch, module):
    """Have a module of this project imported again, now and after the test: it holds on to the library it found."""
    monkeypatch.setitem(sys.modules, module, None)
    del sys.modules[module]
