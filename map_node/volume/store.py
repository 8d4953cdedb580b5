"""A volume's file: NumPy's npz without pickle; every array's type and size is checked before it is read."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

from map_node.volume.base import BLOCK, Blocks, Change, Volume
from saccade.errors import DataError

_VERSION = 1
_ARRAYS: dict[str, tuple[str, tuple[int, ...]]] = {
    "version": ("<i8", ()), "voxel_m": ("<f8", ()), "truncation_m": ("<f8", ()), "stamp_ns": ("<i8", ()),
    "corner": ("<i8", (3,)), "at": ("<i4", (3,)), "sdf_m": ("<f4", (BLOCK**3,)), "weight": ("<f4", (BLOCK**3,)),
    "rgb": ("<u2", (BLOCK**3, 3)), "seen_ns": ("<i8", ()),
}  # fmt: skip
"""Type of each array, and its shape; for those of the blocks, after the number of blocks."""
_FARTHEST_BLOCK = 2**30
"""Places of blocks have 32 bits, as have differences of two."""


def save(volume: Volume, path: Path) -> None:
    """Write all that a volume knows, whole or not at all; OSError where that is not possible."""
    blocks, params = volume.blocks(), volume.params
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            np.savez_compressed(
                file, version=np.int64(_VERSION), voxel_m=params.voxel_m, truncation_m=params.reach_m,
                stamp_ns=np.int64(volume.stamp_ns), corner=np.array(volume.corner, np.int64), **blocks._asdict(),
            )  # fmt: skip
            file.flush()
            os.fsync(file.fileno())  # a robot that is switched off has the name on its disk before the bytes
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: Path, volume: Volume) -> Change:
    """Put what `save` wrote in place of what a volume knows; its window goes where it was, its size may differ.

    DataError, and the volume as before, for a file that is something else, damaged, of another voxel size or
    truncation, or with more blocks than this volume's window has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = _headers(archive, _most(volume))
            with np.load(path, allow_pickle=False) as file:
                got = {name: file[name] for name in found}
    except Exception as error:  # of zipfile, zlib, tokenize and numpy, which share no base class of their own
        raise DataError(f"{path} is not a volume that can be read: {error}") from error
    params = volume.params
    for name, ours in (("version", _VERSION), ("voxel_m", params.voxel_m), ("truncation_m", params.reach_m)):
        if not np.isclose(got[name], ours, rtol=1e-9, atol=0):
            raise DataError(f"{path} has {name} {got[name]}, this volume {ours}; expected the same")
    blocks = Blocks(*(got[name] for name in Blocks._fields))
    if not (np.isfinite(blocks.sdf_m).all() and np.isfinite(blocks.weight).all() and (blocks.weight >= 0).all()):
        raise DataError(f"{path} has distances or weights that are not numbers; expected finite ones")
    if len(np.unique(blocks.at, axis=0)) < len(blocks.at):
        raise DataError(f"{path} has two blocks at one place; expected one")
    x, y, z = map(int, got["corner"])
    stamp_ns, places = int(got["stamp_ns"]), (x, y, z, *map(int, (blocks.at.min(initial=0), blocks.at.max(initial=0))))
    if not all(abs(place) < _FARTHEST_BLOCK for place in places):
        raise DataError(f"{path} has blocks at {places}; expected less than {_FARTHEST_BLOCK} from the origin")
    if not 0 <= blocks.seen_ns.min(initial=0) <= blocks.seen_ns.max(initial=0) <= stamp_ns:
        raise DataError(f"{path} is of {stamp_ns} ns and has blocks that were seen later, or before time began")
    return volume.restore(blocks, (x, y, z), stamp_ns)


def is_volume(path: Path) -> bool:
    """Whether a file is one that `save` wrote, by the names of what is in it; False where it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in _ARRAYS} == set(archive.namelist())
    except Exception:  # see `load`
        return False


def _most(volume: Volume) -> int:
    """Blocks of the volume's window: no file of such a volume has more."""
    return int(np.prod(volume.params.shape))


def _headers(archive: zipfile.ZipFile, most: int) -> list[str]:
    """The arrays' names, after a look at what each says of itself; ValueError for one that is not as expected."""
    blocks = -1
    for name, (dtype, shape) in _ARRAYS.items():
        with archive.open(f"{name}.npy") as member:
            if np.lib.format.read_magic(member) != (1, 0):
                raise ValueError(f"{name} is of another npy version")
            got, _, kind = np.lib.format.read_array_header_1_0(member)
        per_block = name in Blocks._fields
        if per_block and blocks < 0:
            blocks = got[0] if got else -1
        expected = (blocks, *shape) if per_block else shape
        if got != expected or kind != np.dtype(dtype) or blocks > most:
            raise ValueError(f"{name} is {kind} {got}; expected {dtype} {expected}, of at most {most} blocks")
    return list(_ARRAYS)
