import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.clock import MS, LiveClock, TickGrid, nanoseconds, seconds

NS = st.integers(0, 2**61)
PERIOD = st.integers(1, 10**10)


@given(PERIOD, st.integers(0, 2**40), NS)
def test_ticks_lie_on_the_absolute_grid(period, phase, now):
    grid = TickGrid(period, phase)
    tick = grid.start(now)
    assert (tick - phase) % period == 0
    assert now < tick <= now + period


@given(PERIOD, NS, st.integers(0, 50))
def test_missed_ticks_are_counted_and_skipped(period, now, late):
    grid = TickGrid(period)
    due = grid.start(now)
    assert grid.advance(due + late * period) == late
    assert grid.missed == late
    assert grid.next_ns == due + (late + 1) * period


def test_a_clock_that_goes_back_re_anchors_the_grid():
    grid = TickGrid(10 * MS)
    grid.start(10**18)
    assert grid.advance(10**17) == 0
    assert grid.next_ns == 10**17 + 10 * MS


@given(PERIOD, NS, NS)
def test_the_next_deadline_stands_until_it_is_met_but_not_after_a_clock_that_went_back(period, now, then):
    grid = TickGrid(period)
    due = grid.due(now)
    assert now < due <= now + period
    if then < due - period:
        assert then < grid.due(then) <= then + period
    else:
        assert grid.due(then) == due
    assert grid.missed == 0


def test_a_grid_needs_a_positive_period():
    with pytest.raises(ValueError, match="positive"):
        TickGrid(0)


@given(st.integers(-(10**15), 10**15))
def test_seconds_round_trip_to_the_nanosecond(ns):
    assert nanoseconds(seconds(ns)) == ns


def test_live_clock_follows_a_step_of_the_system_clock_and_counts_it(monkeypatch):
    wall, mono = [10**18], [5 * 10**9]
    monkeypatch.setattr(time, "time_ns", lambda: wall[0])
    monkeypatch.setattr(time, "monotonic_ns", lambda: mono[0])
    clock = LiveClock(step_ns=50 * MS)
    mono[0] += 10 * MS
    wall[0] += 12 * MS  # slewed by 2 ms: not a step, time runs on with the monotonic clock
    assert clock.now_ns() == 10**18 + 10 * MS
    wall[0] -= 10**9
    assert clock.now_ns() == wall[0]
    assert clock.steps == 1
