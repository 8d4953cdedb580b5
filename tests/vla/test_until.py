import math

import pytest
from vla_world import BLUE, RED, Box, World, drive, told

from vla_node.node import VlaNode
from vla_node.params import PlannerParams, VlaParams

WALL = (205, 200, 190)
CORRIDOR = (Box(3.5, 1.3, 5.0, 0.1, 2.6, WALL), Box(3.5, -1.3, 5.0, 0.1, 2.6, WALL), Box(5.6, 0, 0.1, 1.2, 2.6, WALL))
END, SIDE = Box(5.48, 0, 0.02, 0.45, 2.0, BLUE), Box(3.6, 1.19, 0.45, 0.01, 2.0, RED)


@pytest.mark.parametrize(
    ("doors", "until_s", "x", "y"),
    [
        pytest.param((END,), 14.0, 5.46, 0.0, id="end", marks=pytest.mark.slow),
        pytest.param((END, SIDE), 12.0, 3.6, 1.18, id="side"),
    ],
)
def test_it_follows_the_corridor_and_stands_before_the_door_that_it_comes_to_first(doors, until_s, x, y):
    world = World((*CORRIDOR, *doors), until_s, script=[told("follow the corridor and stop before the door", 0.5)])
    ear = drive(world, VlaNode(VlaParams(planner=PlannerParams(worker="modelled"))))
    assert ear.plans()[-1].text.startswith("done")
    assert math.hypot(x - world.x, y - world.y) == pytest.approx(PlannerParams().standoff_m, abs=0.25)
    assert abs(math.remainder(math.atan2(y - world.y, x - world.x) - world.yaw, math.tau)) < 0.25
    assert world.v == world.w == 0.0
