"""Record the calls of cuda-bindings that Saccade uses: python record_cuda.py FOLDER... > data/cuda_api.yaml

Each FOLDER holds an unpacked wheel of cuda-bindings (and cuda-pathfinder); no driver is needed. What is said of pycuda,
which has no wheels, was read from its sources by people.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

SOURCE = Path(__file__).resolve().parents[2] / "engines" / "device" / "cuda_python.py"
PYCUDA = """
origin: read from pycuda's sources at tag v2026.1 (src/wrapper/wrap_cudadrv.cpp, src/cpp/cuda.hpp, pycuda/driver.py)
calls:
  init: [flags=0]
  get_driver_version: []
  Device: [number]
  Stream: [flags=0]
  Event: [flags=0]
  mem_alloc: [bytes]
  pagelocked_empty: [shape, dtype, order=C, mem_flags=0]
  module_from_buffer: [buffer, options=, message_handler=]
  memcpy_htod_async: [dest, src, stream=]
  memcpy_dtoh_async: [dest, src, stream=]
methods:
  Device: {name: [], compute_capability: [], total_memory: [], get_attribute: [attr], retain_primary_context: []}
  Context: {push: [], pop: []}
  Stream: {synchronize: [], wait_for_event: [evt]}
  Event: {record: [stream=], synchronize: [], time_since: [event]}
  DeviceAllocation: {free: []}
  PagelockedHostAllocation: {free: [], get_device_pointer: []}
  Module: {get_function: [name]}
others: [Error, device_attribute, host_alloc_flags]
"""


def look() -> dict[str, object]:
    """What the wheel on the path has of the names in `engines/device/cuda_python.py`."""
    from cuda.bindings import __version__
    from cuda.bindings import driver as cu

    used = sorted(set(re.findall(r"\bcu\.(\w+)", SOURCE.read_text())))
    calls = {name: parameters(getattr(cu, name)) for name in used if re.match(r"cu[A-Z]", name)}
    enums: dict[str, dict[str, int]] = {}
    for name in used:
        if name.startswith("CU") and isinstance(getattr(cu, name), type):
            members = set(re.findall(rf"\b(?:cu\.{name}|attributes)\.(CU\w+)", SOURCE.read_text()))
            enums[name] = {
                m: int(getattr(getattr(cu, name), m)) for m in sorted(members) if hasattr(getattr(cu, name), m)
            }
    constants = {name: int(getattr(cu, name)) for name in used if name.startswith("CU_")}
    return {"version": __version__, "calls": calls, "enums": enums, "constants": constants}


def parameters(call: object) -> list[str]:
    """Names of a call's parameters, from the signature in its docstring."""
    inside = re.match(r"\s*\w+\((.*?)\)", call.__doc__ or "")
    assert inside
    return [re.split(r"[:\s]+", p.strip())[0] if ":" in p else p.split()[-1] for p in inside[1].split(",") if p]


def main() -> None:
    """Look at each wheel in a process of its own; all must be alike."""
    if sys.argv[1] == "--look":
        print(json.dumps(look()))
        return
    found = [json.loads(subprocess.run([sys.executable, __file__, "--look"], env={**os.environ, "PYTHONPATH": folder},
                                       capture_output=True, text=True, check=True).stdout)
             for folder in sys.argv[1:]]  # fmt: skip
    versions = [one.pop("version") for one in found]
    assert all(one == found[0] for one in found), "the versions differ"
    origin = f"introspected from the wheels of cuda-bindings {' and '.join(versions)}, which are alike in this"
    document = {"cuda_bindings": {"origin": origin, **found[0]}, "pycuda": yaml.safe_load(PYCUDA)}
    print("# Facts about the CUDA libraries of Python, written by record_cuda.py. No device was used.")
    print(yaml.safe_dump(document, sort_keys=False, width=118, default_flow_style=None), end="")


if __name__ == "__main__":
    main()
