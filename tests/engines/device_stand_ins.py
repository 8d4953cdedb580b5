"""Devices for tests: fakes over host memory, and the real one where there is one."""

import fake_cuda_python
import fake_pycuda
import pytest
from fake_gpu import Gpu, view

FAKES = {"cuda-python": fake_cuda_python, "pycuda": fake_pycuda}
PTX = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry scale(.param .u64 to, .param .u64 from, .param .f32 by, .param .s32 n) {
  .reg .pred %p; .reg .b32 %r<5>; .reg .f32 %f<3>; .reg .b64 %d<6>;
  mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x;
  mad.lo.s32 %r4, %r1, %r2, %r3;
  ld.param.s32 %r1, [n]; setp.ge.s32 %p, %r4, %r1; @%p bra done;
  ld.param.u64 %d1, [to]; ld.param.u64 %d2, [from];
  cvta.to.global.u64 %d1, %d1; cvta.to.global.u64 %d2, %d2;
  mul.wide.s32 %d3, %r4, 4; add.s64 %d4, %d1, %d3; add.s64 %d5, %d2, %d3;
  ld.global.f32 %f1, [%d5]; ld.param.f32 %f2, [by]; mul.f32 %f1, %f1, %f2; st.global.f32 [%d4], %f1;
done: ret;
}
"""
"""A kernel `scale(float *to, const float *from, float by, int n)`."""


class Scale:
    """The same on the fake."""

    kinds = ("pointer", "pointer", "float", "int")

    def __call__(self, to, source, by, n):
        view(to, (n,), "float32")[:] = view(source, (n,), "float32") * by


def fake_device(monkeypatch, library="cuda-python", unified=False):
    """A device of this project's code over a fake GPU, and that GPU."""
    from engines.device.open import open_device

    gpu = Gpu(unified, {"scale": Scale()})
    FAKES[library].install(monkeypatch, gpu)
    return open_device(prefer=library), gpu


def real_device(library):
    """The GPU of this machine through a library; skips, saying so, where either is missing."""
    from engines.device.open import open_device
    from engines.engine import EngineError

    try:
        return open_device(prefer=library)
    except EngineError as error:
        pytest.skip(f"needs a CUDA device: {error}")
