"""When the slow half thinks again, and what it hands on."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from vla_world import BLUE, START_NS, Box, World, drive, told

from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.types import Image, PlanKind
from saccade.wire.convert import decode, encode_text
from saccade.wire.exchange import MOST, Exchange, decode_exchange, encode_exchange
from saccade.wire.images import encode_image
from vla_node.node import VlaNode
from vla_node.params import VlaParams
from vla_node.planner import Answer, make_plan
from vla_node.reasoners.call import ReasonerError
from vla_node.reasoners.embedded.routes import facing

AWAY = "find the exit"


class Scripted:
    """Answers with waypoints to (x, 0) in words; keeps what it was shown."""

    def __init__(self, x=6.0, words=True, **changes):
        self.x, self.words, self.changes, self.seen = x, words, changes, []

    def refuses(self, instruction):
        return ""

    def plan(self, observation):
        self.seen.append(observation)
        way = facing((self.x, 0.0, 0.0), 0.0)
        plan = make_plan(observation, PlanKind.WAYPOINTS, "onwards", waypoints=way, **self.changes)
        return Answer(plan, f"where to? {observation.instruction}", "onwards") if self.words else Answer(plan)

    def cancel(self):
        pass

    def close(self):
        pass


def said(text, at_s):
    return Sample("feedback", START_NS + round(at_s * SEC), encode_text(text))


def go(reasoner, until_s=6.0, script=(), boxes=(), **planner):
    params = VlaParams()
    settings = {"worker": "modelled", "latency_s": 0.3, "period_s": 100.0, "valid_for_s": 100.0, **planner}
    node = VlaNode(replace(params, planner=replace(params.planner, **settings)), reasoner)
    ear = drive(World(boxes, until_s, script=[told(AWAY, 0.5), *script]), node)
    return reasoner.seen, ear


def statuses(ear):
    found = [decode("diagnostics", s.cdr).status[0] for s in ear.samples if s.topic == "diagnostics"]
    return [(status.name, status.level, status.message) for status in found]


def at_s(observation):
    return (observation.stamp_ns - START_NS) / SEC


def test_the_instruction_is_the_first_occasion_and_without_another_it_is_the_only_one():
    seen, ear = go(Scripted(), until_s=4.0)
    assert [o.event for o in seen] == ["instruction; period"]
    assert len(ear.plans()) == 1


def test_it_thinks_again_on_the_period_from_the_newest_observation():
    seen, _ = go(Scripted(), until_s=4.0, period_s=1.0)
    assert [o.event for o in seen[1:]] == ["period"] * 3
    times = [at_s(o) for o in seen]
    assert all(0.9 < b - a < 1.2 for a, b in pairwise(times))


def test_feedback_is_passed_on_and_what_was_thought_without_it_is_dropped():
    seen, ear = go(Scripted(), until_s=3.0, script=[said("rather left", 0.7), said("more", 2.0)])
    assert [o.event for o in seen] == ["instruction; period", "feedback: rather left", "feedback: more"]
    assert [o.feedback for o in seen] == [(), ("rather left",), ("rather left", "more")]
    assert len(ear.plans()) == 2


def test_an_empty_feedback_asks_for_a_plan_and_says_nothing():
    seen, _ = go(Scripted(), until_s=2.0, script=[said("", 1.5)])
    assert [(o.event, o.feedback) for o in seen[1:]] == [("asked to", ())]


def test_feedback_that_means_stop_stops_whatever_the_reasoner_thinks():
    seen, ear = go(Scripted(), until_s=4.0, script=[said("Stop!", 2.0)])
    assert len(seen) == 1
    assert ear.plans()[-1].kind is PlanKind.STOP
    assert not ear.chunks()[-1][1].actions.any()


def test_an_instruction_that_means_stop_is_not_put_to_the_reasoner():
    seen, ear = go(Scripted(), until_s=4.0, script=[told("halt", 2.0)])
    assert [o.instruction for o in seen] == [AWAY]
    assert ear.plans()[-1].text == "told to stop: 'halt'"


def test_a_goal_that_is_reached_is_an_occasion():
    seen, _ = go(Scripted(x=0.4), until_s=8.0)
    assert "goal reached" in [o.event for o in seen]


def test_a_plan_that_expires_is_an_occasion():
    seen, _ = go(Scripted(), valid_for_s=2.0)
    assert [o.event for o in seen[1:]] == ["plan expired", "plan expired"]


def test_a_way_that_is_shut_is_an_occasion_and_again_each_second():
    wall = [Box(0.8, 0.0, 0.1, 6.0, 1.0, BLUE)]
    seen, _ = go(Scripted(), until_s=6.0, boxes=wall)
    events = [o.event for o in seen[1:]]
    assert len(events) >= 3, [at_s(o) for o in seen]
    assert set(events) == {"the policy sees no way"}
    assert seen[1].held_ns > SEC


def test_earlier_pictures_are_shown_where_they_are_wanted():
    seen, _ = go(Scripted(), period_s=1.0, history=3, until_s=5.0)
    assert len(seen[0].history) <= 1
    last = seen[-1]
    assert len(last.history) == 3
    assert all(k.image.stamp_ns < last.image.stamp_ns for k in last.history)
    assert last.history[0].image.stamp_ns < START_NS + SEC
    assert last.history[1].T_odom_from_body.t[0] > last.history[0].T_odom_from_body.t[0]
    assert all(not o.history for o in go(Scripted(), period_s=1.0, until_s=2.0)[0])


def above(at_s, cdr=None):
    stamp_ns = START_NS + round(at_s * SEC)
    shown = Image(stamp_ns, "odom", np.full((20, 30, 3), 70, np.uint8))
    return Sample("map/birdseye", stamp_ns, encode_image(shown) if cdr is None else cdr)


def test_the_map_from_above_is_shown_where_it_is_asked_for_and_fresh():
    script = [above(0.4), above(2.0)]
    seen, _ = go(Scripted(), period_s=1.0, birdseye=True, until_s=4.0, script=script)
    assert [o.birdseye.stamp_ns for o in seen[:3]] == [START_NS + 400 * MS] * 2 + [START_NS + 2 * SEC]
    assert all(o.birdseye is None for o in go(Scripted(), period_s=1.0, until_s=2.0, script=script)[0])
    seen, _ = go(Scripted(), period_s=6.5, birdseye=True, until_s=8.5, script=script[:1])  # the map node has ended
    assert [o.birdseye is None for o in seen] == [False, True]
    seen, _ = go(Scripted(), birdseye=True, until_s=2.0)  # no map node runs
    assert seen[0].image is not None
    assert seen[0].birdseye is None


def test_a_map_from_above_that_cannot_be_read_is_named():
    broken = above(0.4).cdr
    seen, _ = go(Scripted(), birdseye=True, until_s=1.5, script=[above(0.4, bytes(broken[:-100]))])
    assert seen[0].image is None
    assert "map/birdseye" in seen[0].blind


def test_how_long_a_plan_is_valid_is_for_the_operator_to_say():
    _, ear = go(Scripted(), until_s=1.5, valid_for_s=7.0)
    assert ear.plans()[0].valid_for_ns == 7 * SEC
    _, ear = go(Scripted(valid_for_ns=60 * SEC), until_s=1.5, valid_for_s=7.0)
    assert ear.plans()[0].valid_for_ns == 7 * SEC


def test_words_are_recorded_also_of_an_answer_that_comes_too_late():
    class Slips(Scripted):
        def plan(self, observation):
            answer = super().plan(observation)
            return replace(answer, plan=replace(answer.plan, epoch=observation.epoch + len(self.seen) - 1))

    reasoner = Slips()
    _, ear = go(reasoner, until_s=3.0, script=[said("", 2.0)])
    exchanges = [decode_exchange(s.cdr) for s in ear.samples if s.topic == "plan/exchange"]
    assert [(e.plan_id, e.occasion, e.answered) for e in exchanges] == [
        (1, "instruction; period", "onwards"), (0, "asked to", "onwards"),
    ]  # fmt: skip
    assert exchanges[0].asked == f"where to? {AWAY}"
    assert exchanges[0].took_ns == 300 * MS
    assert exchanges[0].obs_stamp_ns == ear.plans()[0].obs_stamp_ns


def test_without_words_there_is_nothing_to_record():
    _, ear = go(Scripted(words=False), until_s=2.0)
    assert len(ear.plans()) == 1
    assert [s for s in ear.samples if s.topic == "plan/exchange"] == []


@pytest.mark.parametrize("text", ["", "Zwölf", "a" * MOST])
def test_an_exchange_comes_back_as_it_was(text):
    exchange = Exchange(5 * SEC + 1, 7, 1000, "period", "what?", text, 1234567890)
    assert decode_exchange(encode_exchange(exchange)) == exchange


def test_an_endless_answer_is_cut_and_broken_characters_do_not_end_the_record():
    answered = decode_exchange(encode_exchange(Exchange(0, 1, 1, "", "", "x" * (MOST + 5) + "\ud800", 0))).answered
    assert answered == "x" * MOST + " [6 more characters]"


HALF = json.loads('"\\ud83d"')
"""Half a character, as JSON has it where a model's text is cut off within one; it is no UTF-8."""


