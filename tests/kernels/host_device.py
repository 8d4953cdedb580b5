"""A `Device` whose kernels are the CUDA sources, compiled by a C++ compiler, and whose memory is the host's own.

It runs what a GPU would run, thread by thread; of a GPU's memory model and timing it knows nothing.
"""

import ctypes
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from engines.device.common import scalars
from engines.device.device import DeviceInfo, DeviceTensor
from engines.engine import ClosesItself
from engines.kernels.launch import Kernels
from engines.kernels.nvrtc import source

HERE = Path(__file__).parent
GUARD = 64
"""Bytes on both sides of every piece of memory that nothing may write to."""
_FILL = 0xA5


def compiler():
    """A C++ compiler, or the test is skipped."""
    found = next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)
    if found is None:
        pytest.skip("no C++ compiler here (g++, clang++): kernels cannot be run on the CPU")
    return found


def compiled(folder, name, text=None, flags=()):
    """Path of the shared object of one file of kernels, or of a changed `text` of it."""
    text = source(name) if text is None else text
    names = re.findall(r'extern "C" __global__ void (\w+)\(', text)
    path = folder / f"{name}.cpp"
    launchers = "\n".join(f"LAUNCHED({kernel})" for kernel in names)
    path.write_text(f'#include "{HERE}/cuda_on_host.h"\n{text}\n{launchers}\n')
    options = ["-std=c++14", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Wno-unused-function", "-Werror", *flags]
    made = path.with_suffix(".so")
    subprocess.run([compiler(), *options, "-shared", "-fPIC", "-o", made, path], check=True)
    return made


class HostMemory(ClosesItself):
    """Bytes between guards; `intact` tells whether the guards are."""

    def __init__(self, nbytes):
        self.nbytes, self.closed = nbytes, False
        self._bytes = np.full(nbytes + 2 * GUARD, _FILL, np.uint8)
        self.address = self._bytes.ctypes.data + GUARD

    def intact(self):
        return (self._bytes[:GUARD] == _FILL).all() and (self._bytes[GUARD + self.nbytes :] == _FILL).all()

    def view(self, shape, dtype):
        return self._bytes[GUARD : GUARD + self.nbytes].view(dtype).reshape(shape)

    def close(self):
        assert self.intact(), "a kernel wrote beside its memory"
        self.closed = True


class HostArray(HostMemory):
    mapped = True

    def __init__(self, shape, dtype):
        super().__init__(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        self.array = self.view(shape, dtype)

    def upload(self, stream):
        stream.log.append("upload")

    def download(self, stream):
        stream.log.append("download")

    def tensor(self):
        return DeviceTensor(self.address, self.array.shape, self.array.dtype.name)


class HostStream(ClosesItself):
    handle = 0

    def __init__(self, priority):
        self.log, self.priority = [], priority

    def synchronize(self):
        pass

    def close(self):
        pass


class HostEvent(ClosesItself):
    def record(self, stream):
        self.at = len(stream.log)

    def elapsed_ms(self, since):
        return float(self.at - since.at)

    def close(self):
        pass


class HostFunction:
    def __init__(self, name, call, device):
        self.name, self.call, self.device = name, call, device

    def launch(self, grid, block, arguments, stream, shared_bytes=0):
        self.device.check_used()
        stream.log.append(self.name)
        values = [np.array([scalar]) for scalar in scalars(arguments)]
        places = (ctypes.c_void_p * len(values))(*(value.ctypes.data for value in values))
        sizes = ((ctypes.c_uint * 3)(*size) for size in (grid, block))
        self.call(*sizes, places)


class HostModule(ClosesItself):
    def __init__(self, path, device):
        self._library, self._device = ctypes.CDLL(path), device

    def function(self, name):
        return HostFunction(name, getattr(self._library, f"launch_{name}"), self._device)

    def close(self):
        pass


class HostGraph(ClosesItself):
    """Work kept and done again as a whole."""

    def __init__(self, work):
        self.launches, self._work = 0, work

    def launch(self, stream):
        self.launches += 1
        self._work()

    def close(self):
        pass


class HostDevice(ClosesItself):
    """Strict where CUDA is: nothing works outside of `use`."""

    supports_graphs = True
    supports_priorities = False

    def __init__(self):
        self.info = DeviceInfo("host", (8, 7), True, 0, "12.6", "none")
        self.graphs, self.memories = [], []
        self._users = 0

    @contextmanager
    def use(self):
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1

    def check_used(self):
        assert self._users, "a device was called outside of `with device.use()`"

    def memory(self, nbytes):
        self.check_used()
        self.memories.append(HostMemory(nbytes))
        return self.memories[-1]

    def array(self, shape, dtype):
        self.check_used()
        self.memories.append(HostArray(tuple(shape), dtype))
        return self.memories[-1]

    def stream(self, priority="normal"):
        self.check_used()
        return HostStream(priority)

    def event(self):
        self.check_used()
        return HostEvent()

    def to_device(self, address, array, stream):
        self.check_used()
        ctypes.memmove(address, array.ctypes.data, array.nbytes)

    def to_host(self, array, address, stream):
        self.check_used()
        ctypes.memmove(array.ctypes.data, address, array.nbytes)

    def capture(self, stream, work):
        self.check_used()
        self.graphs.append(HostGraph(work))
        return self.graphs[-1]

    def load(self, image):
        self.check_used()
        return HostModule(image.decode(), self)

    def close(self):
        pass


def loaded(device, images=None):
    """(device, its kernels), from images by file, else compiled by NVRTC."""
    with device.use():
        return device, Kernels(device, lambda name, _: images[name]) if images else Kernels(device)
