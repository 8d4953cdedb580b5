"""The map node: depth, its confidence, pictures and odometry in; what is around the robot in three dimensions out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from map_node.continuity import Continuity
from map_node.inputs import READS, ClockBack, Frame, Frames
from map_node.learned.service import LearnedMap
from map_node.params import MapNodeParams
from map_node.products import STAGES, TOPICS, Products, Scene
from map_node.world import World
from saccade.clock import SEC, TickGrid, nanoseconds
from saccade.errors import DataError
from saccade.inbox import Arrival
from saccade.node import Out, Sample
from saccade.stages import Stages
from saccade.topics import topic
from saccade.types import Depth
from saccade.wire.convert import decode_plan
from saccade.wire.diagnostics import Level
from saccade.wire.health import Health, Refused, Stage
from saccade.wire.pose_wait import Posed, PoseWait

_DEPTH = "depth/image_rect"
_GRID = "map/occupancy"
_STAGES = {"frames": Stage(_GRID), "pose": Stage(_GRID), "map": Stage(_GRID, ("decode", "integrate", "label"))}
"""Judged by what is made of the map: it need not take each depth image."""
_EARLY = 0.8
"""Share of the period after which a frame is taken: stamps are not exactly a period apart."""

_FARTHEST_M = 1e6
"""From odometry's origin: numbers of voxels beyond it do not fit."""


