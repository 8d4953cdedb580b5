"""Earlier pictures for a reasoner that wants them: keyframes by motion, in bounded memory."""

from __future__ import annotations

import math
from typing import NamedTuple

from saccade.geometry import SE3, wrap_angle
from saccade.node import Sample

APART_M = 0.4
APART_RAD = 0.4
"""A picture is a keyframe when the robot has moved or turned by this much since the last one."""


class Kept(NamedTuple):
    """A picture, not decoded, and where the robot was when it was taken."""

    stamp_ns: int
    picture: Sample
    T_odom_from_body: SE3


class History:
    """At most `most` keyframes: the first, the last, and those between spread out.

    When there is one too many, the one goes whose neighbours lie closest together; so the first stays and the way since
    the instruction stays covered, more coarsely the longer it is.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._frames: list[Kept] = []

    def offer(self, stamp_ns: int, picture: Sample, T_odom_from_body: SE3) -> bool:
        """Keep a picture that is newer than those before if it shows something new; whether it was kept."""
        if not self.most or (self._frames and _apart(self._frames[-1].T_odom_from_body, T_odom_from_body) < 1.0):
            return False
        cdr = bytes(picture.cdr)  # what is kept must not hold on to a bus's buffer
        self._frames.append(Kept(stamp_ns, picture._replace(cdr=cdr), T_odom_from_body))
        if len(self._frames) > self.most:
            del self._frames[self._least()]
        return True

    def before(self, stamp_ns: int) -> tuple[Kept, ...]:
        """What is kept of before an instant, oldest first."""
        return tuple(kept for kept in self._frames if kept.stamp_ns < stamp_ns)

    def clear(self) -> None:
        """Forget them all."""
        self._frames.clear()

    def _least(self) -> int:
        poses = [kept.T_odom_from_body for kept in self._frames]
        gaps = [_apart(a, c) for a, c in zip(poses, poses[2:], strict=False)]
        return 1 + gaps.index(min(gaps)) if gaps else 0


def _apart(a: SE3, b: SE3) -> float:
    """How far two poses are from each other; 1 is just worth a keyframe."""
    moved_m = math.dist(a.t, b.t)
    return max(moved_m / APART_M, abs(wrap_angle(a.yaw - b.yaw)) / APART_RAD)
