"""A small world for the gate's tests: discs on a plane, the map they give, and a base that obeys late and brakes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.inbox import Freshness, Reading
from saccade.types import ActionChunk, LocalMap, RobotState
from safety_node.gate import Gate, Inputs
from safety_node.limits import Limits

TICK = 10 * MS
T0 = 1_000 * SEC


@dataclass
class World:
    """Obstacles as discs (n, 3): x, y, radius in metres."""

    discs: np.ndarray

    def distance(self, x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
        """Metres from points to the nearest obstacle, 0 inside."""
        if len(self.discs) == 0:
            return np.full(np.shape(x), np.inf)
        dx = np.asarray(x)[..., None] - self.discs[:, 0]
        dy = np.asarray(y)[..., None] - self.discs[:, 1]
        return np.maximum((np.hypot(dx, dy) - self.discs[:, 2]).min(axis=-1), 0.0)

    def map(self, stamp_ns: int, x: float, y: float, *, size_m: float = 6.0, resolution_m: float = 0.05) -> LocalMap:
        """The map a perfect sensor would give, centred on the robot, not snapped to anything."""
        n = round(size_m / resolution_m)
        origin = (x - size_m / 2, y - size_m / 2)
        xs = origin[0] + (np.arange(n) + 0.5) * resolution_m
        ys = origin[1] + (np.arange(n) + 0.5) * resolution_m
        X, Y = np.meshgrid(xs, ys)
        clearance = self.distance(X, Y).astype(np.float32)
        return LocalMap(stamp_ns, "odom", resolution_m, origin, (clearance == 0).astype(np.int8) * 100, clearance)


@dataclass
class Base:
    """A unicycle that follows commands `delay_ns` late, within rates; vx and wz only."""

    accel: tuple[float, float] = (0.8, 2.5)
    brake: tuple[float, float] = (0.8, 2.5)
    delay_ns: int = 80 * MS
    pose: np.ndarray = field(default_factory=lambda: np.zeros(3))
    twist: np.ndarray = field(default_factory=lambda: np.zeros(2))
    _sent: list[tuple[int, np.ndarray]] = field(default_factory=list)

    def command(self, now_ns: int, values: np.ndarray) -> None:
        self._sent.append((now_ns + self.delay_ns, np.array(values)))

    def step(self, now_ns: int, dt: float) -> None:
        """Move from `now_ns` on for `dt` seconds."""
        due = [values for at_ns, values in self._sent if at_ns <= now_ns]
        target = due[-1] if due else np.zeros(2)
        self._sent = [entry for entry in self._sent if entry[0] > now_ns - SEC][-200:]
        for i in range(2):
            rate = self.brake[i] if abs(target[i]) < abs(self.twist[i]) or target[i] * self.twist[i] < 0 else None
            room = (rate or self.accel[i]) * dt
            self.twist[i] += min(max(target[i] - self.twist[i], -room), room)
        middle = self.pose[2] + self.twist[1] * dt / 2
        self.pose = self.pose + np.array(
            [self.twist[0] * math.cos(middle) * dt, self.twist[0] * math.sin(middle) * dt, self.twist[1] * dt]
        )

    def state(self, stamp_ns: int) -> RobotState:
        twist = np.array([self.twist[0], 0, 0, 0, 0, self.twist[1]])
        return RobotState(stamp_ns, "odom", SE3.from_rpy(0, 0, self.pose[2], (self.pose[0], self.pose[1], 0.0)), twist)


def fresh(name: str, value: object, stamp_ns: int, now_ns: int) -> Reading:
    return Reading(name, value, stamp_ns, now_ns - stamp_ns, Freshness.FRESH)


def chunk_of(action: object, now_ns: int, *, epoch: int = 1, axes: tuple[str, ...] = ("vx", "wz")) -> ActionChunk:
    actions = np.tile(np.asarray(action, np.float64), (10, 1))
    return ActionChunk(now_ns - 50 * MS, now_ns, 50 * MS, axes, actions, 7, epoch)


def inputs_of(action: object, now_ns: int, last: object, odom: RobotState, grid: LocalMap, **changes: object) -> Inputs:
    """Fresh inputs around one requested action."""
    chunk = chunk_of(action, now_ns)
    readings = {
        "chunk": fresh("chunk", chunk, chunk.obs_stamp_ns, now_ns),
        "odom": fresh("odom", odom, odom.stamp_ns, now_ns),
        "local_map": fresh("local_map", grid, grid.stamp_ns, now_ns),
    }
    fields = {
        "readings": readings,
        "chunk": chunk,
        "epoch": 1,
        "operator_stop": False,
        "last": np.asarray(last, float),
        "fault": "",
    }
    return Inputs(**{**fields, **changes})  # type: ignore[arg-type]


@dataclass
class Loop:
    """Gate, base and world in a loop at 100 Hz; maps every 100 ms and odometry every 20 ms, each late."""

    world: World
    gate: Gate = field(default_factory=lambda: Gate(Limits()))
    base: Base = field(default_factory=Base)
    map_latency_ns: int = 150 * MS
    odom_latency_ns: int = 10 * MS
    now_ns: int = T0

    def __post_init__(self) -> None:
        self.last = np.zeros(2)
        self.maps = [(self.now_ns, self.world.map(self.now_ns, *self.base.pose[:2]))]
        self.odoms = [(self.now_ns, self.base.state(self.now_ns))]
        self.verdicts: list = []
        self.nearest_m = np.inf

    def tick(self, action: object) -> None:
        """One tick: sense, decide, obey, move; `nearest_m` keeps the least distance of the footprint's centre."""
        now = self.now_ns
        if now % (100 * MS) == 0:
            self.maps.append((now + self.map_latency_ns, self.world.map(now, *self.base.pose[:2])))
        if now % (20 * MS) == 0:
            self.odoms.append((now + self.odom_latency_ns, self.base.state(now)))
        grid = [m for at, m in self.maps if at <= now][-1]
        odom = [o for at, o in self.odoms if at <= now][-1]
        self.maps, self.odoms = self.maps[-5:], self.odoms[-5:]
        verdict = self.gate.decide(inputs_of(action, now, self.last, odom, grid), now)
        self.last = verdict.granted
        self.verdicts.append(verdict)
        self.base.command(now, verdict.granted)
        for _ in range(2):
            self.base.step(self.now_ns, TICK / 2 / SEC)
            self.nearest_m = min(self.nearest_m, float(self.world.distance(*self.base.pose[:2])))
        self.now_ns += TICK