class MapNode:
    """Depth at the pose of its moment into a volume that rolls with the robot. Latest-only: what comes late is dropped.

    Nothing is added of a frame that has a fault, and nothing made of the volume then: all that the node sends carries
    the stamp of the newest depth in it and goes stale. Odometry that no robot can follow begins a new map.
    """

    name = "map_node"
    reads = READS | {"odom", "tf", "tf_static", "plan"}
    writes = TOPICS | {"diagnostics"}

    def __init__(self, params: MapNodeParams | None = None) -> None:
        self._params = params = params or MapNodeParams()
        self.stages = Stages()
        learned = {"learned": Stage("map/mesh")} if params.learned.card else {}
        self.health = Health("map_node/", self.stages, {**_STAGES, **STAGES, **learned})
        self.world = World(params, self.stages)
        self.used = 0
        """Frames that went into the volume."""
        self._frames = Frames(params.need_confidence)
        self._wait: PoseWait[Frame] = PoseWait(params.base_frame, "pose", params.odom_wait_ms, params.odom_ahead_ms)
        self._continuity = Continuity(params.motion)
        self._products = Products(params, self.health, self.stages)
        modelled_s = params.worker_latency_s if params.worker == "modelled" else None
        self._learned = LearnedMap(params.learned, params.volume, modelled_s) if params.learned.card else None
        self._since_ns: int | None = None
        """Where odometry did not go on, the stamp from which on it is believed again."""
        self._taken_ns: int | None = None
        self._matched_ns: int | None = None
        """When the newest frame was complete, on the bus' clock."""
        self._grid = TickGrid(SEC)

    def retune(self, params: MapNodeParams) -> None:
        """See `Tunable.retune`."""
        self._params, self._continuity.params, self._wait.wait_ms = params, params.motion, params.odom_wait_ms
        self._products.retune(params)
        if self._learned:
            self._learned.params = params.learned

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        tick_ns = self._grid.due(now_ns)
        until_ns = self._wait.until_ns
        return tick_ns if until_ns is None else min(tick_ns, until_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """See `Node.on_sample`."""
        return self._guarded(self._handle(sample, now_ns), now_ns)

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        """See `Node.on_tick`."""
        yield from self._guarded(self._resume(now_ns), now_ns)
        if self._grid.next_ns is None or now_ns >= self._grid.next_ns:
            self._grid.advance(now_ns)
            self._look_for_silence(now_ns)
            frames = self._frames
            self.health.note("frames", {"with colours": str(frames.coloured), "without": str(frames.plain)})
            self.health.note("map", {"frames used": str(self.used)})
            if self._learned:
                self.health.note("learned", self._learned.told())
            yield from self.health.tick(now_ns)

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        self._products.close()
        if self._learned:
            self._learned.close()
        try:
            self.world.save()
        except OSError as error:
            self.health.refuse(Refused("map", "not saved", f"{self._params.save}: {error.strerror or error}"))
        return list(self.health.changes(self.world.volume.stamp_ns))

    def _guarded(self, work: Iterator[Out], now_ns: int) -> Iterator[Out]:
        """What work says, as soon as it says it, and what its refusal changes in the diagnostics."""
        try:
            yield from work
        except Refused as fault:
            if isinstance(fault, ClockBack):
                self._frames.forget()
                self._begin_anew()
            self.health.drop(fault)
        self._take_learned(now_ns)
        yield from self._products.poll(now_ns)
        yield from self.health.changes(now_ns)

    def _handle(self, sample: Sample, now_ns: int) -> Iterator[Out]:
        if sample.topic == "odom":
            self._on_odom(sample)
        elif sample.topic in ("tf", "tf_static"):
            self._wait.on_tf(sample)
        elif sample.topic == "plan":
            self._on_plan(sample)
        elif frame := self._frames.put(sample.topic, sample.cdr, now_ns):
            self._matched_ns = now_ns
            if self._takes(frame) and self._wait.put(frame, frame.stamp_ns, frame.frame_id, now_ns):
                self.health.counts["replaced by a newer frame"] += 1
                self.health.drops["pose"] += 1
        yield from self._resume(now_ns)

    def _on_odom(self, sample: Sample) -> None:
        state = self._wait.on_odom(sample)
        if state is None:
            self._continuity.forget()
            self._frames.forget()
            self._begin_anew()
            why = "odometry's stamps went back; the map begins anew"
            raise Refused("pose", Arrival.CLOCK_BACK.value, why, Level.WARN)
        if broken := self._continuity.judge(state, self._wait.poses.child_frame):
            self._begin_anew()
            self._since_ns = state.stamp_ns + nanoseconds(self._params.motion.settle_s)
            name, why = broken
            raise Refused("pose", name, f"{why}; the map begins anew")

    def _on_plan(self, sample: Sample) -> None:
        try:
            self.world.sights.follow(decode_plan(sample.cdr))
        except DataError as error:
            raise Refused("birdseye", "corrupt plan", f"{error}; it is not drawn", Level.WARN) from error

    def _takes(self, frame: Frame) -> bool:
        """Whether a frame is due, by its own stamp: no more go into the map than it is asked for."""
        rate_hz, before_ns = self._params.rate_hz, self._taken_ns
        if rate_hz and before_ns is not None and 0 <= frame.stamp_ns - before_ns < _EARLY * SEC / rate_hz:
            return False
        self._taken_ns = frame.stamp_ns
        return True

    def _resume(self, now_ns: int) -> Iterator[Out]:
        """Put the waiting frame into the map once odometry has reached its stamp; give up when it does not come."""
        posed = self._wait.take(now_ns)
        if posed is None:
            return
        frame = posed.frame
        if self._since_ns is not None and frame.stamp_ns < self._since_ns:
            why = "the frame is from before odometry had gone on for motion.settle_s"
            raise Refused("pose", "odometry settles", why, Level.WARN)
        if not float(np.abs(posed.T_odom_from_base.t).max()) < _FARTHEST_M:
            raise Refused("pose", "pose out of range", f"the robot is at {posed.T_odom_from_base.t.tolist()} m")
        self.health.ok("pose")
        self.health.made("pose", frame.stamp_ns, now_ns)
        depth = self._integrate(posed, now_ns)
        learned = self._learned.blocks if self._learned else None
        scene = Scene(
            frame.stamp_ns, posed.odom_frame, posed.T_odom_from_base, posed.T_base_from_cam, depth, self.world.volume,
            self.world.labels, learned=learned,
        )  # fmt: skip
        yield from self._products.make(self.world, scene, now_ns)

    def _integrate(self, posed: Posed[Frame], now_ns: int) -> Depth:
        frame = posed.frame
        with self.stages.timed("decode"):
            depth, rgb = self._frames.decoded(frame)
        self.health.ok("frames")
        self.health.made("frames", frame.stamp_ns, now_ns)
        self.world.add(depth, posed.T_odom_from_base, posed.T_base_from_cam, rgb)
        if self._learned:
            T_odom_from_cam = posed.T_odom_from_base @ posed.T_base_from_cam
            self._learned.see(depth, T_odom_from_cam, rgb, self.world.volume, now_ns)
        self.used += 1
        self.health.ok("map")
        self.health.made("map", frame.stamp_ns, now_ns)
        return depth

    def _take_learned(self, now_ns: int) -> None:
        """What came of a learned reconstruction, which is shown and never read by anything that moves."""
        if not self._learned or not (found := self._learned.poll(now_ns)):
            return
        if found.refused:
            self.health.refuse(Refused("learned", "not learned", found.refused, Level.WARN))
        else:
            self.health.expect("learned", 0.0)  # it comes when it comes

    def _begin_anew(self) -> None:
        """What was known of the world belongs to another place or time."""
        self._wait.forget()
        self._products.forget()
        if self._learned:
            self._learned.forget()
        self._taken_ns = self._since_ns = None
        if not self.world.empty:  # or two who disagree about odometry would have it cleared at each message
            self.world.clear()

    def _look_for_silence(self, now_ns: int) -> None:
        if self._matched_ns is None or not 0 <= now_ns - self._matched_ns <= topic(_DEPTH).stale_ns:
            self.health.refuse(Refused("frames", *self._frames.why_none(now_ns)))
