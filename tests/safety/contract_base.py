"""What the contracts of the gate share: inputs by hand, one decision, and what holds of every verdict.

A contract is a set of functions `check_*` of the modules under test: test_contracts.py runs them on the real modules,
mutation.py on every mutant. They are deterministic, and fast, because they run hundreds of times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from safety_scene import inputs_of

from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.types import Decision, LocalMap, RobotState

Modules = SimpleNamespace
NOW = 1_000 * SEC
PASS, LIMITED, STOP = Decision.PASS, Decision.LIMITED, Decision.STOP
ROUGH = {"max_speed": (0.8, 1.5), "max_accel": (0.5, 1.5), "max_brake": (1.0, 3.0), "margin_m": 0.125}
"""Limits whose numbers all differ, with a required clearance, 0.375 m, that floats hold exactly."""


def state(
    x: float = 0.0, y: float = 0.0, yaw: float = 0.0, vx: float = 0.0, wz: float = 0.0, vy: float = 0.0, **kw: Any
):
    twist = np.array([vx, vy, 0.0, 0.0, 0.0, wz])
    return RobotState(kw.get("stamp", NOW), kw.get("frame", "odom"), SE3.from_rpy(0, 0, yaw, (x, y, 0.0)), twist)


def field(clearance: Callable[[Any, Any], Any], stamp: int = NOW, frame: str = "odom", n: int = 65, m: int = 49):
    """A map of n x m cells of 1/8 m (exact in floats) centred on the origin; its clearance is a function of x and y."""
    X, Y = np.meshgrid((np.arange(m) - m // 2) / 8, (np.arange(n) - n // 2) / 8)
    clear = (clearance(X, Y) + 0 * X).astype(np.float32)
    origin = (-(m // 2) / 8 - 1 / 16, -(n // 2) / 8 - 1 / 16)
    return LocalMap(stamp, frame, 1 / 8, origin, np.zeros(clear.shape, np.int8), clear)


def open_field(**kw: Any) -> LocalMap:
    return field(lambda x, y: 3.0, **kw)


def decide(m: Modules, action: Any, last: Any, odom: Any = None, grid: Any = None, limits: Any = None, **changes: Any):
    """One decision of a new gate on fresh inputs, with what every verdict must hold checked on the way."""
    limits = limits or m.limits.Limits(**ROUGH)
    gate = m.gate.Gate(limits)
    inputs = inputs_of(action, NOW, last, odom or state(), grid or open_field(), **changes)
    verdict = gate.decide(inputs, NOW)
    holds(limits, inputs.last, verdict)
    return verdict


def holds(limits: Any, last: Any, verdict: Any) -> None:
    """What is true of every verdict whatever the inputs were."""
    granted, top = verdict.granted, np.array(limits.max_speed)
    assert granted.shape == (len(limits.axes),)
    assert np.isfinite(granted).all()
    assert (np.abs(granted) <= top + 1e-12).all()
    assert not np.signbit(granted[granted == 0]).any()
    assert 0.0 <= verdict.ratio <= 1.0
    assert verdict.axes == limits.axes
    assert (verdict.reason == "") == (verdict.decision is PASS)
    if verdict.decision is STOP:
        assert not granted.any()
        assert verdict.ratio == 0.0
    else:
        grown = np.maximum(np.abs(last), 0.0) + np.array(limits.max_accel) * 0.01
        assert (np.abs(granted) <= grown + 1e-12).all()


def wall(at_x: float, **kw: Any) -> LocalMap:
    """A wall across the way: clearance falls by a metre a metre, as float32 and bilinear interpolation hold it."""
    return field(lambda x, y: at_x - x, **kw)


def travel(start: float, command: float, lag: float, hold: float, brake: float) -> float:
    """Metres to standstill on a straight line, by small steps: the model in words of the documentation."""
    dt, t, v, x = 5e-4, 0.0, start, 0.0
    while t < hold or v > 0:
        if t >= hold:
            v = max(0.0, v - brake * dt)
        elif command >= v:
            v = command
        elif t >= lag:
            v = max(command, v - brake * dt)
        x, t = x + v * dt, t + dt
    return x


def reference(command: Any, twist: Any, pose: Any, lag: float, hold: float, brake: Any) -> list[tuple[float, float]]:
    """Positions every 0.4 ms of the documented model for vx, vy, wz: small steps, no formulas."""
    dt, t = 4e-4, 0.0
    v, (x, y, yaw), out = list(twist), pose, []
    while t < hold or any(v):
        for i in range(3):
            if t >= hold:
                target, rate = 0.0, brake[i]
            elif abs(command[i]) >= abs(v[i]) and command[i] * v[i] >= 0 and abs(command[i]) >= abs(twist[i]):
                target, rate = command[i], math.inf
            else:
                target, rate = (command[i], brake[i]) if t >= lag else (v[i], 0.0)
            change = min(abs(target - v[i]), rate * dt)
            v[i] += math.copysign(change, target - v[i])
        yaw += v[2] * dt / 2
        x += (v[0] * math.cos(yaw) - v[1] * math.sin(yaw)) * dt
        y += (v[0] * math.sin(yaw) + v[1] * math.cos(yaw)) * dt
        yaw, t = yaw + v[2] * dt / 2, t + dt
        out.append((x, y))
    return out
