"""CUDA C to machine code by NVRTC, NVIDIA's compiler as a library; nothing else speaks to it.

It is called through ctypes, not through cuda-python, so that it serves pycuda's devices too. It comes with CUDA (and so
with JetPack) or with `pip install nvidia-cuda-nvrtc-cu12`, and needs neither a driver nor a GPU.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

from engines.engine import EngineError
from saccade.paths import user_cache

SOURCES = Path(__file__).parent
_NAMES = ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so")
_OPTIONS = ("--std=c++14", "--fmad=false")
"""No fused multiply-add: the same bits as the CPU."""
_WRITABLE_BY_OTHERS = 0o022
_HASH = 32
"""Bytes of the sha256 that a kept image begins with."""


class Nvrtc:
    """The library; EngineError where there is none."""

    def __init__(self) -> None:
        self._library = _library()
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._do("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        self.version = major.value, minor.value
        count = ctypes.c_int()
        self._do("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        known = (ctypes.c_int * count.value)()
        self._do("nvrtcGetSupportedArchs", known)
        self.capabilities = tuple(divmod(number, 10) for number in known)
        """Compute capabilities that it can compile for."""

    def compile(self, source: str, name: str, architecture: str) -> tuple[bytes, str]:
        """(image, what the compiler said) of CUDA C for "sm_87" (machine code) or "compute_87" (PTX).

        EngineError with the compiler's words where it refuses.
        """
        program = ctypes.c_void_p()
        self._do("nvrtcCreateProgram", ctypes.byref(program), source.encode(), name.encode(), 0, None, None)
        options = [f"--gpu-architecture={architecture}".encode(), *(option.encode() for option in _OPTIONS)]
        try:
            given = (ctypes.c_char_p * len(options))(*options)
            status = self._library.nvrtcCompileProgram(program, len(options), given)
            log = self._text(program, "ProgramLog").rstrip(b"\n\0").decode(errors="replace")
            if status:
                raise EngineError(f"NVRTC {self.version[0]}.{self.version[1]} refuses {name} for {architecture}: {log}")
            return self._text(program, "CUBIN" if architecture.startswith("sm_") else "PTX"), log
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def architecture(self, capability: tuple[int, int]) -> str:
        """What to compile for: the device itself, else PTX of the newest older one; EngineError where there is none."""
        if capability in self.capabilities:
            return "sm_{}{}".format(*capability)
        older = [known for known in self.capabilities if known <= capability]
        if not older:
            known = ", ".join(f"{a}.{b}" for a, b in self.capabilities)
            raise EngineError(
                f"NVRTC {self.version[0]}.{self.version[1]} compiles for compute capabilities {known}, and the device "
                f"has {capability[0]}.{capability[1]}; install the NVRTC of the CUDA that its driver came with"
            )
        return "compute_{}{}".format(*max(older))

    def _text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._do(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        self._do(f"nvrtcGet{what}", program, text)
        return text.raw

    def _do(self, call: str, *arguments: object) -> None:
        status = getattr(self._library, call)(*arguments)
        if status:
            self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
            raise EngineError(f"{call}: {self._library.nvrtcGetErrorString(status).decode()}")


@lru_cache
def nvrtc() -> Nvrtc:
    """The library, loaded once."""
    return Nvrtc()


def source(name: str) -> str:
    """The CUDA C of a file of kernels, with what all share in front."""
    return "".join((SOURCES / file).read_text() for file in ("common.cuh", f"{name}.cu"))


def image(name: str, capability: tuple[int, int]) -> bytes:
    """Kernels of one file, compiled for a device or read back from the user's cache; EngineError as `Nvrtc`."""
    compiler, text = nvrtc(), source(name)
    architecture = compiler.architecture(capability)
    made_by = repr((compiler.version, architecture, _OPTIONS))
    key = hashlib.sha256(f"{made_by}\n{text}".encode()).hexdigest()
    path = user_cache() / "kernels" / f"{name}-{architecture}-{key[:32]}"
    kept = _kept(path)
    if kept is None:
        kept, _ = compiler.compile(text, f"{name}.cu", architecture)
        _keep(path, kept)
    return kept


def _kept(path: Path) -> bytes | None:
    """What is in the cache, if nobody else could have put it there: it is code. A power cut may have cut it short."""
    try:
        for place in (path.parent, path):
            found = place.stat()
            if found.st_uid != os.getuid() or found.st_mode & _WRITABLE_BY_OTHERS:
                return None
        kept = path.read_bytes()
    except OSError:
        return None
    return kept[_HASH:] if kept[:_HASH] == hashlib.sha256(kept[_HASH:]).digest() else None


def _keep(path: Path, made: bytes) -> None:
    """Into the cache, as a whole or not at all; a cache that cannot be written to only costs time."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                file.write(hashlib.sha256(made).digest() + made)
                file.flush()
                os.replace(file.name, path)
            except BaseException:  # Ctrl-C as well
                os.unlink(file.name)
                raise
    except OSError:
        return


def _library() -> ctypes.CDLL:
    wheels = find_spec("nvidia")
    folders = [Path(place) for place in (wheels.submodule_search_locations or ())] if wheels else []
    tried = [str(path) for folder in folders for path in sorted(folder.glob("*/lib/libnvrtc.so.*"), reverse=True)]
    for name in (*tried, *_NAMES):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise EngineError(
        "no NVRTC, which compiles the kernels: it is part of CUDA and of JetPack (libnvrtc.so), or "
        "pip install nvidia-cuda-nvrtc-cu12"
    )
