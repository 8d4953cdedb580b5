"""A table with a box on it, what a camera above sees of that, and the observation and the look made of it."""

from __future__ import annotations

import numpy as np

from saccade.clock import SEC
from saccade.geometry import SE3, Pinhole
from saccade.types import Image, Plan, RobotState
from vla_node.embodiments.arm import ArmParams
from vla_node.planner import Observation
from vla_node.policies.base import Look

T0 = 1_000 * SEC
ARM = ArmParams()
HOME = np.append(ARM.home, 0.0)
HALF_M = np.array([0.02, 0.025, 0.03])
CAMERA = Pinhole(300.0, 300.0, 159.5, 119.5, 320, 240)


def looking_at(eye: tuple[float, float, float], at: tuple[float, float, float]) -> SE3:
    """T_odom_from_cam of an optical frame: z towards `at`, x level."""
    z = np.subtract(at, eye) / np.linalg.norm(np.subtract(at, eye))
    x = np.cross(z, [0.0, 0.0, 1.0] if abs(z[2]) < 0.999 else [1.0, 0.0, 0.0])
    x /= np.linalg.norm(x)
    return SE3(np.stack([x, np.cross(z, x), z], axis=1), np.array(eye, float))


def depth_of(T: SE3, centre: np.ndarray, half: np.ndarray = HALF_M, camera: Pinhole = CAMERA) -> np.ndarray:
    """Depth (h, w) float32 m of a box on the floor z = 0, by its slabs along each pixel's ray; NaN where nothing is."""
    v, u = np.mgrid[: camera.height, : camera.width].astype(float)
    rays = camera.unproject(np.stack([u, v], axis=-1), np.ones(u.shape)) @ T.R.T
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = -T.t[2] / rays[..., 2]
        near, far = ((centre + side * half - T.t) / rays for side in (-1, 1))
        enter, leave = np.minimum(near, far).max(axis=-1), np.maximum(near, far).min(axis=-1)
    hit = np.where((enter <= leave) & (enter > 0), enter, np.inf)
    depth = np.minimum(hit, np.where(floor > 0, floor, np.inf))
    return np.where(np.isfinite(depth) & (depth < 5.0), depth, np.nan).astype(np.float32)


def box_around(
    T: SE3, centre: np.ndarray, half: np.ndarray = HALF_M
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The box in the picture that a model would draw around it, a few pixels wide of the mark."""
    corners = centre + half * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    uv = CAMERA.project(T.inverse().apply(corners))
    (u0, v0), (u1, v1) = uv.min(axis=0) - 4, uv.max(axis=0) + 4
    return (float(u0), float(v0)), (float(u1), float(v1))


def observed(T: SE3, depth: np.ndarray) -> Observation:
    state = RobotState(T0, "odom", SE3.identity(), np.zeros(6))
    image = Image(T0, "camera", np.zeros((*depth.shape, 3), np.uint8))
    return Observation(T0, 1, "take the box", state, SE3.identity(), image, depth, CAMERA, T, None, "", 0)


def look_of(plan: Plan, joints: dict[str, float], now_ns: int = T0) -> Look:
    state = RobotState(now_ns, "odom", SE3.identity(), np.zeros(6))
    return Look(now_ns, 1, plan, state, {}, joints, None)
