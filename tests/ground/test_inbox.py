from hypothesis import given
from hypothesis import strategies as st

from saccade.clock import MS, SEC
from saccade.inbox import Arrival, Freshness, Inbox

T0 = 10**18


def test_nothing_heard_is_missing_and_never_fresh():
    reading = Inbox().get("odom", T0)
    assert reading.state is Freshness.MISSING
    assert not reading.fresh
    assert "odom missing" in reading.why()


def test_silence_is_stale_and_a_standing_stamp_is_frozen():
    inbox = Inbox({"odom": 100 * MS})
    inbox.put("odom", T0, T0, "a")
    assert inbox.get("odom", T0 + 100 * MS).fresh
    assert inbox.get("odom", T0 + 101 * MS).state is Freshness.STALE
    for i in range(1, 20):
        assert inbox.put("odom", T0, T0 + i * 10 * MS, "a") is Arrival.DUPLICATE
    reading = inbox.get("odom", T0 + 191 * MS)
    assert reading.state is Freshness.FROZEN
    assert "odom frozen (191 ms)" in reading.why()


def test_stamps_from_the_future_are_not_fresh():
    inbox = Inbox()
    inbox.put("odom", T0 + SEC, T0, "a")
    assert inbox.get("odom", T0).state is Freshness.FUTURE


def test_late_messages_never_replace_newer_ones():
    inbox = Inbox()
    inbox.put("odom", T0, T0, "new")
    assert inbox.put("odom", T0 - MS, T0, "old") is Arrival.LATE
    assert inbox.get("odom", T0).value == "new"
    assert inbox.refused["odom", Arrival.LATE] == 1


def test_a_clock_that_jumps_back_forgets_then_recovers():
    inbox = Inbox()
    inbox.put("odom", T0, T0, "before")
    assert inbox.put("odom", T0 - 10 * SEC, T0, "after") is Arrival.CLOCK_BACK
    assert inbox.get("odom", T0).state is Freshness.MISSING
    assert inbox.put("odom", T0 - 10 * SEC + MS, T0, "next") is Arrival.ACCEPTED
    assert inbox.get("odom", T0 - 10 * SEC + 2 * MS).value == "next"


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=50))
def test_the_newest_stamp_wins_whatever_the_order(offsets_ms):
    """Within the clock-back tolerance, order of arrival cannot matter."""
    inbox = Inbox(clock_back_ns=10 * SEC)
    for offset in offsets_ms:
        inbox.put("odom", T0 + offset * MS, T0, offset)
    assert inbox.get("odom", T0 + 2 * SEC).value == max(offsets_ms)


@given(st.integers(0, 10**10), st.integers(0, 10**10), st.integers(1, 10**10))
def test_fresh_means_young_enough(stamp, later, limit):
    inbox = Inbox({"odom": limit})
    inbox.put("odom", T0 + stamp, T0 + stamp, 1)
    reading = inbox.get("odom", T0 + stamp + later)
    assert reading.fresh == (later <= limit)
    assert reading.age_ns == later
