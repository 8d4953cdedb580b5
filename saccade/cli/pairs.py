"""Rectified stereo pairs to learn from: out of a recording, as replay reads it, or out of a folder of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from perception_node.cameras import Cameras
from perception_node.inputs import PICTURES, Message
from perception_node.monitor import Fault, PairMonitor
from perception_node.params import MonitorParams, SyncParams
from perception_node.sync import Pair, Side, StereoSync
from saccade.clock import nanoseconds
from saccade.errors import CalibrationError, DataError
from saccade.node import NEVER_NS, BusEnd
from saccade.types import U8
from saccade.wire.bag import Recording, open_recording
from saccade.wire.convert import decode, stamp_ns
from saccade.wire.images import decode_image
from saccade.wire.virtual import VirtualBus

_SIDES: tuple[Side, Side] = ("left", "right")
_FOLDERS = (("left", "right"), ("image_0", "image_1"), ("image_2", "image_3"), ("cam0", "cam1"))
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".webp")
_NAMED = re.compile(r"(?P<stem>.*?)[_-]?(?P<side>left|right|l|r)", re.IGNORECASE)
_DIGITS = re.compile(r"([0-9]+)")
_SMALLEST = 64
"""Pixels along an edge."""
_LOOKED = 9
"""Pairs whose geometry is looked at."""
_EXPECTED = "expected left/ and right/ with the same names, or *_left.* beside *_right.*"


@dataclass(frozen=True, slots=True, eq=False)
class StereoFrame:
    """One rectified pair, `number` in the order of time: left and right (H, W) grey or (H, W, 3) RGB uint8."""

    number: int
    left: U8
    right: U8


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Rectified pairs in the order of time. `total` is how many there were to choose from; `note` says which ones."""

    name: str
    frames: tuple[StereoFrame, ...]
    total: int
    note: str


def read_pairs(path: Path, mapping: Path | None, at_most: int, least: int) -> Frames:
    """Up to `at_most` rectified pairs, evenly spread over a recording or a folder.

    DataError where there are fewer than `least`, one camera only, or left and right of two sizes; CalibrationError
    where raw pictures cannot be rectified, and where the pictures themselves speak against the rig.
    """
    check_there(path)
    found = _in_folder(path) if path.is_dir() else []
    frames = _of_folder(path, found, at_most) if found else _of_recording(path, mapping, at_most)
    if len(frames.frames) < least:
        raise DataError(
            f"{path} holds {len(frames.frames)} stereo pair(s); expected at least {least}, some to learn from and "
            "some to judge by: record for longer"
        )
    for frame in frames.frames:
        (height, width), (other_height, other_width) = frame.left.shape[:2], frame.right.shape[:2]
        if (height, width) != (other_height, other_width):
            raise DataError(
                f"pair {frame.number} of {path} is {width}x{height} at the left and {other_width}x{other_height} at "
                "the right; expected one size: rectified pictures of two cameras in the same mode"
            )
        if min(height, width) < _SMALLEST:
            raise DataError(f"{path} has pictures of {width}x{height}; expected at least {_SMALLEST}x{_SMALLEST}")
    _check_geometry(path, frames.frames)
    return frames


def check_there(path: Path) -> None:
    """DataError where there is nothing at a path."""
    if not path.exists():
        raise DataError(f"nothing at {path}; expected a recording, or a folder of pairs: {_EXPECTED}")


def _check_geometry(path: Path, frames: tuple[StereoFrame, ...]) -> None:
    """CalibrationError when most of the pairs look swapped, not rectified, or not of one moment."""
    looked, faults = [frames[i] for i in spread(len(frames), _LOOKED)], list[Fault]()
    for frame in looked:
        with closing(PairMonitor(MonitorParams())) as monitor:
            fault = monitor.check(0, frame.left, frame.right, 0.0, moving=False)
        faults += [fault] if fault else []
    if 2 * len(faults) > len(looked):
        raise CalibrationError(
            f"{len(faults)} of {len(looked)} pairs of {path} that were looked at cannot be learned from; the first: "
            f"{faults[0].name}: {faults[0].text}"
        )


def spread(count: int, at_most: int) -> list[int]:
    """At most `at_most` of `count` indices, evenly spread."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, at_most))}) if count else []


def _in_folder(path: Path) -> list[tuple[Path, Path]]:
    """Pictures that belong together, in the order of `_place`; nothing where this is no folder of pairs."""
    for left, right in _FOLDERS:
        if (path / left).is_dir() and (path / right).is_dir():
            others = {picture.stem: picture for picture in _pictures(path / right)}
            return [(one, others[one.stem]) for one in _pictures(path / left) if one.stem in others]
    sides: dict[str, dict[str, Path]] = {}
    for picture in _pictures(path):
        if match := _NAMED.fullmatch(picture.stem):
            sides.setdefault(match["stem"], {})[match["side"][0].lower()] = picture
    return [(sides[stem]["l"], sides[stem]["r"]) for stem in sorted(sides, key=_place) if len(sides[stem]) == 2]


def _pictures(folder: Path) -> list[Path]:
    pictures = (path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    return sorted(pictures, key=lambda path: _place(path.stem))


def _place(stem: str) -> tuple[list[str | int], str]:
    """A name's place in the order of time: 2 before 10, so that what is held out is not beside what is learned from."""
    return [int(part) if k % 2 else part for k, part in enumerate(_DIGITS.split(stem))], stem


