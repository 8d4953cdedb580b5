"""Records a long drive in little space: of the pictures only keyframes, under a budget; all else as it comes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from saccade.clock import SEC
from saccade.errors import DataError
from saccade.keyframes import Keyframes
from saccade.node import Out, Sample
from saccade.poses import Poses
from saccade.tf import TransformError
from saccade.topics import TOPICS, Role
from saccade.wire.convert import decode, decode_odom, decode_transforms, stamp_ns
from saccade.wire.record import Recorder

_BIG = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
PICTURES = frozenset(row.name for row in TOPICS.values() if row.type in _BIG and row.role is Role.SENSOR) | {
    "depth/image_rect", "depth/confidence", "disparity", "points",
}  # fmt: skip
"""What is kept of keyframes alone; those of one stamp stay together."""
_PATIENCE_NS = SEC
_AHEAD_MS = 25.0


class KeyframeRecorder(Recorder):
    """A recorder whose pictures are chosen by `saccade.keyframes`: at most `budget` moments, wherever the robot went.

    Pictures are held in memory until the recording ends, and written then, each with its own time of arrival: a crash
    loses them. A picture is chosen by its camera's pose, so it takes odometry and the camera's place on `base_frame`;
    `unplaced` counts the moments that were let go for want of either.
    """

    def __init__(self, path: Path, topics: Iterable[str], budget: int, base_frame: str = "base_link") -> None:
        """ConfigError for a budget that is none; SaccadeError as `Recorder`."""
        self._kept: Keyframes[list[Sample]] = Keyframes(budget)
        super().__init__(path, topics)
        self._asked = self.reads
        self.reads = self.reads | {"odom", "tf", "tf_static"}
        self._poses = Poses(base_frame, _AHEAD_MS)
        self._moments: dict[int, tuple[str, list[Sample]]] = {}
        """By stamp: the camera's frame, and what has come of that moment; shared with an anchor that keeps it."""
        self._open: dict[int, int] = {}
        """Moments that wait for odometry, and until when."""
        self.seen = self.unplaced = 0

    @property
    def kept(self) -> int:
        """How many moments are kept so far."""
        return len(self._kept.anchors())

    def on_sample(self, sample: Sample, now_ns: int) -> tuple[Out, ...]:
        """See `Node.on_sample`."""
        if sample.topic in PICTURES:
            self._hold(sample, now_ns)
            return ()
        with suppress(DataError):  # it is recorded all the same
            self._place(sample)
        self._settle(now_ns)
        return super().on_sample(sample, now_ns) if sample.topic in self._asked else ()

    def close(self) -> tuple[Out, ...]:
        """Write the pictures, and finish the file."""
        if self._thread.is_alive():
            self.unplaced += len(self._open)
            held = [sample for anchor in self._kept.anchors() for sample in anchor.payload]
            for sample in sorted(held, key=lambda one: one.stamp_ns):
                super().on_sample(sample, sample.stamp_ns)
        return super().close()

    def _hold(self, sample: Sample, now_ns: int) -> None:
        try:
            header = decode(sample.topic, sample.cdr).header
        except DataError:
            return
        stamp, held = stamp_ns(header.stamp), sample._replace(cdr=bytes(sample.cdr))
        if stamp not in self._moments:
            self._moments[stamp] = header.frame_id, []
            self._open[stamp] = now_ns + _PATIENCE_NS
            self.seen += 1
        if all(sample.topic != other.topic for other in self._moments[stamp][1]):
            self._moments[stamp][1].append(held)  # of a camera whose stamp stands still the first, or memory would fill
        self._settle(now_ns)

    def _place(self, sample: Sample) -> None:
        if sample.topic == "odom":
            state, child_frame = decode_odom(sample.cdr)
            self._poses.put(state, child_frame)
        elif sample.topic in ("tf", "tf_static"):
            for stamp, parent, child, T in decode_transforms(sample.cdr):
                if sample.topic == "tf_static":
                    self._poses.tf.set_static(parent, child, T)
                elif child != self._poses.child_frame:
                    self._poses.tf.add(parent, child, stamp, T)

    def _settle(self, now_ns: int) -> None:
        """Choose among the moments whose pose is known by now; let go of those that nobody can place."""
        for stamp, until_ns in list(self._open.items()):
            frame_id, held = self._moments[stamp]
            if self._poses.reach(stamp):
                try:
                    _, T_odom_from_base, T_base_from_cam = self._poses.at(stamp, frame_id)
                    self._kept.put(stamp, T_odom_from_base @ T_base_from_cam, lambda held=held: held)  # type: ignore[misc]
                    del self._open[stamp]
                    continue
                except (TransformError, ValueError):
                    pass
            if now_ns >= until_ns:
                self.unplaced += 1
                del self._open[stamp]
        kept = {anchor.stamp_ns for anchor in self._kept.anchors()}
        old = [stamp for stamp in self._moments if stamp not in self._open and stamp not in kept]
        for stamp in old[:-8]:  # the last ones may still get the rest of their moment
            del self._moments[stamp]
