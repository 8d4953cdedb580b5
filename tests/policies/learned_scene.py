"""What the tests of the learned policy share: a robot, a map, and a floor with pillars seen by a level camera."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from policy_scene import STAMP_NS, look

from saccade import params
from saccade.geometry import F32, R_BODY_FROM_OPTICAL, SE3, Pinhole
from saccade.robots import robot_file
from saccade.types import LocalMap, Plan, RobotState
from vla_node.bodies import body_of
from vla_node.params import VlaParams
from vla_node.policies.base import Look
from vla_node.policies.default import default_policy
from vla_node.policies.embedded import EmbeddedPolicy

CAMERA = Pinhole(100.0, 100.0, 79.5, 59.5, 160, 120)
T_BODY_FROM_CAM = SE3(R_BODY_FROM_OPTICAL, np.array([0.3, 0.0, 0.4]))
Pillar = tuple[float, float, float]


def robot() -> VlaParams:
    """The dog of the yard."""
    return params.load(VlaParams, robot_file("yard"), "vla_node")


def classical() -> EmbeddedPolicy:
    """Its embedded policy."""
    vla = robot()
    policy = default_policy(vla, body_of(vla))
    assert isinstance(policy, EmbeddedPolicy)
    return policy


def depth_of(pillars: Sequence[Pillar]) -> F32:
    """Depth (h, w) m of a floor with pillars (x, y, radius) in the body's frame, all of them higher than the view."""
    u, v = np.meshgrid(np.arange(CAMERA.width, dtype=np.float64), np.arange(CAMERA.height, dtype=np.float64))
    rays = CAMERA.unproject(np.stack([u, v], axis=-1), np.ones(u.shape)) @ T_BODY_FROM_CAM.R.T
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.where(rays[..., 2] < 0, -T_BODY_FROM_CAM.t[2] / rays[..., 2], np.nan)
    for x, y, radius in pillars:
        dx, dy = x - T_BODY_FROM_CAM.t[0], y - T_BODY_FROM_CAM.t[1]
        flat = np.hypot(rays[..., 0], rays[..., 1])
        along = (dx * rays[..., 0] + dy * rays[..., 1]) / flat
        off2 = dx * dx + dy * dy - along**2
        hit = (off2 < radius**2) & (along > 0)
        t = (along - np.sqrt(np.maximum(0.0, radius**2 - off2))) / flat
        out = np.where(hit & ~(out < t), t, out)
    return out.astype(np.float32)


def map_of(pillars: Sequence[Pillar], unknown: bool = False) -> LocalMap:
    """A map of 12.8 m around the origin with pillars (x, y, radius); all else is free, or unknown."""
    n, cell_m = 128, 0.1
    at = (np.arange(n) + 0.5) * cell_m - n * cell_m / 2
    occupancy = np.full((n, n), -1 if unknown else 0, np.int8)
    for x, y, radius in pillars:
        occupancy[np.hypot(at[None] - x, at[:, None] - y) <= radius] = 100
    free = np.pad((occupancy == 0).astype(np.uint8), 1)
    clearance = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1] * np.float32(cell_m)
    return LocalMap(STAMP_NS, "odom", cell_m, (-n * cell_m / 2,) * 2, occupancy, np.asarray(clearance, np.float32))


def seeing(pillars: Sequence[Pillar] = (), **changes: Any) -> Look:
    """A look of the dog at the origin, 0.5 m/s fast, on its way 3 m straight on; pillars are seen and in the map."""
    base = look()
    way = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    fields: dict[str, Any] = {
        "plan": replace(base.plan, waypoints=way, obs_pose=SE3.identity()),
        "state": RobotState(STAMP_NS, "odom", SE3.identity(), np.array([0.5, 0.0, 0.0, 0.0, 0.0, 0.0])),
        "images": {}, "joints": {}, "depth_m": depth_of(pillars), "camera": CAMERA,
        "T_odom_from_cam": T_BODY_FROM_CAM, "grid": map_of(pillars), "T_arm_from_tool": None,
    }  # fmt: skip
    return replace(base, **{**fields, **changes})


def with_plan(seen: Look, **changes: Any) -> Look:
    """The look with some of its plan replaced."""
    plan: Plan = replace(seen.plan, **changes)
    return replace(seen, plan=plan)


def degrees(sector: int) -> float:
    """The bearing of the middle of a scan's sector."""
    return math.degrees((sector + 0.5) * math.tau / 72 - math.pi)
