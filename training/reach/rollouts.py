"""Arms that are sent about over a table, all at once: what they meet on the way is what is learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saccade.geometry import F64
from training.reach.expert import Expert
from vla_node.arms.mover import off_by

LOW, HIGH = np.array([0.28, -1.5, 0.01]), np.array([0.60, 1.5, 0.36])
"""Where tools are and go: distance from the base m, bearing rad, height m."""
NEAR_M, NEAR_RAD = 0.003, 0.03
_LAG_S = (0.02, 0.14)
_NOISE_RAD = 3e-4
Act = Callable[[F64, F64, F64], F64]
"""Joints, speeds (n, d), off (n, 6) -> speeds (n, d) of the next row."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was met: joints, speeds (n, d), off (n, 6), and the expert's rows (n, horizon, d)."""

    joints: F64
    speeds: F64
    off: F64
    rows: F64


def rollouts(expert: Expert, home: F64, act: Act, horizon: int, arms: int, steps: int, seed: int) -> Seen:
    """Send `arms` arms to a place each, and half way through to another; what they met, labelled by the expert.

    Joints lag behind what they are sent to, each arm with a lag of its own, and are measured with noise.
    """
    rng = np.random.default_rng((seed, 11))
    asked = placed(expert, home, places(rng, arms), rng)
    arms = len(asked)
    goal, v = _goals(expert, asked, rng), np.zeros_like(asked)
    measured, lag_s = asked.copy(), rng.uniform(*_LAG_S, (arms, 1))
    kept: list[tuple[F64, F64, F64, F64]] = []
    for step in range(steps):
        if step == steps // 2:
            goal = _goals(expert, asked, rng)
        q = measured + rng.normal(0.0, _NOISE_RAD, measured.shape)
        t, R, _ = expert.chain.tool(q)
        off = off_by(t, R, goal, expert.turn_rad)
        kept.append((q, v, off, expert.rows(q, v, goal, horizon)))
        v = np.clip(act(q, v, off), v - expert.accel * expert.dt_s, v + expert.accel * expert.dt_s)
        asked = asked + v * expert.dt_s
        measured = asked + (measured - asked) * np.exp(-expert.dt_s / lag_s)
    joints, speeds, offs, rows = (np.concatenate(part) for part in zip(*kept, strict=True))
    return Seen(joints, speeds, offs, rows)


def arrivals(expert: Expert, home: F64, act: Act, arms: int, seconds: float, seed: int) -> tuple[float, float]:
    """Of arms sent from one place to another: the share that comes within `NEAR_M` and stands, and when (median s)."""
    rng = np.random.default_rng((seed, 12))
    asked = placed(expert, home, places(rng, arms), rng)
    goal, v = _goals(expert, asked, rng), np.zeros_like(asked)
    measured, since = asked.copy(), np.full(len(asked), np.inf)
    for step in range(round(seconds / expert.dt_s)):
        t, R, _ = expert.chain.tool(measured)
        off = off_by(t, R, goal, expert.turn_rad)
        there = np.linalg.norm(off[:, :3], axis=1) < NEAR_M
        there &= (np.linalg.norm(off[:, 3:], axis=1) < NEAR_RAD) & (np.abs(v).max(axis=1) < 0.1)
        since = np.where(there, np.minimum(since, step * expert.dt_s), np.inf)
        v = np.clip(act(measured, v, off), v - expert.accel * expert.dt_s, v + expert.accel * expert.dt_s)
        asked = asked + v * expert.dt_s
        measured = asked + (measured - asked) * np.exp(-expert.dt_s / 0.1)
    came = np.isfinite(since)
    return float(came.mean()), float(np.median(since[came])) if came.any() else np.inf


def places(rng: np.random.Generator, count: int) -> F64:
    """Points (count, 3) over the table, metres."""
    far, bearing, height = rng.uniform(LOW, HIGH, (count, 3)).T
    return np.stack([far * np.cos(bearing), far * np.sin(bearing), height], axis=1)


def placed(expert: Expert, home: F64, points: F64, rng: np.random.Generator) -> F64:
    """Joints (n, d) with tools at points, a little askew, of those that are come to from `home`."""
    q = np.tile(home, (len(points), 1))
    q[:, 0] += np.arctan2(points[:, 1], points[:, 0])
    for _ in range(80):
        q += np.clip(expert.left(q, points), -0.15, 0.15)
    t, R, _ = expert.chain.tool(q)
    there = np.linalg.norm(off_by(t, R, points, expert.turn_rad), axis=1) < 1e-3
    reached = q[there]
    askew: F64 = reached + rng.normal(0.0, 0.02, reached.shape)
    return askew


def _goals(expert: Expert, q: F64, rng: np.random.Generator) -> F64:
    """Where to go next: a third anywhere, a third straight up or down, a third near."""
    t, _, _ = expert.chain.tool(q)
    goal, sort = places(rng, len(q)), rng.integers(3, size=(len(q), 1))
    upright = np.concatenate([t[:, :2], rng.uniform(LOW[2], HIGH[2], (len(q), 1))], axis=1)
    near = t + rng.normal(0.0, 0.02, t.shape)
    near[:, 2] = np.maximum(near[:, 2], LOW[2])
    return np.where(sort == 0, goal, np.where(sort == 1, upright, near))
