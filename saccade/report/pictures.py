"""The film strip: what the camera saw, how far things were, and how sure that is."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from saccade.clock import MS
from saccade.errors import DataError, SaccadeError
from saccade.geometry import F32
from saccade.node import Sample
from saccade.report.run import Run, messages
from saccade.types import U8
from saccade.wire.convert import header_stamp_ns
from saccade.wire.images import decode_depth, decode_image

PICTURES = tuple(
    f"{camera}{suffix}"
    for camera in ("left/image_rect", "left/image_raw", "rgbd/color/image_rect")
    for suffix in ("", "/compressed")
)
"""Where the camera's picture may be, best first."""
DEPTHS = ("depth/image_rect", "rgbd/depth/image_rect", "rgbd/depth/image_rect/compressedDepth")
_CONFIDENCE = "depth/confidence"
_WIDTH = 320
_NEAR_NS = 100 * MS
"""Pictures further than this from the wanted instant are not shown."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One instant: picture, colours of depth and of confidence as data URIs, empty where there is none."""

    stamp_ns: int
    picture: str
    depth: str
    confidence: str
    known: float | None
    """Share of pixels with depth."""


@dataclass(frozen=True, slots=True)
class Film:
    """Frames in order, and the range of depths that the colours span, metres."""

    frames: list[Frame]
    near_m: float
    far_m: float


def film(
    run: Run, recording: Path, inputs: Path | None, count: int = 8, at_ns: Sequence[int] | None = None
) -> Film:  # fmt: skip
    """`count` instants spread evenly over the run, or pictures nearest to the instants `at_ns`.

    The camera's pictures come from `inputs` where the run has none. What cannot be read or decoded is added to
    `run.problems`.
    """
    wanted = _instants(run, count) if at_ns is None else _nearest_stamps(run, at_ns)
    own = _nearest(messages(recording, [], {*PICTURES, *DEPTHS, _CONFIDENCE} & run.stamps.keys()), wanted)
    if inputs is not None and not any(name in own for name in PICTURES):
        try:
            own |= {k: v for k, v in _nearest(_played(inputs), wanted).items() if k in PICTURES}
        except SaccadeError as error:
            run.problems.append(f"no pictures of the camera: {error}")
    depths = [_decoded(run, _first(own, DEPTHS, i)) for i in range(len(wanted))]
    known = np.concatenate([d[np.isfinite(d)] for d in depths if d is not None] or [np.empty(0, np.float32)])
    near_m, far_m = (float(np.percentile(known, p)) if known.size else 1.0 for p in (2, 95))
    far_m = max(far_m, near_m + 0.1)
    frames = []
    for i, stamp_ns in enumerate(wanted):
        depth = depths[i]
        frames.append(
            Frame(
                stamp_ns,
                _jpeg(_picture(run, _first(own, PICTURES, i))),
                _jpeg(depth_colours(depth, near_m, far_m) if depth is not None else None),
                _jpeg(_picture(run, _first(own, (_CONFIDENCE,), i))),
                float(np.isfinite(depth).mean()) if depth is not None and depth.size else None,
            )
        )
    return Film([f for f in frames if f.picture or f.depth], near_m, far_m)


def depth_colours(depth_m: F32, near_m: float, far_m: float) -> U8:
    """BGR picture (H, W, 3): red is near, blue is far, even in disparity; NaN is hatched black."""
    with np.errstate(divide="ignore", invalid="ignore"):
        closeness = (1 / depth_m - 1 / far_m) / (1 / near_m - 1 / far_m)
    level = np.nan_to_num(np.clip(closeness, 0, 1) * 215 + 20).astype(np.uint8)
    colours: U8 = np.asarray(cv2.applyColorMap(level, cv2.COLORMAP_TURBO), np.uint8)
    height, width = depth_m.shape
    diagonal = np.arange(height)[:, None] + np.arange(width)
    hatch = np.where(diagonal // max(2, width // 80) % 4 == 0, 70, 25).astype(np.uint8)
    none = ~np.isfinite(depth_m)
    colours[none] = hatch[none, None]
    return colours


def data_uri(picture: U8, suffix: str) -> str:
    """A BGR(A) or grey picture (H, W[, C]) as a data: URI of a .jpg or .png."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 82] if suffix == ".jpg" else []
    _, data = cv2.imencode(suffix, picture, options)
    kind = "jpeg" if suffix == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"


def _nearest_stamps(run: Run, at_ns: Sequence[int]) -> list[int]:
    """For each instant the capture stamp of the run's nearest picture; the instant itself where it has none."""
    stamps = np.array(_stamps(run), np.int64)
    return [int(stamps[np.abs(stamps - ns).argmin()]) if len(stamps) else ns for ns in at_ns]


def _stamps(run: Run) -> list[int]:
    return next((run.stamps[name] for name in (*DEPTHS, *PICTURES) if name in run.stamps), [])


def _instants(run: Run, count: int) -> list[int]:
    """Capture stamps of pictures that the run has, else evenly spaced times."""
    stamps = _stamps(run)
    if not stamps:
        return [int(ns) for ns in np.linspace(run.start_ns, run.end_ns, count)] if run.heard else []
    return [stamps[i] for i in np.unique(np.linspace(0, len(stamps) - 1, count).astype(int))]


def _nearest(samples: Iterable[Sample], wanted: Sequence[int]) -> dict[str, list[Sample | None]]:
    """For each picture topic and wanted instant the sample whose capture stamp is nearest."""
    found: dict[str, list[Sample | None]] = {}
    if not wanted:
        return found
    asked = np.array(wanted)
    best: dict[tuple[str, int], int] = {}
    for sample in samples:
        try:
            off = np.abs(asked - header_stamp_ns(sample.cdr))
        except DataError:  # of a message that was cut off; it is told where the recording is read
            continue
        for i in np.nonzero(off <= _NEAR_NS)[0]:
            if off[i] < best.get((sample.topic, int(i)), _NEAR_NS + 1):
                best[sample.topic, int(i)] = int(off[i])
                found.setdefault(sample.topic, [None] * len(wanted))[i] = sample
    return found


def _played(inputs: Path) -> Iterator[Sample]:
    """The camera's pictures of any recording, by canonical topic."""
    from saccade.wire.bag import open_recording

    source = open_recording(inputs, None).source()
    try:
        while source.next_ns() is not None:
            sample = source.take()
            if sample.topic in PICTURES:
                yield sample
    finally:
        source.close()


def _first(found: dict[str, list[Sample | None]], names: Sequence[str], i: int) -> Sample | None:
    return next((found[name][i] for name in names if name in found and found[name][i]), None)


def _decoded(run: Run, sample: Sample | None) -> F32 | None:
    if sample is None:
        return None
    try:
        return decode_depth(sample.topic, sample.cdr)[2]
    except SaccadeError as error:
        run.problems.append(str(error))
        return None


def _picture(run: Run, sample: Sample | None) -> U8 | None:
    if sample is None:
        return None
    try:
        data = decode_image(sample.topic, sample.cdr).data
    except SaccadeError as error:
        run.problems.append(str(error))
        return None
    return data if data.ndim == 2 else np.asarray(cv2.cvtColor(data, cv2.COLOR_RGB2BGR), np.uint8)


def _jpeg(picture: U8 | None) -> str:
    if picture is None:
        return ""
    height, width = picture.shape[:2]
    if width > _WIDTH:
        size = (_WIDTH, max(1, round(height * _WIDTH / width)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return data_uri(picture, ".jpg")
