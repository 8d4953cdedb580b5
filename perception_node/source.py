"""One rig's messages to frames: which of its topics is listened to, what is paired with what, what comes too late."""

from __future__ import annotations

from collections.abc import Callable

from perception_node.frames import Frame, Frames
from perception_node.inputs import PICTURES, RGBD_COLOUR, RGBD_DEPTH, Choice, Message, accept, capture_ns
from perception_node.mono import Place
from perception_node.params import PerceptionParams
from perception_node.sync import Side, Stamps, StereoSync
from saccade.clock import nanoseconds
from saccade.stages import Stages
from saccade.types import U8

_SIDES: tuple[Side, Side] = ("left", "right")
_INFOS = ("left/camera_info", "right/camera_info", "rgbd/depth/camera_info")
DEPTH_TOPICS = frozenset({*(f"{side}/{name}" for side in _SIDES for name in PICTURES), *RGBD_DEPTH, *_INFOS})
"""What depth is made of, as a robot with one rig calls it."""
Made = Callable[[str, int, int, str], None]
"""A stage of the work on a frame, the frame's stamp, now, and the topic that it came as."""


class Source:
    """A stereo pair or an RGB-D camera, whichever is heard. Latest-only: what comes late is dropped.

    `made` is told of pictures ("images") and pairs ("sync") that are worked on.
    """

    def __init__(self, params: PerceptionParams, place: Place, stages: Stages, made: Made = lambda *_: None) -> None:
        self._params, self._made = params, made
        self.frames = Frames(params, place, stages)
        self.sync: StereoSync[Message] = StereoSync(nanoseconds(params.sync.tolerance_ms / 1e3))
        self._rgbd = Stamps()
        self._kinds = Choice(("rgbd", "stereo"))
        self._pictures = {side: Choice([f"{side}/{name}" for name in PICTURES]) for side in _SIDES}
        self._depths = Choice(RGBD_DEPTH)
        self._colour: Message | None = None
        self._came_ns: int | None = None
        self.heard = ""
        """The topic of the newest left picture or depth image."""

    def take(self, message: Message, now_ns: int, moving: bool) -> Frame | None:
        """The frame that a message completes, if it does; Refused where it, or the frame, cannot be used.

        `moving`: whether odometry says that the robot moves.
        """
        if message.topic in _INFOS:
            self.frames.cameras.put(message.topic, message.cdr)
        elif message.topic in RGBD_COLOUR:
            self._colour = message  # looked at when a cloud is due
        elif message.topic in RGBD_DEPTH:
            return self._on_rgbd(message, now_ns)
        else:
            side: Side = "left" if message.topic.startswith("left/") else "right"
            return self._on_picture(side, message, now_ns, moving)
        return None

    def picture(self, frame: Frame) -> U8 | None:
        """See `Frames.picture`."""
        return self.frames.picture(frame, self._colour)

    def why_none(self, now_ns: int) -> tuple[str, str] | None:
        """What keeps pairs and depth images from coming, a short name and the words for people; None while they come.

        Those that are refused have come, too: what they are refused for is told where it is found.
        """
        if self._came_ns is not None and 0 <= now_ns - self._came_ns <= self._stale_ns:
            return None
        if self._rgbd.newest_ns is not None:
            return "pictures stopped", "no new depth image; is the camera still running?"
        return self.sync.why_none(now_ns, self._stale_ns)

    def retune(self, params: PerceptionParams) -> None:
        """See `Tunable.retune`."""
        self._params = params
        self.frames.retune(params)

    def forget(self) -> None:
        """Begin anew, as after a jump of the clock or of odometry."""
        self.frames.forget()
        self.sync.forget()

    def close(self) -> None:
        """Release the engine and the threads."""
        self.frames.close()

    def _on_picture(self, side: Side, message: Message, now_ns: int, moving: bool) -> Frame | None:
        if not (self._kinds.takes("stereo", now_ns) and self._pictures[side].takes(message.topic, now_ns)):
            return None
        stamp_ns = capture_ns(message)
        arrival, pair = self.sync.put(side, stamp_ns, now_ns, message)
        accept(arrival, self.sync.stamps[side], message.topic, now_ns, self._stale_ns)
        if side == "left":
            self.heard = message.topic
            self._made("images", stamp_ns, now_ns, self.heard)
        if pair:
            self._came_ns = now_ns
            self._made("sync", pair.stamp_ns, now_ns, self.heard)
            return self.frames.stereo(pair, moving)
        if not self.sync.alone(side, nanoseconds(self._params.mono.after_ms / 1e3)):
            return None
        frame = self.frames.alone(side, message)
        if frame:
            self._came_ns = now_ns  # nothing is missing while one camera will do
        return frame

    def _on_rgbd(self, message: Message, now_ns: int) -> Frame | None:
        if not (self._kinds.takes("rgbd", now_ns) and self._depths.takes(message.topic, now_ns)):
            return None
        stamp_ns = capture_ns(message)
        accept(self._rgbd.judge(stamp_ns, now_ns), self._rgbd, message.topic, now_ns, self._stale_ns)
        self._came_ns, self.heard = now_ns, message.topic
        for stage in ("images", "sync"):
            self._made(stage, stamp_ns, now_ns, self.heard)
        return self.frames.rgbd(message)

    @property
    def _stale_ns(self) -> int:
        return nanoseconds(self._params.monitor.stale_ms / 1e3)
