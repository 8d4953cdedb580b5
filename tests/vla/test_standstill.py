"""A standstill takes effect in the gate at once, also where the map is older than the pictures that the policy saw."""

import numpy as np
import vla_world
from vla_world import START_NS, Ear, World, told

from saccade.clock import MS, SEC
from saccade.node import run
from saccade.types import PlanKind
from saccade.wire.convert import decode_verdict
from saccade.wire.virtual import VirtualBus
from safety_node.limits import Limits
from safety_node.node import SafetyNode
from vla_node.node import VlaNode
from vla_node.params import PlannerParams, PolicyParams, VlaParams
from vla_node.planner import Answer, make_plan
from vla_node.policies.base import ActionKind, PolicySpec

PARAMS = VlaParams(
    planner=PlannerParams(worker="modelled", latency_s=0.1), policy=PolicyParams(latency_s=0.02)
)  # a policy that is faster than the map


class Fails:
    """Plans for two seconds, and stops the robot from then on, as a model does that fails."""

    def refuses(self, instruction):
        return ""

    def plan(self, observation):
        if observation.stamp_ns < START_NS + 2 * SEC:
            return Answer(make_plan(observation, PlanKind.WAYPOINTS, "go", waypoints=np.array([[4.0, 0.0, 0.0]])))
        return Answer(make_plan(observation, PlanKind.STOP, "planner failed"))

    def cancel(self):
        pass

    close = cancel


class Sees:
    """Drives by the camera."""

    spec = PolicySpec("sees", ActionKind.VELOCITY, ("vx", "wz"), 50 * MS, 20, cameras=("left",))

    def begin(self, epoch):
        pass

    def act(self, look, timeout_ns):
        return np.tile([0.4, 0.0], (20, 1))

    def close(self):
        pass


def test_a_standstill_is_not_refused_as_older_than_what_it_replaces(monkeypatch):
    monkeypatch.setattr(vla_world, "SENSED_LATE_NS", 160 * MS)
    ear = Ear()
    ear.reads = frozenset({"chunk", "plan", "verdict"})
    world = World(until_s=3.5, script=[told("go", 0.5)])
    run([VlaNode(PARAMS, Fails(), Sees()), SafetyNode(Limits()), ear], VirtualBus(world))
    heard = [s.stamp_ns for s in ear.samples if s.topic == "plan"]
    stop_ns = next(at for at, plan in zip(heard, ear.plans(), strict=True) if plan.kind is PlanKind.STOP)
    stamps = [chunk.obs_stamp_ns for _, chunk in ear.chunks()]
    assert stamps == sorted(stamps)
    verdicts = [decode_verdict(s.cdr) for s in ear.samples if s.topic == "verdict"]
    before, after = (next(v for v in verdicts if v.stamp_ns > stop_ns + ns) for ns in (-20 * MS, 10 * MS))
    assert before.granted[0] == 0.4
    assert after.granted[0] < 0.4
