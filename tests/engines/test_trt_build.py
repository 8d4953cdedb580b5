"""TensorRT's compiler against the recorded calls of 8.6, 10 and 11. TensorRT itself is not run here."""

import hashlib
import sys

import pytest
from fake_tensorrt import VERSIONS
from onnx import TensorProto
from trt_bench import MODELS, PLAN, SHAPES, Bench, stereo_plan, weighed

from engines.compiler import BuildPlan, Shapes
from engines.engine import EngineError
from engines.trt_library import Phases, tensorrt

OLD, NEW = VERSIONS[0], VERSIONS[-1]


@pytest.fixture(params=VERSIONS)
def bench(request, monkeypatch):
    return Bench(monkeypatch, request.param)


@pytest.fixture
def newest(monkeypatch):
    return Bench(monkeypatch, NEW)


def test_half_precision_is_the_graphs(bench):
    bench.build(weighed(TensorProto.FLOAT16))
    flags, network = bench.world.configs[0]._flags, bench.world.networks[0]
    pinned = {layer._precision for layer in network._layers}
    if bench.trt.__version__ == OLD:
        assert flags == {"FP16", "OBEY_PRECISION_CONSTRAINTS"}
        assert pinned == {bench.trt.DataType.HALF}
    else:
        assert flags == set()
        assert pinned == {None}


@pytest.mark.parametrize("bench", [OLD, NEW], indirect=True)
def test_quantisation_is_the_graphs(bench):
    bench.load((MODELS / "stereo-s-int8.onnx").read_bytes(), stereo_plan()).close()
    assert bench.world.configs[0]._flags == ({"INT8"} if bench.trt.__version__ == OLD else set())


def test_single_precision_is_not_made_less(bench):
    bench.build()
    config = bench.world.configs[0]
    assert config._flags == set()  # TF32 too, which TensorRT sets by itself
    assert config._pools == {"WORKSPACE": 1024 << 20}


def test_shapes_that_are_missing_or_do_not_fit_are_named(newest):
    for shapes, named in (
        ({}, "'left'"),
        ({"left": SHAPES}, "'right'"),
        ({"left": SHAPES, "right": Shapes(*[(1, 3, 8, 8)] * 3)}, "'right'"),
        ({"left": SHAPES, "rihgt": SHAPES}, "did you mean 'right'"),
    ):
        with pytest.raises(EngineError, match=named):
            newest.build(plan=BuildPlan(shapes=shapes))


def test_a_graph_that_cannot_be_read_is_an_error_with_the_parsers_words(bench):
    with pytest.raises(EngineError, match="ModelImporter"):
        bench.build(b"no graph")


def test_a_build_that_fails_says_what_tensorrt_said(bench, monkeypatch):
    monkeypatch.setattr("engines.trt_build._add_profile", lambda *_: None)
    with pytest.raises(EngineError, match="no optimization profile"):
        bench.build()


def test_progress_is_told_and_never_goes_back(bench):
    bench.build()
    parts = [part for _, part in bench.told]
    assert parts == sorted(parts)
    assert parts[0] == 0
    assert parts[-1] == 1
    assert (len(parts) > 5) == (bench.trt.__version__ != OLD)


def test_a_phase_within_a_phase_counts_as_a_part_of_its_step():
    phases = Phases()
    phases.start("a", "", 4)
    phases.step("a", 0)
    phases.start("b", "a", 2)
    phases.step("b", 0)
    assert phases.fraction == pytest.approx(0.375)
    phases.finish("b")
    phases.step("a", 1)
    assert phases.fraction == pytest.approx(0.5)


def test_an_exception_of_progress_ends_the_build(newest):
    told = []

    def stop(what, part):
        told.append(part)
        if part > 0.2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        newest.compiler.build(weighed(), PLAN, None, stop)
    assert sum(part > 0.2 for part in told) == 1


def test_timings_are_kept(bench, tmp_path):
    cache = tmp_path / "timings"
    bench.build(cache=cache)
    first = cache.read_bytes()
    bench.build(cache=cache)
    assert cache.read_bytes() == first + b"+"
    for spoilt in (b"rubbish", b"timing:1.0:"):
        cache.write_bytes(spoilt)
        bench.build(cache=cache)
        assert cache.read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["timings"]


def test_timings_that_cannot_be_kept_cost_no_engine(newest, tmp_path, caplog):
    assert newest.build(cache=tmp_path / "absent" / "timings") == newest.build()
    assert "cannot keep TensorRT's timings" in caplog.text


def test_plugins_are_loaded_from_the_allow_list_alone(newest, tmp_path):
    library, allowed = tmp_path / "lib plugin.so", tmp_path / "plugins.sha256"
    library.write_bytes(b"code")
    line = f"{hashlib.sha256(b'code').hexdigest()}  {library}\n"
    newest.compiler._allowed = allowed
    plan = BuildPlan(shapes=PLAN.shapes, plugins=(str(library),))

    def refused(match):
        with pytest.raises(EngineError, match=match):
            newest.build(plan=plan)
        assert newest.world.plugins == []

    refused("on no allow-list")
    allowed.write_text(line.replace("lib", "other"))
    refused("to allow it: sha256sum")
    allowed.write_text(line)
    allowed.chmod(0o666)
    refused("others than its owner may write .*plugins.sha256")
    allowed.chmod(0o600)
    library.chmod(0o775)
    refused("others than its owner may write .*lib plugin.so")
    library.chmod(0o755)
    library.write_bytes(b"other code")
    refused("not on the allow-list")
    library.write_bytes(b"code")
    with newest.load(plan=plan):
        assert newest.world.plugins == [str(library)] * 2  # a builder and a runtime have registries of their own
    with pytest.raises(EngineError, match="absolute"):
        newest.build(plan=BuildPlan(shapes=PLAN.shapes, plugins=("libplugin.so",)))


def test_versions_say_what_an_engine_depends_on(bench):
    assert bench.compiler.versions() == {
        "tensorrt": bench.trt.__version__, "cuda driver": "12.6", "device": "Fake", "compute capability": "8.7",
    }  # fmt: skip


def test_without_tensorrt_the_error_says_where_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineError, match="JetPack"):
        tensorrt()


@pytest.mark.parametrize("version", ["7.1.3", "8.5.2", "9.1.0", "12.0"])
def test_an_unknown_version_is_refused(newest, version):
    newest.trt.__version__ = version
    with pytest.raises(EngineError, match=r"expected 8\.6"):
        tensorrt()


def test_a_tensorrt_that_cannot_start_says_why(bench):
    bench.world.no_device = True
    with pytest.raises(EngineError, match="CUDA initialization failure"):
        bench.build()
