"""Runs made by hand: `write_run` takes messages by topic, `drive` is a robot that drives a curve past a box."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from mcap.writer import CompressionType, Writer

from saccade.geometry import SE3
from saccade.node import Sample
from saccade.topics import topic
from saccade.types import Command, Decision, Image, LocalMap, Plan, PlanKind, RobotState, Verdict
from saccade.wire.codec import codec
from saccade.wire.convert import (
    encode_command,
    encode_map,
    encode_odom,
    encode_plan,
    encode_text,
    encode_verdict,
)
from saccade.wire.diagnostics import Level, encode_diagnostics
from saccade.wire.images import encode_depth, encode_image, encode_mono8

MS, SEC = 1_000_000, 1_000_000_000
T0 = 1_700_000_000 * SEC
NAN = math.nan


def write_run(path: Path, samples: Iterable[Sample], types: dict[str, str] | None = None) -> Path:
    """An MCAP as the recorder writes it; `types` overrides a topic's type."""
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=1 << 16, compression=CompressionType.NONE)
        writer.start(profile="ros2", library="test")
        channels: dict[str, int] = {}
        for name, stamp, cdr in sorted(samples, key=lambda s: s.stamp_ns):
            if name not in channels:
                type_ = (types or {}).get(name) or topic(name).type
                schema = writer.register_schema(type_, "ros2msg", codec().definition(type_)[0].encode())
                channels[name] = writer.register_channel(f"/{name}", "cdr", schema)
            writer.add_message(channels[name], stamp, bytes(cdr), stamp)
        writer.finish()
    return path


def verdict(  # every field that a test may want to set
    at_ms: float,
    decision: Decision = Decision.PASS,
    reason: str = "",
    *,
    asked: tuple[float, float] = (0.5, 0.0),
    granted: tuple[float, float] = (0.5, 0.0),
    clearance: float = NAN,
    age_ms: float = 80,
) -> Sample:
    """A verdict at T0 + `at_ms`, on observations `age_ms` old."""
    stamp = T0 + round(at_ms * MS)
    value = Verdict(
        stamp_ns=stamp, decision=decision, reason=reason, axes=("vx", "wz"), requested=np.array(asked),
        granted=np.array(granted), ratio=1.0, clearance_m=clearance, obs_stamp_ns=stamp - round(age_ms * MS),
        plan_id=1, epoch=1,
    )  # fmt: skip
    return Sample("verdict", stamp, encode_verdict(value))


def command(at_ms: float, vx: float, wz: float = 0.0) -> Sample:
    """A command at T0 + `at_ms`."""
    stamp = T0 + round(at_ms * MS)
    return Sample("cmd_vel", stamp, encode_command(Command(stamp, ("vx", "wz"), np.array([vx, wz]))))


def odom(at_ms: float, x: float, y: float = 0.0, yaw: float = 0.0) -> Sample:
    """A pose at T0 + `at_ms`."""
    stamp = T0 + round(at_ms * MS)
    pose = SE3.from_rpy(0.0, 0.0, yaw, np.array([x, y, 0.0]))
    return Sample("odom", stamp, encode_odom(RobotState(stamp, "odom", pose, np.zeros(6))))


def plan(at_ms: float, id_: int, pose: SE3, waypoints: list[tuple[float, float]], *, final: bool = False) -> Sample:
    """A plan heard at T0 + `at_ms`, made from an image 400 ms older."""
    stamp = T0 + round(at_ms * MS)
    value = Plan(
        id=id_, epoch=1, instruction="go to the red box", kind=PlanKind.WAYPOINTS, obs_stamp_ns=stamp - 400 * MS,
        obs_pose=pose, inference_ns=350 * MS, valid_for_ns=10 * SEC, frame_id="odom",
        waypoints=np.array([(x, y, 0.0) for x, y in waypoints]), values=np.empty(0), confidence=0.9, final=final,
        text=f"the red box is {5 - id_} m ahead",
    )  # fmt: skip
    return Sample("plan", stamp, encode_plan(value))


def complaint(at_ms: float, level: Level, message: str) -> Sample:
    """A diagnostic status of the gate at T0 + `at_ms`."""
    stamp = T0 + round(at_ms * MS)
    return Sample("diagnostics", stamp, encode_diagnostics(stamp, "safety_node/gate", level, message))


def instruction(at_ms: float, text: str) -> Sample:
    """An instruction at T0 + `at_ms`."""
    return Sample("instruction", T0 + round(at_ms * MS), encode_text(text))


def arc(s: float, radius: float = 3.0) -> SE3:
    """Pose after `s` metres on a circle to the left."""
    angle = s / radius
    return SE3.from_rpy(0, 0, angle, np.array([radius * math.sin(angle), radius * (1 - math.cos(angle)), 0.0]))


BOX = (2.6, 3.4)
"""Centre of the box in the drive's world, metres."""


