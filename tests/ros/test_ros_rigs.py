"""Further rigs under ROS 2: what a flank's pair and a depth camera at the back see is in the map of the first rig."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Iterator

import numpy as np
import pytest

pytestmark = [pytest.mark.ros, pytest.mark.slow]
pytest.importorskip("rclpy", reason="ROS 2 is not sourced")

from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from saccade.clock import MS, SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.types import U8, LocalMap
from saccade.wire.convert import decode, decode_map
from saccade.wire.diagnostics import Level
from saccade.wire.open import open_bus
from saccade.wire.ros_process import RosProcess

Start = Callable[..., subprocess.Popen[str]]
WIDTH, HEIGHT, FX, BASELINE_M = 160, 120, 100.0, 0.12
HEAD, FLANK, BACK = "", "side_left/", "rear/"
LOOKS = {HEAD: (0.0, 2.0), FLANK: (math.pi / 2, 1.0), BACK: (math.pi, 1.5)}
"""Of each rig: its heading, and how far before it a wall stands."""
AHEAD_M, UP_M = 0.1, 0.35
"""Each camera's place, from the robot's middle."""
OWN_NAME = "/back_camera/depth"
"""What the robot calls the depth picture of its back."""


class Robot:
    """Stands between walls and sends what its three rigs see, with ROS's own messages and QoS of cameras."""

    def __init__(self, node: Node) -> None:
        self._node, self._ends = node, dict[str, object]()
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        places = TFMessage(transforms=[self._place(rig) for rig in LOOKS])
        self._static = node.create_publisher(TFMessage, "tf_static", latched)
        self._static.publish(places)

    def look(self, *rigs: str) -> None:
        """Odometry of this instant, and a frame of each of these rigs."""
        stamp = self._node.get_clock().now().to_msg()
        odom = Odometry(header=Header(stamp=stamp, frame_id="odom"), child_frame_id="base_link")
        self._send("odom", odom)
        for rig in rigs:
            header = Header(stamp=stamp, frame_id=frame(rig))
            if rig == BACK:
                depth = np.full((HEIGHT, WIDTH), LOOKS[rig][1], np.float32)
                self._send(f"{rig}rgbd/depth/camera_info", info(header, 0.0))
                self._send(OWN_NAME, picture(header, "32FC1", depth))
                continue
            for side, seen in zip(("left", "right"), pair(LOOKS[rig][1]), strict=True):
                self._send(f"{rig}{side}/camera_info", info(header, BASELINE_M if side == "right" else 0.0))
                self._send(f"{rig}{side}/image_rect", picture(header, "mono8", seen))

    def _send(self, topic: str, message: object) -> None:
        if topic not in self._ends:
            self._ends[topic] = self._node.create_publisher(type(message), topic, qos_profile_sensor_data)
        self._ends[topic].publish(message)  # type: ignore[attr-defined]

    def _place(self, rig: str) -> TransformStamped:
        turned = SE3.from_rpy(0.0, 0.0, LOOKS[rig][0]) @ SE3(R_BODY_FROM_OPTICAL, np.array([AHEAD_M, 0.0, UP_M]))
        made = TransformStamped(header=Header(frame_id="base_link"), child_frame_id=frame(rig))
        to, at = made.transform.rotation, made.transform.translation
        to.x, to.y, to.z, to.w = turned.quaternion()
        at.x, at.y, at.z = turned.t.tolist()
        return made


def frame(rig: str) -> str:
    return f"{rig.strip('/') or 'head'}_optical"


