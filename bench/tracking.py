"""Schedulers under latency: how well a path is tracked when plans take 0.1-5 s and actions 0.02-0.5 s.

A unicycle follows a figure of eight and a joint a sum of sines, in virtual time, both by a policy that sees the state
at its look, is told of the newest plan (the way ahead, with an error drawn anew for each plan that grows by about 1 cm
or 0.01 rad per second ahead), and answers with 1.2 s of actions after 0.7 to 1.6 times the fast latency, one time in
twenty a second later. Every scheduler works within the same bounds of acceleration; `on arrival` has none.
`on arrival` is what no scheduler does: the newest chunk is replayed from its first action when it arrives, and holds
the last one at its end. `python -m bench.tracking --help`.

![Error and jerk over the fast latency](pictures/tracking.svg)
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.__main__ import ROOT, save
from bench.tracking_plot import Panel, plot
from saccade.clock import MS, seconds
from saccade.geometry import F64
from saccade.types import ActionChunk
from vla_node.executor import Executor, scheduler
from vla_node.params import ExecutorParams
from vla_node.schedulers.base import Scheduler
from vla_node.seam import Bounds, Reach, standstill

DT = 50 * MS
DT_S = seconds(DT)
HORIZON = 24
DURATION_S, SETTLE_S = 60.0, 10.0
SLOW_S = (0.1, 1.0, 3.0, 5.0)
FAST_S = (0.02, 0.1, 0.25, 0.5)
SEEDS = 2
CASES = [(1.0, fast_s) for fast_s in FAST_S] + [(slow_s, 0.25) for slow_s in SLOW_S if slow_s != 1.0]
ROWS: dict[str, ExecutorParams | None] = {
    "on arrival": None,
    "hold": ExecutorParams("hold"),
    "swap": ExecutorParams("swap"),
    "ensemble": ExecutorParams("ensemble"),
    "rtc": ExecutorParams("rtc"),
    "rtc, promised": ExecutorParams("rtc"),
    "guard": ExecutorParams("guard"),
}


@dataclass(frozen=True, slots=True)
class Plant:
    """A robot: its reference by time, one row's motion, the control towards a reference, and its bounds."""

    name: str
    unit: str
    bounds: Bounds
    reference: Callable[[float], F64]
    begin: F64
    step: Callable[[F64, F64], F64]
    control: Callable[[F64, F64, F64], F64]
    place: Callable[[F64], F64]


def _eight(t: float) -> F64:
    w = 0.14
    return np.array([2.0 * math.sin(w * t), 1.2 * math.sin(2 * w * t)])


def _drive(x: F64, u: F64) -> F64:
    yaw = x[2] + u[1] * DT_S / 2
    return x + DT_S * np.array([u[0] * math.cos(yaw), u[0] * math.sin(yaw), u[1]])


def _steer(x: F64, now: F64, ahead: F64) -> F64:
    """Towards where the reference is 0.4 s ahead of the end of the row."""
    gap = ahead - x[:2]
    turn = math.remainder(math.atan2(gap[1], gap[0]) - x[2], 2 * math.pi)
    return np.array([np.clip(math.hypot(*gap) / 0.4 * math.cos(turn), -0.8, 0.8), np.clip(turn / 0.4, -1.5, 1.5)])


def _sines(t: float) -> F64:
    return np.array([0.8 * math.sin(0.6 * t) + 0.3 * math.sin(1.7 * t)])


UNICYCLE = Plant(
    "unicycle", "m", Bounds(np.array([False, False]), np.array([0.8, 2.5]), np.ones(2)), _eight,
    np.array([0.0, 0.0, 0.9]), _drive, _steer, lambda x: x[:2],
)  # fmt: skip
JOINT = Plant(
    "joint", "rad", Bounds(np.array([True]), np.array([6.0]), np.array([1.5])), _sines, np.array([0.0]),
    lambda x, u: u.copy(), lambda x, now, ahead: x + np.clip(now - x, -0.06, 0.06), lambda x: x,
)  # fmt: skip


class Slow:
    """The newest plan that has arrived: the reference as it looked when the plan was made."""

    def __init__(self, plant: Plant, latency_s: float, rng: np.random.Generator) -> None:
        self._plant, self._latency_s, self._rng = plant, latency_s, rng
        self._made: list[tuple[float, float, F64]] = []
        self._asked_s = -math.inf

    def tick(self, t_s: float) -> None:
        """Ask again as soon as the answer before is there, at most once a second."""
        if not self._made or (self._made[-1][1] <= t_s and t_s - self._asked_s >= 1.0):
            late_s = self._latency_s * self._rng.uniform(0.8, 1.2)
            error = self._rng.normal(0.0, 0.01, len(self._plant.reference(0.0)))
            first = not self._made
            self._made.append((t_s, t_s if first else t_s + late_s, error))
            self._asked_s = t_s

    def reference(self, t_s: float, now_s: float) -> F64:
        """Where to be at `t_s`, as far as is known at `now_s`."""
        made_s, _, error = [plan for plan in self._made if plan[1] <= now_s][-1]
        point: F64 = self._plant.reference(t_s) + error * max(0.0, t_s - made_s)
        return point


