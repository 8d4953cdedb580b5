"""Every dialect on its fixtures: answers in the published form, and answers that must stop the robot."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from dialect_world import CAMERA, DATA, Fixture, fixtures, heading_deg, look

from saccade.clock import SEC, perf_ns
from saccade.errors import ConfigError
from saccade.geometry import Pinhole
from saccade.types import Image
from vla_node.dialects import DIALECTS, DialectParams, dialect
from vla_node.dialects.base import MOST_CHARS, AskAgain, DialectError

LOOK = look()


@pytest.mark.parametrize("path", fixtures(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_fixture(path):
    Fixture(path).check()


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_has_fixtures_of_both_sorts(name):
    found = [Fixture(path) for path in (DATA / name).glob("*.txt")]
    assert sum(fixture.good for fixture in found) >= 2
    assert sum(not fixture.good for fixture in found) >= 5


def test_an_unknown_dialect_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown dialect 'nav_r2'; did you mean 'nav_r1'.*Valid: .*waypoints"):
        dialect("nav_r2")


@pytest.mark.parametrize("name", DIALECTS)
def test_a_question_holds_the_instruction_and_ends_with_the_current_picture(name):
    asked = dialect(name).ask(look(history=9, feedback=("the left one",)))
    pictures = [part for part in asked.parts if not isinstance(part, str)]
    assert all(p.dtype == np.uint8 and p.ndim == 3 and p.shape[2] == 3 for p in pictures)
    assert not pictures[-1].any()  # the world's current picture is black, the earlier ones are not
    shades = [int(p.max()) for p in pictures[:-1]]
    assert shades == sorted(shades)
    assert "go to the box. the left one" in asked.words
    assert asked.max_tokens > 0


def test_a_general_model_is_shown_the_map_from_above_before_the_current_picture():
    above = Image(5, "odom", np.full((40, 30, 3), 90, np.uint8))
    asked, bare = (dialect("waypoints").ask(look(birdseye=shown)) for shown in (above, None))
    assert [getattr(part, "shape", None) for part in asked.parts[1:3]] == [(40, 30, 3), None]
    assert "from above" in asked.parts[0]
    assert asked.parts[2:4:2] == bare.parts[:1]
    assert "from above" not in bare.words


def test_dualvln_is_asked_once_more_with_the_picture_when_it_wants_to_look_down():
    with pytest.raises(AskAgain) as caught:
        dialect("dualvln").read("↓", look(history=2))
    again, first = caught.value.question, dialect("dualvln").ask(look(history=2))
    ((parts, answer),) = again.before
    assert answer == "↓"
    assert [getattr(part, "shape", part) for part in parts] == [getattr(part, "shape", part) for part in first.parts]
    np.testing.assert_array_equal(again.parts[-1], first.parts[-1])
    assert "[answered] ↓" in again.words


@pytest.mark.parametrize(("asks", "words"), [("box", "bounding box"), ("path", "optimal trajectory")])
def test_vla_r1_is_asked_for_the_form_that_is_wanted(asks, words):
    assert words in dialect("vla_r1", DialectParams(vla_r1_asks=asks)).ask(LOOK).words


def test_a_pixel_of_a_smaller_picture_is_scaled_back():
    """DualVLN points into the picture as sent, 640 wide; the camera's has 1280."""
    image = Image(0, "left_optical", np.zeros((720, 1280, 3), np.uint8))
    camera = Pinhole(900.0, 900.0, 639.5, 359.5, 1280, 720)
    depth = np.full((720, 1280), 2.5, np.float32)
    seen = look(image=image, depth_m=depth, camera=camera)
    assert dialect("dualvln").ask(seen).parts[-1].shape == (360, 640, 3)
    plan = dialect("dualvln").read("400 100", seen)
    u = 2 * 400.5 - 0.5
    left_m = -(u - 639.5) / 900 * 2.5
    bearing = np.degrees(np.arctan2(left_m, 2.6))
    assert heading_deg(plan) == pytest.approx(bearing, abs=0.01)


@pytest.mark.parametrize("name", DIALECTS)
def test_nothing_is_asked_without_a_picture(name):
    with pytest.raises(DialectError, match="the camera is covered"):
        dialect(name).ask(
            look(image=None, depth_m=None, camera=None, T_odom_from_cam=None, blind="the camera is covered")
        )


@pytest.mark.parametrize("name", DIALECTS)
def test_the_first_question_of_a_mission_has_no_history(name):
    asked = dialect(name).ask(look())
    pictures = [part for part in asked.parts if not isinstance(part, str)]
    assert len(pictures) == (8 if name == "navila" else 1)
    assert CAMERA.width in pictures[-1].shape or pictures[-1].shape[0] >= 224


NONSENSE = (
    "", "   \n", "forward", "Move forward!", "<think>move forward 25 cm</think>", "I will move forward 25 cm.",
    "<think>", "</answer>", "```json\n```", "null", "[]]", '{"action"', "-" * 20_000, "[" * 16_000, "<think>" * 2_000,
    "<answer>" + "1," * 8_000, "9" * 16_000, "{" * 16_000, '{"a":' * 3_000, "move forward 25 cm and stop",
)  # fmt: skip


@pytest.mark.parametrize("name", DIALECTS)
def test_no_dialect_moves_for_nonsense(name):
    for text in NONSENSE:
        with pytest.raises(DialectError):
            dialect(name).read(text, LOOK)


PIECES = (
    "box: ", "box: [", "1 ", "1 ,", "turn left ", "move forward ", "<", "<loc>1", "<step>", "</think>", "↑", "`",
    "[1, ", '{"a": ["',
)  # fmt: skip
WRAPS = ("{}", "<answer>{}</answer>", "<answer><plan><step>{}</step></plan></answer>", "<output>{}")


@pytest.mark.parametrize("name", DIALECTS)
def test_the_longest_answers_are_read_in_linear_time(name):
    """Milliseconds each are expected; an expression that backtracks would take minutes."""
    for piece, wrap in itertools.product(PIECES, WRAPS):
        text = wrap.format(piece * ((MOST_CHARS - 80) // len(piece)))
        begin_ns = perf_ns()
        with pytest.raises(DialectError):
            dialect(name).read(text, LOOK)
        assert perf_ns() - begin_ns < 5 * SEC
