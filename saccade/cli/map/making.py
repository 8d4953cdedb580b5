"""One recording through perception and the map on virtual time, and what is written of the volume at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Literal

from map_node.gaussians import ply as gaussians_ply
from map_node.gaussians.base import Gaussians
from map_node.gaussians.cpu import CpuRenderer
from map_node.gaussians.pictures import around, of_gaussians, turntable, write_turntable
from map_node.gaussians.splats import SplatParams, Splats
from map_node.node import MapNode
from map_node.params import MapNodeParams
from map_node.volume import store
from map_node.volume.esdf import FREE, SURFACE
from map_node.volume.mesh import mesh, write_ply
from saccade import params
from saccade.cli.progress import Bar
from saccade.cli.replay import choose_robot
from saccade.cli.session import make_nodes, modelled_latency, replay_params
from saccade.clock import perf_ns, seconds
from saccade.errors import ConfigError, DataError
from saccade.geometry import Pinhole
from saccade.node import NEVER_NS, Out, Sample, run
from saccade.robots import robot_file
from saccade.stages import Stages
from saccade.wire.bag import open_recording
from saccade.wire.convert import decode
from saccade.wire.diagnostics import Level
from saccade.wire.virtual import VirtualBus

_SUFFIXES = {"mesh": (".ply",), "volume": (".npz",), "picture": (".png", ".gif"), "gaussians": (".ply",)}
_FOREVER_S = 1e9
_MOST, _ROUNDS = 1_000_000, 4
"""Gaussians of a file, and how often they are refined against each keyframe."""
_VIEWS = {".png": 4, ".gif": 24}
"""How many pictures there are from all around: side by side, or one after the other."""
_CAMERA = Pinhole(500.0, 500.0, 319.5, 239.5, 640, 480)
_FAULTS_SHOWN = 5


def outputs(asked: Mapping[str, Path | None]) -> dict[str, Path]:
    """What is to be written; ConfigError before anything runs where a name or its folder cannot be used."""
    wanted = {name: path for name, path in asked.items() if path is not None}
    for name, path in wanted.items():
        if path.suffix not in _SUFFIXES[name]:
            raise ConfigError(f"--{name} {path}: expected a name that ends with {' or '.join(_SUFFIXES[name])}")
        if not path.parent.is_dir():
            raise ConfigError(f"--{name} {path}: there is no folder {path.parent}")
        if path.is_dir():
            raise ConfigError(f"--{name} {path} is a folder; expected a file to write")
    return wanted


def size(text: str) -> tuple[float, float, float]:
    """Three lengths of `x,y,z`; ConfigError otherwise."""
    try:
        x, y, z = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"--size {text!r}: expected three lengths in metres, such as 8,8,3") from None
    return x, y, z


class MapMaking:
    """Makes the map; `node` holds it. ConfigError and DataError where recording, robot or sizes cannot be used."""

    def __init__(
        self, recording: Path, mapping: Path | None, robot: str | None, odometry: Literal["robot", "visual"],
        voxel_m: float | None = None, size_m: tuple[float, float, float] | None = None,
    ) -> None:  # fmt: skip
        self._robot, why = (robot, "asked for") if robot else choose_robot(recording, mapping)
        self.node = _whole(params.load(MapNodeParams, robot_file(self._robot), "map_node"), voxel_m, size_m)
        height_m = replay_params(self._robot).camera_height_m
        self._recording = open_recording(recording, mapping, height_m, odometry=odometry == "robot")
        self._odometry: Literal["robot", "visual"] = odometry
        self._watch = _Watch()
        self._bus_s = self._wall_s = 0.0
        self.chosen = f"{recording}\n{self._recording.mapping}\nrobot: {self._robot} ({why})"
        """What is played, and as what, for people."""

    def run(self, *, shown: bool) -> None:
        """Play the recording to its end, with a progress bar if it is `shown`."""
        source = self._recording.source()
        nodes = [*make_nodes(self._robot, "perception", self._odometry), self.node]
        bus = VirtualBus(source, latency_ns=modelled_latency(self._robot, nodes))
        begin_ns, begin_bus_ns = perf_ns(), bus.now_ns()
        with Bar("mapping", source.start_ns, source.end_ns, shown) as bar:

            def moved() -> bool:
                bar(bus.now_ns())
                return False

            try:
                run([*nodes, self._watch], bus, moved)
            finally:
                self._bus_s, self._wall_s = seconds(bus.now_ns() - begin_bus_ns), seconds(perf_ns() - begin_ns)
                bus.close()

    def told(self) -> str:
        """What came into the map, what did not and why, for people."""
        node, labels = self.node, self.node.world.labels.labels
        counts = node.health.counts
        dropped = ", ".join(f"{name} ×{count}" for name, count in counts.most_common()) or "none"
        voxel_m, shape = node.world.volume.params.voxel_m, labels.shape
        lines = [
            *(f"! {problem}" for problem in self._recording.problems),
            f"frames   {node.used} of {self._watch.depths} depth images in the map; dropped: {dropped}",
            f"volume   {(labels >= SURFACE).sum():,} voxels of surface and {(labels == FREE).sum():,} free, of "
            f"{voxel_m * 100:g} cm; window of {' x '.join(f'{n * voxel_m:g}' for n in shape)} m",
            f"ran in   {self._wall_s:.1f} s, {self._bus_s / max(self._wall_s, 1e-9):.1f} x real time",
        ]
        faults = self._watch.faults.most_common(_FAULTS_SHOWN)
        return "\n".join([*lines, *(f"! {text} (×{count})" for text, count in faults)])


def write(node: MapNode, wanted: Mapping[str, Path]) -> Iterator[str]:
    """Write what is wanted of the volume; yields a line for each. DataError where there is no surface to draw."""
    surface, refined = mesh(node.world.volume), cache(partial(_refined, node))
    for name, path in wanted.items():
        try:
            if name == "mesh":
                write_ply(surface, path)
            elif name == "volume":
                store.save(node.world.volume, path)
            elif name == "gaussians":
                gaussians_ply.write_ply(refined(), path)
            else:
                _draw(refined(), path)
        except OSError as error:
            raise DataError(f"--{name} {path} cannot be written: {error.strerror or error}") from error
        size_mb = f"{path.stat().st_size / 1e6:.1f} MB"
        numbers = {"mesh": f"{len(surface.triangles):,} triangles", "volume": size_mb, "picture": size_mb}
        yield f"written  {path} ({numbers.get(name) or f'{len(refined().at):,} Gaussians'})"


def _refined(node: MapNode) -> Gaussians:
    """The volume's Gaussians, refined against the keyframes that the node kept."""
    world = node.world
    splats = Splats(SplatParams(most=_MOST))
    splats.update(world.volume)
    for _ in range(_ROUNDS):
        for view in world.sights.copy("", 0).views:
            splats.refine(view)
    return splats.gaussians


