"""NVRTC makes every kernel for every device that is meant, without a word; needs its library, no driver and no GPU."""

import numpy as np
import pytest

from engines.engine import EngineError
from engines.kernels import nvrtc as module
from engines.kernels.nvrtc import image, nvrtc, source
from engines.kernels.structs import CAMERA, PREPARATION, TRIANGULATION

FILES = {"prepare": ["prepare"], "triangulate": ["triangulate"], "between": ["unit_groups", "correlate", "halve"]}
DEVICES = {
    "Xavier": (7, 2), "Orin": (8, 7), "Ada": (8, 9), "Hopper": (9, 0), "Thor": (10, 1),
    "Thor by its later name": (11, 0), "Blackwell": (12, 0),
}  # fmt: skip
OLD = "are deprecated and may be removed"
"""What NVRTC 12.9 says of Xavier whatever the source is."""


@pytest.fixture(scope="module")
def compiler():
    try:
        return nvrtc()
    except EngineError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FILES)
def test_every_kernel_compiles_without_a_warning(compiler, name, device):
    capability = DEVICES[device]
    if capability not in compiler.capabilities:
        pytest.skip(f"NVRTC {compiler.version} does not know {device}, compute capability {capability}")
    ptx, said = compiler.compile(source(name), f"{name}.cu", "compute_{}{}".format(*capability))
    assert [line for line in said.splitlines() if OLD not in line] == []
    for kernel in FILES[name]:
        assert f".entry {kernel}(".encode() in ptx
    assert b"fma.rn.f32" not in ptx.replace(b"div.rn", b"")  # the same bits as the CPU


def test_what_the_compiler_says_is_told(compiler):
    with pytest.raises(EngineError, match=r"broken.cu for compute_87.*undefined"):
        compiler.compile("__global__ void f() { g(); }", "broken.cu", "compute_87")


def test_the_nearest_older_device_is_taken_where_this_one_is_unknown(compiler):
    assert compiler.architecture((8, 7)) == "sm_87"
    assert compiler.architecture((99, 0)) == "compute_{}{}".format(*max(compiler.capabilities))
    with pytest.raises(EngineError, match=r"has 1\.0"):
        compiler.architecture((1, 0))


class Compiling:
    """A compiler that counts what it makes."""

    version = 12, 6

    def __init__(self):
        self.made = 0

    def architecture(self, capability):
        return "sm_{}{}".format(*capability)

    def compile(self, source, name, architecture):
        self.made += 1
        return b"image", ""


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A stand-in of the compiler, and the file in which its first image was kept."""
    compiler = Compiling()
    monkeypatch.setattr(module, "nvrtc", lambda: compiler)
    monkeypatch.setattr(module, "user_cache", lambda: tmp_path)
    assert image("between", (8, 7)) == b"image"
    (path,) = (tmp_path / "kernels").iterdir()
    return compiler, path


def test_a_second_time_comes_from_the_cache_and_a_foreign_file_does_not(kept):
    compiler, path = kept
    for made in (1, 1):
        assert image("between", (8, 7)) == b"image"
        assert compiler.made == made
    path.chmod(0o666)  # now anybody could have written it
    assert image("between", (8, 7)) == b"image"
    assert compiler.made == 2
    path.chmod(0o600)
    path.parent.chmod(0o777)
    assert image("between", (8, 7)) == b"image"
    assert compiler.made == 3


@pytest.mark.parametrize("left", [0, 10, 32, 34])
def test_what_was_cut_short_is_made_again(kept, left):
    compiler, path = kept
    path.write_bytes(path.read_bytes()[:left])
    for _ in range(2):
        assert image("between", (8, 7)) == b"image"
    assert compiler.made == 2


def test_what_cannot_be_kept_leaves_nothing_behind(kept):
    compiler, path = kept
    path.unlink()
    path.mkdir()  # nothing can take its place
    assert image("between", (8, 7)) == b"image"
    assert compiler.made == 2
    assert list(path.parent.iterdir()) == [path]


def test_the_structs_are_the_kernels_structs():
    """Sizes and offsets by the rules of C for fields of four bytes: one after the other, no gaps."""
    for dtype, fields in ((CAMERA, 6), (PREPARATION, 6 + 8 + 6), (TRIANGULATION, 6 + 16)):
        assert dtype.itemsize == 4 * fields
        assert not dtype.isalignedstruct or dtype.alignment == np.dtype(np.int32).alignment
