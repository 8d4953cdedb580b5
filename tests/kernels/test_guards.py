"""No thread leaves its arrays: the kernels under AddressSanitizer and UBSan, and with guards that are off by one."""

import os
import subprocess
import sys

import pytest
from host_device import HERE, compiled, compiler

from engines.kernels.nvrtc import source

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
GUARDS = {
    "prepare": ("x >= how->fitted_width ||", "x > how->fitted_width ||"),
    "triangulate": ("y >= camera->height) return", "y > camera->height) return"),
    "between": ("x >= width || y >= height || plane >= planes", "x > width || y >= height || plane >= planes"),
}
RUN = '''
import ctypes, sys
import numpy as np
sys.path[:0] = sys.argv[1:2]
import host_device
from host_device import HostDevice, loaded
images = dict(zip(("prepare", "triangulate", "between"), sys.argv[2:], strict=True))
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]


def exact(self, nbytes):
    """Memory that the sanitizer watches to the byte; numpy's own allocator rounds up."""
    self.nbytes = nbytes
    self.address = libc.malloc(nbytes)
    self._bytes = np.frombuffer((ctypes.c_char * nbytes).from_address(self.address), np.uint8)


host_device.GUARD = 0
host_device.HostMemory.__init__ = exact
host_device.HostMemory.close = lambda self: None
device = HostDevice()
machine = loaded(device, {name: path.encode() for name, path in images.items()})
from test_kernels import *
from test_between import handed_over

for shape in ((9, 33), (17, 40), (31, 9)):
    for size in (Size("pad", stride=16), Size("resize", width=40, height=33), Size("resize", width=8, height=7)):
        for colour in COLOURS:
            run(machine, card_of(size, colour), (*shape, 3), 1, keep=Keep(0.2, 30.0, step=3))
    run(machine, card_of(Size("pad", stride=8), resolution=0.25), shape, 2, False, dtype="float16")
    inputs = {name: np.zeros((1, 3, 8, 10), np.float32) for name in ("left", "right")}
    free = {"left": (-1,) * 4, "right": (-1,) * 4, "flow_init": (-1,) * 4}
    coarse = {"coarse": np.ones((1, 2, 4, 4), np.float32)}
    handed_over(machine, {"step": "coarse_first", "input": "flow_init"}, coarse, free, inputs)
    features = {name: np.ones((1, 6, *shape), np.float32) for name in ("a", "b")}
    step = {"step": "group_correlation", "input": "volume", "left": "a", "right": "b"}
    handed_over(machine, step, features, {"volume": (1, 3, 5, *shape)}, inputs)
print("clean")
'''


def runtime(name):
    """The sanitizer's library, which a process that it does not own must load first."""
    found = subprocess.run([compiler(), f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    if not os.path.isabs(path := found.stdout.strip()):
        pytest.skip(f"{compiler()} has no {name}: kernels cannot be run under the sanitizer")
    return path


def sanitized(folder, broken=""):
    """(exit status, what was printed) of running all kernels under the sanitizers, one of them with a broken guard."""
    libraries = f"{runtime('libasan.so')} {runtime('libubsan.so')} {runtime('libstdc++.so')}"
    images = []
    for name in GUARDS:
        text = source(name)
        if name == broken:
            assert GUARDS[name][0] in text
            text = text.replace(*GUARDS[name])
        images.append(str(compiled(folder, name, text, SANITIZE)))
    environment = {**os.environ, "LD_PRELOAD": libraries, "ASAN_OPTIONS": "detect_leaks=0"}
    command = [sys.executable, "-c", RUN, str(HERE), *images]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_no_kernel_leaves_its_arrays(tmp_path):
    status, said = sanitized(tmp_path)
    assert (status, said.strip().splitlines()[-1]) == (0, "clean"), said[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_that_is_off_by_one_is_seen(name, tmp_path):
    status, said = sanitized(tmp_path, broken=name)
    assert status != 0
    assert "AddressSanitizer" in said, said[-2000:]
