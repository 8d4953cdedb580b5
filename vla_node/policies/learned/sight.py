"""From a look to what the learned policy's graph is shown; the training makes its examples with it, too."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import numpy.typing as npt

from saccade.clock import MS, seconds
from saccade.geometry import F32, SE3, planar, wrap_angle
from vla_node.policies.base import Look, PolicyError
from vla_node.policies.learned import scan
from vla_node.rollout import Motion
from vla_node.track import Track

SCANS = 5
"""What the camera sees now, what it saw before, and three of the map: see `scan.of_map`."""
POINTS, SPACING_M = 8, 0.3
"""Points of the way that are shown, from where the robot is nearest to it."""
STATE = 2 * POINTS + 8
FACES_LEFT = (*range(1, 2 * POINTS, 2), 2 * POINTS + 2, 2 * POINTS + 4, 2 * POINTS + 6)
"""Of the state, what changes its sign in a mirror."""
BEFORE_NS = 500 * MS
"""How much older the second scan is: so long ago a person was half a metre away."""
MOST_M = 4.0
Inputs = dict[str, npt.NDArray[np.float32]]


class Sight:
    """Makes the graph's inputs; remembers half a second of scans."""

    def __init__(self, need_m: float) -> None:
        self._need_m = need_m
        self._seen: deque[tuple[int, SE3, F32]] = deque()

    def forget(self) -> None:
        """Begin anew."""
        self._seen.clear()

    def see(self, look: Look, motion: Motion, track: Track, nominal: list[Motion]) -> Inputs:
        """scan (1, SCANS, BEARINGS) m, state (1, STATE) SI, nominal (1, k, 2) m/s and rad/s: a plain pursuit's rows.

        PolicyError without map or depth.
        """
        if look.grid is None or look.depth_m is None or look.camera is None or look.T_odom_from_cam is None:
            raise PolicyError("the learned policy drives on depth and the local map, and one of them is missing")
        if look.depth_m.shape != (look.camera.height, look.camera.width):
            size = f"{look.camera.width}x{look.camera.height}"
            raise PolicyError(f"depth of shape {look.depth_m.shape}, but its camera says {size}")
        T_odom_from_level = planar(look.state.T_odom_from_body)
        now = scan.of_depth(look.depth_m, look.camera, T_odom_from_level.inverse() @ look.T_odom_from_cam)
        before = self._before(look.stamp_ns, T_odom_from_level, now)
        scans = np.stack([now, before, *scan.of_map(look.grid, T_odom_from_level, self._need_m)])
        return {
            "scan": scans[None],
            "state": _state(look, motion, track)[None],
            "nominal": np.array([[(m.v, m.w) for m in nominal]], np.float32),
        }

    def _before(self, stamp_ns: int, T_odom_from_level: SE3, now: F32) -> F32:
        """The oldest scan of the last half second, seen from here; where nothing was seen yet, the present one."""
        seen = self._seen
        if seen and stamp_ns < seen[-1][0]:
            seen.clear()
        while seen and stamp_ns - seen[0][0] > BEFORE_NS:
            seen.popleft()
        seen.append((stamp_ns, T_odom_from_level, now))
        _, T_then, ranges = seen[0]
        return scan.moved(ranges, T_odom_from_level.inverse() @ T_then)


def _state(look: Look, motion: Motion, track: Track) -> F32:
    """The way ahead in the body's frame (x y by turns), then what is left of it, its last heading, and speeds."""
    begin, c, s = track.nearest(motion.x, motion.y), math.cos(motion.yaw), math.sin(motion.yaw)
    points = []
    for i in range(POINTS):
        x, y = track.point(begin + (i + 1) * SPACING_M)
        dx, dy = x - motion.x, y - motion.y
        points += [c * dx + s * dy, c * dy - s * dx]
    end = 0.0 if track.end_yaw is None else wrap_angle(track.end_yaw - motion.yaw)
    v, w = float(look.state.twist[0]), float(look.state.twist[5])
    left_m, left_s = track.length_m - begin, seconds(look.plan.obs_stamp_ns + look.plan.valid_for_ns - look.stamp_ns)
    rest = (min(left_m, MOST_M), math.cos(end), math.sin(end), motion.v, motion.w, v, w, min(left_s, MOST_M))
    return np.asarray(np.clip(np.array((*points, *rest)), -MOST_M, MOST_M), np.float32)
