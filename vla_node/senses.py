"""What the node has heard of the robot and its surroundings: newest of each, pictures undecoded, motion as history."""

from __future__ import annotations

import math
import struct
from collections import OrderedDict

import numpy as np

from saccade.clock import SEC
from saccade.errors import DataError
from saccade.geometry import SE3, Pinhole
from saccade.inbox import Arrival, Freshness, Inbox, Reading
from saccade.node import Sample
from saccade.tf import TfBuffer
from saccade.topics import topic
from saccade.types import RobotState
from saccade.wire.clearance import decode_clearance
from saccade.wire.commands import decode_joint_trajectory
from saccade.wire.convert import decode, decode_camera, decode_map, decode_odom, se3, stamp_ns

PICTURES = (
    "left/image_rect", "left/image_rect/compressed", "rgbd/color/image_rect", "rgbd/color/image_rect/compressed",
    "left/image_raw", "left/image_raw/compressed",
)  # fmt: skip
"""Where a picture may come from, the best first: only rectified ones match the depth image pixel by pixel."""
SENSES = frozenset({*PICTURES, "depth/image_rect", "depth/camera_info", "local_map", "odom", "tf_static"})

BIRDSEYE = "map/birdseye"
"""The map from above; heard where it is to be shown."""
_ANEW_M = 100.0
"""Odometry that moves further between two messages has begun anew; nothing planned in its frame before holds."""
_KEPT = 8
"""Pictures kept while the depth of one is being computed."""
BODY = "base_link"
"""The robot's own frame: every odometry message is taken to be about it."""


