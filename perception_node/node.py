"""The perception node: frames in; depth, confidence and a local map out, or a diagnosis and silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from perception_node.cloud import Clouds
from perception_node.frames import Frame, Frames
from perception_node.inputs import PICTURES, RGBD_COLOUR, RGBD_DEPTH, Choice, Message, accept, capture_ns
from perception_node.mapping import Mapping
from perception_node.messages import depth_outs, encode_disparity
from perception_node.params import PerceptionParams
from perception_node.sync import Side, Stamps, StereoSync
from saccade.clock import SEC, TickGrid, nanoseconds
from saccade.inbox import Arrival
from saccade.node import Out, Sample
from saccade.stages import Stages
from saccade.wire.diagnostics import Level
from saccade.wire.health import Health, Refused, Stage

_SIDES: tuple[Side, Side] = ("left", "right")
_INFOS = ("left/camera_info", "right/camera_info", "rgbd/depth/camera_info")
_STAGES = {
    "images": Stage("left/image_rect", ("decode",)),
    "sync": Stage("left/image_rect"),
    "calibration": Stage("left/image_rect", ("rectify",)),
    "stereo": Stage("depth/image_rect", ("monitor", "prepare", "engine", "left-right", "finish", "mono", "depth")),
    "sight": Stage("left/image_rect", ("sight",)),
    "map": Stage("local_map", ("map",)),
}


class PerceptionNode:
    """Stereo pairs or RGB-D depth to metric depth and a robot-centred map. Latest-only: what comes late is dropped.

    Nothing is published of a frame that has a fault, so that whoever depends on it goes stale and stops; the fault is
    in `diagnostics`. Everything carries the capture stamp of the left (or depth) picture.
    """

    name = "perception_node"
    reads = frozenset(
        {*(f"{side}/{name}" for side in _SIDES for name in PICTURES), *RGBD_DEPTH, *RGBD_COLOUR, *_INFOS}
        | {"odom", "tf", "tf_static"}
    )
    writes = frozenset(
        {"disparity", "depth/image_rect", "depth/camera_info", "depth/confidence", "local_map", "occupancy"}
        | {"points", "diagnostics"}
    )

    def __init__(self, params: PerceptionParams | None = None) -> None:
        self._params = params = params or PerceptionParams()
        self.stages = Stages()
        self._clouds = Clouds(params.points)
        self._health = Health("perception: ", self.stages, _STAGES)
        self._mapping = Mapping(params.map, params.base_frame, self._health, self.stages)
        self._frames = Frames(params, self._mapping.place, self.stages)
        self._sync: StereoSync[Message] = StereoSync(nanoseconds(params.sync.tolerance_ms / 1e3))
        self._rgbd = Stamps()
        self._source = Choice(("rgbd", "stereo"))
        self._pictures = {side: Choice([f"{side}/{name}" for name in PICTURES]) for side in _SIDES}
        self._depths = Choice(RGBD_DEPTH)
        self._colour: Message | None = None
        self._grid = TickGrid(SEC)
        self._frame_ns: int | None = None

    def retune(self, params: PerceptionParams) -> None:
        """See `Tunable.retune`."""
        self._params, self._clouds = params, Clouds(params.points)
        self._mapping.retune(params.map)
        self._frames.retune(params)

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        tick_ns = self._grid.start(now_ns) if self._grid.next_ns is None else self._grid.next_ns
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
            self._look_for_silence(now_ns)
            self._health.note("sync", self._sync.counts())
            self._health.note("sight", self._frames.details())
            self._health.note("stereo", self._frames.running())
            yield from self._health.tick(now_ns)

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        self._frames.close()
        return ()

    def _guarded(self, work: Iterator[Out], now_ns: int) -> Iterator[Out]:
        """What work says, as soon as it says it, and what its refusal changes in the diagnostics."""
        try:
            yield from work
        except Refused as fault:
            self._health.drop(fault)
        yield from self._health.changes(now_ns)

    def _handle(self, sample: Sample, now_ns: int) -> Iterator[Out]:
        source, _, rest = sample.topic.partition("/")
        if sample.topic in _INFOS:
            self._frames.cameras.put(sample.topic, sample.cdr)
        elif sample.topic in RGBD_DEPTH:
            yield from self._on_rgbd(Message(sample.topic, sample.cdr), now_ns)
        elif sample.topic in RGBD_COLOUR:
            self._colour = Message(sample.topic, sample.cdr)  # looked at when a cloud is due
        elif rest:
            side: Side = "left" if source == "left" else "right"
            yield from self._on_picture(side, Message(sample.topic, sample.cdr), now_ns)
        elif sample.topic == "odom":
            yield from self._on_odom(sample, now_ns)
        else:
            self._mapping.on_tf(sample)

    def _on_picture(self, side: Side, message: Message, now_ns: int) -> Iterator[Out]:
        if not (self._source.takes("stereo", now_ns) and self._pictures[side].takes(message.topic, now_ns)):
            return
        stamp_ns, unpaired = capture_ns(message), self._sync.unpaired
        arrival, pair = self._sync.put(side, stamp_ns, now_ns, message)
        self._health.drops["sync"] += self._sync.unpaired - unpaired
        self._accept(arrival, self._sync.stamps[side], message.topic, now_ns)
        if side == "left":
            self._health.made("images", stamp_ns, now_ns)
        if pair:
            self._health.made("sync", pair.stamp_ns, now_ns)
            yield from self._publish(self._frames.stereo(pair, self._mapping.poses.moving()), now_ns)
        elif self._sync.alone(side, nanoseconds(self._params.mono.after_ms / 1e3)) and (
            frame := self._frames.alone(side, message)
        ):
            yield from self._publish(frame, now_ns)

    def _on_rgbd(self, message: Message, now_ns: int) -> Iterator[Out]:
        if not (self._source.takes("rgbd", now_ns) and self._depths.takes(message.topic, now_ns)):
            return
        stamp_ns = capture_ns(message)
        self._accept(self._rgbd.judge(stamp_ns, now_ns), self._rgbd, message.topic, now_ns)
        for stage in ("images", "sync"):
            self._health.made(stage, stamp_ns, now_ns)
        yield from self._publish(self._frames.rgbd(message), now_ns)

    def _accept(self, arrival: Arrival, stamps: Stamps, topic: str, now_ns: int) -> None:
        """Refuse a message whose stamp does not move forward."""
        if arrival is Arrival.CLOCK_BACK:
            self._begin_anew()
        accept(arrival, stamps, topic, now_ns, self._stale_ns)

    def _publish(self, frame: Frame, now_ns: int) -> Iterator[Out]:
        for stage in ("images", "sync", "calibration", "stereo", "sight"):
            self._health.ok(stage)
        for stage in ("calibration", "stereo", "sight"):
            self._health.made(stage, frame.depth.stamp_ns, now_ns)
        if frame.doubt:
            self._health.refuse(frame.doubt)
        self._frame_ns = now_ns
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
                cloud = self._clouds.out(frame.depth, self._frames.picture(frame, self._colour), now_ns)
            yield cloud
        if no_map:
            raise no_map

    def _on_odom(self, sample: Sample, now_ns: int) -> Iterator[Out]:
        if not self._mapping.on_odom(sample):
            self._begin_anew()
            raise Refused(
                "sync", Arrival.CLOCK_BACK.value, "odometry's stamps went back; the map begins anew", Level.WARN
            )
        yield from self._mapping.resume(now_ns)

    def _begin_anew(self) -> None:
        """The clock went back: what was known of the world belongs to another time."""
        self._mapping.forget()
        self._frames.forget()
        self._sync.forget()

    def _look_for_silence(self, now_ns: int) -> None:
        if self._frame_ns is None or now_ns - self._frame_ns > self._stale_ns:
            if self._rgbd.newest_ns is not None:
                why = ("pictures stopped", "no new depth image; is the camera still running?")
            else:
                why = self._sync.why_none(now_ns, self._stale_ns)
            self._health.refuse(Refused("sync", *why))

    @property
    def _stale_ns(self) -> int:
        return nanoseconds(self._params.monitor.stale_ms / 1e3)
