"""The volume and what each of its voxels is, kept in step with each other and with the robot; and their file."""

from __future__ import annotations

from pathlib import Path

from map_node.params import MapNodeParams
from map_node.sights import Sights
from map_node.volume import store
from map_node.volume.base import Snapshot, Volume
from map_node.volume.esdf import Labels
from map_node.volume.open import open_volume
from saccade.errors import ConfigError
from saccade.geometry import SE3
from saccade.stages import Stages
from saccade.types import U8, Depth


class World:
    """What is known of the surroundings. Distances are left to those who need them (`Esdf` instead of `Labels`).

    ConfigError and DataError where the files of the parameters cannot be used."""

    def __init__(self, params: MapNodeParams, stages: Stages) -> None:
        self._stages = stages
        self._height_m = params.height_m
        self._save = _writable(params.save) if params.save else None
        self.volume: Volume = open_volume(params.volume)
        self.labels = Labels(self.volume)
        self.sights = Sights(params.pictures.keyframes)
        self._loaded = bool(params.load)
        if params.load:
            self.labels.update(store.load(Path(params.load), self.volume))

    @property
    def empty(self) -> bool:
        """Whether nothing has been added since the last `clear`."""
        return self.volume.stamp_ns == 0

    def add(self, depth: Depth, T_odom_from_base: SE3, T_base_from_cam: SE3, rgb: U8 | None) -> None:
        """Put one depth image into the window, which follows the robot."""
        if self._loaded:
            self._take_over(depth.stamp_ns)
        x, y, z = T_odom_from_base.t.tolist()
        with self._stages.timed("integrate"):
            self.volume.centre((x, y, z + self._height_m))
            change = self.volume.integrate(depth, T_odom_from_base @ T_base_from_cam, rgb)
        with self._stages.timed("label"):
            self.labels.update(change)
        self.sights.add(depth, T_odom_from_base, T_odom_from_base @ T_base_from_cam, rgb)

    def clear(self) -> None:
        """Forget everything; what was loaded too."""
        self._loaded = False
        self.labels.update(self.volume.clear())
        self.sights.clear()

    def snapshot(self) -> Snapshot:
        """A copy of what the volume knows."""
        return Snapshot(self.volume.params, self.volume.corner, self.volume.stamp_ns, self.volume.blocks())

    def save(self) -> None:
        """Write the volume where the parameters say, if they do and there is one; OSError where that fails."""
        if self._save and not self.empty:
            store.save(self.volume, self._save)

    def _take_over(self, stamp_ns: int) -> None:
        """Let what was loaded be as old as it was when it was saved: by this clock, counted from now."""
        known, passed_ns = self.volume.blocks(), stamp_ns - self.volume.stamp_ns
        known = known._replace(seen_ns=known.seen_ns + passed_ns)
        self.labels.update(self.volume.restore(known, self.volume.corner, stamp_ns))
        self._loaded = False


def _writable(name: str) -> Path:
    """The path of a file to be written at the end; ConfigError now for one that cannot be, or must not."""
    path = Path(name)
    if not path.parent.is_dir():
        raise ConfigError(f"save is {name!r}, but there is no folder {path.parent}; make it, or name another")
    if path.exists() and not store.is_volume(path):
        raise ConfigError(f"save is {name!r}, which exists and is no volume; name another file")
    return path
