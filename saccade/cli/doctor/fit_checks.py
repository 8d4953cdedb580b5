"""The check of `saccade doctor` on whether driver, CUDA, TensorRT, ONNX Runtime and GPU fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from saccade.cli.doctor.facts import Facts, look
from saccade.cli.doctor.findings import Finding, Grade
from saccade.cli.doctor.fits import (
    CUDA_13_CAPABILITY,
    Version,
    cuda_of,
    dotted,
    driver_for,
    jetpack,
    ort_gpu,
    tensorrt,
    version,
)
from saccade.cli.doctor.host import Host

_WHAT = "fit together"
_FOR_NEWER, _FOR_OLDER = "pip install 'saccade[gpu]'", "pip install 'saccade[gpu-cu12]'"

_OLDEST_BINDINGS = (12, 8)
"""Of cuda-python; the oldest whose calls were recorded (docs/tensorrt.md)."""


def fit(host: Host) -> Iterator[Finding]:
    """Everything that does not fit, each with what to install; one line when it all does."""
    facts = look(host)
    checks = (_two_runtimes, _runtime, _tensorrt, _bindings, _jetson, _known_bad)
    found = [finding for check in checks for finding in check(facts)]
    if not found and not uses(facts) and facts.gpus:
        yield Finding(Grade.WARN, _WHAT, "there is a GPU, and nothing installed that runs engines on it", install(host))
    elif not found and uses(facts):
        yield Finding(Grade.OK, _WHAT, f"{', '.join(uses(facts))}{_below(facts)}")
    yield from found


def uses(facts: Facts) -> list[str]:
    """What is installed that runs engines on a GPU."""
    ort = facts.packages.get("onnxruntime-gpu")
    return [*([f"onnxruntime-gpu {ort}"] if ort else []),
            *([f"TensorRT {dotted(facts.tensorrt)}"] if facts.tensorrt else [])]  # fmt: skip


def install(host: Host) -> str:
    """What to install for the GPU of this machine."""
    facts = look(host)
    if facts.jetson:
        return "sudo apt install nvidia-jetpack, then pip install 'saccade[jetson]' in a venv --system-site-packages"
    offered, capability = cuda_of(version(facts.driver)), facts.gpus[0].capability
    if offered is None or offered < 12:
        return f"a driver of at least {driver_for(12)}, better {driver_for(13)}; then saccade doctor again"
    # The builds of ONNX Runtime share one folder: a second one would break both.
    first = "pip uninstall -y onnxruntime && " if "onnxruntime" in facts.packages else ""
    if capability and capability < CUDA_13_CAPABILITY:
        return f"{first}{_FOR_OLDER} (for this GPU: neither CUDA 13 nor TensorRT 10.5 and newer, see docs/platforms.md)"
    return f"{first}{_FOR_NEWER if offered >= 13 and host.python >= (3, 11) else _FOR_OLDER}"


def _below(facts: Facts) -> str:
    return f", driver {facts.driver}" if facts.driver else ""


def _two_runtimes(facts: Facts) -> Iterator[Finding]:
    both = [name for name in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino") if name in facts.packages]
    if len(both) > 1:
        keep = "onnxruntime-gpu" if "onnxruntime-gpu" in both and facts.gpus else both[0]
        advice = f"pip uninstall -y {' '.join(both)} && pip install {keep}=={facts.packages[keep]}"
        said = (
            f"{' and '.join(both)} share one folder: the last one installed shadows the other, removing one breaks both"
        )
        yield Finding(Grade.ERROR, _WHAT, said, advice)


def _runtime(facts: Facts) -> Iterator[Finding]:
    """Of onnxruntime-gpu."""
    text = facts.packages.get("onnxruntime-gpu")
    row = ort_gpu(version(text)) if text else None
    if row is None:
        return
    name = f"onnxruntime-gpu {text}"
    yield from _driver(
        facts, name, row.cuda, f"pip install 'onnxruntime-gpu>=1.23,<1.27' (CUDA 12), or {_newer(row.cuda)}"
    )
    yield from _capability_for_cuda(facts, name, row.cuda)
    if facts.tensorrt and facts.tensorrt[0] != row.tensorrt:
        said = f"{name} is linked to libnvinfer.so.{row.tensorrt}; TensorRT here is {dotted(facts.tensorrt)}"
        advice = (
            f"pip install 'tensorrt-cu{row.cuda}>=10.13.2,<11'; or keep it for runtime tensorrt, and give ONNX Runtime "
            "CUDAExecutionProvider, not TensorrtExecutionProvider"
        )
        yield Finding(Grade.WARN, _WHAT, said, advice)


def _tensorrt(facts: Facts) -> Iterator[Finding]:
    """Of TensorRT: its wheels' CUDA against the driver, and the GPU against its kernels."""
    row = tensorrt(facts.tensorrt)
    if row is None:
        return
    name = f"TensorRT {dotted(facts.tensorrt)}"
    suffixes = [int(found[1]) for package in facts.packages if (found := re.match(r"tensorrt-cu(\d+)$", package))]
    if suffixes:
        yield from _driver(
            facts, f"{name} (tensorrt-cu{max(suffixes)})", max(suffixes), f"{_FOR_OLDER}, or {_newer(max(suffixes))}"
        )
    for gpu in facts.gpus:
        if gpu.capability and gpu.capability < row.capability:
            needs = f"compute capability {dotted(gpu.capability)}, needs {dotted(row.capability)}"
            said = f"{name} has no code for {gpu.name} ({needs})"
            advice = "take runtime onnxruntime with CUDAExecutionProvider, or an older TensorRT, see docs/platforms.md"
            yield Finding(Grade.WARN, _WHAT, said, advice)


