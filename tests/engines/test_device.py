"""The device interface: the same tests on both libraries, on fakes here, and on a GPU where there is one."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from device_stand_ins import PTX, fake_device, real_device
from fake_gpu import API, imported_anew

from engines.device.common import scalars
from engines.device.device import DeviceTensor
from engines.device.open import open_device
from engines.engine import EngineError

FOLDER = Path(__file__).resolve().parents[2] / "engines" / "device"


@pytest.fixture(params=[
    *(f"fake {library}{unified}" for library in ("cuda-python", "pycuda") for unified in ("", " unified")),
    *(pytest.param(f"real {library}", marks=pytest.mark.gpu) for library in ("cuda-python", "pycuda")),
])  # fmt: skip
def device(request, monkeypatch):
    kind, library, *unified = request.param.split()
    if kind == "real":
        with real_device(library) as opened:
            yield opened
        return
    opened, gpu = fake_device(monkeypatch, library, bool(unified))
    with opened:
        yield opened
    leaked = [thing for thing in gpu.alive.values() if thing != "context"]
    assert not leaked


def test_it_says_which_device_it_is(device):
    info = device.info
    assert info.name
    assert info.total_bytes > 0
    assert re.fullmatch(r"\d+\.\d+", info.driver)
    assert len(info.compute_capability) == 2
    assert info.library.split()[0] in ("cuda-python", "pycuda")


def test_what_is_uploaded_comes_down_again(device):
    numbers = np.random.default_rng(1).standard_normal((7, 11)).astype(np.float32)
    with device.use(), device.stream() as stream, device.array((7, 11), "float32") as twin:
        np.copyto(twin.array, numbers)
        twin.upload(stream)
        stream.synchronize()
        if not twin.mapped:
            twin.array[:] = 0
        twin.download(stream)
        stream.synchronize()
        assert np.array_equal(twin.array, numbers)
        assert twin.mapped == device.info.unified
        assert twin.tensor() == DeviceTensor(twin.address, (7, 11), "float32")
        assert twin.address % 256 == 0


def test_pageable_arrays_are_copied_too(device):
    numbers, back = np.arange(1000, dtype=np.int32), np.zeros(1000, np.int32)
    with device.use(), device.stream() as stream, device.memory(numbers.nbytes) as memory:
        device.to_device(memory.address, numbers, stream)
        device.to_host(back, memory.address, stream)
        stream.synchronize()
        assert np.array_equal(back, numbers)
        with pytest.raises(EngineError, match="contiguous"):
            device.to_device(memory.address, numbers[::2], stream)


def test_a_kernel_does_its_work(device):
    with device.use(), device.stream("high") as stream, device.array((1000,), "float32") as twin:
        with device.memory(4000) as out, device.load(PTX) as module:
            twin.array[:] = np.arange(1000)
            twin.upload(stream)
            arguments = [out, twin, 0.5, 1000]
            module.function("scale").launch((4, 1, 1), (256, 1, 1), arguments, stream)
            result = np.zeros(1000, np.float32)
            stream.synchronize()
            device.to_host(result, out.address, stream)
            stream.synchronize()
        assert np.array_equal(result, np.arange(1000) * np.float32(0.5))


def test_a_kernel_that_is_not_there_is_named(device):
    with device.use(), device.load(PTX) as module, pytest.raises(EngineError, match="extern"):
        module.function("nonsense")


def test_events_order_streams_and_tell_time(device):
    with (
        device.use(), device.stream("high") as one, device.stream("low") as two, device.event() as start,
        device.event() as end, device.array((10,), "float32") as twin,
    ):  # fmt: skip
        start.record(one)
        twin.upload(one)
        end.record(one)
        two.wait(end)
        two.synchronize()
        end.synchronize()
        assert end.elapsed_ms(start) >= 0


def test_a_graph_repeats_what_was_captured(device):
    with device.use(), device.stream() as stream, device.array((5,), "float32") as twin, device.memory(20) as out:
        result = np.zeros(5, np.float32)
        with device.load(PTX) as module:
            scale = module.function("scale")

            def work():
                twin.upload(stream)
                scale.launch((1, 1, 1), (32, 1, 1), [out, twin, 3.0, 5], stream)

            if not device.supports_graphs:
                with pytest.raises(EngineError, match="cuda-python"):
                    device.capture(stream, work)
                return
            twin.array[:] = 1
            work()
            stream.synchronize()
            with device.capture(stream, work) as graph:
                for value in (2, 7):
                    twin.array[:] = value
                    graph.launch(stream)
                    stream.synchronize()
                    device.to_host(result, out.address, stream)
                    stream.synchronize()
                    assert (result == 3 * value).all()


def test_a_capture_that_fails_leaves_the_stream_usable(device):
    if not device.supports_graphs:
        return

    def fails():
        raise KeyError("on purpose")

    with device.use(), device.stream() as stream, device.array((5,), "float32") as twin:
        with pytest.raises(KeyError):
            device.capture(stream, fails)
        twin.upload(stream)
        stream.synchronize()


def test_other_threads_may_use_it(device):
    with device.use(), device.stream() as stream, device.array((5,), "float32") as twin:
        failures = []

        def work():
            try:
                with device.use(), device.memory(20) as memory:
                    device.to_device(memory.address, twin.array, stream)
                    stream.synchronize()
            except EngineError as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not failures


def test_closing_twice_is_allowed_and_use_after_is_an_error(device):
    with device.use():
        stream, memory, event = device.stream(), device.memory(4), device.event()
        for thing in (stream, memory, event):
            thing.close()
            thing.close()
        with pytest.raises(EngineError):
            _ = stream.handle


def test_too_much_memory_is_an_error_that_says_what_to_do(device):
    with device.use(), pytest.raises(EngineError, match=r"out of memory.*smaller"):
        device.memory(1 << 45)


@pytest.mark.parametrize("library", ["cuda-python", "pycuda"])
def test_a_device_that_is_not_there_is_an_error(library, monkeypatch):
    fake_device(monkeypatch, library)
    with pytest.raises(EngineError, match="no GPU of that number"):
        open_device(3, library)


@pytest.mark.parametrize("library", ["cuda-python", "pycuda"])
def test_a_context_is_used_within_another_and_given_back(library, monkeypatch):
    device, gpu = fake_device(monkeypatch, library)
    with device.use():
        with device.use():
            device.memory(4).close()
        device.memory(4).close()
    assert len(gpu.current) == (
        library == "cuda-python"
    )  # a thread that ends with one pushed would end pycuda's process


def test_without_a_context_the_error_says_so(monkeypatch):
    device, _ = fake_device(monkeypatch, "pycuda")
    with pytest.raises(EngineError, match="use"):
        device.memory(4)


def test_arguments_become_what_a_kernel_expects():
    tensor = DeviceTensor(1 << 40, (2,), "float32")
    types = [type(s) for s in scalars([1, 1.5, np.uint8(3), np.float64(2), tensor])]
    assert types == [np.int32, np.float32, np.uint8, np.float64, np.uint64]
    with pytest.raises(EngineError, match="int64"):
        scalars([1 << 31])


def test_without_any_library_the_error_says_what_to_install(monkeypatch):
    for name in ("cuda", "cuda.bindings", "pycuda", "pycuda.driver"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("cuda_python", "pycuda"):
        imported_anew(monkeypatch, f"engines.device.{name}")
    with pytest.raises(EngineError, match="pip install"):
        open_device()


def test_nothing_of_cuda_is_imported_unasked():
    code = "import sys, engines.device.open, engines.trt; print([m for m in sys.modules if m.split('.')[0] in " \
           "('cuda', 'pycuda', 'tensorrt')])"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_each_call_of_the_libraries_is_recorded():
    """The names in the sources are those whose being there was seen (see record_cuda.py)."""
    bindings, pycuda = API["cuda_bindings"], API["pycuda"]
    recorded = {*bindings["calls"], *bindings["enums"], *bindings["constants"]}
    assert set(re.findall(r"\bcu\.(\w+)", (FOLDER / "cuda_python.py").read_text())) == recorded
    used = set(re.findall(r"\bcu\.(\w+)", (FOLDER / "pycuda.py").read_text()))
    assert used == {*pycuda["calls"], *pycuda["others"]}
