"""The policy at work: asked with a look, it answers with speeds on absolute time, now or later, or with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from saccade.clock import SEC, nanoseconds, seconds
from saccade.errors import SaccadeError
from saccade.geometry import F64
from saccade.types import ActionChunk, RobotState
from saccade.wire.convert import utf8
from saccade.worker import ModelledWorker, ThreadWorker, Worker
from vla_node.actions.base import Converter, Start, positions_of
from vla_node.policies.base import FastPolicy, Look

TIMEOUT_NS = SEC
"""What came later would be past anyhow; a card may give its policy less."""


class Acted(NamedTuple):
    """What a policy answered to a look: rows (k, n) of its own kind, or why there are none."""

    look: Look | None
    rows: F64 | None
    why: str


class Now(NamedTuple):
    """The robot when rows are made into speeds: `first_ns` is the first row that may still be changed.

    `state` is the odometry moved on to then, `before` (d,) the row until then; `sent` (d,) are the positions where
    joints were sent last, none for a base. `parts`: the steps of a row in which speeds are ramped.
    """

    now_ns: int
    first_ns: int
    state: RobotState
    before: F64
    sent: F64
    parts: int


class Acting:
    """Asks one policy in a worker, so that one that takes its time is not waited for."""

    def __init__(self, policy: FastPolicy, inline: bool, modelled_s: float | None) -> None:
        """`inline`: it answers at once. `modelled_s`: it takes so long on virtual time; None on a robot."""
        self.policy = policy
        self._begun = -1
        self._worker: Worker[Callable[[], Look], Acted] = (
            ThreadWorker(self._answer, "policy")
            if modelled_s is None and not inline
            else ModelledWorker(self._answer, 0 if inline else nanoseconds(modelled_s or 0.0))
        )

    @property
    def busy(self) -> bool:
        """Whether it is asked already."""
        return self._worker.busy

    def ask(self, looking: Callable[[], Look], now_ns: int) -> None:
        """Have the policy act on a look; pictures are decoded where it works."""
        self._worker.offer(looking, now_ns)

    def poll(self, now_ns: int) -> Acted | None:
        """What it has answered, once."""
        done = self._worker.poll(now_ns)
        return done[0] if done else None

    def cancel(self) -> None:
        """Forget what it was asked."""
        self._worker.cancel()

    def close(self) -> None:
        """Stop working."""
        self._worker.close()
        self.policy.close()

    def _answer(self, looking: Callable[[], Look]) -> Acted:
        try:
            look = looking()
            if look.epoch != self._begun:
                self.policy.begin(look.epoch)  # here, where no `act` can be under way
                self._begun = look.epoch
            return Acted(look, self.policy.act(look, TIMEOUT_NS), "")
        except SaccadeError as error:
            return Acted(None, None, utf8(str(error)))
        except Exception as error:  # a policy may be any model; its bugs stop the robot, not the process
            return Acted(None, None, utf8(f"{type(error).__name__}: {error}"))


def chunk_of(look: Look, rows: F64, t0_ns: int, converter: Converter, dt_ns: int, now: Now) -> ActionChunk:
    """Rows as speeds, row i at t0 + i dt; PolicyError where they may not be executed.

    Rows that are past by `now.first_ns` are zeros: nobody executes them, and the robot did something else instead.
    """
    past = min(max(0, (now.first_ns - t0_ns) // dt_ns), len(rows))
    speeds = np.zeros((len(rows), len(converter.limits.axes)))
    if past < len(rows):
        sent = now.sent
        if len(sent):
            led = sent + now.before * seconds(now.first_ns - now.now_ns)
            sent = positions_of(led, now.before, seconds(dt_ns), now.parts)
        T_look = look.state.T_odom_from_body.inverse() @ now.state.T_odom_from_body
        start = Start(now.before, np.zeros(len(now.before)), sent, T_look)
        speeds[past:] = converter.speeds(rows[past:], start, seconds(dt_ns))
    stamp_ns = look.stamp_ns if look.images or look.grid is None else look.grid.stamp_ns
    return ActionChunk(stamp_ns, t0_ns, dt_ns, converter.limits.axes, speeds, look.plan.id, look.epoch)
