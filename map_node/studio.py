"""The pictures of the map that the node sends: from above, and from behind the robot."""

from __future__ import annotations

from map_node.gaussians.base import Renderer
from map_node.gaussians.cpu import CpuRenderer
from map_node.gaussians.gpu import GsplatRenderer
from map_node.gaussians.pictures import Drawn, birdseye, follow, of_gaussians
from map_node.gaussians.splats import SplatParams, Splats
from map_node.params import PicturesParams
from map_node.sights import Seen
from map_node.volume.base import Snapshot, Volume
from saccade.geometry import SE3, Pinhole
from saccade.types import U8

_FOLLOW = Pinhole(400.0, 400.0, 319.5, 179.5, 640, 360)


class Studio:
    """Keeps Gaussians in step with the volume and refines them by a few steps before each picture.

    Called by one thread at a time: the worker that makes pictures.
    """

    def __init__(self, params: PicturesParams) -> None:
        self.params = params
        self._renderer: Renderer = GsplatRenderer() if params.draw == "gpu" else CpuRenderer()
        self._stamp_ns, self._segment, self._next = -1, -1, 0
        self._splats = self._empty()

    def birdseye(self, stamp_ns: int, volume: Volume | Snapshot, seen: Seen, T_odom_from_base: SE3) -> U8:
        """RGB: the volume's window around the robot from above, x of odometry's frame to the right, y up."""
        self._prepare(stamp_ns, volume, seen)
        scene, drawn = of_gaussians(self._splats.gaussians, self._renderer), _drawn(seen, T_odom_from_base)
        size_m = volume.params.size_m[0], volume.params.size_m[1]
        return birdseye(scene, T_odom_from_base.t, size_m, self.params.px_per_m, self.params.below_m, drawn)

    def follow(self, stamp_ns: int, volume: Volume | Snapshot, seen: Seen, T_odom_from_base: SE3) -> U8:
        """RGB: from behind and above the robot."""
        self._prepare(stamp_ns, volume, seen)
        scene = of_gaussians(self._splats.gaussians, self._renderer)
        return follow(scene, _FOLLOW, _drawn(seen, T_odom_from_base))

    def _prepare(self, stamp_ns: int, volume: Volume | Snapshot, seen: Seen) -> None:
        """Bring the Gaussians up to date; pictures of one moment share them."""
        if (stamp_ns, seen.segment) == (self._stamp_ns, self._segment):
            return
        if seen.segment != self._segment:
            self._splats = self._empty()
        self._stamp_ns, self._segment = stamp_ns, seen.segment
        self._splats.update(volume)
        for _ in range(self.params.steps if seen.views else 0):
            self._splats.refine(seen.views[self._next % len(seen.views)])
            self._next += 1

    def _empty(self) -> Splats:
        return Splats(SplatParams(parts=self.params.parts, most=self.params.most))


def _drawn(seen: Seen, T_odom_from_base: SE3) -> Drawn:
    return Drawn(T_odom_from_base, seen.path, seen.plan)
