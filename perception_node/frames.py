"""From messages to metric depth, step by step; what cannot be used is refused by name."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from engines.card import load_card, with_runtime
from engines.stereo import Disparity
from perception_node.cameras import Cameras, MissingCalibration
from perception_node.depth import Triangulator
from perception_node.figures import Gauge
from perception_node.inputs import Message
from perception_node.matching import Matching
from perception_node.monitor import PairMonitor, exposure
from perception_node.mono import OneEye, Place
from perception_node.near import Reach
from perception_node.params import PerceptionParams
from perception_node.sight import Finding, Sight
from perception_node.specks import Specks
from perception_node.sync import Pair, Side
from saccade.clock import MS
from saccade.errors import CalibrationError, DataError
from saccade.geometry import F32
from saccade.stages import Stages
from saccade.types import U8, Depth, Image, StereoPair
from saccade.wire.diagnostics import Level
from saccade.wire.health import Refused
from saccade.wire.images import decode_depth, decode_image, unshifted

_SAME_NS = 50 * MS
"""A colour picture this close to a depth image is taken for the same moment."""


class Frame(NamedTuple):
    """Depth, and for a stereo frame what it was made from. Valid until the next frame.

    `doubt` is what is wrong with it although it is used, if anything; `picture` that of a single camera.
    """

    depth: Depth
    reach: Reach
    pair: StereoPair | None = None
    disparity: F32 | None = None
    doubt: Refused | None = None
    picture: U8 | None = None


class Frames:
    """Makes a `Frame` of a stereo pair or of an RGB-D depth image; raises Refused and nothing else."""

    def __init__(self, params: PerceptionParams, place: Place, stages: Stages) -> None:
        self._stages = stages
        self._params = params.depth
        self.cameras = Cameras()
        card = with_runtime(load_card(params.engine), params.runtime, params.precision, params.meanwhile)
        self._matching = Matching(card, params.depth, stages)
        self._monitor = PairMonitor(params.monitor)
        self._gauge, self._sight = Gauge(), Sight(params.sight)
        self._triangulate = Triangulator(params.depth.min_m, params.depth.max_m, params.depth.min_confidence)
        self._specks = Specks()
        self._one = OneEye(params.mono, place, stages) if params.mono.card else None
        self._decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode")

    def retune(self, params: PerceptionParams) -> None:
        """See `Tunable.retune`."""
        self._params = params.depth
        self._triangulate.limit(params.depth.min_m, params.depth.max_m, params.depth.min_confidence)
        self._matching.retune(params.depth)

    def details(self) -> dict[str, str]:
        """How well the pair sees, for people; empty for other cameras."""
        return self._sight.details()

    def running(self) -> dict[str, str]:
        """See `Matching.running`."""
        return self._matching.running()

    def stereo(self, messages: Pair[Message], moving: bool) -> Frame:
        """Decode, match, meanwhile rectify and look, then triangulate, and judge what was seen."""
        left, right = self._decoded(messages)
        pair = self._begun(left, right, messages)
        with self._stages.timed("monitor"):
            fault = self._monitor.check(
                pair.stamp_ns, pair.left, pair.right, pair.camera.cx - pair.cx_right, moving=moving
            )
        if fault:
            text = fault.text + _shift([fault.name], messages)
            return self._without(fault.side, Refused("stereo", fault.name, text), left, right, messages)
        matched = self._matching.disparity(pair)
        found = self._judged(pair, matched, moving)
        text = "; ".join(f.text for f in found) + _shift([f.name for f in found], messages)
        doubt = Refused("sight", found[0].name, text, found[0].level) if found else None
        if doubt and doubt.level >= Level.ERROR:
            return self._without(found[0].side, doubt, left, right, messages)
        with self._stages.timed("depth"):
            depth = self._matching.depth(pair, matched)
            self._specks.drop(depth, pair.baseline_m, self._params.speck_m)
        if self._one:
            self._one.remember(depth, pair.left)
        return Frame(depth, self._reach(pair), pair, matched.disparity, doubt)

    def alone(self, side: Side, message: Message) -> Frame | None:
        """Depth of one camera while the other is silent; None where no monocular engine is set."""
        if self._one is None:
            return None
        with self._stages.timed("decode"):
            picture = _decoded(message)
        other = "right" if side == "left" else "left"
        return self._of_one(self._one, side, picture, message.rectified, f"{other} is silent")

    def rgbd(self, message: Message) -> Frame:
        """Decode a depth image and hold it to the range."""
        with self._stages.timed("decode"):
            try:
                stamp_ns, frame_id, depth_m = decode_depth(message.topic, message.cdr)
            except DataError as error:
                raise Refused("images", "corrupt picture", str(error)) from error
        with self._stages.timed("depth"):
            try:
                camera = self.cameras.depth(message.topic, depth_m.shape)
            except CalibrationError as error:
                raise _refused(error) from error
            measured = self._triangulate.measured(stamp_ns, frame_id, depth_m, camera)
            return Frame(measured, Reach(self._params.min_m))

    def picture(self, frame: Frame, colour: Message | None) -> U8 | None:
        """The picture that a frame was seen in, pixel by pixel; None for depth without one of its moment and size."""
        if frame.pair is not None:
            return frame.pair.left
        if frame.picture is not None:
            return frame.picture
        if colour is None:
            return None
        try:
            seen = decode_image(*colour)
        except DataError:
            return None
        near = abs(seen.stamp_ns - frame.depth.stamp_ns) <= _SAME_NS
        return seen.data if near and seen.data.shape[:2] == frame.depth.depth_m.shape else None

    def forget(self) -> None:
        """Begin anew, as after a jump of the clock or of odometry."""
        self._sight.forget()
        if self._one:
            self._one.forget()

    def close(self) -> None:
        """Release the engines and the threads."""
        self._matching.close()
        if self._one:
            self._one.close()
        self._monitor.close()
        self._decoder.shutdown()

    def _reach(self, pair: StereoPair) -> Reach:
        """What is nearer than the largest disparity cannot be matched, and at the left rim less than that."""
        offset_px, fB = pair.cx_right - pair.camera.cx, pair.camera.fx * pair.baseline_m
        most_px = self._matching.max_disparity(pair.left.shape) + offset_px
        nearest_m = max(self._params.min_m, fB / most_px if most_px > 0 else math.inf)
        return Reach(nearest_m, fB / nearest_m - offset_px)

    def _judged(self, pair: StereoPair, matched: Disparity, moving: bool) -> list[Finding]:
        """What is wrong with how the pair sees, worst first."""
        with self._stages.timed("sight"):
            reach_px = self._matching.max_disparity(matched.disparity.shape)
            least = max(1, self._params.min_confidence)
            figures = self._gauge.of(pair.left, pair.right, *matched, least, reach_px)
            return self._sight.look(figures, pair.stamp_ns, moving)

    def _without(self, side: str, fault: Refused, left: Image, right: Image, messages: Pair[Message]) -> Frame:
        """Depth of the other camera, where one camera is to blame and there is a monocular engine; else the fault."""
        if self._one is None or not side:
            raise fault
        good: Side = "right" if side == "left" else "left"
        picture = right if good == "right" else left
        return self._of_one(self._one, good, picture, messages.left.rectified, str(fault))

    def _of_one(self, one: OneEye, side: Side, picture: Image, rectified: bool, why: str) -> Frame:
        if fault := exposure(side, picture.data[::8, ::8]):
            raise Refused("stereo", fault.name, f"{why}, and {fault.text}")
        with self._stages.timed("rectify"):
            try:
                rectified_picture, camera = self.cameras.alone(side, picture, rectified=rectified)
            except CalibrationError as error:
                raise _refused(error) from error
        depth, text = one.depth(rectified_picture, camera, picture.stamp_ns, picture.frame_id)
        depth = self._triangulate.held(depth)
        if not depth.confidence.any():
            raise Refused("stereo", "no scale", f"{text}: no longer sure enough ({why})")
        doubt = Refused("stereo", "one camera", f"{text} ({why})", Level.WARN)
        return Frame(depth, Reach(self._params.min_m), picture=rectified_picture, doubt=doubt)

    def _decoded(self, messages: Pair[Message]) -> tuple[Image, Image]:
        """Both pictures; compressed ones at the same time, in two threads."""
        left, right = messages.left, messages.right
        with self._stages.timed("decode"):
            if not right.compressed:
                return _decoded(left), _decoded(right)
            other = self._decoder.submit(_decoded, right)
            return _decoded(left), other.result()

    def _begun(self, left: Image, right: Image, messages: Pair[Message]) -> StereoPair:
        """The rectified pair, of which matching has begun where that needs no CPU."""
        if messages.left.rectified != messages.right.rectified:
            text = f"{messages.left.topic} comes with {messages.right.topic}; expected both raw or both rectified"
            raise Refused("calibration", "mixed pair", text)
        try:
            sources = self.cameras.sources(left, right, rectified=messages.left.rectified)
        except CalibrationError as error:
            raise _refused(error) from error
        self._matching.begin(sources)
        with self._stages.timed("rectify"):
            return self.cameras.rectified(sources)


def _decoded(message: Message) -> Image:
    try:
        return decode_image(*message)
    except DataError as error:
        raise Refused("images", "corrupt picture", str(error)) from error


def _shift(found: list[str], messages: Pair[Message]) -> str:
    """What more to say of pictures that were found dark, where they may be so for want of a shift; else ""."""
    dark = any(name == "blank" or name.endswith("too dark") for name in found)
    low = [message.topic for message in (messages.left, messages.right) if dark and unshifted(*message)]
    if not low:
        return ""
    return f"; {' and '.join(low)}: mono16 below 4096; shift 10 or 12 bits to the full range of 16, or send mono8"


def _refused(error: CalibrationError) -> Refused:
    if isinstance(error, MissingCalibration):
        return Refused("calibration", "missing calibration", str(error), Level.WARN)
    return Refused("calibration", "unusable calibration", str(error))
