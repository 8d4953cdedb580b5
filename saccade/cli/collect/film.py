"""A node that only listens, and knows the truth: what stages, their verifiers and a dataset are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from saccade.cli.collect.beside import Beside, look_beside
from saccade.clock import MS
from saccade.geometry import F64
from saccade.node import NEVER_NS, Out, Sample
from saccade.stages import Stages
from saccade.types import RobotState, Verdict
from saccade.wire.commands import decode_joint_state, decode_joint_trajectory
from saccade.wire.convert import decode_map, decode_odom, decode_verdict, header_stamp_ns

if TYPE_CHECKING:
    from sim.world import World

CAMERAS = {"left": "left/image_rect", "right": "right/image_rect", "front": "rgbd/color/image_rect"}
"""A dataset's name of each picture, and its topic. The first that a world shows sets the dataset's rate."""
_LOOK_NS = 50 * MS


class Truth(NamedTuple):
    """Where the body truly was at an instant, and what the world's judge said."""

    stamp_ns: int
    x: float
    y: float
    yaw: float
    verdict: dict[str, Any]
    z: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Values (n, d) float64 over time, stamps (n,) int64 ns, rising."""

    stamps: np.ndarray[Any, np.dtype[np.int64]]
    values: F64

    @classmethod
    def of(cls, rows: Sequence[tuple[int, F64]], width: int) -> Track:
        """From pairs of stamp and value (d,)."""
        stamps = np.array([stamp for stamp, _ in rows], np.int64)
        return cls(stamps, np.array([value for _, value in rows], np.float64).reshape(len(rows), width))

    def between(self, at: np.ndarray[Any, np.dtype[np.int64]]) -> F64:
        """Values at instants (m,), interpolated; (m, d)."""
        columns = [np.interp(at, self.stamps, column) for column in self.values.T]
        return np.stack(columns, axis=1) if columns else np.zeros((len(at), 0))

    def held(self, at: np.ndarray[Any, np.dtype[np.int64]]) -> F64:
        """The newest value at or before each instant (m,); the first before there is one; (m, d)."""
        held: F64 = self.values[np.maximum(np.searchsorted(self.stamps, at, side="right") - 1, 0)]
        return held


class Film:
    """Keeps pictures, odometry, joints, commands and gate verdicts, and the truth twenty times a second."""

    name = "film"
    writes: frozenset[str] = frozenset()

    def __init__(self, world: World, joints: Sequence[str], pictures: bool = True) -> None:
        """`joints` are the arm's axes; empty for a body that travels. `pictures`: keep those of the cameras, too."""
        told = {"odom", "joint_states", "joint_trajectory", "verdict", "local_map"}
        self.reads = frozenset(told).union(CAMERAS.values() if pictures else ())
        self.stages = Stages()
        self.joints = tuple(joints)
        self.pictures: dict[str, list[tuple[int, bytes]]] = {}
        self.odom: list[RobotState] = []
        self.felt: list[tuple[int, F64]] = []
        self.sent: list[tuple[int, F64]] = []
        self.verdicts: list[Verdict] = []
        self.beside: list[Beside] = []
        self.truth: list[Truth] = []
        self._world = world
        self._due_ns = world.start_ns

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        return self._due_ns

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """See `Node.on_sample`."""
        topic, cdr = sample.topic, sample.cdr
        if topic == "odom":
            self.odom.append(decode_odom(cdr)[0])
        elif topic == "verdict":
            self.verdicts.append(decode_verdict(cdr))
        elif topic == "local_map":
            if self.odom:
                self.beside.append(look_beside(decode_map(cdr), self.odom[-1].T_odom_from_body))
        elif topic == "joint_states":
            self.felt.append(decode_joint_state(cdr, self.joints))
        elif topic == "joint_trajectory":
            names, positions, _ = decode_joint_trajectory(cdr)
            self.sent.append((now_ns, positions[[names.index(axis) for axis in self.joints]]))
        else:
            self.pictures.setdefault(topic, []).append((header_stamp_ns(cdr), bytes(cdr)))
        return ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        """See `Node.on_tick`."""
        self._due_ns = now_ns + _LOOK_NS
        pose = self._world.truth()
        x, y = float(pose.t[0]), float(pose.t[1])
        self.truth.append(Truth(now_ns, x, y, pose.yaw, self._world.judge(), float(pose.t[2])))
        return ()

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        self._due_ns = NEVER_NS
        return ()

    @property
    def flies(self) -> bool:
        """Whether the gate lets the body go up and down."""
        return bool(self.verdicts) and "vz" in self.verdicts[0].axes

    def shown(self) -> dict[str, list[tuple[int, bytes]]]:
        """Stamps and messages of the pictures by a dataset's name of the camera, those that came."""
        return {name: self.pictures[topic] for name, topic in CAMERAS.items() if topic in self.pictures}

    def state(self) -> tuple[tuple[str, ...], Track]:
        """What the body felt: the joints; or its pose in odom and its speeds, upwards too where it flies."""
        if self.joints:
            return tuple(f"{name}.pos" for name in self.joints), Track.of(self.felt, len(self.joints))
        names: tuple[str, ...] = ("x.pos", "y.pos", "yaw.pos", "vx.vel", "wz.vel")
        more = ("z.pos", "vy.vel", "vz.vel") if self.flies else ()
        if not self.odom:
            return (*names, *more), Track.of([], len(names) + len(more))
        yaws = np.unwrap([state.T_odom_from_body.yaw for state in self.odom])
        rows = []
        for s, yaw in zip(self.odom, yaws, strict=True):
            x, y, z = s.T_odom_from_body.t
            row = [x, y, yaw, s.twist[0], s.twist[5], z, s.twist[1], s.twist[2]]
            rows.append((s.stamp_ns, np.array(row[: len(names) + len(more)])))
        return (*names, *more), Track.of(rows, len(names) + len(more))

    def action(self) -> tuple[tuple[str, ...], Track]:
        """What the gate let the body do: targets of the joints, or speeds by axis."""
        if self.joints:
            return tuple(f"{name}.pos" for name in self.joints), Track.of(self.sent, len(self.joints))
        axes = self.verdicts[0].axes if self.verdicts else ()
        rows = [(verdict.stamp_ns, verdict.granted) for verdict in self.verdicts]
        return tuple(f"{axis}.vel" for axis in axes), Track.of(rows, len(axes))
