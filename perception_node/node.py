"""The perception node: frames in; depth, confidence and a local map out, or a diagnosis and silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from perception_node.cloud import Clouds
from perception_node.flank import Flank
from perception_node.frames import Frame
from perception_node.inputs import RGBD_COLOUR, Message
from perception_node.mapping import Mapping
from perception_node.messages import depth_outs, encode_disparity
from perception_node.params import PerceptionParams
from perception_node.source import DEPTH_TOPICS, Source
from saccade.clock import SEC, TickGrid
from saccade.inbox import Arrival
from saccade.node import Out, Sample
from saccade.stages import Stages
from saccade.topics import RIGS
from saccade.wire.health import Health, Refused, Stage

_STAGES = {
    "images": Stage("left/image_rect", ("decode",)),
    "sync": Stage("left/image_rect"),
    "calibration": Stage("left/image_rect", ("rectify",)),
    "stereo": Stage(
        "depth/image_rect", ("monitor", "prepare", "device", "engine", "left-right", "finish", "mono", "depth")
    ),
    "sight": Stage("left/image_rect", ("sight",)),
    "map": Stage("local_map", ("map",)),
}


class PerceptionNode:
    """Stereo pairs or RGB-D depth to metric depth and a robot-centred map. Latest-only: what comes late is dropped.

    Nothing is published of a frame that has a fault, so that whoever depends on it goes stale and stops; the fault is
    in `diagnostics`. Everything carries the capture stamp of the left (or depth) picture. What further rigs see
    (`PerceptionParams.rigs`) is in the map, and nowhere else.
    """

    name = "perception_node"
    reads = frozenset({*DEPTH_TOPICS, *RGBD_COLOUR, "odom", "tf", "tf_static"})
    writes = frozenset(
        {"disparity", "depth/image_rect", "depth/camera_info", "depth/confidence", "local_map", "occupancy"}
        | {"points", "diagnostics"}
    )

    def __init__(self, params: PerceptionParams | None = None) -> None:
        self._params = params = params or PerceptionParams()
        self.reads = self.reads | {f"{rig}/{name}" for rig in params.rigs for name in DEPTH_TOPICS}
        self.stages = Stages()
        self._clouds = Clouds(params.points)
        stages = {**_STAGES, **{rig: Stage(f"{rig}/left/image_rect", (rig,)) for rig in params.rigs}}
        self._health = Health("perception: ", self.stages, stages)
        self._mapping = Mapping(params.map, params.base_frame, self._health, self.stages)
        self._source = Source(params, self._mapping.place, self.stages, self._health.made)
        self._flanks = {rig: Flank(rig, params, self._mapping, self._health, self.stages) for rig in params.rigs}
        self._rigs: list[Source | Flank] = [self._source, *self._flanks.values()]
        self._grid = TickGrid(SEC)

    def retune(self, params: PerceptionParams) -> None:
        """See `Tunable.retune`."""
        self._params, self._clouds = params, Clouds(params.points)
        self._mapping.retune(params.map)
        for rig in self._rigs:
            rig.retune(params)

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        tick_ns = self._grid.due(now_ns)
        until_ns = self._mapping.until_ns
        return tick_ns if until_ns is None else min(tick_ns, until_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """See `Node.on_sample`."""
        return self._guarded(self._handle(sample, now_ns), now_ns)

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        """See `Node.on_tick`."""
        yield from self._guarded(self._mapping.resume(now_ns), now_ns)
        if self._grid.next_ns is None or now_ns >= self._grid.next_ns:
            self._grid.advance(now_ns)
            if why := self._source.why_none(now_ns):
                self._health.refuse(Refused("sync", *why))
            else:
                self._health.ok("sync")  # also while every pair is refused for what it shows
            for flank in self._flanks.values():
                flank.look_for_silence(now_ns)
            self._health.note("sync", self._source.sync.counts())
            self._health.note("sight", self._source.frames.details())
            self._health.note("stereo", self._source.frames.running())
            yield from self._health.tick(now_ns)

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        for rig in self._rigs:
            rig.close()
        return ()

    def _guarded(self, work: Iterator[Out], now_ns: int) -> Iterator[Out]:
        """What work says, as soon as it says it, and what its refusal changes in the diagnostics."""
        try:
            yield from work
        except Refused as fault:
            self._health.drop(fault)
        yield from self._health.changes(now_ns)

    def _handle(self, sample: Sample, now_ns: int) -> Iterator[Out]:
        first, _, rest = sample.topic.partition("/")
        if sample.topic == "odom":
            yield from self._on_odom(sample, now_ns)
        elif not rest:
            self._mapping.on_tf(sample)
        elif first in RIGS:
            yield from self._flanks[first].take(Message(rest, sample.cdr), now_ns)
        elif frame := self._frame(Message(sample.topic, sample.cdr), now_ns):
            yield from self._publish(frame, now_ns)

    def _frame(self, message: Message, now_ns: int) -> Frame | None:
        unpaired = self._source.sync.unpaired
        try:
            return self._source.take(message, now_ns, self._mapping.poses.moving())
        except Refused as fault:
            if fault.name == Arrival.CLOCK_BACK.value:
                self._begin_anew()
            raise
        finally:
            self._health.drops["sync"] += self._source.sync.unpaired - unpaired

    def _publish(self, frame: Frame, now_ns: int) -> Iterator[Out]:
        for stage in ("images", "sync", "calibration", "stereo", "sight"):
            self._health.ok(stage)
        for stage, heard in (("calibration", self._source.heard), ("stereo", ""), ("sight", self._source.heard)):
            self._health.made(stage, frame.depth.stamp_ns, now_ns, heard)
        if frame.doubt:
            self._health.refuse(frame.doubt)
        no_map: Refused | None = None
        try:
            # Before the pictures: the gate waits for the map, nobody for them.
            yield from self._mapping.put(frame.depth, frame.reach, now_ns)
        except Refused as fault:
            no_map = fault
        with self.stages.timed("encode"):
            outs = list(depth_outs(frame.depth, self._params.depth))
            if self._params.depth.publish_disparity and frame.pair is not None and frame.disparity is not None:
                outs.append(Out("disparity", encode_disparity(frame.pair, frame.disparity, self._params.depth)))
        yield from outs
        if self._clouds.due(now_ns):
            with self.stages.timed("points"):
                cloud = self._clouds.out(frame.depth, self._source.picture(frame), now_ns)
            yield cloud
        if no_map:
            raise no_map

    def _on_odom(self, sample: Sample, now_ns: int) -> Iterator[Out]:
        if fault := self._mapping.on_odom(sample):
            self._begin_anew()
            raise fault
        yield from self._mapping.resume(now_ns)

    def _begin_anew(self) -> None:
        """The clock went back, or odometry jumped: what was known of the world belongs to another time or place."""
        self._mapping.forget()
        for rig in self._rigs:
            rig.forget()
