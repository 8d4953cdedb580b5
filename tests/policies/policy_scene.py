"""Cards and looks that the tests of policies share."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from saccade.geometry import SE3
from saccade.params import build
from saccade.types import Image, Plan, PlanKind, RobotState
from vla_node.policies.base import Look
from vla_node.policies.card import PolicyCard

STAMP_NS = 1_700_000_000_000_000_000
VELOCITY: dict[str, Any] = {
    "name": "made", "protocol": "http", "address": "http://127.0.0.1:1", "timeout_s": 0.3,
    "observation": [
        {"key": "image", "image": {"camera": "front", "size": [8, 6], "fit": "pad", "layout": "hwc", "dtype": "uint8"}},
        {"key": "state", "vector": [{"twist": ["vx", "wz"]}]},
        {"key": "instruction", "text": "instruction"},
    ],
    "actions": {
        "kind": "velocity", "frame": "body", "dt_s": 0.1, "horizon": 4,
        "parts": [{"axes": ["vx", "wz"], "units": ["m/s", "rad/s"], "limits": [[-0.8, 0.8], [-1.5, 1.5]]}],
    },
}  # fmt: skip


def velocity(**changes: Any) -> dict[str, Any]:
    """The document of a velocity card over HTTP with some keys replaced; None removes one."""
    document = {**deepcopy(VELOCITY), **changes}
    return {key: value for key, value in document.items() if value is not None}


def moves(**actions: Any) -> PolicyCard:
    """A card with these actions."""
    return card(velocity(actions=actions))


def card(document: dict[str, Any], folder: Path | str = "") -> PolicyCard:
    """The card of a document, as if read from `folder`."""
    return build(PolicyCard, {**document, "path": str(Path(folder) / "made.yaml")}, "made.yaml")


def look(**changes: Any) -> Look:
    """A robot at (1, 2), 90 degrees to the left of the odometry's x, 0.5 m/s fast, with a plan of two waypoints."""
    T = SE3.from_rpy(0.0, 0.0, np.pi / 2, (1.0, 2.0, 0.0))
    picture = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3) % 251
    plan = Plan(
        id=3, epoch=7, instruction="go there", kind=PlanKind.WAYPOINTS, obs_stamp_ns=STAMP_NS - 250_000_000,
        obs_pose=T @ SE3.from_rpy(0.0, 0.0, 0.1, (0.2, 0.05, 0.0)).inverse(),
        inference_ns=0, valid_for_ns=10**10, frame_id="odom", waypoints=np.array([[1.0, 2.0, 0.0], [1.0, 5.0, 0.0]]),
        values=np.zeros(0), confidence=1.0, final=False, text="to the door",
    )  # fmt: skip
    fields: dict[str, Any] = {
        "stamp_ns": STAMP_NS, "epoch": 7, "plan": plan,
        "state": RobotState(STAMP_NS, "odom", T, np.array([0.5, 0.0, 0.0, 0.0, 0.0, 0.25])),
        "images": {"front": Image(STAMP_NS, "cam", picture.astype(np.uint8))},
        "joints": {"a": 0.1, "b": -0.2, "finger": 0.02}, "depth_m": None, "camera": None, "T_odom_from_cam": None,
        "grid": None,
        "T_arm_from_tool": SE3.from_rpy(0.3, -0.2, 0.5, (0.4, 0.1, 0.3)),
    }  # fmt: skip
    return Look(**{**fields, **changes})
