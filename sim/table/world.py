"""The table: an arm with a gripper, a camera with depth that looks at it from across, coloured things and a tray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from saccade.clock import MS, SEC
from saccade.errors import DataError
from saccade.geometry import SE3, Pinhole
from saccade.types import U8, CameraModel, Image
from saccade.wire.commands import decode_joint_trajectory, encode_joint_state
from saccade.wire.convert import Cdr, encode_camera
from saccade.wire.images import encode_depth, encode_image
from sim.options import WorldOptions, choice, rate
from sim.sensors import Imager
from sim.show import look
from sim.table.camera import RayCamera, noisy
from sim.table.cell import AXES, STEP_S, Cell
from sim.table.judge import Judge
from sim.table.layout import lay
from sim.world import TICK_NS, Kind, Messages, Stream

CAMERA = Pinhole(350.0, 350.0, 199.5, 149.5, 400, 300)
FRAME = "camera_optical"
_EYE_M, _AT_M = np.array([1.05, 0.0, 0.72]), np.array([0.38, 0.0, 0.0])
_SHOWN_M = np.array([1.0, -0.5, 0.65]), np.array([0.24, -0.04, 0.2])
_STEPS = round(TICK_NS / SEC / STEP_S)
_TOPICS = frozenset({"rgbd/color/image_rect", "rgbd/depth/image_rect", "rgbd/depth/camera_info"})


@dataclass(frozen=True, slots=True)
class TableOptions(WorldOptions):
    """What a URL may ask of the table."""

    camera_hz: int = rate(5)
    joints_hz: int = rate(100)
    depth: str = choice("noisy", "noisy", "exact")


class Table:
    """See `sim.world.Simulation`. base_link is the arm's base on the table; nothing of it ever moves."""

    scene = None

    def __init__(self, options: TableOptions, start_ns: int) -> None:
        self.layout = lay(options.seed)
        cell, picture, depth, mount = (np.random.default_rng((options.seed, 4, i)) for i in range(4))
        self._options, self._start_ns = options, start_ns
        self._cell = Cell(self.layout, cell)
        self._judge = Judge(self.layout, self._cell)
        T_base_from_cam = look(_EYE_M + mount.uniform(-0.03, 0.03, 3), _AT_M + mount.uniform(-0.02, 0.02, 3))
        self.mounting: Mapping[str, SE3] = {FRAME: T_base_from_cam}
        self._eye = RayCamera(self._cell.model, self._cell.data, CAMERA, T_base_from_cam)
        self._imager, self._depth_rng = Imager((CAMERA.height, CAMERA.width), False, picture), depth

    def streams(self) -> Sequence[Stream]:
        """See `Simulation.streams`."""
        hz = self._options
        return (
            Stream(_TOPICS, hz.camera_hz, 20 * MS, self._see),
            Stream(frozenset({"joint_states"}), hz.joints_hz, 1 * MS, self._feel),
        )

    def obey(self, topic: str, cdr: bytes | memoryview, now_ns: int) -> None:
        """See `Simulation.obey`: positions of all joints, held until the next; a servo needs no watchdog to stand."""
        if topic != "joint_trajectory":
            return
        try:
            names, positions, _ = decode_joint_trajectory(cdr)
        except DataError:
            return
        if set(names) == set(AXES):
            self._cell.drive(positions[[names.index(axis) for axis in AXES]])

    def tick(self, now_ns: int) -> None:
        """See `Simulation.tick`."""
        for _ in range(_STEPS):
            self._cell.step()
        self._judge.see(now_ns + TICK_NS - self._start_ns)

    def pose(self) -> SE3:
        """See `Simulation.pose`: the base's, which stands."""
        return SE3.identity()

    def judge(self) -> dict[str, Any]:
        """See `Simulation.judge` and `Judge.verdict`."""
        return self._judge.verdict()

    def show(self, camera: Pinhole) -> U8:
        """See `sim.show.Shown`: from across the table, aside of its own camera."""
        return RayCamera(self._cell.model, self._cell.data, camera, look(*_SHOWN_M)).render()[0]

    def close(self) -> None:
        """Nothing is held."""

    def _see(self, stamp_ns: int) -> Messages:
        """Rendered at the capture: things may lie elsewhere when the bytes are asked for."""
        rgb, depth_m = self._eye.render()
        picture = self._imager.expose(rgb)
        if self._options.depth == "noisy":
            depth_m = noisy(depth_m, self._depth_rng)
        yield "rgbd/depth/camera_info", partial(encode_camera, stamp_ns, _model())
        yield "rgbd/color/image_rect", partial(_picture, stamp_ns, picture)
        yield "rgbd/depth/image_rect", partial(encode_depth, stamp_ns, FRAME, depth_m)

    def _feel(self, stamp_ns: int) -> Messages:
        yield "joint_states", partial(encode_joint_state, stamp_ns, AXES, self._cell.positions)


def _picture(stamp_ns: int, rgb: np.ndarray[Any, np.dtype[np.uint8]]) -> Cdr:
    return encode_image(Image(stamp_ns, FRAME, rgb))


def _model() -> CameraModel:
    K = np.array([[CAMERA.fx, 0.0, CAMERA.cx], [0.0, CAMERA.fy, CAMERA.cy], [0.0, 0.0, 1.0]])
    P = np.hstack([K, np.zeros((3, 1))])
    return CameraModel(FRAME, CAMERA.width, CAMERA.height, "plumb_bob", np.zeros(5), K, np.eye(3), P)


SAYS = _TOPICS | {"joint_states", "tf_static", "instruction"}
KIND = Kind(TableOptions, frozenset({"joint_trajectory"}), SAYS, Table)
