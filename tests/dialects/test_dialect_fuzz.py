"""No text moves the robot unless it is well formed, whatever happened to it on its way."""

from __future__ import annotations

import re

import numpy as np
import pytest
import well_formed
from dialect_world import Fixture, fixtures, local, look
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from saccade.params import build
from saccade.types import PlanKind
from vla_node.dialects import DIALECTS, DialectParams, dialect
from vla_node.dialects.base import DialectError

OBSERVATION = look(history=3)
ALL = [Fixture(path) for path in fixtures()]
OPEN = build(
    DialectParams,
    {
        "mobilevla_r1": {"declared": True, "sideways": True},
        "dualvln_latents": True,
        "r1_3d_boxes": "body",
    },
)
"""Everything declared that can be: the fewest reasons to refuse."""
PIECES = st.sampled_from(
    [
        f"<{slash}{name}>"
        for name in ["think", "action", "answer", "output", "plan", "step", "loc", "obj"]
        for slash in ("", "/")
    ]
    + [
        "```",
        "```json\n",
        *"{}[],:;\n .-01\"'\\\0↑←→↓°ı４",
        "25",
        "30",
        "75",
        "0.5",
        "1e999",
        "NaN",
        "Infinity",
        "null",
    ]
    + ["true", "Stop", "STOP", "not ", "Move forward 25cm", "move forward 75 cm", "Turn left 30 degrees", "cm", "box: "]
    + ["turn right 15 degree", "The next action is ", "I am not sure. ", '"action": "stop"', '"point": [450, 500]']
    + ['"label": "0"', '"pixel"']
)


@st.composite
def broken(draw, answer: str) -> str:
    """A good answer after one to four accidents."""
    text = answer
    for _ in range(draw(st.integers(1, 4))):
        n = len(text)
        i = draw(st.integers(0, n))
        j = min(n, i + draw(st.integers(0, 12)))
        accident = draw(
            st.sampled_from(["delete", "insert", "cut", "behead", "repeat", "swap", "case", "char", "double"])
        )
        if accident == "delete":
            text = text[:i] + text[j:]
        elif accident == "insert":
            text = text[:i] + draw(PIECES) + text[i:]
        elif accident == "cut":
            text = text[:i]
        elif accident == "behead":
            text = text[i:]
        elif accident == "repeat":
            text = text[:j] + text[i:]
        elif accident == "double":
            text = text + draw(st.sampled_from(["", "\n", " "])) + text
        elif accident == "case":
            text = text[:i] + text[i:j].swapcase() + text[j:]
        elif accident == "char":
            text = text[:i] + draw(st.characters(codec="utf-8")) + text[i + 1 :]
        else:
            tags = list(re.finditer(r"</?\w+>|[\[\]{}]", text))
            if len(tags) > 1:
                a, b = sorted((draw(st.sampled_from(tags)), draw(st.sampled_from(tags))), key=lambda tag: tag.start())
                if a is not b:
                    between = text[a.end() : b.start()]
                    text = text[: a.start()] + b.group() + between + a.group() + text[b.end() :]
    return text


def moves_only_if_well_formed(name: str, text: str) -> None:
    try:
        plan = dialect(name, OPEN).read(text, OBSERVATION)
    except DialectError:
        return
    if plan.kind is not PlanKind.STOP:
        assert getattr(well_formed, name)(text), f"{plan.kind.name} {plan.text!r} from {text!r}"
        assert np.isfinite(plan.waypoints).all()
        assert np.isfinite(plan.values).all()
        assert plan.kind is not PlanKind.WAYPOINTS or np.hypot(*local(plan).T).max() < 10.1


def test_the_second_description_agrees_with_the_good_fixtures():
    for fixture in ALL:
        if fixture.kind in ("waypoints", "velocity", "latent"):
            assert getattr(well_formed, fixture.name)(fixture.answer), fixture.id


def texts(name: str) -> st.SearchStrategy[str]:
    """Good answers after accidents, and text at random."""
    good = [f.answer for f in ALL if f.name == name and f.kind in ("waypoints", "velocity", "latent")]
    pieces = st.lists(PIECES, max_size=12).map("".join)
    return st.one_of(st.sampled_from(good).flatmap(broken), st.sampled_from(good).flatmap(broken), pieces, st.text())


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_malformed_text_never_moves_the_robot(name, data):
    moves_only_if_well_formed(name, data.draw(texts(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_malformed_text_never_moves_the_robot_however_long_one_tries(name, data):
    moves_only_if_well_formed(name, data.draw(texts(name)))


@pytest.mark.parametrize("name", DIALECTS)
def test_the_fixtures_of_all_dialects_move_nothing_that_they_do_not_say(name):
    for fixture in ALL:
        moves_only_if_well_formed(name, fixture.answer)


@settings(max_examples=60, deadline=None)
@given(
    thought=st.text(max_size=80).filter(lambda t: not re.search(r"</?\w+>", t)),
    said=st.sampled_from(["Move forward 25cm", "Turn left 30 degrees", "Stop"]),
)
def test_what_is_thought_changes_nothing(thought, said):
    plain = dialect("nav_r1").read(f"<action>{said}</action>", OBSERVATION)
    for about in (thought, f"{thought} Stop. Move forward 25cm, Turn right 30 degrees {thought}"):
        plan = dialect("nav_r1").read(f"<think>{about}</think><action>{said}</action>", OBSERVATION)
        assert (plan.kind, plan.text, plan.final) == (plain.kind, plain.text, plain.final)
        np.testing.assert_array_equal(plan.waypoints, plain.waypoints)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("↑←→"), min_size=1, max_size=20))
def test_steps_lead_where_they_would_on_the_floor(arrows):
    """Dead reckoning by complex numbers against the plan's last point and heading."""
    place, heading = 0j, 1 + 0j
    for arrow in arrows:
        turn = {"↑": 0, "←": 15, "→": -15}[arrow]
        heading *= np.exp(1j * np.radians(turn))
        place += 0.25 * heading if arrow == "↑" else 0
    try:
        plan = dialect("dualvln").read("".join(arrows), OBSERVATION)
    except DialectError:
        assume(False)
    here = local(plan)
    facing_tip = arrows[-1] != "↑"
    assert abs(complex(*here[-2 if facing_tip else -1]) - place) < 1e-6
    last = complex(*(here[-1] - here[-2]))
    assert abs(last / abs(last) - heading) < 1e-6
