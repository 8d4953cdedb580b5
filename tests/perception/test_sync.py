"""Pairing by stamp: whatever comes, in whatever order, pairs are true pairs and nothing queues."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_node.sync import StereoSync
from saccade.clock import MS, SEC
from saccade.inbox import Arrival

TOLERANCE_NS = 5 * MS
offers = st.lists(st.tuples(st.sampled_from(("left", "right")), st.integers(0, 400).map(lambda n: n * MS)), max_size=60)


@given(offers)
def test_pairs_are_true_and_move_forward(offered):
    sync = StereoSync(TOLERANCE_NS)
    used, last = set(), {"left": -1, "right": -1}
    for i, (side, stamp_ns) in enumerate(offered):
        arrival, pair = sync.put(side, stamp_ns, i, (side, stamp_ns, i))
        if pair is None:
            continue
        assert arrival is Arrival.ACCEPTED
        (left_side, left_ns, a), (right_side, right_ns, b) = pair.left, pair.right
        assert (left_side, right_side) == ("left", "right")
        assert abs(left_ns - right_ns) <= TOLERANCE_NS
        assert pair.stamp_ns == left_ns
        assert left_ns > last["left"]
        assert right_ns > last["right"]
        assert i in (a, b)  # completed by the newest message: a pair never waits
        assert not {a, b} & used
        used |= {a, b}
        last = {"left": left_ns, "right": right_ns}


@given(offers)
def test_every_message_is_paired_dropped_refused_or_the_one_that_waits(offered):
    sync, refused = StereoSync(TOLERANCE_NS), 0
    for i, (side, stamp_ns) in enumerate(offered):
        arrival, _ = sync.put(side, stamp_ns, i, None)
        refused += arrival is not Arrival.ACCEPTED
    waiting = len(offered) - refused - 2 * sync.paired - sync.unpaired
    assert 0 <= waiting <= 1


@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=30))
def test_a_healthy_rig_loses_nothing(frames):
    """Stamps within the tolerance, either side first: every frame is a pair."""
    sync = StereoSync(TOLERANCE_NS)
    for i, (skew_ms, left_first) in enumerate(frames):
        stamps = {"left": i * 33 * MS, "right": i * 33 * MS + skew_ms * MS}
        for side in ("left", "right") if left_first else ("right", "left"):
            sync.put(side, stamps[side], 0, None)
    assert sync.paired == len(frames)
    assert sync.unpaired == 0


def test_the_tolerance_is_inclusive_and_sharp():
    for skew_ns, paired in ((TOLERANCE_NS, 1), (TOLERANCE_NS + 1, 0), (-TOLERANCE_NS, 1), (-TOLERANCE_NS - 1, 0)):
        sync = StereoSync(TOLERANCE_NS)
        sync.put("left", SEC, 0, None)
        sync.put("right", SEC + skew_ns, 0, None)
        assert sync.paired == paired


def test_a_dropped_frame_of_one_side_costs_one_frame():
    sync = StereoSync(TOLERANCE_NS)
    for i in range(6):
        sync.put("left", i * 33 * MS, 0, None)
        if i != 2:
            sync.put("right", i * 33 * MS, 0, None)
    assert (sync.paired, sync.unpaired) == (5, 1)


def test_stamps_that_stand_still_are_duplicates_then_frozen():
    sync = StereoSync(TOLERANCE_NS)
    sync.put("left", SEC, SEC, None)
    sync.put("right", SEC, SEC, None)
    for i in range(1, 6):
        assert sync.put("left", SEC, SEC + i * 100 * MS, None) == (Arrival.DUPLICATE, None)
    assert sync.stamps["left"].frozen(SEC + 500 * MS, 400 * MS)
    assert not sync.stamps["right"].frozen(SEC + 500 * MS, 400 * MS)  # silent, not frozen
    assert sync.why_none(SEC + 500 * MS, 400 * MS)[0] == "frozen stamps"


def test_a_clock_set_back_begins_anew_and_a_late_message_does_not():
    sync = StereoSync(TOLERANCE_NS)
    for side in ("left", "right"):
        sync.put(side, 100 * SEC, 0, None)
    assert sync.put("left", 100 * SEC - 50 * MS, 0, None)[0] is Arrival.LATE
    assert sync.put("left", 50 * SEC, 0, None)[0] is Arrival.CLOCK_BACK
    sync.put("left", 50 * SEC + 33 * MS, 0, None)
    assert sync.put("right", 50 * SEC + 33 * MS, 0, None)[1] is not None


def test_it_says_what_keeps_pairs_away():
    sync = StereoSync(TOLERANCE_NS)
    assert "left and right" in sync.why_none(0, SEC)[1]
    sync.put("left", SEC, 0, None)
    assert sync.why_none(0, SEC) == ("missing pictures", "no pictures from right; is the camera running?")
    sync.put("right", SEC + 12 * MS, 0, None)
    name, text = sync.why_none(0, SEC)
    assert name == "stamps apart"
    assert "+12.0 ms" in text
    assert "5 ms" in text
    sync.put("left", SEC + 12 * MS, 0, None)
    assert sync.why_none(0, SEC)[0] == "pictures stopped"


@pytest.mark.parametrize(
    ("left_ns", "right_ns", "says"),
    [
        (0, 1200 * MS, "no pictures from right for 1.2 s (left comes); is that camera still running?"),
        (700 * MS, 400 * MS, "no pictures from left for 0.7 s (right comes); is that camera still running?"),
        (900 * MS, 1200 * MS, "no pictures from left for 0.9 s and right for 1.2 s; is that camera still running?"),
        (400 * MS, 400 * MS, "no new pair of pictures; is the camera still running?"),
    ],
)
def test_the_camera_that_fell_silent_is_named(left_ns, right_ns, says):
    sync, now_ns = StereoSync(TOLERANCE_NS), 9 * SEC
    for side, silent_ns in (("left", left_ns), ("right", right_ns)):
        sync.put(side, SEC, now_ns - silent_ns, None)
    assert sync.why_none(now_ns, 400 * MS) == ("pictures stopped", says)


def test_a_silent_camera_is_not_called_badly_triggered():
    """The last it sent came after its partner had given way: that gap is of then."""
    sync = StereoSync(TOLERANCE_NS)
    sync.put("left", SEC + 100 * MS, SEC + 100 * MS, None)
    sync.put("right", SEC, SEC + 110 * MS, None)
    assert sync.why_none(SEC + 200 * MS, 400 * MS)[0] == "stamps apart"
    sync.put("left", 3 * SEC, 3 * SEC, None)
    assert sync.why_none(3 * SEC, 400 * MS)[0] == "pictures stopped"
