"""What all worlds share: the registry of addresses, commands that run out, boxes that are not square."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from saccade.clock import MS, SEC
from saccade.topics import TOPICS
from saccade.types import Command
from saccade.wire.convert import encode_command
from sim.bus import WORLDS, open_world
from sim.commands import Standing, twist
from sim.shapes import Box
from sim.things import Thing


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_says_only_what_its_kind_says(name: str) -> None:
    kind = importlib.import_module(f"sim.{name}.world").KIND
    world = open_world(f"{name}?seed=1&seconds=1&instruction=stop")
    streamed = {topic for stream in world.simulation.streams() for topic in stream.topics}
    assert streamed | {"tf_static", "instruction"} <= kind.says
    assert kind.says | kind.hears <= TOPICS.keys()
    for stream in world.simulation.streams():
        assert {topic for topic, _ in stream.capture(world.start_ns)} == stream.topics
    assert world.judge()["collisions"] == 0
    world.close()


def test_a_command_holds_for_half_a_second() -> None:
    standing = Standing(0)
    assert standing.at(0) == 0
    standing.put(5, 1 * SEC)
    assert [standing.at(SEC + t * MS) for t in (0, 499, 500)] == [5, 5, 0]


def test_only_velocities_are_a_twist() -> None:
    said = encode_command(Command(7, ("vx", "wz"), np.array([0.5, -0.25])))
    assert twist("cmd_vel", said, 0).tolist() == [0.5, 0, 0, 0, 0, -0.25]
    assert twist("verdict", said, 0) is None
    assert twist("cmd_vel", said[:9], 0) is None


def test_the_chart_of_a_long_box_goes_round_it_and_back() -> None:
    box = Box(Thing("wall", "box", (4.0, 0.2, 2.0), (0, 0, 0), 1.0, -2.0, 0.7))
    width, height = box.chart_m
    assert (width, height) == pytest.approx((8.4, 2.1))
    s, v = (grid.astype(np.float32) for grid in np.meshgrid(np.linspace(0.01, 8.38, 60), np.linspace(0.01, 2.05, 20)))
    points, normals = box.surface(s, v)
    back_s, back_v = box.chart(points[..., 0], points[..., 1], points[..., 2])
    sides = v < 2.0
    assert np.allclose(back_s[sides], s[sides], atol=1e-4)
    assert np.allclose(back_v[sides], v[sides], atol=1e-4)
    outside = points + 0.5 * normals
    for (x, y, z), n in zip(outside.reshape(-1, 3), normals.reshape(-1, 3), strict=True):
        ray = tuple(np.full((1,), c, np.float32) for c in -n + 1e-4)
        assert box.hit(np.array([x, y, z]), ray)[0] == pytest.approx(0.5, abs=0.02)
