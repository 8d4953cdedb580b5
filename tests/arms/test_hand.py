"""The embedded reasoner of an arm, on pictures of the table world: what it aims at, and when it is done or gives up."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mink", reason="arms need mink (an extra, in requirements-dev.txt)")

from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.types import Image, PlanKind, RobotState
from sim.show import look
from sim.table.camera import RayCamera
from sim.table.cell import Cell
from sim.table.layout import TRAY, lay
from sim.table.world import CAMERA
from vla_node.arms.target import puts
from vla_node.embodiments.arm import ArmParams
from vla_node.planner import Observation
from vla_node.reasoners.embedded.hand import SETTLED_NS, TRIES, TRY_NS, UNSEEN_NS, HandReasoner
from vla_node.reasoners.embedded.steps import Put, Take

EYE = look(np.array([1.05, 0.0, 0.72]), np.array([0.38, 0.0, 0.0]))
SEED = 2  # a red box, a green ball
BALL, BOX = "green ball", "red box"


class Scene:
    """A laid table and a reasoner that looks at it."""

    def __init__(self, instruction):
        self.layout = lay(SEED)
        self.cell = Cell(self.layout, np.random.default_rng(0))
        self.eye = RayCamera(self.cell.model, self.cell.data, CAMERA, EYE)
        self.reasoner, self.instruction, self.now_ns = HandReasoner(ArmParams()), instruction, 1000 * SEC

    def move(self, name, to):
        at = self.cell.model.joint(self.cell.model.body(name).jntadr[0]).qposadr[0]
        self.cell.data.qpos[at : at + 3] = to
        import mujoco

        mujoco.mj_forward(self.cell.model, self.cell.data)

    def observation(self, **changed):
        rgb, depth_m = self.eye.render()
        state = RobotState(self.now_ns, "base_link", SE3.identity(), np.zeros(6))
        seen = Observation(
            self.now_ns, 1, self.instruction, state, SE3.identity(), Image(self.now_ns, "c", rgb), depth_m, CAMERA, EYE,
            None, "", 0,
        )  # fmt: skip
        return replace(seen, **changed)

    def plan(self, after_ns=0, **changed):
        self.now_ns += after_ns
        return self.reasoner.plan(self.observation(**changed)).plan


@pytest.mark.parametrize("name", [BALL, BOX])
def test_it_aims_at_the_top_of_what_is_named(name):
    scene = Scene(f"take the {name}")
    item, plan = scene.layout.item(name), scene.plan()
    assert plan.kind is PlanKind.WAYPOINTS
    assert not puts(plan)
    np.testing.assert_allclose(plan.waypoints, [[item.x, item.y, item.height_m]], atol=0.006)


def test_it_is_done_when_the_thing_has_risen_for_a_while():
    scene = Scene(f"take the {BOX}")
    item, first = scene.layout.item(BOX), scene.plan()
    assert scene.plan(SEC).values.tolist() == first.values.tolist()
    scene.move(BOX, (item.x, item.y, 0.15))
    assert scene.plan(SEC).kind is PlanKind.WAYPOINTS
    done = scene.plan(SETTLED_NS[Take])
    assert done.kind is PlanKind.STOP
    assert done.final
    assert done.progress == 1.0


def test_what_did_not_rise_is_tried_again_and_then_given_up():
    scene = Scene(f"take the {BOX}")
    tries = set()
    for _ in range(4 * TRIES):
        plan = scene.plan(TRY_NS[Take] // 2 + 1)
        if plan.kind is PlanKind.WAYPOINTS:
            tries.add(float(plan.values[1]))
        if plan.final:
            break
    assert tries == {1.0, 2.0, 3.0}
    assert plan.kind is PlanKind.STOP
    assert "not lifted after 3 tries" in plan.text
    assert plan.progress < 1.0


def test_it_puts_what_it_holds_onto_the_tray_and_waits_until_it_lies_there():
    scene = Scene(f"put the {BOX} on the {TRAY}")
    item, tray = scene.layout.item(BOX), scene.layout.tray
    scene.plan()
    scene.move(BOX, (item.x, item.y, 0.15))
    scene.plan(SEC)
    plan = scene.plan(SETTLED_NS[Take])
    assert puts(plan)
    np.testing.assert_allclose(plan.waypoints, [[tray.x, tray.y, tray.height_m + item.height_m]], atol=0.015)
    scene.move(BOX, (tray.x, tray.y, tray.height_m + item.height_m / 2))
    assert puts(scene.plan(SEC))
    assert scene.plan(SETTLED_NS[Put]).text.startswith("done")


def test_what_falls_on_the_way_ends_the_errand():
    scene = Scene(f"put the {BOX} on the {TRAY}")
    item = scene.layout.item(BOX)
    scene.plan()
    scene.move(BOX, (item.x, item.y, 0.15))
    scene.plan(SEC)
    scene.plan(SETTLED_NS[Take])
    scene.move(BOX, (item.x, item.y, item.height_m / 2))
    plan = scene.plan(TRY_NS[Put] + 1)
    assert plan.final
    assert "not seen on the purple tray" in plan.text


def test_what_is_not_there_is_said_and_given_up_after_a_while():
    scene = Scene("take the cyan box")
    assert not scene.plan().final
    plan = scene.plan(UNSEEN_NS)
    assert plan.final
    assert "no cyan box is seen" in plan.text


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"depth_m": None, "blind": "depth/image_rect stale"}, "depth/image_rect stale"),
        ({"image": Image(0, "c", np.zeros((300, 400), np.uint8))}, "grey"),
        ({"depth_m": np.full((300, 400), np.nan, np.float32)}, "no red box"),
    ],
)
def test_what_cannot_be_seen_moves_nothing(changed, why):
    plan = Scene(f"take the {BOX}").plan(**changed)
    assert plan.kind is PlanKind.STOP
    assert why in plan.text


@pytest.mark.parametrize(
    ("instruction", "why"),
    [
        ("go to the red box", "an arm cannot go to the red box"),
        ("put it on the purple tray", "say what to take first"),
        ("take the box", "Say the colour"),
        ("take the red teapot", "cannot recognise"),
        ("take the purple tray", "a tray does not fit its gripper"),
        ("put the red door on the purple tray", "an arm cannot take the red door"),
        ("put the red box on the moon", "cannot recognise"),
        ("take the red box and put it on the purple tray and put it on the purple tray", "say what to take first"),
    ],
)
def test_what_an_arm_cannot_do_is_refused(instruction, why):
    assert why in HandReasoner(ArmParams()).refuses(instruction)
    plan = Scene(instruction).plan()
    assert plan.kind is PlanKind.STOP
    assert plan.final
    assert why in plan.text


@pytest.mark.parametrize(
    "instruction",
    [
        "pick up the red box", "pick the red box up, then wait two seconds", "please grab the green ball", "stop",
        "take the red box and put it onto the purple tray", "Put the red box into the purple tray.",
    ],
)  # fmt: skip
def test_what_an_arm_can_do_is_understood(instruction):
    assert HandReasoner(ArmParams()).refuses(instruction) == ""


def test_a_base_has_no_hand():
    from vla_node.reasoners.embedded.reasoner import EmbeddedReasoner

    assert "no hand" in EmbeddedReasoner(0.3, 0.6).refuses("go to the red box and pick up the green ball")
