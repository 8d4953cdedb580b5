"""Which topic of a foreign recording is which, by type and by the names that drivers give."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from saccade.topics import TOPICS
from saccade.wire.reader import BagTopic

_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_INFO = "sensor_msgs/msg/CameraInfo"
_SIDES = {
    "left": re.compile(r"(?:^|_)(left|infra_?1|infrared_?1|cam(?:era)?_?0|image_0?0)(?=_|$)"),
    "right": re.compile(r"(?:^|_)(right|infra_?2|infrared_?2|cam(?:era)?_?1|image_0?1)(?=_|$)"),
}
_NO_PICTURE = re.compile(r"mask|segment|confidence|disparity|overlay|annotated|debug|detection")
_SINGLES = {
    "odom": (r"^/odom$", r"odometry/filtered$", r"^(?!.*ground_truth).*odom", r""),
    "imu": (r"^/imu(/data)?$", r"imu", r""),
    "joint_states": (r"^/joint_states?$", r"joint_states?$"),
    "tf": (r"^/tf$",),
    "tf_static": (r"^/tf_static$",),
    "instruction": (r"instruction",),
    "operator_stop": (r"operator_stop|emergency_stop|e_?stop",),
}
"""For topics that there is one of: what the name looks like, best first; the type must be right in any case."""


def recognise(found: Sequence[BagTopic]) -> dict[str, BagTopic]:
    """{canonical: topic of the recording} for all that can be recognised; empty topics are passed over."""
    found = [b for b in found if b.count]
    return {**_cameras(found), **_singles(found)}


class _View(NamedTuple):
    """An image topic taken apart: name without transport, side, and name without side (equal for a pair)."""

    bag: BagTopic
    base: str
    side: str
    key: str

    @property
    def rect(self) -> bool:
        """Whether the name says rectified."""
        return "rect" in self.base.lower()

    @property
    def depth(self) -> bool:
        """Whether the name says depth."""
        return "depth" in self.bag.topic.lower()

    @property
    def registered(self) -> bool:
        """Whether the name says that depth is seen from the colour camera."""
        return "aligned" in self.base or "registered" in self.base

    @property
    def merit(self) -> tuple[bool, bool, int, str]:
        """Rectified before raw, uncompressed before compressed, then the longest."""
        return self.rect, self.bag.type == _IMAGE, self.bag.count, self.base


def _view(b: BagTopic) -> _View:
    base = re.sub(r"/compressed(Depth)?$", "", b.topic)
    parts, side = base.split("/"), ""
    for i, part in enumerate(parts):
        for name, pattern in _SIDES.items():
            if not side and (match := pattern.search(part)):
                side, parts[i] = name, part[: match.start(1)] + "*" + part[match.end(1) :]
    return _View(b, base, side, f"{'/'.join(parts)} {b.type}")


def _cameras(found: Sequence[BagTopic]) -> dict[str, BagTopic]:
    pictures = (b for b in found if b.type in (_IMAGE, _COMPRESSED))
    views = [_view(b) for b in pictures if not _NO_PICTURE.search(b.topic.lower())]
    colours, depths = [v for v in views if not v.depth], [v for v in views if v.depth]
    chosen = _pair(colours)
    if depths:
        depth = chosen["rgbd/depth"] = max(depths, key=lambda v: (v.registered, v.merit))
        rest = [v for v in colours if v not in chosen.values()]
        if rest:
            chosen["rgbd/color"] = max(rest, key=lambda v: (not v.side, _shared(v.base, depth.base), v.merit))
    elif colours and not chosen:
        chosen["left"] = max(colours, key=lambda v: (v.side == "left", v.merit))
    out: dict[str, BagTopic] = {}
    for camera, view in chosen.items():
        out[_canonical(camera, view)] = view.bag
        info = _info(view, found)
        if info and f"{camera}/camera_info" in TOPICS:
            out[f"{camera}/camera_info"] = info
    return out


def _pair(views: Sequence[_View]) -> dict[str, _View]:
    """The best two pictures whose names differ in the side only."""
    lefts = {v.key: v for v in views if v.side == "left"}
    rights = {v.key: v for v in views if v.side == "right"}
    both = lefts.keys() & rights.keys()
    if not both:
        return {}
    key = max(both, key=lambda key: lefts[key].merit)
    return {"left": lefts[key], "right": rights[key]}


def _canonical(camera: str, view: _View) -> str:
    kind = "image_rect" if view.rect or camera.startswith("rgbd") else "image_raw"
    packed = "/compressedDepth" if camera == "rgbd/depth" else "/compressed"
    return f"{camera}/{kind}" + (packed if view.bag.type == _COMPRESSED else "")


def _info(view: _View, found: Iterable[BagTopic]) -> BagTopic | None:
    """The camera_info beside the picture, or else of the same side and sharing the most of its name."""
    infos = [b for b in found if b.type == _INFO]
    beside = view.base.rpartition("/")[0] + "/camera_info"
    ranked = sorted(infos, key=lambda b: (b.topic == beside, b.topic.startswith(beside), _shared(b.topic, view.base)))
    same_side = [b for b in ranked if _view(b).side == view.side]
    return same_side[-1] if same_side else None


def _singles(found: Sequence[BagTopic]) -> dict[str, BagTopic]:
    out: dict[str, BagTopic] = {}
    for name, patterns in _SINGLES.items():
        typed = [b for b in found if b.type == TOPICS[name].type]
        for pattern in patterns:
            fits = [b for b in typed if re.search(pattern, "/" + b.topic.lstrip("/").lower())]
            if fits:
                out[name] = max(fits, key=lambda b: (b.count, b.topic))
                break
    return out


def _shared(a: str, b: str) -> int:
    """How many leading parts two names share."""
    n = 0
    for x, y in zip(a.split("/"), b.split("/"), strict=False):
        if x != y:
            break
        n += 1
    return n
