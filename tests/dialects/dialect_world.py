"""A scene for the dialects: a floor, and a box whose front is 2 m before a robot that stands somewhere in the odometry.

Fixtures are text files: what is expected, a line of `---`, and the answer as a model would write it.

    waypoints: x,y x,y ... @ degrees     in the robot's frame where the picture was taken; the last heading after the @
    stop | stop done                     a standstill, or the end of the mission
    velocity: vx vy wz for seconds
    latent: count
    again: part of the reason            one more question is asked first
    error: part of the reason
    with: parameter=value ...            before any of these, parameters other than the default ones
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from saccade.clock import SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3, Pinhole
from saccade.params import build
from saccade.types import Image, Plan, PlanKind, RobotState
from vla_node.dialects import DialectParams, dialect
from vla_node.dialects.base import AskAgain, DialectError
from vla_node.planner import Keyframe, Observation

DATA = Path(__file__).parent / "data"
CAMERA = Pinhole(100.0, 100.0, 79.5, 59.5, 160, 120)
HEIGHT_M = 0.35
T_BODY_FROM_CAM = SE3(R_BODY_FROM_OPTICAL, np.array([0.1, 0.0, HEIGHT_M]))
POSE = SE3.from_rpy(0.0, 0.0, math.radians(120), (2.0, -1.0, 0.05))
FACE_M, FACE = 1.9, (slice(30, 78), slice(60, 100))
"""Depth and pixels of the box's front."""
STAMP_NS = 1_000 * SEC


def depth_image() -> np.ndarray:
    rows = np.arange(CAMERA.height, dtype=np.float64)
    with np.errstate(divide="ignore"):
        floor = HEIGHT_M * CAMERA.fy / (rows - CAMERA.cy)
    floor[(floor <= 0) | (floor > 12)] = np.nan
    depth = np.repeat(floor[:, None], CAMERA.width, axis=1).astype(np.float32)
    depth[FACE] = FACE_M
    return depth


def look(pose: SE3 = POSE, history: int = 0, **changed) -> Observation:
    """The observation; `changed` replaces fields of it."""
    picture = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    fields = {
        "stamp_ns": STAMP_NS, "epoch": 7, "instruction": "go to the box",
        "state": RobotState(STAMP_NS, "odom", pose, np.zeros(6)), "start": pose,
        "image": Image(STAMP_NS, "left_optical", picture), "depth_m": depth_image(), "camera": CAMERA,
        "T_odom_from_cam": pose @ T_BODY_FROM_CAM, "grid": None, "blind": "", "held_ns": 0,
        "history": tuple(Keyframe(Image(i, "left_optical", picture + 1 + i), pose) for i in range(history)),
    }  # fmt: skip
    return Observation(**{**fields, **changed})


SEEN = look()


def local(plan: Plan) -> np.ndarray:
    """A plan's waypoints (n, 2) in the robot's frame where the picture was taken."""
    return plan.obs_pose.inverse().apply(plan.waypoints)[:, :2]


def heading_deg(plan: Plan) -> float:
    """The heading at the end of a plan's waypoints in that frame, degrees."""
    (x0, y0), (x1, y1) = local(plan)[-2:]
    return math.degrees(math.atan2(y1 - y0, x1 - x0))


class Fixture:
    """One file."""

    def __init__(self, path: Path) -> None:
        head, _, self.answer = path.read_text().partition("---\n")
        self.name, self.id = path.parent.name, f"{path.parent.name}-{path.stem}"
        lines = dict(re.match(r"(\w+):? ?(.*)", line).groups() for line in head.splitlines())
        self.values = {k: yaml.safe_load(v) for k, v in (item.split("=") for item in lines.pop("with", "").split())}
        ((self.kind, self.value),) = lines.items()
        self.dialect = dialect(path.parent.name, build(DialectParams, self.values))

    @property
    def good(self) -> bool:
        return self.kind not in ("error", "again")

    def read(self) -> Plan:
        return self.dialect.read(self.answer, SEEN)

    def check(self) -> None:
        """Read it and compare with what is expected."""
        if not self.good:
            with pytest.raises(AskAgain if self.kind == "again" else DialectError) as caught:
                self.read()
            assert self.value in caught.value.reason
            if self.answer.strip() and len(self.answer) < 200:
                assert caught.value.text == self.answer
            return
        plan = self.read()
        assert (plan.epoch, plan.obs_stamp_ns, plan.frame_id) == (7, STAMP_NS, "odom")
        if self.kind == "waypoints":
            points, _, degrees = self.value.partition(" @ ")
            expected = np.array([[float(c) for c in point.split(",")] for point in points.split()])
            assert plan.kind is PlanKind.WAYPOINTS, plan.text
            assert not plan.final
            count = len(expected)
            np.testing.assert_allclose(local(plan)[:count], expected, atol=0.02, err_msg=plan.text)
            assert len(plan.waypoints) <= count + 1
            assert np.hypot(*(local(plan)[-1] - expected[-1])) < 0.021
            assert abs(heading_deg(plan) - float(degrees)) < 1.0
            assert np.allclose(plan.waypoints[:, 2], POSE.t[2])
        elif self.kind == "stop":
            assert plan.kind is PlanKind.STOP
            assert (plan.final, plan.progress) == ((True, 1.0) if self.value == "done" else (False, 0.0))
        elif self.kind == "velocity":
            speeds, _, lasts_s = self.value.partition(" for ")
            assert plan.kind is PlanKind.VELOCITY
            np.testing.assert_allclose(plan.values, [float(c) for c in speeds.split()], atol=1e-6)
            assert plan.valid_for_ns == round(float(lasts_s) * SEC)
        else:
            assert self.kind == "latent"
            assert (plan.kind, len(plan.values)) == (PlanKind.LATENT, int(self.value))


def fixtures() -> list[Path]:
    """All fixture files."""
    return sorted(DATA.glob("*/*.txt"))
