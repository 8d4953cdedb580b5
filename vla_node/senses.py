"""What the node has heard of the robot and its surroundings: newest of each, pictures undecoded, motion as history."""

from __future__ import annotations

import math
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from saccade.clock import MS, SEC
from saccade.errors import DataError
from saccade.geometry import SE3, Pinhole
from saccade.inbox import Arrival, Inbox, Reading
from saccade.node import Sample
from saccade.tf import TfBuffer, TransformError
from saccade.types import LocalMap, RobotState
from saccade.wire.convert import decode, decode_camera, decode_map, decode_odom, se3
from saccade.wire.images import decode_depth, decode_image
from vla_node.history import History, Kept
from vla_node.planner import Keyframe, Observation
from vla_node.rollout import Motion

PICTURES = (
    "left/image_rect", "left/image_rect/compressed", "rgbd/color/image_rect", "rgbd/color/image_rect/compressed",
    "left/image_raw", "left/image_raw/compressed",
)  # fmt: skip
"""Where a picture may come from, the best first: only rectified ones match the depth image pixel by pixel."""
SENSES = frozenset({*PICTURES, "depth/image_rect", "depth/camera_info", "local_map", "odom", "tf_static"})

_KEPT = 8
"""Pictures kept while the depth of one is being computed."""
_SAME_NS = 50 * MS
"""A picture and a depth image this close together are taken for one moment."""
BODY = "base_link"
"""The robot's own frame: every odometry message is taken to be about it."""


