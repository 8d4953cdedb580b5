"""What a robot's nodes must hear, and who must hear the robot's commands: from the robot's file alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bridge_node.bridges import bridge_of
from bridge_node.params import BridgeParams
from perception_node.inputs import PICTURES, RGBD_COLOUR, RGBD_DEPTH
from perception_node.params import PerceptionParams
from perception_node.source import DEPTH_TOPICS
from saccade import params
from saccade.robots import nodes, remapping
from saccade.topics import BRIDGED
from safety_node.limits import AROUND, Limits
from safety_node.node import COMMANDS
from vla_node.params import VlaParams

SIDES = ("left", "right")


class Need(NamedTuple):
    """One of these topics, the best first; without an essential one the robot does not move."""

    names: tuple[str, ...]
    essential: bool


@dataclass(frozen=True)
class Robot:
    """A robot's file, read as its nodes read it.

    `rules` are its own names of topics, `visual` is whether its odometry comes from its pictures.
    """

    rules: dict[str, str]
    perception: PerceptionParams
    vla: VlaParams
    limits: Limits
    bridge: BridgeParams | None
    visual: bool

    def needs(self, seen: Collection[str]) -> Iterator[Need]:
        """What its nodes must hear; which cameras it has shows in its file, or else in what is seen of its topics."""
        moves = bool(set(AROUND) & set(self.limits.required))
        if self.rgbd(seen):
            yield Need(RGBD_DEPTH, moves)
            yield Need(("rgbd/depth/camera_info",), moves)
            yield Need(RGBD_COLOUR, False)
        else:
            yield from _pair("", moves)
        for rig in self.perception.rigs:
            if any(f"{rig}/{name}" in seen for name in RGBD_DEPTH):
                yield Need(tuple(f"{rig}/{name}" for name in RGBD_DEPTH), False)
                yield Need((f"{rig}/rgbd/depth/camera_info",), False)
            else:
                yield from _pair(f"{rig}/", False)
        if "odom" in self.limits.required or not self.vla.stands:
            if not self.visual:
                yield Need(("odom",), "odom" in self.limits.required)
            yield Need(("tf_static", "tf"), moves)
        if "joint_states" in self.limits.required:
            yield Need(("joint_states",), True)
        if self.bridge:
            yield from (Need((name,), True) for name in sorted(bridge_of(self.bridge).reads & set(BRIDGED)))

    def rgbd(self, seen: Collection[str]) -> bool:
        """Whether its depth comes from an RGB-D camera."""
        named = {name.partition("/")[0] for name in self.rules}
        if "rgbd" in named or named & set(SIDES):
            return "rgbd" in named
        stereo = all(any(name.startswith(f"{side}/image") for name in seen) for side in SIDES)
        return not stereo and any(name in seen for name in RGBD_DEPTH)

    def commands(self) -> list[str]:
        """The topics that the robot itself must listen to."""
        if self.bridge:
            return sorted(bridge_of(self.bridge).writes & set(BRIDGED))
        return [COMMANDS[self.limits.command]]

    def readable(self) -> set[str]:
        """All that may be listened to on its behalf."""
        cameras = {
            *RGBD_COLOUR,
            *(f"{rig}/{name}" for rig in self.perception.rigs for name in DEPTH_TOPICS),
            *DEPTH_TOPICS,
        }
        bridged = bridge_of(self.bridge).reads & set(BRIDGED) if self.bridge else set()
        return cameras | bridged | {"odom", "imu", "joint_states", "tf", "tf_static"}


def _pair(prefix: str, essential: bool) -> Iterator[Need]:
    for side in SIDES:
        yield Need(tuple(f"{prefix}{side}/{name}" for name in PICTURES), essential)
        yield Need((f"{prefix}{side}/camera_info",), essential)


def read_robot(path: Path) -> Robot:
    """The robot of a parameter file; ConfigError as the nodes would give it."""
    bridge = params.load(BridgeParams, path, "bridge_node") if "bridge_node" in nodes(path) else None
    return Robot(
        remapping(path), params.load(PerceptionParams, path, "perception_node"),
        params.load(VlaParams, path, "vla_node"), params.load(Limits, path, "safety_node"), bridge,
        "odometry_node" in nodes(path),
    )  # fmt: skip
