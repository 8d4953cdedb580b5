"""Every dialect on its fixtures: answers in the published form, and answers that must stop the robot."""

from __future__ import annotations

import numpy as np
import pytest
from dialect_world import CAMERA, DATA, Fixture, fixtures, look

from saccade.errors import ConfigError
from vla_node.dialects import DIALECTS, dialect
from vla_node.dialects.base import DialectError


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


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(
    "text",
    [
        "", "   \n", "forward", "Move forward!", "<think>move forward 25 cm</think>", "I will move forward 25 cm.",
        "<think>", "</answer>", "```json\n```", "null", "[]]", '{"action"', "-" * 20_000, "[" * 16_000,
        "<think>" * 2_000,
        "<answer>" + "1," * 8_000, "9" * 16_000, "{" * 16_000, '{"a":' * 3_000, "move forward 25 cm and stop",
    ],
)  # fmt: skip
def test_no_dialect_moves_for_these(name, text):
    with pytest.raises(DialectError):
        dialect(name).read(text, look())
