"""The checks of `saccade doctor --topics` on cameras: pictures, calibrations, pairs, and their places."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from perception_node.calibration import check_size, depth_camera, stereo_rig
from perception_node.inputs import PICTURES, RGBD_DEPTH
from saccade.cli.doctor.findings import Finding, Grade
from saccade.cli.doctor.hearing import Heard, Hearing
from saccade.cli.doctor.needs import SIDES, Robot
from saccade.clock import MS
from saccade.errors import DataError
from saccade.poses import WrongFrame
from saccade.tf import TransformError
from saccade.types import CameraModel
from saccade.wire.convert import decode_camera
from saccade.wire.images import decode_depth, decode_image

_SOME, _MOST = 0.05, 0.5
"""Shares of pictures without a partner that are worth a warning, and that leave nothing to see with."""
_LOOKED_AT = 20
"""How many stamps of a camera are tried before its place on the robot is said to be unknown."""


def cameras(robot: Robot, hearing: Hearing) -> Iterator[Finding]:
    """All that is wrong with the cameras that are heard."""
    tolerance_ms = robot.perception.sync.tolerance_ms
    yield from _depth_camera("", hearing) if robot.rgbd(hearing.seen()) else _stereo("", tolerance_ms, hearing)
    for rig in robot.perception.rigs:
        yield from _depth_camera(f"{rig}/", hearing)
        yield from _stereo(f"{rig}/", tolerance_ms, hearing)


def _depth_camera(prefix: str, hearing: Hearing) -> Iterator[Finding]:
    if depth := _first(hearing, tuple(f"{prefix}{name}" for name in RGBD_DEPTH)):
        info = f"{prefix}rgbd/depth/camera_info"
        yield from _picture(depth, info, hearing)
        yield from _calibrated_depth(info, hearing)
        yield from _place(depth, hearing)


def _stereo(prefix: str, tolerance_ms: float, hearing: Hearing) -> Iterator[Finding]:
    left, right = (_first(hearing, tuple(f"{prefix}{side}/{name}" for name in PICTURES)) for side in SIDES)
    for side, heard in zip(SIDES, (left, right), strict=True):
        if heard:
            yield from _picture(heard, f"{prefix}{side}/camera_info", hearing)
    if left and right:
        yield from _pair(left, right, tolerance_ms)
        yield from _calibrated_pair(prefix, "image_rect" in left.name, hearing)
    if left:
        yield from _place(left, hearing)


def _first(hearing: Hearing, names: tuple[str, ...]) -> Heard | None:
    return next((hearing.heard[name] for name in names if name in hearing.heard), None)


def _told(name: str, error: DataError) -> Finding:
    """An error of a node's own check, cut into what is and what is to be."""
    found, _, advice = str(error).partition("; expected ")
    return Finding(Grade.ERROR, name, found, f"expected {advice}" if advice else "see docs/flow.md, calibration")


def _picture(heard: Heard, info: str, hearing: Hearing) -> Iterator[Finding]:
    """Encoding, size and frame of a camera's pictures."""
    try:
        depth = heard.name.endswith(RGBD_DEPTH)
        shape = (
            decode_depth(heard.name, heard.newest)[2] if depth else decode_image(heard.name, heard.newest).data
        ).shape
    except DataError as error:
        yield _told(heard.name, error)
        return
    if (model := _model(hearing, info)) is not None:
        try:
            check_size(heard.name, info, shape, model.width, model.height)
        except DataError as error:
            yield _told(heard.name, error)
        frame = heard.frames.most_common(1)[0][0]
        if model.frame_id not in ("", frame):
            found = f"wrongly framed: pictures are of {frame!r}, {info} of {model.frame_id!r}"
            yield Finding(
                Grade.WARN, heard.name, found, "give both the camera's optical frame; the pictures' one is used"
            )


def _model(hearing: Hearing, info: str) -> CameraModel | None:
    try:
        return decode_camera(hearing.heard[info].newest)[1] if info in hearing.heard else None
    except DataError:
        return None  # told as corrupt


def _calibrated_pair(prefix: str, rectified: bool, hearing: Hearing) -> Iterator[Finding]:
    left, right = (_model(hearing, f"{prefix}{side}/camera_info") for side in SIDES)
    if left is not None and right is not None:
        try:
            stereo_rig(left, right, rectified=rectified)
        except DataError as error:
            yield _told(f"{prefix}{'right' if 'right/' in str(error) else 'left'}/camera_info", error)


def _calibrated_depth(name: str, hearing: Hearing) -> Iterator[Finding]:
    if (model := _model(hearing, name)) is not None:
        try:
            depth_camera(name, model)
        except DataError as error:
            yield _told(name, error)


def _pair(left: Heard, right: Heard, tolerance_ms: float) -> Iterator[Finding]:
    """Whether left and right are pictures of the same instants."""
    there = sorted(right.stamps_ns)
    begin_ns, end_ns = max(min(left.stamps_ns), there[0]), min(max(left.stamps_ns), there[-1])
    apart = [
        min(abs(stamp - near) for near in _near(there, stamp))
        for stamp in left.stamps_ns
        if begin_ns <= stamp <= end_ns
    ]
    alone = [ns for ns in apart if ns > tolerance_ms * MS]
    share = len(alone) / len(apart) if apart else 1.0
    if share <= _SOME:
        return
    by = f"by {sorted(alone)[len(alone) // 2] / MS:.1f} ms" if alone else "altogether"
    found = f"unsynchronised: {share:.0%} of the left pictures and the nearest right ones are apart {by}"
    advice = f"trigger the cameras together; sync.tolerance_ms is {tolerance_ms:g}, and what moves between is misjudged"
    yield Finding(Grade.ERROR if share > _MOST else Grade.WARN, right.name, found, advice)


def _near(stamps_ns: list[int], stamp_ns: int) -> list[int]:
    i = bisect_left(stamps_ns, stamp_ns)
    return stamps_ns[max(0, i - 1) : i + 1]


def _place(heard: Heard, hearing: Hearing) -> Iterator[Finding]:
    """Whether the camera's place on the robot is known, and its frame an optical one (REP 103)."""
    frame, error = heard.frames.most_common(1)[0][0], TransformError("no picture")
    newest = list(heard.stamps_ns)[-_LOOKED_AT:]
    for stamp in reversed(newest):
        try:
            hearing.poses.camera(frame, stamp)
            if hearing.poses.newest is not None and hearing.poses.newest.stamp_ns >= stamp:
                hearing.poses.at(stamp, frame)
            return
        except TransformError as caught:
            error = caught
    kind = "wrongly framed" if isinstance(error, WrongFrame) else "not connected"
    found, _, advice = str(error).partition("; expected ")
    yield Finding(Grade.ERROR, heard.name, f"{kind}: {found}", f"expected {advice}")
