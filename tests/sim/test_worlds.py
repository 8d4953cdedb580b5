"""What all worlds share: the registry of addresses, commands that run out, boxes that are not square."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from saccade.clock import MS, SEC
from saccade.geometry import F32, F64
from saccade.topics import TOPICS
from saccade.types import Command
from saccade.wire.convert import encode_command
from sim.bus import WORLDS, open_world
from sim.cast import cast_room, cast_solid, on_solid, row_of
from sim.commands import Standing, twist
from sim.shapes import solid
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


THINGS = (
    Thing("wall", "box", (4.0, 0.2, 2.0), (0, 0, 0), 1.0, -2.0, 0.7),
    Thing("crate", "box", (0.5, 0.7, 0.6), (0, 0, 0), -0.4, 0.3, -2.0),
    Thing("pillar", "cylinder", (0.3, 1.2), (0, 0, 0), 0.5, 0.5, 0.4),
    Thing("ball", "sphere", (0.26,), (0, 0, 0), 0.1, -1.0),
    Thing("person", "capsule", (0.25, 1.7), (0, 0, 0), 2.0, 0.2, 1.0),
    Thing("crown", "sphere", (0.6,), (0, 0, 0), 1.0, 0.4, 0.3, 1.4),
    Thing("bar", "box", (0.16, 1.4, 0.16), (0, 0, 0), -1.0, 0.4, 0.9, 1.9),
)


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.name)
def test_a_chart_goes_round_a_thing_and_back_and_rays_meet_its_surface(thing: Thing) -> None:
    body = solid(thing)
    width, height = body.chart_m
    s, v = (
        grid.astype(np.float32).reshape(-1)
        for grid in np.meshgrid(np.linspace(0.02, 0.98 * width, 60), np.linspace(0.02, 0.98 * height, 20))
    )
    points, normals = body.surface(s, v)
    back_s, back_v = np.empty((1, 1), np.float32), np.empty((1, 1), np.float32)
    row = row_of(thing)
    for i, (point, normal) in enumerate(zip(points, normals, strict=True)):
        x, y, z = point
        on_solid(row[None], 0, x, y, z, back_s, back_v, 0, 0)
        if v[i] < thing.height_m - 0.02:
            assert back_s[0, 0] == pytest.approx(s[i], abs=2e-3)
            assert back_v[0, 0] == pytest.approx(v[i], abs=2e-3)
        eye, ahead = (point + 0.5 * normal).astype(np.float64), -normal + np.float32(1e-4)
        for seen_m in (met_m(row, eye, ahead), float(body.hit(eye, tuple(c.reshape(1) for c in ahead))[0])):
            assert seen_m == pytest.approx(0.5, abs=0.02)


def met_m(row: F64, eye: F64, ahead: F32) -> float:
    """How far the kernel's ray goes in a room of 40 m, in units of its length."""
    a, b, size_m = np.zeros(1, np.float32), np.zeros(1, np.float32), np.array((40.0, 40.0, 40.0))
    R = np.zeros((3, 3), np.float32)
    R[:, 2] = ahead
    t, chart = np.empty((1, 1), np.float32), np.empty((1, 1), np.uint8)
    cast_room(size_m, eye, R, a, b, t, chart)
    cast_solid(row, 9, np.array((0, 1, 0, 1)), eye, R, a, b, t, chart)
    assert chart[0, 0] == 9
    return float(t[0, 0])
