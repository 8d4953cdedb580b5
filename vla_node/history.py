"""Earlier pictures for a reasoner that wants them: keyframes by motion, in bounded memory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.keyframes import Keyframes
from saccade.node import Sample

APART_M = 0.4
APART_RAD = 0.4
"""A picture is a keyframe when the robot has moved or turned by this much since the last one."""
_BODY_FROM_OPTICAL = SE3(R_BODY_FROM_OPTICAL, np.zeros(3))


class Kept(NamedTuple):
    """A picture, not decoded, and where the robot was when it was taken."""

    stamp_ns: int
    picture: Sample
    T_odom_from_body: SE3


class History:
    """At most `most` keyframes: the first, the last, and those between spread over what the robot has looked at.

    So the first stays and the way since the instruction stays covered, more coarsely the longer it is; a place that is
    come back to is kept once.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._last: Kept | None = None
        self._spread = Keyframes[Kept](max(most - 1, 1), APART_M, APART_RAD)

    def offer(self, stamp_ns: int, picture: Sample, T_odom_from_body: SE3) -> bool:
        """Keep a picture that is newer than those before if it shows something new; whether it was kept."""
        last = self._last
        if not self.most or (last and self._spread.apart(_ahead(last.T_odom_from_body), _ahead(T_odom_from_body)) < 1):
            return False
        if last and self.most > 1:
            self._spread.put(last.stamp_ns, _ahead(last.T_odom_from_body), lambda: last)
        cdr = bytes(picture.cdr)  # what is kept must not hold on to a bus's buffer
        self._last = Kept(stamp_ns, picture._replace(cdr=cdr), T_odom_from_body)
        return True

    def before(self, stamp_ns: int) -> tuple[Kept, ...]:
        """What is kept of before an instant, oldest first."""
        kept = [anchor.payload for anchor in self._spread.anchors()] + ([self._last] if self._last else [])
        return tuple(one for one in kept if one.stamp_ns < stamp_ns)

    def clear(self) -> None:
        """Forget them all."""
        self._last = None
        self._spread.clear()


def _ahead(T_odom_from_body: SE3) -> SE3:
    """The pose of a camera that looks ahead."""
    return T_odom_from_body @ _BODY_FROM_OPTICAL