def _of_folder(path: Path, found: list[tuple[Path, Path]], at_most: int) -> Frames:
    chosen = spread(len(found), at_most)
    frames = tuple(StereoFrame(i, *_alike(*(_read(picture) for picture in found[i]))) for i in chosen)
    return Frames(path.name, frames, len(found), f"{len(frames)} of {len(found)} pairs, taken to be rectified")


def _read(path: Path) -> U8:
    picture = cv2.imread(str(path), cv2.IMREAD_ANYCOLOR)
    if picture is None:
        raise DataError(f"{path} is not a readable picture")
    return np.asarray(picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _alike(left: U8, right: U8) -> tuple[U8, U8]:
    """A colour picture beside a grey one becomes grey, as perception does it."""
    if left.ndim == right.ndim:
        return left, right
    one, other = (
        p if p.ndim == 2 else np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in (left, right)
    )
    return one, other


def _of_recording(path: Path, mapping: Path | None, at_most: int) -> Frames:
    recording = open_recording(path, mapping)
    try:
        topics = _topics(path, recording)
        infos = {f"{side}/camera_info" for side in _SIDES} & set(recording.mapping.topics)
        if any("image_raw" in name for name in topics.values()) and len(infos) < 2:
            raise CalibrationError(
                f"{path} has raw pictures ({', '.join(topics.values())}) without camera_info of both cameras; expected "
                "rectified pictures (image_rect), or the calibration to rectify them"
            )
        total = sum(1 for _ in _paired(recording, topics, infos, Cameras()))
        chosen, cameras = frozenset(spread(total, at_most)), Cameras()
        paired = enumerate(_paired(recording, topics, infos, cameras))
        read = (_rectified(i, pair, infos, cameras) for i, pair in paired if i in chosen)
        frames = tuple(frame for frame in read if frame is not None)
    finally:
        recording.close()
    return Frames(path.name, frames, total, f"{len(frames)} of {total} pairs of {topics['left']}, {topics['right']}")


def _topics(path: Path, recording: Recording) -> dict[Side, str]:
    """The best topics that carry the pictures of both sides, both rectified or both raw."""
    there = {side: [t for n in PICTURES if (t := f"{side}/{n}") in recording.mapping.topics] for side in _SIDES}
    for side, topics in there.items():
        if not topics:
            played = ", ".join(recording.mapping.topics)
            raise DataError(
                f"{path} has no pictures of a {side} camera (found {played}); expected a stereo pair: "
                "name its topics with --mapping"
            )
    for left, right in product(there["left"], there["right"]):
        if Message(left, b"").rectified == Message(right, b"").rectified:
            return {"left": left, "right": right}
    left, right = there["left"][0], there["right"][0]
    raise CalibrationError(f"{path}: {left} comes with {right}; expected both raw or both rectified: see --mapping")


def _paired(
    recording: Recording, topics: dict[Side, str], infos: set[str], cameras: Cameras
) -> Iterator[Pair[Message]]:
    """Pictures of one moment, not decoded yet, once all of `infos` came; calibrations go to `cameras` as they come."""
    sync: StereoSync[Message] = StereoSync(nanoseconds(SyncParams().tolerance_ms / 1e3))
    sides, missing = {name: side for side, name in topics.items()}, set(infos)
    bus = VirtualBus(recording.source({*topics.values(), *infos}))
    try:
        while (sample := bus.recv(NEVER_NS)) is not None:
            if sample.topic in infos:
                cameras.put(sample.topic, sample.cdr)
                missing.discard(sample.topic)
                continue
            try:
                stamp = stamp_ns(decode(sample.topic, sample.cdr).header.stamp)
            except DataError:
                continue  # a message that was cut off is no picture; perception goes on without it, too
            _, pair = sync.put(sides[sample.topic], stamp, sample.stamp_ns, Message(sample.topic, sample.cdr))
            if pair and not missing:
                yield pair
    except BusEnd:
        return
    finally:
        bus.close()


def _rectified(number: int, messages: Pair[Message], infos: set[str], cameras: Cameras) -> StereoFrame | None:
    """The pair as perception would see it; None where a picture is corrupt."""
    try:
        left, right = (decode_image(*message) for message in (messages.left, messages.right))
    except DataError:
        return None
    rectified = messages.left.rectified  # the other as well
    if rectified and len(infos) < 2:  # no depth is made here, so that no baseline is needed
        return StereoFrame(number, *(picture.copy() for picture in _alike(left.data, right.data)))
    pair = cameras.pair(left, right, rectified=rectified)
    return StereoFrame(number, pair.left.copy(), pair.right.copy())
