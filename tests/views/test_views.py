"""What ships for RViz and Foxglove shows topics that exist, of the type that each display takes.

Neither program runs here: whether the pictures are pretty is not tested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from rosbags.interfaces import Nodetype

from saccade.paths import share
from saccade.topics import TOPICS, topic
from saccade.wire.codec import codec

TAKES = {
    "Image": {"sensor_msgs/msg/Image"}, "Map": {"nav_msgs/msg/OccupancyGrid"}, "Path": {"nav_msgs/msg/Path"},
    "PointCloud2": {"sensor_msgs/msg/PointCloud2"}, "Odometry": {"nav_msgs/msg/Odometry"},
    "TwistStamped": {"geometry_msgs/msg/TwistStamped"}, "Marker": {"visualization_msgs/msg/Marker"},
}  # fmt: skip
"""What displays of RViz subscribe to."""
IN_3D = {type_ for types in TAKES.values() for type_ in types}
MUST_SHOW = {"left/image_rect", "right/image_rect", "depth/image_rect", "points", "occupancy", "plan/path", "map/mesh"}
NUMBERS = re.compile(r"u?int\d+|float\d+|bool")


def displays() -> list[dict[str, Any]]:
    view = yaml.safe_load((share("config") / "saccade.rviz").read_text())
    return [display for display in view["Visualization Manager"]["Displays"] if "Topic" in display]


def panels() -> dict[str, dict[str, Any]]:
    layout = json.loads((share("config") / "foxglove_layout.json").read_text())
    return dict(layout["configById"])


def row_type(name: str) -> str:
    assert name.startswith("/")
    return topic(name[1:]).type


def shown_topics(kind: str) -> Iterator[str]:
    for name, panel in panels().items():
        if name.startswith(kind):
            yield from (t for t, settings in panel["topics"].items() if settings.get("visible", True))


def test_rviz_displays_take_what_their_topics_carry() -> None:
    for display in displays():
        kind = display["Class"].removeprefix("rviz_default_plugins/")
        assert row_type(display["Topic"]["Value"]) in TAKES[kind], display["Name"]


def test_rviz_shows_the_whole_way_from_picture_to_command() -> None:
    shown = {display["Topic"]["Value"][1:] for display in displays()}
    assert shown >= MUST_SHOW | {"cmd_vel"}


def test_rviz_asks_for_no_more_than_is_offered() -> None:
    """Our writers are reliable; only latched topics are transient local."""
    for display in displays():
        latched = topic(display["Topic"]["Value"][1:]).latched
        assert latched or display["Topic"]["Durability Policy"] == "Volatile"


def test_foxglove_pictures_are_pictures() -> None:
    for name, panel in panels().items():
        if name.startswith("Image!"):
            assert row_type(panel["imageMode"]["imageTopic"]) == "sensor_msgs/msg/Image"
            if calibration := panel["imageMode"].get("calibrationTopic"):
                assert row_type(calibration) == "sensor_msgs/msg/CameraInfo"


def test_foxglove_3d_shows_what_it_can() -> None:
    for name in shown_topics("3D!"):
        assert row_type(name) in IN_3D


def paths() -> list[str]:
    plots = [path["value"] for panel in panels().values() for path in panel.get("paths", ())]
    return plots + [panel["topicPath"] for panel in panels().values() if "topicPath" in panel]


@pytest.mark.parametrize("path", paths())
def test_foxglove_paths_end_in_fields(path: str) -> None:
    """Each step of `/topic.field[0].field` is a field of the message; what is plotted is a number."""
    name, *steps = path[1:].split(".")
    type_, plotted = topic(name).type, [p for p in paths() if p == path and "[" in p]
    leaf: str | None = None
    for step in steps:
        field, indexed = step.partition("[")[0], "[" in step
        kind, what = dict(codec().fields(type_))[field]
        assert (kind in (Nodetype.ARRAY, Nodetype.SEQUENCE)) == indexed, step
        kind, what = what[0] if indexed else (kind, what)
        type_, leaf = (str(what), None) if kind is Nodetype.NAME else (type_, what[0])
    assert not plotted or NUMBERS.fullmatch(str(leaf))


def test_foxglove_shows_the_whole_way_from_picture_to_verdict() -> None:
    pictures = {panel["imageMode"]["imageTopic"] for name, panel in panels().items() if name.startswith("Image!")}
    named = {path[1:].split(".")[0] for path in paths()}
    assert {name[1:] for name in pictures | set(shown_topics("3D!"))} >= MUST_SHOW
    assert named >= {"plan", "chunk", "verdict"}
    assert named <= set(TOPICS)


def test_foxglove_lays_out_every_panel_once() -> None:
    layout = json.loads((share("config") / "foxglove_layout.json").read_text())["layout"]

    def leaves(part: Any) -> list[str]:
        return [part] if isinstance(part, str) else [*leaves(part["first"]), *leaves(part["second"])]

    assert sorted(leaves(layout)) == sorted(panels())
