"""TensorRT itself, on a GPU: `make test-gpu`. Written against its documentation; the README says where it was run."""

from pathlib import Path

import numpy as np
import pytest

from engines.card import load_card
from engines.check import check_engine
from engines.compiler import BuildPlan, Shapes
from engines.engine import EngineError
from engines.kernels.pair import Keep, Rig
from engines.kernels.way import DeviceWay
from engines.options import TrtOptions
from engines.parity import check_golden
from engines.stereo import StereoMatcher
from engines.trt import TrtCompiler
from saccade.cli import OK, main
from saccade.clock import perf_ns
from saccade.geometry import Pinhole

pytestmark = pytest.mark.gpu
SHAPES = Shapes((1, 3, 64, 96), (1, 3, 480, 640), (1, 3, 720, 1280))
PLAN = BuildPlan(shapes={"left": SHAPES, "right": SHAPES})
CARDS = ("stereo-s", "stereo-s-int8", "stereo-m")


@pytest.fixture(scope="module", params=["cuda-python", "pycuda"])
def library(request):
    """A library that finds a device and a TensorRT here; else the test is skipped, saying what is missing."""
    try:
        TrtCompiler(TrtOptions(library=request.param)).versions()
    except EngineError as error:
        pytest.skip(f"needs a GPU with TensorRT: {error}")
    return request.param


@pytest.fixture(scope="module")
def blobs(library, tmp_path_factory):
    """Each shipped network, built once."""
    timings = tmp_path_factory.mktemp("trt") / "timings"
    compiler = TrtCompiler(TrtOptions(library=library))
    built = {}
    for name in CARDS:
        card = load_card(name)
        built[name] = compiler.build(card.beside(card.onnx).read_bytes(), PLAN, timings, lambda what, part: None)
    assert timings.stat().st_size > 0
    return built


@pytest.fixture(params=[True, False], ids=["graphs", "no graphs"])
def opened(request, library, blobs):
    """A function that opens a shipped network."""
    options = TrtOptions(library=library, graphs=request.param, priority="high")
    return lambda name: TrtCompiler(options).load(name, blobs[name], PLAN)


def pictures(height=480, width=640, seed=1):
    rng = np.random.default_rng(seed)
    scene = rng.integers(0, 256, (1, 3, height, width + 9)).astype(np.float32)
    return {"left": scene[..., :-9].copy(), "right": scene[..., 9:].copy()}


@pytest.mark.parametrize("name", CARDS)
def test_it_keeps_the_contract(opened, name):
    check_engine(opened(name), pictures(), resized=pictures(96, 160))


@pytest.mark.parametrize("name", CARDS)
def test_it_agrees_with_the_cpu(opened, name):
    card = load_card(name)
    with opened(name) as engine:
        for _ in range(2):  # plainly, then by the graph
            parity = check_golden(card, engine)
            assert parity.passed, str(parity)


@pytest.mark.parametrize(("name", "precision"), [("stereo-s", "fp16"), ("stereo-m", "fp16"), ("stereo-s", "int8")])
def test_fewer_bits_pass_the_gate_and_are_timed_with_all_that_is_around_them(name, precision, tmp_path, monkeypatch):
    try:
        TrtCompiler(TrtOptions()).versions()
    except EngineError as error:
        pytest.skip(f"needs a GPU with TensorRT: {error}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for verb in ("build", "verify", "bench"):
        assert main(["engine", verb, name, "--runtime", "tensorrt", "--precision", precision]) == OK


def test_a_graph_gives_what_a_plain_run_gives(opened):
    with opened("stereo-s") as engine:
        plain = {name: array.copy() for name, array in engine.infer(pictures()).items()}
        for _ in range(3):
            again = engine.infer(pictures())
            assert all(np.array_equal(plain[name], again[name]) for name in plain)


def test_a_pair_that_stays_on_the_device_comes_out_as_through_the_host(opened):
    card = load_card("stereo-s")
    left, right = (tensor[0].transpose(1, 2, 0).astype(np.uint8) for tensor in pictures().values())
    rig, keep = Rig(Pinhole(500.0, 500.0, 319.5, 239.5, 640, 480), 319.5, 0.1), Keep(0.1, 50.0, step=0)
    with opened("stereo-s") as engine, DeviceWay(engine, card) as way:
        wanted = [array.copy() for array in StereoMatcher(engine, card)(left, right)]
        for _ in range(3):  # plainly, captured, and by the graph
            assert way.begin(left, right, rig, keep), way.report
            assert all(np.array_equal(*pair, equal_nan=True) for pair in zip(way.end(), wanted, strict=False))


@pytest.mark.parametrize("name", CARDS)
def test_how_long_it_takes(opened, name, capsys):
    with opened(name) as engine:
        times = []
        inputs = pictures()
        for _ in range(520):
            start = perf_ns()
            engine.infer(inputs)
            times.append((perf_ns() - start) / 1e6)
        p50, p99 = np.percentile(times[20:], [50, 99])
        with capsys.disabled():
            print(f"\n{name} 640x480, copies included: p50 {p50:.2f} ms, p99 {p99:.2f} ms; {engine.report}")


def test_ten_thousand_inferences_leak_nothing(library, opened):
    with opened("stereo-s") as engine:
        inputs = pictures(64, 96)

        def run(times):
            for _ in range(times):
                engine.infer(inputs)
            with engine._device.use():
                return free_bytes(library), resident_bytes()

        device, host = run(500)
        device_after, host_after = run(10_000)
        assert device - device_after < 32 << 20
        assert host_after - host < 32 << 20


def free_bytes(library):
    """Of the device's memory; other programs on it may disturb this."""
    if library == "pycuda":
        import pycuda.driver

        return pycuda.driver.mem_get_info()[0]
    from cuda.bindings import driver

    return driver.cuMemGetInfo()[1]


def resident_bytes():
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
