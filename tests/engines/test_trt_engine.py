"""TensorRT's engine against the recorded calls of 8.6, 10 and 11. TensorRT itself is not run here."""

import hashlib
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from device_stand_ins import PTX
from fake_gpu import view
from fake_tensorrt import VERSIONS
from onnx import TensorProto, helper
from trt_bench import MODELS, PLAN, Bench, pair, right, stereo_plan, weighed

from engines.card import load_card, with_options, with_runtime
from engines.check import check_engine
from engines.compiler import BuildPlan
from engines.device.device import DeviceTensor
from engines.engine import EngineError, TensorSpec
from engines.kernels.on_device import graphs_on_device
from engines.store.compilers import compiler_of
from saccade.errors import ConfigError

OLD, NEW = VERSIONS[0], VERSIONS[-1]


@pytest.fixture(params=VERSIONS)
def bench(request, monkeypatch):
    return Bench(monkeypatch, request.param)


@pytest.fixture
def newest(monkeypatch):
    return Bench(monkeypatch, NEW)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("library", "unified"), [("cuda-python", False), ("cuda-python", True), ("pycuda", True)])
def test_it_keeps_the_contract(monkeypatch, version, library, unified):
    bench = Bench(monkeypatch, version, library, unified)
    check_engine(bench.load(), pair(), resized=pair(40, 32))
    assert bench.left_over() == []


def test_it_gives_what_the_graph_says(bench):
    with bench.load() as engine:
        for seed in range(3):  # plainly, then twice by the graph
            inputs = pair(seed=seed)
            assert np.array_equal(engine.infer(inputs)["sum"], right(inputs))


def test_its_spec_is_the_graphs_with_its_symbols(bench):
    with bench.load() as engine:
        assert engine.spec.inputs == tuple(TensorSpec(n, "float32", (1, 2, "H", "W")) for n in ("left", "right"))
        assert engine.spec.outputs == (TensorSpec("sum", "float32", (1, 2, -1, -1)),)
        with pytest.raises(EngineError, match="H = 16"):
            engine.infer({**pair(), "right": pair(24)["right"]})


def test_a_graph_of_one_size_needs_no_shapes(bench):
    with bench.load(weighed(size=(16, 24)), BuildPlan()) as engine:
        assert engine.spec.inputs[0].shape == (1, 2, 16, 24)
        assert np.array_equal(engine.infer(pair())["sum"], right(pair()))


def test_a_graph_is_captured_and_captured_again_for_other_shapes(bench):
    with bench.load() as engine:
        assert engine.report["graph"] == "not yet"
        for _ in range(3):
            engine.infer(pair())
        context = bench.world.contexts[0]
        assert engine.report["graph"] == "captured"
        assert len(context._runs) == 2  # once plainly, once captured; then only the graph was launched
        inputs = pair(40, 32)
        for _ in range(3):
            assert np.array_equal(engine.infer(inputs)["sum"], right(inputs))
        assert len(context._runs) == 4
        assert np.array_equal(engine.infer(pair())["sum"], right(pair()))


def test_buffers_are_kept_while_shapes_stay(newest):
    with newest.load() as engine:
        first = engine.infer(pair())["sum"]
        held = len(newest.gpu.alive)
        assert engine.infer(pair(seed=2))["sum"] is first
        assert len(newest.gpu.alive) <= held + 1  # the graph


def test_a_graph_that_cannot_be_captured_is_done_without(newest):
    with newest.load() as engine:
        newest.gpu.fail_capture = True
        for seed in range(3):
            assert np.array_equal(engine.infer(pair(seed=seed))["sum"], right(pair(seed=seed)))
        assert "cannot be captured" in engine.report["graph"]


def test_pycuda_does_without_graphs_and_says_so(monkeypatch):
    with Bench(monkeypatch, NEW, "pycuda").load() as engine:
        for seed in range(3):
            assert np.array_equal(engine.infer(pair(seed=seed))["sum"], right(pair(seed=seed)))
        assert "pycuda fake has none" in engine.report["graph"]
        assert "asked: normal" in engine.report["priority"]


