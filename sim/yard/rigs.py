"""What the dog has on board: a stereo pair on its head, one at each flank, and an IMU."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import R_BODY_FROM_OPTICAL, SE3, Pinhole
from sim.cameras import SIDES, Rig


def _rig(name: str, camera: Pinhole, baseline_m: float, yaw: float, at: tuple[float, float, float]) -> Rig:
    """A pair that looks level in the direction `yaw`, the middle between its cameras at a place on the body."""
    T_base_from_rig = SE3.from_rpy(0.0, 0.0, yaw, at)
    rig = Rig(camera, baseline_m, {}, name)
    off_m = {"left": baseline_m / 2, "right": -baseline_m / 2}
    cameras = {
        rig.frame(side): T_base_from_rig @ SE3(R_BODY_FROM_OPTICAL, np.array([0.0, off_m[side], 0.0])) for side in SIDES
    }
    return Rig(camera, baseline_m, cameras, name)


HEADS = {
    lens: _rig("", camera, 0.12, 0.0, (0.30, 0.0, 0.42))
    for lens, camera in (
        ("wide", Pinhole(200.0, 200.0, 287.5, 119.5, 576, 240)),
        ("narrow", Pinhole(200.0, 200.0, 159.5, 119.5, 320, 240)),
    )
}
"""By lens: 110 degrees wide, as a ZED X's 2.2 mm lens sees, or 77."""
FLANKS = tuple(
    _rig(
        f"side_{name}", Pinhole(120.0, 120.0, 119.5, 79.5, 240, 160), 0.20, sign * math.pi / 2, (0.0, sign * 0.13, 0.36)
    )
    for name, sign in (("left", 1), ("right", -1))
)
"""90 degrees wide each, which leaves 50 behind unseen; as sure of a distance as the head, with fewer pixels."""
MOUNTING = {
    **{frame: T for rig in (HEADS["wide"], *FLANKS) for frame, T in rig.T_base_from.items()},
    "imu_link": SE3(np.eye(3), np.array([0.0, 0.0, 0.28])),
}
