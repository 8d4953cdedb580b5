"""A bad connection to a policy: what is answered to which look, and when that arrives, if at all and how often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from saccade.clock import MS
from saccade.types import ActionChunk
from vla_node.executor import Executor
from vla_node.schedulers.ensemble import Ensemble
from vla_node.schedulers.guard import Guard
from vla_node.schedulers.hold import Hold
from vla_node.schedulers.rtc import Rtc
from vla_node.schedulers.swap import Swap

DT = 50 * MS
MOST_NS = 100 * DT
"""Latency up to 5 s."""
SCHEDULERS = (Hold(), Swap(), Ensemble(0.3), Rtc(0), Rtc(4), Guard(1), Guard(4))


@dataclass(frozen=True)
class Answer:
    """A chunk that answers look number k; its rows may not be executed at or after `expires_ns`."""

    k: int
    chunk: ActionChunk
    expires_ns: int


@dataclass(frozen=True)
class Event:
    """At `at_ns` an answer arrives, or (None) the epoch begins."""

    at_ns: int
    answer: Answer | None
    epoch: int


@st.composite
def connections(draw, rows, most_looks=6):
    """Events in the order of their times: looks every few rows, latency 0-5 s each, loss, duplicates, new epochs.

    `rows(k, number, total)` (number, d) are the actions of answer k. Half of the latencies are below 0.4 s.
    """
    events, look_row, epoch, expires = [], 0, 1, draw(st.integers(5, 120)) * DT
    for k in range(most_looks):
        look_row += draw(st.integers(1, 12))
        if draw(st.integers(0, 5)) == 0:
            epoch += 1
            events.append(Event(look_row * DT - draw(st.integers(0, DT - 1)), None, epoch))
        if draw(st.booleans()):
            expires = look_row * DT + draw(st.integers(1, 120 * DT))
        number = draw(st.integers(1, 60))
        chunk = ActionChunk(
            look_row * DT, look_row * DT, DT, tuple(f"a{i}" for i in range(rows(k, 1, most_looks).shape[1])),
            rows(k, number, most_looks), k + 1, epoch,
        )  # fmt: skip
        copies = draw(st.sampled_from((0, 1, 1, 1, 2)))
        for _ in range(copies):
            late = draw(st.integers(0, 8 * DT if draw(st.booleans()) else MOST_NS))
            events.append(Event(chunk.t0_ns + late, Answer(k, chunk, expires), epoch))
    return sorted(events, key=lambda event: event.at_ns)


def marked(k, number, total):
    """Rows by which it can be told what is executed: axis k is 1, axis total + k the index of the row."""
    rows = np.zeros((number, 2 * total))
    rows[:, k] = 1.0
    rows[:, total + k] = np.arange(number)
    return rows


def play(executor: Executor, events, every_ns=DT // 2):
    """Yield (t, action, epoch, answers taken so far) to the end; each taken is (answer, when)."""
    executor.begin(1)
    epoch, taken, now = 1, [], 0
    for event in [*events, None]:
        while event is None or now < event.at_ns:
            action = executor.at(now)
            yield now, action, epoch, taken
            if event is None and action is None:
                return
            step_ns = (now // every_ns + 1) * every_ns
            now = min(step_ns, event.at_ns) if event else step_ns
        if event.answer is None:
            epoch = event.epoch
            executor.begin(epoch)
        elif executor.offer(event.answer.chunk, now, event.answer.expires_ns):
            taken = [*taken, (event.answer, now)]
