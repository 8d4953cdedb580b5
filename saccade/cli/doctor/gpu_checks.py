"""The checks of `saccade doctor` on the GPU, its driver, CUDA, and the libraries that run networks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saccade.cli.doctor.facts import Facts, Gpu, look
from saccade.cli.doctor.findings import Finding, Grade, finding
from saccade.cli.doctor.fits import DRIVERS, Version, cuda_of, dotted, tensorrt, version
from saccade.cli.doctor.host import Host

_ORT = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
_OPENVINO = """
import openvino
from engines.openvino import OpenVinoCompiler
why = OpenVinoCompiler().cannot("bf16")
print(openvino.Core().available_devices, why or "for --precision bf16 too")
"""
_LEAST_DRIVER = min(row.least for row in DRIVERS)


def gpu(host: Host) -> Iterator[Finding]:
    """Each GPU with its driver and CUDA; that there is none is no fault."""
    facts = look(host)
    if facts.trouble:
        yield Finding(Grade.WARN, "GPU", facts.trouble, _driver_advice(facts.trouble))
    elif not facts.gpus:
        yield Finding(Grade.OK, "GPU", "none found (not needed: engines run on the processor)")
    for found in facts.gpus:
        yield Finding(Grade.OK, "GPU", _described(found, facts))
    if version(facts.driver) and cuda_of(version(facts.driver)) is None:
        found_text = f"{facts.driver} is too old for CUDA 11"
        yield Finding(Grade.WARN, "driver", found_text, f"install a driver of at least {_LEAST_DRIVER}, better 580")
    if facts.gpus or facts.toolkits:
        yield Finding(Grade.OK, "CUDA", _cuda(facts))


def _described(gpu: Gpu, facts: Facts) -> str:
    parts = [gpu.name]
    parts += [f"compute capability {dotted(gpu.capability)}"] if gpu.capability else []
    parts += [f"{gpu.memory_mib} MiB"] if gpu.memory_mib else []
    offers = f" (CUDA up to {dotted(facts.driver_cuda)})" if facts.driver_cuda else ""
    return ", ".join([*parts, *([f"driver {facts.driver}{offers}"] if facts.driver else [])])


def _driver_advice(trouble: str) -> str:
    if "no answer" in trouble:
        return "the driver hangs: look for NVRM in sudo dmesg, then reboot"
    if "mismatch" in trouble:
        return "the driver was updated while it ran: reboot"
    return (
        "Saccade runs on the processor until then. Install the driver (Ubuntu: sudo ubuntu-drivers install), reboot; "
        "in a container: the NVIDIA Container Toolkit on the host, and docker run --gpus all"
    )


def _cuda(facts: Facts) -> str:
    """Toolkits, wheels and bindings; engines need no toolkit, only the driver and what the wheels bring."""
    toolkits = [f"toolkit {dotted(numbers)} in {folder}" for folder, numbers in facts.toolkits.items()]
    names = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12", "cuda-python", "cuda-bindings", "pycuda")
    packages = [f"{name} {facts.packages[name]}" for name in names if name in facts.packages]
    return ", ".join(toolkits + packages) or "neither a toolkit nor wheels of it"


def inference(host: Host) -> Iterator[Finding]:
    """ONNX Runtime with its providers, OpenVINO, OpenCV, and TensorRT as this Python sees it."""
    facts = look(host)
    kinds = [f"{name} {facts.packages[name]}" for name in _ORT if name in facts.packages]
    if not kinds:
        advice = "pip install 'saccade[cpu]' (or [gpu], [jetson]); without it the engines are OpenCV's alone"
        yield Finding(Grade.WARN, "onnxruntime", "not installed", advice)
    else:
        ask = "import engines; import onnxruntime; print(', '.join(onnxruntime.get_available_providers()))"
        well, told = host.ask(ask)  # engines: it has ONNX Runtime report to nobody
        advice = f"pip uninstall -y {' '.join(name for name in _ORT if name in facts.packages)}, then install one again"
        yield finding(well, Grade.ERROR, "onnxruntime", f"{', '.join(kinds)}: {told}", advice)
    if "openvino" in facts.packages:
        well, told = host.ask(_OPENVINO)
        advice = "pip install --force-reinstall 'saccade[openvino]'"
        yield finding(well, Grade.WARN, "OpenVINO", f"{facts.packages['openvino']}: {told}", advice)
    well, told = host.ask("import cv2; print(cv2.__version__, 'with', cv2.getNumThreads(), 'threads')")
    advice = "pip install --force-reinstall opencv-python-headless (and apt install libgl1 if it asks for it)"
    yield finding(well, Grade.ERROR, "opencv", told, advice)
    yield _tensorrt(host, facts)


def _tensorrt(host: Host, facts: Facts) -> Finding:
    what = "TensorRT"
    if facts.tensorrt:
        known = tensorrt(facts.tensorrt)
        advice = "Saccade speaks to TensorRT 8.6, 10 and 11; see docs/platforms.md"
        return finding(known is not None, Grade.WARN, what, dotted(facts.tensorrt), advice)
    elsewhere = _system_tensorrt(host)
    if elsewhere:
        return Finding(Grade.WARN, what, f"in {elsewhere[0]}, not seen by this Python", _make_visible(host, *elsewhere))
    if any(name.startswith("libnvinfer.so") for name in facts.libraries):
        advice = "sudo apt install python3-libnvinfer, and a venv that sees it: python3 -m venv --system-site-packages"
        return Finding(Grade.WARN, what, "the library is installed, its Python package is not", advice)
    if "tensorrt" in facts.packages or any(name.startswith("tensorrt-cu") for name in facts.packages):
        return Finding(Grade.WARN, what, facts.no_tensorrt, "pip install --force-reinstall 'saccade[gpu]'")
    return Finding(Grade.OK, what, "not installed (needed for runtime: tensorrt alone)")


def _system_tensorrt(host: Host) -> tuple[str, Version] | None:
    """The folder of the system's own TensorRT package, as on a Jetson or from a Debian package, and its Python."""
    for folder in host.paths("usr/lib/python3*/dist-packages/tensorrt"):
        shown = f"/{folder.parent.relative_to(host.root)}"
        built_for = re.search(r"python(3\.\d+)", shown)  # NVIDIA's packages name it, unlike Debian's own
        return shown, version(built_for[1]) if built_for else ()
    return None


def _make_visible(host: Host, folder: str, built_for: Version) -> str:
    if built_for and built_for != host.python:
        return (
            f"it is built for Python {dotted(built_for)}, this is {dotted(host.python)}: make the venv with "
            f"python{dotted(built_for)} -m venv --system-site-packages .venv (Saccade needs Python 3.10 or newer)"
        )
    return (
        "make the venv anew with python3 -m venv --system-site-packages .venv, or let this one see it: "
        f"""echo {folder} > "$(python -c 'import site; print(site.getsitepackages()[0])')/system.pth" """.strip()
    )
