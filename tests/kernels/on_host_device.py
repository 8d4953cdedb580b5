"""An engine of the CPU where `perception_node` finds one of a device: its memory is a `HostDevice`'s."""

import ctypes

import numpy as np

from engines.device.device import DeviceTensor
from engines.engine import ClosesItself


def as_array(tensor):
    """A tensor in the host's memory."""
    count = int(np.prod(tensor.shape)) * np.dtype(tensor.dtype).itemsize
    return np.frombuffer((ctypes.c_char * count).from_address(tensor.address), tensor.dtype).reshape(tensor.shape)


class OnHostDevice(ClosesItself):
    """An engine of the CPU that takes and gives tensors of a `HostDevice` as well."""

    def __init__(self, engine, device):
        self.engine, self.device, self.spec, self.report = engine, device, engine.spec, engine.report
        self.held, self.pairs, self.closed = {}, 0, False

    def infer(self, inputs):
        return self.engine.infer(inputs)

    def infer_on_device(self, inputs, stream):
        self.pairs += 1
        answers = self.engine.infer({name: as_array(tensor).copy() for name, tensor in inputs.items()})
        given = {}
        for name, array in answers.items():
            if name not in self.held:
                self.held[name] = self.device.memory(array.nbytes)
            self.held[name].view(array.shape, array.dtype)[:] = array
            given[name] = DeviceTensor(self.held[name].address, array.shape, array.dtype.name)
        return given

    def close(self):
        for memory in self.held.values():
            memory.close()
        self.engine.close()
        self.closed = True
