"""Which topic of a recording plays which canonical topic: recognised, by Saccade's own names, or by a mapping file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from saccade.errors import DataError, choices
from saccade.params import build, read_yaml
from saccade.topics import TOPICS, Role, topic
from saccade.wire.codec import codec
from saccade.wire.reader import BagTopic
from saccade.wire.recognise import recognise

_PLAYED = (Role.SENSOR, Role.REQUEST)
NO_ODOMETRY = "There is no nav_msgs/msg/Odometry topic: the gate will hold the robot; perception still runs."
HOW_TO_MAP = """To choose by hand, give a mapping file (only the topics listed in it are played), for example
  topics:
    left/image_rect: /my_camera/left/image
    left/camera_info: /my_camera/left/camera_info
    odom: /my_robot/odometry
  camera_height_m: 0.4
Valid topics: """ + ", ".join(name for name, row in TOPICS.items() if row.role in _PLAYED)


@dataclass(frozen=True)
class MappingFile:
    """What a mapping file may say: topics {canonical: the recording's name}, and how the camera is mounted.

    camera_height_m is counted from the ground; camera_pitch_deg is how far the camera looks down at the first pose.
    """

    topics: dict[str, str] = field(default_factory=dict)
    camera_height_m: float | None = None
    camera_pitch_deg: float | None = None


@dataclass
class Mapping:
    """What was chosen, {canonical: topic of the recording}, and what had to be assumed. Prints as a table."""

    topics: dict[str, BagTopic]
    file: MappingFile
    assumptions: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        width = max(map(len, self.topics), default=0)
        rows = [f"{name:<{width}} <- {b.topic} ({b.type}, {b.count})" for name, b in self.topics.items()]
        return "\n".join([*rows, *(f"assumed: {text}" for text in self.assumptions)])


def read_mapping_file(path: Path | None) -> MappingFile:
    """A mapping file, or an empty one; ConfigError names the file and the key, and the nearest valid name."""
    if path is None:
        return MappingFile()
    mapping = build(MappingFile, read_yaml(path, "mapping file", f"keys and values. {HOW_TO_MAP}"), str(path))
    for name in mapping.topics:
        topic(name)
    return mapping


def choose(found: Sequence[BagTopic], file: MappingFile, problems: list[str]) -> Mapping:
    """Choose what to play, and say in `problems` what is missing or of the wrong type.

    What nodes have sent is not played back from a recording that Saccade wrote. DataError when neither a camera nor
    odometry nor an IMU is found.
    """
    if file.topics:
        chosen = _as_told(found, file, problems)
    elif any(b.type.startswith("saccade_msgs/") for b in found):
        chosen = _by_own_names(found)
    else:
        chosen = recognise(found)
    if not set(chosen) - {"tf", "tf_static", "instruction", "operator_stop"}:
        listed = "\n".join(f"  {b.topic} ({b.type}, {b.count})" for b in found)
        raise DataError(f"no topic that Saccade can use; found\n{listed}\n{HOW_TO_MAP}")
    problems += _wrong(found, chosen)
    problems += _missing(chosen)
    return Mapping({name: chosen[name] for name in TOPICS if name in chosen}, file)


def _as_told(found: Sequence[BagTopic], file: MappingFile, problems: list[str]) -> dict[str, BagTopic]:
    chosen: dict[str, BagTopic] = {}
    for name, asked in file.topics.items():
        candidates = [b for b in found if b.topic.lstrip("/") == asked.lstrip("/")]
        usable = [b for b in candidates if b.type == topic(name).type]
        if usable:
            chosen[name] = usable[0]
        elif candidates:
            problems.append(_wrong_type(candidates[0], name))
        else:
            hint = choices(asked, (b.topic for b in found))
            problems.append(f"The mapping file plays {asked} as {name}; the recording has no such topic: {hint}.")
    return chosen


def _by_own_names(found: Sequence[BagTopic]) -> dict[str, BagTopic]:
    rows = ((TOPICS.get(b.topic.lstrip("/")), b) for b in found if b.count)
    return {t.name: b for t, b in rows if t and t.type == b.type and t.role in _PLAYED}


def _wrong(found: Sequence[BagTopic], chosen: dict[str, BagTopic]) -> Iterator[str]:
    """Topics that are called like canonical ones but are something else, and types that are defined otherwise."""
    for b in found:
        name = b.topic.lstrip("/")
        if name in TOPICS and TOPICS[name].role in _PLAYED and name not in chosen and b.type != TOPICS[name].type:
            yield _wrong_type(b, name)
    for name, b in chosen.items():
        if b.digest and b.digest != codec().definition(b.type)[1]:
            yield (
                f"{b.topic} was recorded with another definition of {b.type} than ROS 2 {codec().distro}'s; "
                f"{name} may be read wrongly: record it with a ROS distribution that has the standard definition."
            )


def _wrong_type(b: BagTopic, name: str) -> str:
    return (
        f"{b.topic} is a {b.type}, but {name} must be a {topic(name).type}: it is not played. "
        f"Map a topic of that type, or convert this one."
    )


def _missing(chosen: dict[str, BagTopic]) -> Iterator[str]:
    """What perception or the gate will go without."""
    cameras = {
        camera for camera in ("left", "right", "rgbd/depth") if any(c.startswith(f"{camera}/im") for c in chosen)
    }
    if "rgbd/depth" not in cameras and cameras != {"left", "right"}:
        seen = f"only the {min(cameras)} camera" if cameras else "no camera"
        yield f"There is {seen}: without a stereo pair or a depth image there will be no depth and no map."
    for camera in sorted(cameras):
        if f"{camera}/camera_info" not in chosen:
            yield f"{camera} has no sensor_msgs/msg/CameraInfo: without calibration its pictures give no metric depth."
    if "odom" not in chosen:
        yield NO_ODOMETRY
