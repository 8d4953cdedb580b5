"""The odometry node: pictures in; where the robot is out, with how sure that is, or a diagnosis and silence."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from perception_node.cameras import DEPTH, LEFT, RIGHT
from perception_node.inputs import PICTURES, RGBD_COLOUR, RGBD_DEPTH, Choice, Message, accept, capture_ns
from perception_node.odometry.body import APART_M, Body, Told
from perception_node.odometry.estimate import Estimate, State
from perception_node.odometry.params import OdometryParams
from perception_node.odometry.views import Seen, Views
from perception_node.odometry.visual import Plausible, VisualOdometry
from perception_node.sync import Side, StereoSync
from saccade.clock import SEC, TickGrid, nanoseconds
from saccade.errors import DataError
from saccade.node import Out, Sample
from saccade.stages import Stages
from saccade.tf import TransformError
from saccade.types import RobotState
from saccade.wire.convert import decode, decode_odom, decode_transforms, encode_odom, encode_transforms, stamp_ns
from saccade.wire.diagnostics import Level
from saccade.wire.health import Health, Refused, Stage

Rig = Literal["rgbd", "stereo"]
_TOPICS: dict[tuple[Rig, Side], tuple[str, ...]] = {
    ("rgbd", "left"): RGBD_COLOUR,
    ("rgbd", "right"): RGBD_DEPTH,
    ("stereo", "left"): tuple(f"left/{name}" for name in PICTURES),
    ("stereo", "right"): tuple(f"right/{name}" for name in PICTURES),
}
"""Who a picture is for; colour counts as left of a pair, and depth as right."""
_ROLE = {topic: role for role, topics in _TOPICS.items() for topic in topics}
_STAGES = {
    "images": Stage("left/image_rect", ("decode",)),
    "sync": Stage("left/image_rect"),
    "calibration": Stage("left/image_rect", ("rectify",)),
    "pose": Stage("odom", ("pose",)),
}
_REMEMBERED = 64
"""How many of its own messages the node knows again when they come back to it."""


class OdometryNode:
    """Visual odometry of a robot that has no other: `odom`, and the transform from its frame to the base.

    Nothing is said while the pose is lost, so that the gate stops the robot. After that a new segment begins, see
    `Body`. Where somebody else tells `odom`, this node says nothing for as long as it runs: two poses are none.
    """

    name = "odometry_node"
    reads = frozenset({*_ROLE, LEFT, RIGHT, DEPTH, "imu", "odom", "tf", "tf_static"})
    writes = frozenset({"odom", "tf", "diagnostics"})

    def __init__(self, params: OdometryParams | None = None) -> None:
        self._params = params = params or OdometryParams()
        self.stages = Stages()
        self._health = Health("odometry: ", self.stages, _STAGES)
        self._views = Views(self.stages)
        self._odometry = VisualOdometry(plausible=Plausible(params.max_speed_m_s, params.max_turn_rad_s))
        self._body = Body(params.odom_frame, params.base_frame)
        self._sync: dict[Rig, StereoSync[Message]] = {
            "rgbd": StereoSync(nanoseconds(params.rgbd_tolerance_ms / 1e3)),
            "stereo": StereoSync(nanoseconds(params.stereo_tolerance_ms / 1e3)),
        }
        self._choice = {role: Choice(topics) for role, topics in _TOPICS.items()}
        self._rig: Choice[Rig] = Choice(("rgbd", "stereo"))
        self._camera_frame = ""
        self._imu = "none"
        self._told: deque[tuple[int, bytes]] = deque(maxlen=_REMEMBERED)
        self._rival: Refused | None = None
        self._grid = TickGrid(SEC)
        self._frame_ns: int | None = None

    def retune(self, params: OdometryParams) -> None:
        """See `Tunable.retune`."""
        self._params = params

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        return self._grid.due(now_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """See `Node.on_sample`."""
        try:
            yield from self._handle(sample, now_ns)
        except Refused as fault:
            self._health.drop(fault)
        yield from self._health.changes(now_ns)

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        """See `Node.on_tick`."""
        self._grid.advance(now_ns)
        if self._rival:
            self._health.refuse(self._rival)
        elif self._frame_ns is None or not 0 <= now_ns - self._frame_ns <= self._stale_ns:
            rig: Rig = "rgbd" if any(s.newest_ns for s in self._sync["rgbd"].stamps.values()) else "stereo"
            self._health.refuse(Refused("sync", *self._sync[rig].why_none(now_ns, self._stale_ns)))
        for sync in self._sync.values():
            if sync.paired:
                self._health.note("sync", sync.counts())
        yield from self._health.tick(now_ns)

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        return ()

    def _handle(self, sample: Sample, now_ns: int) -> Iterator[Out]:
        if sample.topic in (LEFT, RIGHT, DEPTH):
            self._views.cameras.put(sample.topic, sample.cdr)
        elif sample.topic == "odom":
            self._listen(sample)
        elif sample.topic == "imu":
            self._on_imu(sample)
        elif sample.topic in ("tf", "tf_static"):
            self._on_tf(sample)
        elif self._rival is None:
            yield from self._on_picture(Message(sample.topic, sample.cdr), now_ns)

    def _on_picture(self, message: Message, now_ns: int) -> Iterator[Out]:
        rig, side = role = _ROLE[message.topic]
        if not self._choice[role].takes(message.topic, now_ns):
            return
        captured_ns, sync = capture_ns(message), self._sync[rig]
        unpaired = sync.unpaired
        arrival, pair = sync.put(side, captured_ns, now_ns, message)
        self._health.drops["sync"] += sync.unpaired - unpaired
        accept(arrival, sync.stamps[side], message.topic, now_ns, self._stale_ns)
        if side == "left":
            self._health.made("images", captured_ns, now_ns)
        if pair is None or not self._rig.takes(rig, now_ns):
            return
        self._frame_ns = now_ns
        self._health.made("sync", captured_ns, now_ns)
        seen = self._views.rgbd(pair) if rig == "rgbd" else self._views.stereo(pair)
        for stage in ("images", "sync", "calibration"):
            self._health.ok(stage)
        self._health.made("calibration", captured_ns, now_ns)
        yield from self._locate(seen, now_ns)

    def _locate(self, seen: Seen, now_ns: int) -> Iterator[Out]:
        self._camera_frame = seen.frame_id
        with self.stages.timed("pose"):
            estimate = self._odometry.update(seen.view)
        self._health.note("pose", self._details(estimate))
        if estimate.state is State.LOST:
            raise Refused("pose", "lost", estimate.reason)
        try:
            told = self._body.tell(estimate, seen.frame_id)
        except TransformError as error:
            raise Refused("pose", "missing transform", str(error)) from error
        if estimate.state is State.ANCHORED and estimate.segment > 0:
            text = (
                f"segment {estimate.segment} begins: how the robot moved before it is not known, so its poses are "
                f"{APART_M:g} m away from those of the last; maps and plans of these are void"
            )
            raise Refused("pose", "new segment", text, Level.WARN)
        if told is not None:
            yield from self._tell(told, now_ns)

    def _tell(self, told: Told, now_ns: int) -> Iterator[Out]:
        state, base = told.state, self._params.base_frame
        self._told.append(_fingerprint(state))
        self._health.ok("pose")
        self._health.made("pose", state.stamp_ns, now_ns)
        yield Out("odom", encode_odom(state, base, told.pose_covariance, told.twist_covariance))
        if self._params.publish_tf:
            yield Out("tf", encode_transforms(state.stamp_ns, [(state.frame_id, base, state.T_odom_from_body)]))

    def _listen(self, sample: Sample) -> None:
        """Know its own messages again; one of somebody else's silences this node."""
        try:
            state, child = decode_odom(sample.cdr)
            if _fingerprint(state) in self._told:
                return
            whose = f"of {child!r} in {state.frame_id!r}"
        except DataError as error:
            whose = f"that cannot be read ({error})"
        if self._rival is None:
            text = (
                f"somebody else tells odom, {whose}; two are none: this node is silent from now on. Run it only on a "
                "robot without odometry, and start it again when the other has ended"
            )
            self._rival = Refused("pose", "two writers", text)
        raise self._rival

    def _on_imu(self, sample: Sample) -> None:
        """Angular rates, where the sensor has them and its place is known; without them pictures must do."""
        if not self._camera_frame:
            return
        try:
            message = decode("imu", sample.cdr)
            captured_ns, frame_id = stamp_ns(message.header.stamp), message.header.frame_id
            R_cam_from_imu = self._body.poses.tf.lookup(self._camera_frame, frame_id, captured_ns).R
        except DataError as error:  # a TransformError, too
            self._imu = f"not used: {error}"
            return
        if message.angular_velocity_covariance[0] < 0:  # sensor_msgs/Imu: it has no gyroscope
            self._imu = "not used: it says that it measures no rates"
            return
        rate = message.angular_velocity
        self._odometry.put_gyro(captured_ns, R_cam_from_imu @ np.array([rate.x, rate.y, rate.z]))
        self._imu = "used"

    def _on_tf(self, sample: Sample) -> None:
        try:
            for captured_ns, parent, child, T in decode_transforms(sample.cdr):
                if sample.topic == "tf_static":
                    self._body.poses.tf.set_static(parent, child, T)
                elif child != self._params.base_frame:  # that is what this node tells
                    self._body.poses.tf.add(parent, child, captured_ns, T)
        except DataError as error:
            raise Refused("pose", "unusable transform", str(error)) from error

    def _details(self, estimate: Estimate) -> dict[str, str]:
        health = estimate.health
        return {
            "state": estimate.state.value, "segment": str(estimate.segment), "health": f"{health.score:.2f}",
            "points": f"{health.inliers} of {health.tracked}", "spread": f"{health.spread:.2f}", "gyroscope": self._imu,
        }  # fmt: skip

    @property
    def _stale_ns(self) -> int:
        return nanoseconds(self._params.stale_ms / 1e3)


def _fingerprint(state: RobotState) -> tuple[int, bytes]:
    return state.stamp_ns, state.T_odom_from_body.t.tobytes()