def _bindings(facts: Facts) -> Iterator[Finding]:
    """Of what moves data to the GPU and back for TensorRT and for our kernels."""
    text = facts.packages.get("cuda-bindings") or facts.packages.get("cuda-python")
    right = "pip install 'cuda-python>=13,<14'" if _offered(facts) == 13 else "pip install 'cuda-python>=12.8,<13'"
    if text is not None:
        if version(text) < _OLDEST_BINDINGS:
            yield Finding(
                Grade.WARN, _WHAT, f"cuda-python {text}; {dotted(_OLDEST_BINDINGS)} is the oldest known", right
            )
        yield from _driver(facts, f"cuda-python {text}", version(text)[0], right)
    elif facts.tensorrt and facts.gpus and "pycuda" not in facts.packages:
        said = f"TensorRT {dotted(facts.tensorrt)} without cuda-python, which moves its data: it cannot be used"
        yield Finding(Grade.WARN, _WHAT, said, f"{right}, or pycuda where there is no wheel of it")


def _newer(cuda: int) -> str:
    return f"a driver of at least {driver_for(cuda)}"


def _offered(facts: Facts) -> int | None:
    """The newest major CUDA that the driver offers: as it says, or by the table of JetPacks or of drivers."""
    row = jetpack(facts.l4t)
    return facts.driver_cuda[0] if facts.driver_cuda else row.cuda[0] if row else cuda_of(version(facts.driver))


def _driver(facts: Facts, name: str, cuda: int, advice: str) -> Iterator[Finding]:
    offered, row = _offered(facts), jetpack(facts.l4t)
    if offered is not None and offered < cuda:
        shown = f"JetPack {row.name}" if row else f"driver {facts.driver}"
        said = f"{name} wants CUDA {cuda}; {shown} offers CUDA {offered}: engines would run on the processor"
        yield Finding(Grade.WARN, _WHAT, said, advice)


def _capability_for_cuda(facts: Facts, name: str, cuda: int) -> Iterator[Finding]:
    for gpu in facts.gpus:
        if cuda >= 13 and gpu.capability and gpu.capability < CUDA_13_CAPABILITY:
            said = f"{name} wants CUDA {cuda}, which has no code for {gpu.name} ({dotted(gpu.capability)})"
            yield Finding(Grade.WARN, _WHAT, said, "pip install 'onnxruntime-gpu>=1.23,<1.27' (CUDA 12)")


def _jetson(facts: Facts) -> Iterator[Finding]:
    row = jetpack(facts.l4t)
    if row is None:
        return
    wheels = sorted(name for name in facts.packages if name == "tensorrt" or name.startswith("tensorrt-cu"))
    if facts.tensorrt and facts.tensorrt[:2] != row.tensorrt:
        said = f"TensorRT {dotted(facts.tensorrt)}; JetPack {row.name} has {dotted(row.tensorrt)}"
        advice = f"pip uninstall -y {' '.join(wheels)}: JetPack's own is the one for this board" if wheels else (
            "another than JetPack's: fine in its own container, else sudo apt install --reinstall python3-libnvinfer"
        )  # fmt: skip
        yield Finding(Grade.WARN, _WHAT, said, advice)


def _known_bad(facts: Facts) -> Iterator[Finding]:
    """Combinations that compute wrongly, of the table that also guards `saccade engine build`."""
    if not facts.tensorrt:
        return
    from engines.compiler import BuildPlan
    from engines.store.known_bad import TABLE

    capability: Version = facts.gpus[0].capability if facts.gpus else ()
    versions = {"tensorrt": dotted(facts.tensorrt), "compute capability": dotted(capability)}
    plans = (BuildPlan(precision="fp32"), BuildPlan(precision="fp16"))
    for bad in TABLE:
        if bad.runtime == "tensorrt" and any(bad.applies(versions, plan, True) for plan in plans):
            yield Finding(Grade.WARN, "known to be wrong", f"{bad.seen} ({', '.join(bad.sources)})", bad.instead)
