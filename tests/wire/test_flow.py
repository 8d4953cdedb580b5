"""Rates, ages and levels of `/diagnostics`, from the topic table; times on live buses alone."""

import pytest

from saccade.clock import MS, SEC
from saccade.stages import Stages
from saccade.topics import topic
from saccade.wire.diagnostics import Level
from saccade.wire.flow import Flow, timing


def flowing(name, period_ns, seconds=4, latency_ns=0, look_ns=SEC):
    """The last word on a stage that makes one every so often, looked at once a second."""
    flow, made, looked = Flow(name), 0, 0
    for now in range(0, seconds * SEC + 1, 10 * MS):
        if now - made >= period_ns:
            made = now
            flow.put(now - latency_ns, now)
        if now - looked >= look_ns:
            looked = now
            said = flow.look(now)
    return said


@pytest.mark.parametrize(
    ("name", "period_ms", "level"),
    [
        ("local_map", 100, Level.OK),  # 10 Hz as the table says
        ("local_map", 190, Level.OK),  # half of it
        ("local_map", 260, Level.WARN),
        ("local_map", 390, Level.WARN),
        ("depth/image_rect", 140, Level.OK),  # a quarter of its rate, but one lost does not make it stale
        ("depth/image_rect", 200, Level.WARN),
        ("verdict", 10, Level.OK),
        ("verdict", 30, Level.WARN),
    ],
)
def test_the_level_follows_from_rate_and_stale_after(name, period_ms, level):
    judged, text, values = flowing(name, period_ms * MS)
    assert judged is level, text
    assert abs(float(values["rate Hz"]) - 1000 / period_ms) <= 1
    assert values["expected Hz"] == f"{topic(name).rate_hz:g}"
    assert (text == "") == (level is Level.OK)
    if text:
        assert text.startswith(f"{name} comes at ")


@pytest.mark.parametrize("period_ms", [1000, 1400, 3000])
@pytest.mark.parametrize("look_ms", [300, 510, 1000])
def test_what_comes_once_in_a_while_is_not_slow_between_two(period_ms, look_ms):
    """Plans are made as often as there is time to think, and their stage tells of itself with each change."""
    flow, levels = Flow("plan"), set()
    for now_ms in range(0, 12_001, 10):
        if now_ms % period_ms == 0:
            flow.put(now_ms * MS, now_ms * MS)
        if now_ms % look_ms == 0:
            levels.add(flow.look(now_ms * MS)[0])
    assert levels == {Level.OK}


def test_each_stale_before_the_next_is_an_error_while_it_is_fresh():
    flow = Flow("local_map")
    for k in range(5):
        flow.put(k * 500 * MS, k * 500 * MS)
    flow.look(2 * SEC + 100 * MS)
    assert flow.look(2 * SEC + 100 * MS)[0] is Level.ERROR


def test_silence_is_stale_and_says_how_old():
    flow = Flow("local_map")
    assert flow.look(0)[:2] == (Level.STALE, "no local_map yet")
    flow.put(0, 0)
    assert flow.look(400 * MS)[0] is Level.OK
    level, text, values = flow.look(401 * MS)
    assert (level, text) == (Level.STALE, "local_map is 401 ms old; stale after 400 ms")
    assert values["age ms"] == "401"


def test_a_silence_does_not_count_against_what_comes_after_it():
    flow = Flow("local_map")
    flow.put(0, 0)
    for second in range(1, 4):
        assert flow.look(second * SEC)[0] is Level.STALE
    for k in range(10):
        flow.put(3 * SEC + k * 100 * MS, 3 * SEC + k * 100 * MS)
        assert flow.look(3 * SEC + k * 100 * MS)[0] is Level.OK


def test_a_stamp_that_lags_ages_what_arrives():
    level, _, values = flowing("local_map", 100 * MS, latency_ns=450 * MS)
    assert (level, values["age ms"]) == (Level.STALE, "450")


def test_a_clock_that_goes_back_begins_anew():
    flow = Flow("local_map")
    for k in range(30):
        flow.put(SEC + k * 100 * MS, SEC + k * 100 * MS)
        flow.look(SEC + k * 100 * MS)
    flow.put(0, 0)
    level, _, values = flow.look(0)
    assert level is Level.OK
    assert "rate Hz" not in values


def test_what_was_made_before_the_clock_went_back_is_not_young():
    flow = Flow("local_map")
    flow.put(3600 * SEC, 3600 * SEC)
    assert flow.look(SEC)[:2] == (Level.STALE, "no local_map yet")
    flow.put(2 * SEC, 2 * SEC)
    assert flow.look(2 * SEC)[0] is Level.OK


def test_times_are_told_on_live_buses_alone():
    stages = Stages()
    for k in range(100):
        stages.add("engine", 0, (k + 1) * MS)
    assert timing(stages, ["engine"]) == {}
    stages.live = True
    told = timing(stages, ["engine", "absent"])
    assert set(told) == {"engine p50 ms", "engine p95 ms", "engine p99 ms"}
    assert float(told["engine p50 ms"]) == pytest.approx(50.5, abs=1)
    assert float(told["engine p99 ms"]) == pytest.approx(99, abs=1)