class Halves(Scripted):
    """Answers with half a character among its words, then fails with one."""

    def plan(self, observation):
        answer = super().plan(observation)
        if len(self.seen) > 1:
            raise ReasonerError(f"the server reports: {HALF}")
        return replace(answer, plan=replace(answer.plan, text=f"onwards {HALF}"))


def test_half_a_character_from_a_model_ends_neither_the_plan_nor_the_node():
    _, ear = go(Halves(), until_s=3.0, period_s=1.0)
    assert [plan.text for plan in ear.plans()][:2] == ["onwards ?", "planner failed: the server reports: ?"]
    assert "planner failed: the server reports: ?" in [message for _, _, message in statuses(ear)]


@pytest.mark.parametrize(("valid_s", "latency_s", "period_s", "above"), [
    (4.0, 3.0, 1.0, "6.0"), (4.0, 1.0, 3.5, "4.5"), (6.5, 3.0, 1.0, ""), (4.6, 1.0, 3.5, ""),
])  # fmt: skip
def test_plans_that_expire_before_the_next_one_are_told_of_with_what_to_set(valid_s, latency_s, period_s, above):
    _, ear = go(Scripted(), until_s=4.5, valid_for_s=valid_s, latency_s=latency_s, period_s=period_s)
    told_of = [text for _, _, text in statuses(ear) if "planner.valid_for_s" in text]
    assert bool(told_of) == bool(above)
    assert all(text.endswith(f"above {above}") for text in told_of)