class Senses:
    """Takes samples as they come. A message that cannot be used is named in `faults`, never raised.

    Of one that `flies` the clearance in space is heard, too.
    Of a robot that `stands` no odometry is heard: its frame is base_link, and so it is at its origin, now and always.
    """

    def __init__(self, stands: bool = False, birdseye: bool = False, flies: bool = False) -> None:
        self._stands = stands
        more = {name for name, heard in ((BIRDSEYE, birdseye), ("clearance", flies)) if heard}
        self.reads = (SENSES - {"odom"} if stands else SENSES) | more
        self.inbox = Inbox()
        self._faults: dict[str, tuple[int, str]] = {}
        self.jumped = ""
        """Why what was known of the robot's motion is void, since the node last looked."""
        self.tf = TfBuffer()
        self.odom_frame = BODY if stands else ""
        self._positions: dict[str, tuple[int, float]] = {}
        """Stamp and position of each joint."""
        self.pictures: OrderedDict[int, Sample] = OrderedDict()

    def take(self, sample: Sample) -> Arrival | None:
        """Take one sample on one of SENSES; what became of it, or None when it could not be read."""
        try:
            return self._take(sample)
        except DataError as error:
            self.fault(sample, error)
            return None

    def fault(self, sample: Sample, error: Exception) -> None:
        """Note that a message could not be used."""
        self._faults[sample.topic] = (sample.stamp_ns, named(sample.topic, error))

    def faults(self, now_ns: int) -> list[str]:
        """What could not be used within the last second, by topic."""
        self._faults = {name: fault for name, fault in self._faults.items() if now_ns - fault[0] < SEC}
        return [text for _, (_, text) in sorted(self._faults.items())]

    def _take(self, sample: Sample) -> Arrival:
        name, cdr = sample.topic, sample.cdr
        if name in PICTURES:
            return self._keep_picture(sample)
        if name == "tf_static":
            for link in decode(name, cdr).transforms:
                T = se3(link.transform.translation, link.transform.rotation)
                self.tf.set_static(link.header.frame_id, link.child_frame_id, T)
            return Arrival.ACCEPTED
        if name == "odom":
            return self._move(decode_odom(cdr)[0], sample)
        if name == "local_map":
            grid = decode_map(cdr)
            return self.inbox.put(name, grid.stamp_ns, sample.stamp_ns, grid)
        if name == "clearance":
            space = decode_clearance(cdr)
            return self.inbox.put(name, space.stamp_ns, sample.stamp_ns, space)
        if name == "joint_states":
            return self._joints(sample)
        if name == "joint_trajectory":
            names, positions, _ = decode_joint_trajectory(cdr)
            return self.inbox.put(
                name, sample.stamp_ns, sample.stamp_ns, dict(zip(names, positions.tolist(), strict=True))
            )
        if name == "depth/camera_info":
            stamp, model = decode_camera(cdr)
            camera = Pinhole(model.P[0, 0], model.P[1, 1], model.P[0, 2], model.P[1, 2], model.width, model.height)
            if not (
                all(map(math.isfinite, (camera.fx, camera.fy, camera.cx, camera.cy))) and camera.fx > 0 < camera.fy
            ):
                raise DataError(f"{name}: P {model.P.tolist()} is no pinhole; expected finite, positive focal lengths")
            return self.inbox.put(name, stamp, sample.stamp_ns, camera)
        return self.inbox.put(name, peek_header(sample)[0], sample.stamp_ns, sample)

    def _keep_picture(self, sample: Sample) -> Arrival:
        stamp = peek_header(sample)[0]
        known = self.pictures.get(stamp)
        if known is None or PICTURES.index(sample.topic) < PICTURES.index(known.topic):
            self.pictures[stamp] = sample
        while len(self.pictures) > _KEPT:
            self.pictures.popitem(last=False)
        return self.inbox.put(sample.topic, stamp, sample.stamp_ns, sample)

    def _move(self, state: RobotState, sample: Sample) -> Arrival:
        if not all(map(math.isfinite, state.twist)):
            raise DataError(f"odom with twist {state.twist.tolist()}; expected finite m/s and rad/s")
        before = self.inbox.get("odom", sample.stamp_ns).value
        arrival = self.inbox.put("odom", state.stamp_ns, sample.stamp_ns, state)
        if arrival is Arrival.CLOCK_BACK:
            self.jumped = "the odometry's clock went back"
        elif arrival is Arrival.ACCEPTED and before is not None:
            moved_m = float(np.linalg.norm(state.T_odom_from_body.t - before.T_odom_from_body.t))
            self.jumped = f"odometry began anew {moved_m:.0f} m away" if moved_m > _ANEW_M else ""
        if self.jumped:
            self.tf.forget_moving()
            self.pictures.clear()
        if arrival is Arrival.ACCEPTED:
            self.odom_frame = state.frame_id
            self.tf.add(state.frame_id, BODY, state.stamp_ns, state.T_odom_from_body)
        return arrival

    def _joints(self, sample: Sample) -> Arrival:
        """Positions by name, of any joints that a message names: an arm and its gripper may send their own."""
        msg = decode(sample.topic, sample.cdr)
        if len(msg.position) != len(msg.name) or not np.isfinite(msg.position).all():
            raise DataError(f"joint_states with {len(msg.name)} names and positions {msg.position.tolist()[:8]}")
        stamp = stamp_ns(msg.header.stamp)
        arrival = self.inbox.put(sample.topic, stamp, sample.stamp_ns, None)
        if arrival is Arrival.CLOCK_BACK:
            self._positions.clear()
        for joint, position in zip(msg.name, msg.position.tolist(), strict=True):
            if stamp >= self._positions.get(joint, (stamp, 0.0))[0]:
                self._positions[joint] = stamp, position
        return arrival

    def joints(self, now_ns: int) -> dict[str, float]:
        """Position by joint, rad or m, of each that was heard of lately: another's message keeps none of them fresh."""
        if not self.inbox.get("joint_states", now_ns).fresh:
            return {}
        oldest_ns = now_ns - topic("joint_states").stale_ns
        return {joint: position for joint, (stamp, position) in self._positions.items() if stamp >= oldest_ns}

    def odom(self, now_ns: int) -> Reading:
        """Reading of the newest RobotState."""
        if self._stands:
            state = RobotState(now_ns, BODY, SE3.identity(), np.zeros(6))
            return Reading("odom", state, now_ns, 0, Freshness.FRESH)
        return self.inbox.get("odom", now_ns)

    def grid(self, now_ns: int) -> Reading:
        """Reading of the newest LocalMap; not to be used in another frame than the odometry's."""
        return self.inbox.get("local_map", now_ns)

    def space(self, now_ns: int) -> Reading:
        """Reading of the newest ClearanceField; not to be used in another frame than the odometry's."""
        return self.inbox.get("clearance", now_ns)


def named(name: str, error: Exception) -> str:
    """An error's text that begins with the topic's name."""
    text = str(error)
    return text if text.startswith(name) else f"{name}: {text}"


def peek_header(sample: Sample) -> tuple[int, str]:
    """(stamp, frame_id) of a message that begins with a std_msgs/Header, without decoding the rest."""
    cdr = memoryview(sample.cdr)
    try:
        order = "<" if cdr[1] & 1 else ">"
        sec, nanosec, length = struct.unpack_from(f"{order}iII", cdr, 4)
        text = bytes(cdr[16 : 16 + length])
        if len(text) < length:
            raise DataError(f"{sample.topic}: {len(cdr)} bytes end inside the header")
        return sec * SEC + nanosec, text.rstrip(b"\0").decode()
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise DataError(f"{sample.topic}: {len(cdr)} bytes do not begin with a header: {error}") from error
