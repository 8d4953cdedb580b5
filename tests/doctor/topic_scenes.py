"""A stereo robot's recording that is all right, and one fault at a time put into it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rosbags import rosbag2

from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.topics import topic
from saccade.types import CameraModel, Image, RobotState
from saccade.wire.codec import codec
from saccade.wire.convert import encode_camera, encode_odom, encode_transforms
from saccade.wire.images import encode_image

T0 = 1_700_000_000 * SEC
WIDTH, HEIGHT, FX, BASELINE_M = 32, 24, 30.0, 0.1
OPTICAL = SE3.from_rpy(-np.pi / 2, 0.0, -np.pi / 2, (0.1, 0.05, 0.4))


def camera(side: str, frame: str, tx: float, size: tuple[int, int] = (WIDTH, HEIGHT)) -> CameraModel:
    K = np.array([[FX, 0, size[0] / 2], [0, FX, size[1] / 2], [0, 0, 1]])
    P = np.hstack([K, [[tx if side == "right" else 0.0], [0], [0]]])
    return CameraModel(frame, *size, "plumb_bob", np.zeros(5), K, np.eye(3), P)


@dataclass
class Scene:
    """A second: pictures at 30 Hz, odometry at 50 Hz, fixed transforms. Each field is where a fault goes."""

    rates: dict[str, float] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    late_ns: dict[str, int] = field(default_factory=dict)
    stamp: object = staticmethod(lambda name, t: t)
    frame: str = "left_optical"
    info_frame: str = "left_optical"
    parent: str = "base_link"
    mount: SE3 = OPTICAL
    tx: float = -FX * BASELINE_M
    info_size: tuple[int, int] = (WIDTH, HEIGHT)
    encoding: str = "mono8"
    corrupt: str = ""

    def with_(self, **faults: object) -> Scene:
        return replace(self, **faults)

    def records(self) -> list[tuple[str, str, int, bytes]]:
        """(name, type, log time, CDR)."""
        out = [self._record("tf_static", T0, bytes(encode_transforms(T0, [(self.parent, "left_optical", self.mount)])))]
        for side in ("left", "right"):
            for kind in ("image_rect", "camera_info"):
                name = f"{side}/{kind}"
                for t in self._times(name, 30.0):
                    out.append(self._record(name, t, self._camera(side, kind, self._stamped(name, t))))
        for t in self._times("odom", 50.0):
            state = RobotState(self._stamped("odom", t), "odom", SE3.identity(), np.zeros(6))
            out.append(self._record("odom", t, bytes(encode_odom(state))))
        return sorted((r for r in out if r[0] not in self.leave_out), key=lambda r: r[2])

    def write(self, path: Path) -> Path:
        """A rosbag2 of it."""
        writer = rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
        with writer:
            connections = {}
            for name, msgtype, t, cdr in self.records():
                own = f"/{self.names.get(name, name)}"
                if own not in connections:
                    connections[own] = writer.add_connection(own, msgtype, typestore=codec()._store)
                writer.write(connections[own], t, cdr)
        return path

    def _times(self, name: str, rate_hz: float) -> list[int]:
        rate_hz = self.rates.get(name, rate_hz)
        return [T0 + round(i * SEC / rate_hz) for i in range(int(rate_hz))]

    def _stamped(self, name: str, t: int) -> int:
        return self.stamp(name, t) - self.late_ns.get(name, 0)

    def _record(self, name: str, t: int, cdr: bytes) -> tuple[str, str, int, bytes]:
        cdr = b"\0\1\0\0no message" if self.corrupt == name else cdr
        return name, self.types.get(name, topic(name).type), t, cdr

    def _camera(self, side: str, kind: str, stamp: int) -> bytes:
        frame = self.frame if side == "left" else "right_optical"
        if kind == "camera_info":
            frame = self.info_frame if side == "left" else "right_optical"
            return bytes(encode_camera(stamp, camera(side, frame, self.tx, self.info_size)))
        cdr = bytes(encode_image(Image(stamp, frame, np.zeros((HEIGHT, WIDTH), np.uint8))))
        return cdr.replace(b"mono8", self.encoding.encode()) if self.encoding != "mono8" else cdr


FINE = Scene()
