"""An observation to ask about, and a dialect whose answers are two numbers."""

import re
import threading

import numpy as np

from saccade.geometry import SE3, Pinhole
from saccade.types import Image, PlanKind, RobotState
from vla_node.dialects.base import AskAgain, DialectError, Question
from vla_node.planner import Keyframe, Observation, make_plan


def observe(**changes):
    """An observation with a picture, depth and one picture of history."""
    rng = np.random.default_rng(1)
    picture = Image(7_000, "cam", np.repeat(rng.integers(0, 255, (12, 16, 1), np.uint8), 3, axis=2))
    depth_m = rng.uniform(0.5, 4.0, (12, 16)).astype(np.float32)
    depth_m[0, 0] = np.nan
    pose = SE3.from_rpy(0.0, 0.0, 0.3, (1.0, 2.0, 0.0))
    values = {
        "stamp_ns": 7_000, "epoch": 5, "instruction": "go to the door",
        "state": RobotState(7_000, "odom", pose, np.array([0.1, 0, 0, 0, 0, 0.2])), "start": SE3.identity(),
        "image": picture, "depth_m": depth_m, "camera": Pinhole(20.0, 20.0, 8.0, 6.0, 16, 12),
        "T_odom_from_cam": SE3.from_rpy(0.1, 0.2, 0.3, (1.0, 2.0, 0.5)), "grid": None, "blind": "", "held_ns": 3,
        "history": (Keyframe(picture, SE3.identity()),), "event": "period", "feedback": ("slower",),
        "lead": np.array([(1.0, 2.0, 0.0, 0.3), (1.1, 2.03, 0.0, 0.32)]),
    }  # fmt: skip
    return Observation(**{**values, **changes})


class TwoNumbers:
    """Answers are `<go>x y</go>` and nothing else: a waypoint in the odometry's frame."""

    name = "two_numbers"

    def __init__(self, ends=()):
        self.ends = ends

    def ask(self, observation):
        """See `Dialect.ask`."""
        if observation.image is None:
            raise DialectError("there is no picture")
        return Question("Be brief.", ("Where to?", observation.image.data), max_tokens=64, ends=self.ends)

    def read(self, text, observation):
        """See `Dialect.read`."""
        if text == "again":
            before = (("Where to?", observation.image.data), text)
            raise AskAgain("more", text, Question("Be brief.", ("And now?",), before=(before,), ends=self.ends))
        found = re.fullmatch(r"<go>(-?\d+\.\d) (-?\d+\.\d)</go>", text.strip())
        if not found:
            raise DialectError("not two numbers", text)
        return make_plan(
            observation, PlanKind.WAYPOINTS, "going", waypoints=np.array([[float(found[1]), float(found[2]), 0.0]])
        )


class Slow(TwoNumbers):
    """Takes its time to make a question: `asking` once it has begun, until `made`."""

    def __init__(self):
        super().__init__()
        self.asking, self.made = threading.Event(), threading.Event()

    def ask(self, observation):
        """See `Dialect.ask`."""
        self.asking.set()
        assert self.made.wait(20)
        return super().ask(observation)


def withdrawn_while_asked(mind, dialect, pool):
    """What comes of a plan that is cancelled while its question is made; with a server that is frozen."""
    answer = pool.submit(mind.plan, observe())
    assert dialect.asking.wait(20)
    mind.cancel()
    dialect.made.set()
    return answer.result(5)
