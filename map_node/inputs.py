"""What belongs to one moment: depth, its confidence and the picture it was seen in, matched by stamp."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import cv2
import numpy as np

from saccade.clock import MS
from saccade.errors import CalibrationError, DataError
from saccade.geometry import Pinhole
from saccade.inbox import Arrival, Freshness, Inbox
from saccade.types import U8, Depth
from saccade.wire.convert import Cdr, decode, decode_camera, stamp_ns
from saccade.wire.diagnostics import Level
from saccade.wire.health import Refused
from saccade.wire.images import decode_depth, decode_image

DEPTH, CONFIDENCE, INFO = "depth/image_rect", "depth/confidence", "depth/camera_info"
COLOURS = tuple(f"{camera}/image_rect{suffix}" for camera in ("rgbd/color", "left") for suffix in ("", "/compressed"))
"""Rectified pictures, best first. Raw ones are not the pixels of the depth image, and never used."""
READS = frozenset({DEPTH, CONFIDENCE, INFO, *COLOURS})
_COLOURS_KEPT = 16
"""Pictures come before the depth that is made of them: by half a second at 30 a second."""
_SAME_NS = 20 * MS
"""A picture of another camera this close to a depth image is taken for the same moment."""
_AFTER_STAMP = 12
"""CDR bytes before a header's frame: 4 of encapsulation, 8 of stamp."""


class ClockBack(Refused):
    """The stamps of depth went back by more than a second: nothing that is known holds."""


class Frame(NamedTuple):
    """One moment's messages, not yet decoded; `colour` (topic, bytes) where there is a picture."""

    stamp_ns: int
    frame_id: str
    depth: Cdr
    confidence: Cdr | None
    colour: tuple[str, Cdr] | None


class _Picture(NamedTuple):
    topic: str
    stamp_ns: int
    frame_id: str
    cdr: Cdr


