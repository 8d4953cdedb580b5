"""Devices to run kernels on: the CPU, through a C++ compiler, and a GPU where there is one."""

import pytest
from host_device import HostDevice, compiled, loaded

from engines.engine import EngineError

FILES = ("prepare", "triangulate", "between")


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Each file of kernels, compiled for the CPU."""
    folder = tmp_path_factory.mktemp("kernels")
    return {name: str(compiled(folder, name)).encode() for name in FILES}


@pytest.fixture(scope="session")
def host(images):
    """(device, kernels) on the CPU."""
    return loaded(HostDevice(), images)


@pytest.fixture(scope="session")
def gpu():
    """(device, kernels) on a GPU, compiled by NVRTC; skips where there is none."""
    from engines.device.open import open_device

    try:
        device = open_device()
    except EngineError as error:
        pytest.skip(f"no CUDA device: {error}")
    return loaded(device)


@pytest.fixture(params=["host", pytest.param("gpu", marks=pytest.mark.gpu)])
def machine(request):
    """Both, one after the other: the same truth holds on the CPU and on a GPU."""
    return request.getfixturevalue(request.param)
