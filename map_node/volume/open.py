"""A volume and its distances on what the parameters name: the CPU, or a CUDA device."""

from __future__ import annotations

from map_node.volume.base import Volume, VolumeParams
from map_node.volume.cpu import CpuVolume
from map_node.volume.esdf import Esdf
from saccade.errors import ConfigError


def open_volume(params: VolumeParams) -> Volume:
    """The volume on `params.device`; ConfigError where that is CUDA and there is none."""
    if params.device == "cpu":
        return CpuVolume(params)
    _need_cuda()
    from map_node.volume.cuda import CudaVolume

    return CudaVolume(params)


def open_esdf(volume: Volume, reach_m: float = 2.0) -> Esdf:
    """Distances of a volume, on the device that it is on."""
    if volume.params.device == "cpu":
        return Esdf(volume, reach_m)
    _need_cuda()
    from map_node.volume.cuda import CudaEsdf

    return CudaEsdf(volume, reach_m)


def _need_cuda() -> None:
    try:
        from numba import cuda

        why = "numba finds no CUDA device, or not its libraries" if not cuda.is_available() else ""
    except ImportError as error:
        why = str(error)
    if why:
        raise ConfigError(
            f"volume.device is cuda, but {why}. It needs an NVIDIA GPU with its driver (see `saccade doctor`) and "
            "`pip install 'saccade[gpu]'`. Or set volume.device: cpu"
        )