class Frames:
    """Keeps the newest depth and confidence, and the last pictures. Raises Refused and nothing else."""

    def __init__(self, need_confidence: bool) -> None:
        self._need_confidence = need_confidence
        self._inbox = Inbox()
        self._pictures: deque[_Picture] = deque(maxlen=_COLOURS_KEPT)
        self._info: bytes = b""
        self._camera: Pinhole | DataError | None = None
        self._given_ns: int | None = None
        self.coloured = self.plain = 0
        """Frames with and without a picture."""

    def put(self, topic: str, cdr: Cdr, now_ns: int) -> Frame | None:
        """Take a message; the frame that it completes, if it does."""
        if topic == INFO:
            self._calibrate(cdr)
            return None
        try:
            header = decode(topic, cdr).header
        except DataError as error:
            raise Refused("frames", "corrupt picture", f"{topic}: {error}") from error
        stamp, frame_id = stamp_ns(header.stamp), header.frame_id
        if topic in COLOURS:
            self._pictures.append(_Picture(topic, stamp, frame_id, cdr))
            return None
        arrival = self._inbox.put(topic, stamp, now_ns, (frame_id, cdr))
        if topic == DEPTH and arrival is not Arrival.ACCEPTED:
            text = f"{topic}: {arrival.value}"
            if arrival is Arrival.CLOCK_BACK:
                raise ClockBack("frames", arrival.value, f"{text}; the map begins anew", Level.WARN)
            raise Refused("frames", arrival.value, f"{text}; the message is not used", Level.WARN)
        return self._complete(now_ns)

    def decoded(self, frame: Frame) -> tuple[Depth, U8 | None]:
        """Depth with its camera, and the colours (H, W, 3) of its pixels where there is a picture of them."""
        if self._camera is None:
            raise Refused("frames", "missing calibration", f"no {INFO} yet; depth cannot be used without", Level.WARN)
        if isinstance(self._camera, DataError):
            raise Refused("frames", "unusable calibration", f"{INFO}: {self._camera}")
        try:
            _, _, depth_m = decode_depth(DEPTH, frame.depth)
            confidence = self._sure(depth_m.shape) if frame.confidence is None else self._confidence(frame.confidence)
        except DataError as error:
            raise Refused("frames", "corrupt picture", str(error)) from error
        shape = self._camera.height, self._camera.width
        if not depth_m.shape == confidence.shape == shape:
            told = f"depth is {_size(depth_m.shape)}, confidence {_size(confidence.shape)}, {INFO} {_size(shape)}"
            raise Refused("frames", "sizes differ", f"{told}; expected the same of all three")
        if not np.isfinite(depth_m).any():
            raise Refused("frames", "no depth", f"{DEPTH} has no pixel with a depth; is the camera covered?")
        rgb = self._colours(frame.colour, shape) if frame.colour else None
        self.coloured, self.plain = self.coloured + (rgb is not None), self.plain + (rgb is None)
        return Depth(frame.stamp_ns, frame.frame_id, depth_m, confidence, self._camera), rgb

    def why_none(self, now_ns: int) -> tuple[str, str]:
        """What keeps frames from coming: a short name, and the words for people."""
        depth, confidence = self._inbox.get(DEPTH, now_ns), self._inbox.get(CONFIDENCE, now_ns)
        if depth.state is Freshness.FROZEN:
            return "frozen stamps", f"{depth.why()}: stamps stand still while messages keep coming"
        if not depth.fresh:
            return "no depth", f"{depth.why()}; is perception_node running, with depth.publish_depth true?"
        if self._need_confidence and not confidence.fresh:
            why = (
                f"{confidence.why()}; have perception_node send it (depth.publish_confidence), or need_confidence false"
            )
            return "no confidence", why
        return "not matched", f"no {CONFIDENCE} has the stamp of a {DEPTH}"

    def forget(self) -> None:
        """Begin anew, as after a jump of the clock."""
        self._inbox.forget()
        self._pictures.clear()
        self._given_ns = None

    def _complete(self, now_ns: int) -> Frame | None:
        depth, confidence = self._inbox.get(DEPTH, now_ns), self._inbox.get(CONFIDENCE, now_ns)
        if depth.value is None or depth.stamp_ns == self._given_ns:
            return None
        if self._need_confidence and (confidence.value is None or confidence.stamp_ns != depth.stamp_ns):
            return None
        self._given_ns = depth.stamp_ns
        frame_id, cdr = depth.value
        sure = confidence.value[1] if self._need_confidence else None
        return Frame(depth.stamp_ns, frame_id, cdr, sure, self._picture(depth.stamp_ns, frame_id))

    def _picture(self, stamp: int, frame_id: str) -> tuple[str, Cdr] | None:
        """The best picture of a moment: of the same camera and stamp, or the nearest of an RGB-D camera's other one."""
        fitting = [p for p in self._pictures if p.stamp_ns == stamp and p.frame_id == frame_id]
        fitting = fitting or [
            p for p in self._pictures if p.topic.startswith("rgbd/") and abs(p.stamp_ns - stamp) <= _SAME_NS
        ]
        if not fitting:
            return None
        best = min(fitting, key=lambda p: (abs(p.stamp_ns - stamp), COLOURS.index(p.topic)))
        return best.topic, best.cdr

    def _calibrate(self, cdr: Cdr) -> None:
        content = bytes(cdr[_AFTER_STAMP:])
        if content == self._info:
            return
        self._info = content
        try:
            _, model = decode_camera(cdr)
            fx, fy, cx, cy = model.P[0, 0], model.P[1, 1], model.P[0, 2], model.P[1, 2]
            if not (np.isfinite([fx, fy, cx, cy]).all() and min(fx, fy) > 0):
                raise CalibrationError(
                    f"P has focal lengths {fx}, {fy} and centre {cx}, {cy}; expected positive pixels"
                )
            self._camera = Pinhole(float(fx), float(fy), float(cx), float(cy), model.width, model.height)
        except DataError as error:
            self._camera = error

    def _sure(self, shape: tuple[int, ...]) -> U8:
        return np.full(shape, 255, np.uint8)

    def _confidence(self, cdr: Cdr) -> U8:
        data = decode_image(CONFIDENCE, cdr).data
        if data.ndim != 2:
            raise DataError(f"{CONFIDENCE} has {data.shape[2]} channels; expected mono8")
        return data

    def _colours(self, message: tuple[str, Cdr], shape: tuple[int, int]) -> U8 | None:
        """The picture as RGB at the depth image's size, which may be every n-th pixel of it; None for other sizes."""
        try:
            picture = decode_image(*message).data
        except DataError:
            return None
        stride = max(1, round(picture.shape[1] / shape[1]))
        thinned = picture[stride // 2 :: stride, stride // 2 :: stride]
        if thinned.shape[:2] != shape:
            return None
        if thinned.ndim == 2:
            thinned = np.asarray(cv2.cvtColor(np.ascontiguousarray(thinned), cv2.COLOR_GRAY2RGB), np.uint8)
        return np.ascontiguousarray(thinned)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