class Senses:
    """Takes samples as they come. A message that cannot be used is named in `faults`, never raised."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self._faults: dict[str, tuple[int, str]] = {}
        self.jumped = False
        self._tf = TfBuffer()
        self._odom_frame = ""
        self._pictures: OrderedDict[int, Sample] = OrderedDict()

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
        self._faults = {topic: fault for topic, fault in self._faults.items() if now_ns - fault[0] < SEC}
        return [text for _, (_, text) in sorted(self._faults.items())]

    def _take(self, sample: Sample) -> Arrival:
        name, cdr = sample.topic, sample.cdr
        if name in PICTURES:
            return self._keep_picture(sample)
        if name == "tf_static":
            for link in decode(name, cdr).transforms:
                T = se3(link.transform.translation, link.transform.rotation)
                self._tf.set_static(link.header.frame_id, link.child_frame_id, T)
            return Arrival.ACCEPTED
        if name == "odom":
            return self._move(decode_odom(cdr)[0], sample)
        if name == "local_map":
            grid = decode_map(cdr)
            return self.inbox.put(name, grid.stamp_ns, sample.stamp_ns, grid)
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
        known = self._pictures.get(stamp)
        if known is None or PICTURES.index(sample.topic) < PICTURES.index(known.topic):
            self._pictures[stamp] = sample
        while len(self._pictures) > _KEPT:
            self._pictures.popitem(last=False)
        return self.inbox.put(sample.topic, stamp, sample.stamp_ns, None)

    def _move(self, state: RobotState, sample: Sample) -> Arrival:
        if not all(map(math.isfinite, state.twist)):
            raise DataError(f"odom with twist {state.twist.tolist()}; expected finite m/s and rad/s")
        arrival = self.inbox.put("odom", state.stamp_ns, sample.stamp_ns, state)
        if arrival is Arrival.CLOCK_BACK:
            self._tf.forget_moving()
            self._pictures.clear()
            self.jumped = True
        elif arrival is Arrival.ACCEPTED:
            self._odom_frame = state.frame_id
            self._tf.add(state.frame_id, BODY, state.stamp_ns, state.T_odom_from_body)
        return arrival

    def odom(self, now_ns: int) -> Reading:
        """Reading of the newest RobotState."""
        return self.inbox.get("odom", now_ns)

    def grid(self, now_ns: int) -> Reading:
        """Reading of the newest LocalMap; not to be used in another frame than the odometry's."""
        return self.inbox.get("local_map", now_ns)

    def motion(self, state: RobotState) -> Motion:
        """Planar pose and speeds of a state."""
        T = state.T_odom_from_body
        return Motion(float(T.t[0]), float(T.t[1]), T.yaw, float(state.twist[0]), float(state.twist[5]))

    def newest_picture(self) -> tuple[int, Sample, SE3] | None:
        """Stamp, message and pose of the robot of the newest picture that odometry reaches to; None without one."""
        for stamp in reversed(self._pictures):
            try:
                return stamp, self._pictures[stamp], self._tf.lookup(self._odom_frame, BODY, stamp)
            except TransformError:
                continue
        return None

    def observe(
        self, now_ns: int, blank: Callable[..., Observation], history: History
    ) -> Callable[[], Observation] | None:
        """How to make the newest observation: all of it is fixed now, and decoded when called. None without odometry.

        It is dated by the depth image if there is a fresh one, else by the odometry. `blank` is Observation with all
        that is not seen.
        """
        odom, grid, depth = self.odom(now_ns), self.grid(now_ns), self.inbox.get("depth/image_rect", now_ns)
        if not odom.fresh:
            return None
        chart: LocalMap | None = grid.value if grid.fresh and grid.value.frame_id == odom.value.frame_id else None

        def bare(state: RobotState, blind: str) -> Observation:
            return blank(
                stamp_ns=state.stamp_ns, state=state, image=None, depth_m=None, camera=None, T_odom_from_cam=None,
                grid=chart, blind=blind,
            )  # fmt: skip

        if not depth.fresh:
            return partial(bare, odom.value, depth.why())
        try:
            T_odom_from_body = self._tf.lookup(odom.value.frame_id, BODY, depth.stamp_ns)
        except TransformError as error:
            return partial(bare, odom.value, str(error))
        state = RobotState(depth.stamp_ns, odom.value.frame_id, T_odom_from_body, odom.value.twist)
        try:
            camera, picture, T_body_from_cam = self._camera(now_ns, depth.value)
        except DataError as error:
            return partial(bare, state, str(error))
        T_odom_from_cam, earlier = T_odom_from_body @ T_body_from_cam, history.before(depth.stamp_ns)
        return partial(_look, bare(state, ""), picture, depth.value, camera, T_odom_from_cam, earlier)

    def _camera(self, now_ns: int, depth: Sample) -> tuple[Pinhole, Sample, SE3]:
        """Intrinsics, picture and place on the robot that belong to a depth image; DataError if one is missing."""
        stamp, frame_id = peek_header(depth)
        info = self.inbox.get("depth/camera_info", now_ns)
        if not info.fresh:
            raise DataError(info.why())
        near = min(self._pictures, key=lambda s: (abs(s - stamp), s), default=None)
        if near is None or abs(near - stamp) > _SAME_NS:
            raise DataError("no picture of the depth image's moment")
        return info.value, self._pictures[near], self._tf.lookup(BODY, frame_id, stamp)


def _look(
    bare: Observation, picture: Sample, depth: Sample, camera: Pinhole, T_odom_from_cam: SE3, earlier: tuple[Kept, ...]
) -> Observation:  # fmt: skip
    """The observation with its pictures decoded, or blind if they are corrupt."""
    try:
        topic = picture.topic
        image = decode_image(topic, picture.cdr)
        topic = depth.topic
        _, _, depth_m = decode_depth(topic, depth.cdr)
        history = tuple(Keyframe(decode_image(k.picture.topic, k.picture.cdr), k.T_odom_from_body) for k in earlier)
    except DataError as error:
        return replace(bare, blind=named(topic, error))
    if depth_m.shape != (camera.height, camera.width):
        size = f"{camera.width}x{camera.height}"
        return replace(bare, blind=f"depth of shape {depth_m.shape} but its camera_info says {size}")
    return replace(
        bare, image=image, depth_m=depth_m, camera=camera, T_odom_from_cam=T_odom_from_cam, history=history
    )  # fmt: skip


def named(topic: str, error: Exception) -> str:
    """An error's text that begins with the topic."""
    text = str(error)
    return text if text.startswith(topic) else f"{topic}: {text}"


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
