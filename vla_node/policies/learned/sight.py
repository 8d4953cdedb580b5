"""From a look to what the learned policy's graph is shown; the training makes its examples with it, too."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from saccade.clock import MS, seconds
from saccade.geometry import F32, SE3, planar
from vla_node.policies.base import Look, PolicyError
from vla_node.policies.learned import scan

Inputs = dict[str, npt.NDArray[np.float32]]
AGES_NS = (0, 500 * MS, 1000 * MS, 1500 * MS)
SCANS = len(AGES_NS)
"""What the camera sees now, and what it saw before: within half a second a person is half a metre away."""
_LATE_NS = 20 * MS


class Sight:
    """Remembers a second and a half of scans."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, SE3, F32, F32]] = deque()

    def forget(self) -> None:
        """Begin anew."""
        self._seen.clear()

    def see(self, look: Look) -> Inputs:
        """scan (1, SCANS, BEARINGS) m, as from where the robot is now; view, 1 where it looked; age (1, SCANS) s.

        Of each of AGES_NS the oldest scan that is no older; where there is none, a younger one. PolicyError without
        depth.
        """
        if look.depth_m is None or look.camera is None or look.T_odom_from_cam is None:
            raise PolicyError("the learned policy drives on depth and the local map, and there is no depth")
        if look.depth_m.shape != (look.camera.height, look.camera.width):
            size = f"{look.camera.width}x{look.camera.height}"
            raise PolicyError(f"depth of shape {look.depth_m.shape}, but its camera says {size}")
        T_odom_from_level, seen = planar(look.state.T_odom_from_body), self._seen
        T_level_from_cam = T_odom_from_level.inverse() @ look.T_odom_from_cam
        if seen and look.stamp_ns < seen[-1][0]:
            seen.clear()
        while seen and look.stamp_ns - seen[0][0] > AGES_NS[-1] + _LATE_NS:
            seen.popleft()
        now = scan.of_depth(look.depth_m, look.camera, T_level_from_cam)
        seen.append((look.stamp_ns, T_odom_from_level, now, scan.in_view(look.camera, T_level_from_cam)))
        chosen = [next(one for one in seen if look.stamp_ns - one[0] <= age_ns + _LATE_NS) for age_ns in AGES_NS]
        stamps, poses, scans, views = zip(*chosen, strict=True)
        return stacked(T_odom_from_level, poses, scans, views, [seconds(look.stamp_ns - stamp) for stamp in stamps])


def stacked(
    T_now: SE3, poses: Sequence[SE3], scans: Sequence[F32], views: Sequence[F32], ages_s: Sequence[float]
) -> Inputs:
    """What `Sight.see` returns of scans, and of what was looked into, taken at poses of the robot."""
    motions = [T_now.inverse() @ T for T in poses]
    moved = [scan.moved(one, T) for one, T in zip(scans, motions, strict=True)]
    turned = [scan.turned(one, -T.yaw) for one, T in zip(views, motions, strict=True)]
    return {"scan": np.stack(moved)[None], "view": np.stack(turned)[None], "age": np.array([ages_s], np.float32)}