def info(header: Header, baseline_m: float) -> CameraInfo:
    cx, cy = (WIDTH - 1) / 2, (HEIGHT - 1) / 2
    k = [FX, 0.0, cx, 0.0, FX, cy, 0.0, 0.0, 1.0]
    p = [FX, 0.0, cx, -FX * baseline_m, 0.0, FX, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    r = np.eye(3).reshape(-1).tolist()
    model = "plumb_bob"
    return CameraInfo(header=header, width=WIDTH, height=HEIGHT, distortion_model=model, d=[0.0] * 5, k=k, r=r, p=p)


def picture(header: Header, encoding: str, data: np.ndarray) -> Image:
    made = Image(header=header, height=HEIGHT, width=WIDTH, encoding=encoding, step=data[0].nbytes)
    made.data.frombytes(data.tobytes())
    return made


def pair(wall_m: float) -> tuple[U8, U8]:
    """Left and right picture of a wall with a pattern on it."""
    disparity = round(FX * BASELINE_M / wall_m)
    coarse = np.random.default_rng(0).integers(0, 256, (HEIGHT // 4, (WIDTH + disparity) // 4 + 1), np.uint8)
    wall = coarse.repeat(4, axis=0).repeat(4, axis=1)
    return wall[:, :WIDTH], wall[:, disparity : disparity + WIDTH]


class Watch:
    """What the node says of a robot that goes on looking."""

    def __init__(self, robot: Robot) -> None:
        self._robot, self._bus = robot, open_bus("ros:watch", ["local_map", "diagnostics"])
        self.maps: list[LocalMap] = []
        self.said: dict[str, tuple[bool, str]] = {}
        """By stage, the newest word on it: whether it works, and what is said."""

    def until(self, done: Callable[[], bool], *rigs: str) -> None:
        """Look with these rigs ten times a second until `done()`, or fail."""
        end_ns = self._bus.now_ns() + 60 * SEC
        while not done():
            assert self._bus.now_ns() < end_ns, f"it did not come to that: {self.said}"
            self._robot.look(*rigs)
            next_ns = self._bus.now_ns() + 100 * MS
            while sample := self._bus.recv(next_ns):
                if sample.topic == "local_map":
                    self.maps.append(decode_map(sample.cdr))
                else:
                    for status in decode("diagnostics", sample.cdr).status:
                        works = status.level in (Level.OK, Level.WARN)
                        self.said[status.name.removeprefix("perception: ")] = works, status.message

    def at(self, heading: float, ahead_m: float) -> int:
        """What the newest map holds, so far from the robot's middle; -1 also before there is one."""
        if not self.maps:
            return -1
        row, column = self.maps[-1].cell(math.cos(heading) * ahead_m, math.sin(heading) * ahead_m)
        return int(self.maps[-1].occupancy[row, column])

    def walled(self, rig: str) -> bool:
        """Whether the wall before this rig is in the map, and the floor before the wall."""
        heading, wall_m = LOOKS[rig]
        wall_m += AHEAD_M
        wall = max(self.at(heading, wall_m + d) for d in (-0.05, 0.05))
        return wall > 60 and 0 <= self.at(heading, wall_m - 0.4) < 40

    def works(self, stage: str) -> bool:
        """Whether a stage says that it does."""
        return self.said.get(stage, (False, ""))[0]

    def stopped(self, stage: str) -> bool:
        """Whether a stage misses its pictures."""
        return self.said[stage][1].startswith("pictures stopped")

    def close(self) -> None:
        self._bus.close()


@pytest.fixture
def watch(client: RosProcess) -> Iterator[Watch]:
    made = Watch(Robot(client.node))
    yield made
    made.close()


def test_what_only_a_further_rig_sees_is_in_the_map(start: Start, watch: Watch) -> None:
    given = ("-p", "rigs:=[side_left, rear]", "-p", "engine:=sgbm", "-p", "map.size_m:=6.4")
    start("perception_node", *given, "-r", f"rear/rgbd/depth/image_rect:={OWN_NAME}")
    watch.until(lambda: all(watch.walled(rig) for rig in LOOKS), *LOOKS)
    assert all(watch.at(-math.pi / 2, d) == -1 for d in np.arange(0.6, 2.0, 0.1)), "nobody looks to the right"
    assert watch.maps[-1].frame_id == "odom"
    watch.until(lambda: watch.works("side_left") and watch.works("rear"), *LOOKS)

    watch.until(lambda: watch.stopped("side_left"), HEAD, BACK)
    seen = len(watch.maps)
    watch.until(lambda: len(watch.maps) > seen + 3, HEAD, BACK)
    assert watch.works("rear")
    watch.until(lambda: watch.stopped("sync"), FLANK, BACK)
    seen = len(watch.maps)
    watch.until(lambda: watch.works("side_left"), FLANK, BACK)
    assert len(watch.maps) == seen, "the map is that of the eyes that look ahead"