def answer(plant: Plant, slow: Slow, x: F64, t_s: float, promised: F64) -> F64:
    """A policy: the rows (HORIZON, d) that track the plan from state `x` at `t_s`; those that are promised first."""
    rows = []
    for i in range(HORIZON):
        end_s = t_s + (i + 1) * DT_S
        now, ahead = slow.reference(end_s, t_s), slow.reference(end_s + 0.35, t_s)
        u = promised[i] if i < len(promised) else plant.control(x, now, ahead)
        rows.append(u)
        x = plant.step(x, u)
    return np.array(rows)


class OnArrival:
    """Replays the newest chunk from its first action."""

    def __init__(self) -> None:
        self._rows, self._since_ns = np.zeros((0, 0)), 0

    def offer(self, chunk: ActionChunk, now_ns: int, before: Reach | None) -> None:
        """Begin with it now."""
        self._rows, self._since_ns = chunk.actions, now_ns

    def at(self, now_ns: int) -> F64 | None:
        """The row by count since the arrival, the last one beyond it."""
        if not len(self._rows):
            return None
        row: F64 = self._rows[min((now_ns - self._since_ns) // DT, len(self._rows) - 1)]
        return row


def run(plant: Plant, params: ExecutorParams | None, guided: bool, slow_s: float, fast_s: float, seed: int) -> F64:
    """RMS and largest error, RMS jerk of what is commanded, and the share of time without an action."""
    rng = np.random.default_rng(seed)
    slow, axes = Slow(plant, slow_s, rng), tuple(f"a{i}" for i in range(len(plant.bounds.accel)))
    chosen: Scheduler | None = scheduler(params, guided) if params else None
    executor = Executor(chosen, DT, plant.bounds) if chosen else OnArrival()
    if isinstance(executor, Executor):
        executor.begin(1)
    x, value = plant.begin.copy(), plant.begin[: len(axes)] * plant.bounds.position
    flight: tuple[int, ActionChunk] | None = None
    errors, sent, idle = [], [], 0
    for k in range(1, round(DURATION_S / DT_S)):
        now_ns, t_s = k * DT, k * DT_S
        slow.tick(t_s)
        if flight is not None and flight[0] <= now_ns:
            executor.offer(flight[1], now_ns, before=standstill(value) if executor.at(now_ns) is None else None)
            flight = None
        if flight is None:
            promise = executor.promise(now_ns) if isinstance(executor, Executor) else None
            promised = promise.rows[: promise.delay_rows] if promise and guided else np.zeros((0, 0))
            rows = answer(plant, slow, x, t_s, promised)
            late_ns = round(fast_s * rng.uniform(0.7, 1.6) * 1e9) + (10**9 if rng.random() < 0.05 else 0)
            flight = (now_ns + late_ns, ActionChunk(now_ns, now_ns, DT, axes, rows, 1, 1))
        action = executor.at(now_ns)
        idle += action is None
        value = action if action is not None else np.where(plant.bounds.position, value, 0.0)
        x = plant.step(x, value)
        errors.append(float(np.linalg.norm(plant.place(x) - plant.reference(t_s + DT_S))))
        sent.append(value)
    first = round(SETTLE_S / DT_S)
    order = np.where(plant.bounds.position, 3, 2)
    jerks = [np.diff(np.array(sent)[first:, i], n) / DT_S**n for i, n in enumerate(order)]
    e = np.array(errors[first:])
    jerk = float(np.sqrt(np.mean(jerks[0] ** 2)))
    return np.array([np.sqrt(np.mean(e**2)), e.max(), jerk, idle / len(sent)])


Results = dict[tuple[str, str, float, float], F64]


def measure() -> Results:
    """(plant, row, slow s, fast s) -> the means of `run` over the seeds."""
    return {
        (plant.name, name, slow_s, fast_s): np.mean(
            [run(plant, params, "promised" in name, slow_s, fast_s, seed) for seed in range(SEEDS)], axis=0
        )
        for plant in (UNICYCLE, JOINT)
        for name, params in ROWS.items()
        for slow_s, fast_s in CASES
    }


def table(plant: Plant, results: Results) -> Table:
    """RMS error / largest error / RMS jerk of each row in each case."""
    head = f"{plant.name}: RMS error, largest error ({plant.unit}), RMS jerk ({plant.unit}/s³)"
    out = Table("slow s / fast s", *(f"{slow_s:g} / {fast_s:g}" for slow_s, fast_s in CASES), title=head, box=None)
    for name in ROWS:
        cells = (results[plant.name, name, slow_s, fast_s] for slow_s, fast_s in CASES)
        out.add_row(name, *(f"{e:.3f} {most:.2f} {jerk:.0f}" for e, most, jerk, _ in cells))
    return out


def panels(results: Results) -> list[Panel]:
    """Error and jerk of both plants over the fast latency."""
    return [
        Panel(
            f"{plant.name}: {what}, {plant.unit}{per}, over the fast latency, s",
            {name: [float(results[plant.name, name, 1.0, f][column]) for f in FAST_S] for name in ROWS},
            bool(column),
        )
        for column, what, per in ((0, "RMS error", ""), (2, "RMS jerk", "/s³"))
        for plant in (UNICYCLE, JOINT)
    ]


def main() -> int:
    """Measure, print the tables, write out/tracking.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, default=ROOT / "out" / "tracking.svg")
    args = parser.parse_args()
    results = measure()
    for plant in (UNICYCLE, JOINT):
        Console(width=160).print(table(plant, results))
    args.plot.parent.mkdir(parents=True, exist_ok=True)
    args.plot.write_text(plot(panels(results), [f"{f:g}" for f in FAST_S]))
    save([[*key, *map(float, values)] for key, values in results.items()], args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