def test_graphs_can_be_left_out(monkeypatch):
    with Bench(monkeypatch, NEW, graphs=False, priority="high").load() as engine:
        engine.infer(pair())
        engine.infer(pair())
        assert engine.report["graph"] == "not asked"
        assert engine.report["priority"] == "high"


def test_a_card_says_the_priority_and_whether_graphs_are_captured(newest, tmp_path):
    path = tmp_path / "card.yaml"
    shipped = Path(load_card("stereo-s").path).read_text()
    path.write_text(f"{shipped}\nruntime: tensorrt\ntensorrt: {{priority: high, graphs: false}}\n")
    numbers = []
    for card in (load_card(path), load_card(path, priority="normal"), load_card(path, priority="low", graphs=True)):
        with compiler_of("tensorrt", card).load("asked", newest.build(), PLAN) as engine:
            assert engine.report["priority"] == card.tensorrt.priority
            assert engine.report["graph"] == ("not yet" if card.tensorrt.graphs else "not asked")
        numbers.append(newest.gpu.priorities[-1])
    assert numbers[0] < numbers[1] < numbers[2]  # to CUDA, the least number is first
    with pytest.raises(ConfigError, match="did you mean 'high'"):
        load_card(path, priority="hihg")
    with pytest.raises(ConfigError, match="device"):
        load_card(path, device=1)


def test_a_card_says_which_library_and_no_other_takes_its_place(newest, monkeypatch):
    card = with_options(with_runtime(load_card("stereo-s"), "tensorrt"), {"library": "pycuda"})
    monkeypatch.delitem(sys.modules, "engines.device.pycuda", raising=False)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(EngineError, match="pycuda: "):
        compiler_of("tensorrt", card).versions()


def test_kernels_around_it_find_it_on_its_device(newest):
    with newest.load() as engine:
        assert graphs_on_device(engine) == [engine]
        assert engine.device.info == newest.device.info


def test_shared_memory_is_not_copied(monkeypatch):
    bench = Bench(monkeypatch, NEW, unified=True)
    with bench.load() as engine:
        assert np.array_equal(engine.infer(pair())["sum"], right(pair()))
        assert bench.gpu.copies == 0
        assert "none" in engine.report["copies"]


def test_shapes_outside_of_the_profile_are_refused(newest):
    with newest.load() as engine, pytest.raises(EngineError, match="built for"):
        engine.infer(pair(16, 72))


def test_shapes_that_tensorrt_refuses_are_an_error_with_its_words(newest, monkeypatch):
    engine = newest.load()
    with engine, monkeypatch.context() as patched:
        patched.setattr(engine, "_check", lambda inputs: None)
        with pytest.raises(EngineError, match="outside of the profile"):
            engine.infer(pair(16, 72))
        with pytest.raises(EngineError, match="contradict"):
            engine.infer({**pair(), "right": pair(24)["right"]})
        assert np.array_equal(engine.infer(pair())["sum"], right(pair()))