def _draw(gaussians: Gaussians, path: Path) -> None:
    """The surface from a circle around it, without what is in front of its nearer half."""
    if not len(gaussians.at):
        raise DataError("there is no surface to draw")
    middle, radius_m = around(gaussians.at)
    scene = of_gaussians(gaussians, CpuRenderer())
    write_turntable(list(turntable(scene, _CAMERA, middle, radius_m, _VIEWS[path.suffix])), path)


def _whole(own: MapNodeParams, voxel_m: float | None, size_m: tuple[float, float, float] | None) -> MapNode:
    """The robot's map node as it is best for one recording: it takes every frame, and forgets and sends nothing."""
    volume = replace(own.volume, half_life_s=_FOREVER_S, forget_s=_FOREVER_S)
    if voxel_m is not None:
        volume = replace(volume, voxel_m=voxel_m, truncation_m=0.0)
    if size_m is not None:
        volume = replace(volume, size_m=size_m)
    return MapNode(replace(
        own, volume=volume, rate_hz=0.0, worker="modelled", load="", save="", mesh=replace(own.mesh, rate_hz=0.0),
        clearance=replace(own.clearance, rate_hz=0.0), occupancy=replace(own.occupancy, rate_hz=0.0),
        pictures=replace(own.pictures, birdseye_hz=0.0, follow_hz=0.0),
    ))  # fmt: skip


class _Watch:
    """A node that only listens: how much depth there was, and what was wrong, in words."""

    name = "watch"
    reads = frozenset({"depth/image_rect", "diagnostics"})
    writes: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.stages = Stages()
        self.depths = 0
        self.faults: Counter[str] = Counter()

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        return NEVER_NS

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """See `Node.on_sample`."""
        if sample.topic == "depth/image_rect":
            self.depths += 1
            return ()
        for status in decode(sample.topic, sample.cdr).status:
            if status.level in (Level.WARN, Level.ERROR):
                self.faults[f"{status.name}: {status.message}"] += 1
        return ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        """See `Node.on_tick`."""
        return ()

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        return ()