def _speed(t: float) -> tuple[float, Decision, str]:
    if t < 0.5 or t >= 11:
        return 0.0, Decision.STOP, "chunk missing"
    if 4 <= t < 5:
        return 0.0, Decision.STOP, f"local_map stale ({(t - 4) * 1000 + 450:.0f} ms)"
    if 7 <= t < 7.2:
        return 0.0, Decision.STOP, "operator stop"
    if 2 <= t < 3 or t > 9:
        return 0.25, Decision.LIMITED, f"clearance {0.7 - 0.03 * t:.2f} m inside the margin"
    return 0.5, Decision.PASS, ""


def _pictures(stamp: int, pose: SE3, colour: bool) -> list[Sample]:
    """Floor, far wall and a red box as a camera at `pose` would see them, 160x120."""
    v, u = np.mgrid[0:120, 0:160].astype(np.float32)
    depth = np.where(v > 62, 0.35 * 100 / np.maximum(v - 60, 1), 6.0).astype(np.float32)
    picture = np.stack([np.full_like(u, 120) + v / 2, np.full_like(u, 130) + u / 4, np.full_like(u, 140)], -1)
    ahead, left, _ = pose.inverse().apply(np.array([*BOX, 0.0]))
    if ahead > 0.3:
        size, at = 100 * 0.3 / ahead, 80 - 100 * left / ahead
        box = (np.abs(u - at) < size) & (np.abs(v - 60) < size)
        depth[box], picture[box] = ahead, (200, 40, 40)
    depth[:, :8] = np.nan
    depth[(u + v) % 37 < 2] = np.nan
    sure = np.where(np.isfinite(depth), 255 - 30 * np.nan_to_num(depth), 0).astype(np.uint8)
    data = picture.astype(np.uint8) if colour else picture[..., 0].astype(np.uint8)
    return [
        Sample("left/image_rect", stamp, encode_image(Image(stamp, "left_optical", data))),
        Sample("depth/image_rect", stamp + 40 * MS, encode_depth(stamp, "left_optical", depth)),
        Sample("depth/confidence", stamp + 40 * MS, encode_mono8(stamp, "left_optical", sure)),
    ]


def _local_map(stamp: int, pose: SE3) -> Sample:
    """8 m x 8 m around the robot: what is within 2.5 m is known, the box is occupied."""
    resolution, n = 0.1, 80
    origin = tuple(round((c - 4.0) / resolution) * resolution for c in pose.t[:2])
    y, x = (np.mgrid[0:n, 0:n] + 0.5) * resolution
    x, y = x + origin[0], y + origin[1]
    cells = np.where(np.hypot(x - pose.t[0], y - pose.t[1]) < 2.5, 0, -1).astype(np.int8)
    cells[(cells == 0) & (np.abs(x - BOX[0]) < 0.3) & (np.abs(y - BOX[1]) < 0.3)] = 100
    grid = LocalMap(stamp, "odom", resolution, origin, cells, np.ones((n, n), np.float32))
    return Sample("local_map", stamp + 45 * MS, encode_map(grid))


def drive_samples(
    seconds: float = 12.0, *, colour: bool = True, pictures: bool = True, plans: bool = True
) -> list[Sample]:
    """A drive along a curve: told at 0.5 s, slowed twice, stopped twice, at the goal at 11 s."""
    out, way = [instruction(500, "go to the red box")] if plans else [], 0.0
    for i in range(round(seconds * 20)):
        t, at_ms = i / 20, i * 50
        speed, decision, reason = _speed(t)
        pose = arc(way)
        asked = (NAN, NAN) if decision == Decision.STOP else (0.5, 0.17)
        clearance = max(0.15, 1.2 - 0.1 * t) if t > 0.2 else NAN
        age = 80 + 15 * math.sin(i) + (40 if decision == Decision.LIMITED else 0)
        out += [
            odom(at_ms, *pose.t[:2], pose.yaw),
            command(at_ms, speed, speed / 3),
            verdict(at_ms, decision, reason, asked=asked, granted=(speed, speed / 3), clearance=clearance, age_ms=age),
        ]
        if i % 4 == 0:
            out += [*(_pictures(T0 + at_ms * MS, pose, colour) if pictures else []), _local_map(T0 + at_ms * MS, pose)]
        if plans and i % 40 == 20:
            ahead = [arc(way + d).t[:2] for d in (0.3, 0.8, 1.3, 1.8)]
            wobble = [(float(x) + 0.05 * (i // 40 - 2), float(y)) for x, y in ahead]
            out.append(plan(at_ms, i // 40, pose, wobble, final=i > 180))
        if decision == Decision.STOP and i % 5 == 0:
            out.append(complaint(at_ms, Level.WARN, f"{reason or 'stopped'}: tick {i}"))
        way += speed / 20
    return out