def test_outputs_whose_size_depends_on_the_data_are_refused(newest):
    tensors = [helper.make_tensor_value_info("left", TensorProto.FLOAT, [4, 4]),
               helper.make_tensor_value_info("where", TensorProto.INT64, [2, "n"])]  # fmt: skip
    graph = helper.make_graph([helper.make_node("NonZero", ["left"], ["where"])], "g", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    with pytest.raises(EngineError, match="depends on what the inputs hold"):
        newest.load(model, BuildPlan())
    assert newest.left_over() == []


def test_shape_tensors_and_unknown_types_are_refused(newest, monkeypatch):
    model = onnx.load_from_string(weighed(size=(16, 24)))
    for node in model.graph.node:
        node.input[:] = ["shape_tensor" if name == "left" else name for name in node.input]
    model.graph.input[0].name = "shape_tensor"
    with pytest.raises(EngineError, match="shape tensor"):
        newest.load(model.SerializeToString(), BuildPlan())
    monkeypatch.setattr("engines.trt_engine._DTYPES", {"HALF": "float16"})
    with pytest.raises(EngineError, match="is FLOAT"):
        newest.load()


def test_an_engine_of_another_version_is_refused(monkeypatch):
    blob = Bench(monkeypatch, OLD).build()
    bench = Bench(monkeypatch, NEW)
    for data in (blob, b"rubbish", bench.build()[:20]):
        with pytest.raises(EngineError, match="build it again"):
            bench.compiler.load("weighed", data, PLAN)


@pytest.mark.parametrize("bench", [OLD, NEW], indirect=True)
def test_the_shipped_network_goes_through(bench):
    card = load_card("stereo-s")
    model = (MODELS / "stereo-s.onnx").read_bytes()
    assert hashlib.sha256(model).hexdigest() == card.sha256
    scene = np.random.default_rng(1).integers(0, 255, (1, 3, 64, 96)).astype(np.float32)
    with bench.load(model, stereo_plan()) as engine:
        for _ in range(2):
            found = engine.infer({"left": scene, "right": scene})
            assert found["disparity"].shape[-2:] == (64, 96)


def test_on_the_device_nothing_comes_to_the_host(bench):
    device, inputs = bench.compiler._device, pair()
    with bench.load() as engine, device.use(), device.stream() as stream:
        twins = {name: device.array(array.shape, array.dtype) for name, array in inputs.items()}
        for name, array in inputs.items():
            twins[name].array[:] = array
            twins[name].upload(stream)
        given = {name: twin.tensor() for name, twin in twins.items()}
        copies = bench.gpu.copies
        out = engine.infer_on_device(given, stream)["sum"]
        again = engine.infer_on_device(given, stream)["sum"]
        assert again == out == DeviceTensor(out.address, (1, 2, 16, 24), "float32")
        stream.synchronize()
        assert bench.gpu.copies == copies
        assert np.array_equal(view(out.address, out.shape, out.dtype), right(inputs))
        assert np.array_equal(engine.infer(pair(seed=4))["sum"], right(pair(seed=4)))  # the other way in between
        for wrong in (
            {"left": given["left"]},
            {**given, "left": DeviceTensor(given["left"].address + 4, *twin_of(given))},
        ):
            with pytest.raises(EngineError, match=r"missing|aligned"):
                engine.infer_on_device(wrong, stream)
        for twin in twins.values():
            twin.close()
    assert bench.left_over() == []


def twin_of(given):
    return given["left"].shape, given["left"].dtype


def test_kernels_and_the_engine_are_one_graph(newest):
    """What a caller does who has kernels before the engine: all of it captured once."""
    device = newest.compiler._device
    with newest.load() as engine, device.use(), device.stream() as stream, device.load(PTX) as module:
        source, scaled = device.array((1, 2, 16, 24), "float32"), device.memory(4 * 2 * 16 * 24)
        given = DeviceTensor(scaled.address, (1, 2, 16, 24), "float32")
        found = {}

        def work():
            source.upload(stream)
            module.function("scale").launch((3, 1, 1), (256, 1, 1), [scaled, source, 10.0, 768], stream)
            found.update(engine.infer_on_device({"left": given, "right": given}, stream))

        source.array[:] = 1
        work()
        stream.synchronize()
        with device.capture(stream, work) as graph:
            for value in (2, 5):
                source.array[:] = value
                graph.launch(stream)
                stream.synchronize()
                out = found["sum"]
                assert (view(out.address, out.shape, out.dtype) == 30 * value).all()
        source.close()
        scaled.close()


def test_threads_may_share_an_engine(bench):
    failures = []
    with bench.load() as engine:

        def work(seed):
            try:
                for _ in range(20):
                    engine.infer(pair(seed=seed))
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert np.array_equal(engine.infer(pair(seed=9))["sum"], right(pair(seed=9)))


def test_two_engines_share_the_device(newest):
    with newest.load() as one, newest.load() as other:
        assert np.array_equal(one.infer(pair(seed=1))["sum"], right(pair(seed=1)))
        assert np.array_equal(other.infer(pair(seed=2))["sum"], right(pair(seed=2)))
    assert newest.left_over() == []


def test_a_thousand_inferences_hold_no_more_than_one(newest):
    with newest.load() as engine:
        for _ in range(3):
            engine.infer(pair())
        held = len(newest.gpu.alive)
        for i in range(1000):
            engine.infer(pair(16, 24 if i % 100 else 32))
        engine.infer(pair())
        engine.infer(pair())
        assert len(newest.gpu.alive) == held
