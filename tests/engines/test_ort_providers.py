"""What ONNX Runtime's providers are asked for; none but the CPU's is here."""

import pytest

from engines.engine import EngineError
from engines.options import OrtOptions
from engines.ort_options import OpenVinoEpOptions, TensorRtEpOptions
from engines.ort_providers import CPU, OPENVINO, TENSORRT, providers_for

SHAPES = {"left": (1, 3, 480, 640), "right": (1, 3, 480, 640)}


def tensorrt(cache, name="mine", model=b"weights", shapes=SHAPES):
    options = OrtOptions(providers=(TENSORRT,), tensorrt=TensorRtEpOptions(cache=str(cache)))
    ((provider, asked),) = providers_for(name, model, options, (TENSORRT, CPU), shapes)
    assert provider == TENSORRT
    return asked


def openvino(cache):
    options = OrtOptions(providers=(OPENVINO,), openvino=OpenVinoEpOptions(cache=str(cache)))
    ((_, asked),) = providers_for("mine", b"weights", options, (OPENVINO, CPU), SHAPES)
    return asked


def prefix(*args, **how):
    return tensorrt(*args, **how)["trt_engine_cache_prefix"]


def test_a_cached_engine_is_for_these_weights_and_this_size_alone(tmp_path):
    usual = prefix(tmp_path)
    assert usual == prefix(tmp_path)
    assert usual.startswith("mine-")
    small = dict.fromkeys(SHAPES, (1, 3, 240, 320))
    assert len({usual, prefix(tmp_path, model=b"other weights"), prefix(tmp_path, shapes=small)}) == 3


def test_a_name_stays_within_the_folder(tmp_path):
    assert "/" not in prefix(tmp_path, name="../mine")


@pytest.mark.parametrize("provider", [tensorrt, openvino])
def test_a_cache_that_cannot_be_made_is_named(tmp_path, provider):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match=f"mine: cannot make the folder {tmp_path}/file/cache.*another"):
        provider(tmp_path / "file" / "cache")


@pytest.mark.parametrize(("provider", "key"), [(tensorrt, "trt_engine_cache_path"), (openvino, "cache_dir")])
def test_a_cache_that_others_can_write_into_is_refused(tmp_path, provider, key):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(EngineError, match="chmod 700"):
        provider(tmp_path / "open")
    assert provider(tmp_path / "mine")[key] == str(tmp_path / "mine")
