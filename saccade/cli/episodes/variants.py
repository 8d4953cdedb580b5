"""What of the runtime an episode changes: how it sees, which halves think, how chunks are joined."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from saccade import params
from saccade.cli.session import seeing_nodes
from saccade.errors import ConfigError, choices
from saccade.geometry import F64
from saccade.node import Node
from saccade.robots import robot_file
from safety_node.node import SafetyNode
from safety_node.params import SafetyParams
from vla_node.bodies import body_of
from vla_node.node import VlaNode
from vla_node.params import VlaParams
from vla_node.policies.base import ActionKind, FastPolicy, Look, PolicySpec
from vla_node.policies.default import default_policy

NEVER_S = 5000.0
_SLOWEST_S = 60.0
_OPEN_LOOP_ROWS = 120


@dataclass(frozen=True, slots=True)
class Variant:
    """`world` is added to the world's address; the other groups change parameters of that name, `gate` the limits."""

    name: str
    about: str
    world: str = ""
    planner: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    executor: dict[str, Any] = field(default_factory=dict)
    grasp: dict[str, Any] = field(default_factory=dict)
    gate: dict[str, Any] = field(default_factory=dict)
    open_loop: bool = False


_SCHEDULERS = ("hold", "ensemble", "rtc", "guard")
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("stereo", "fast in slow, depth from the stereo pair, chunks swapped: as the robot's file says"),
        Variant("truth", "the same, but with true depth for each pixel", world="&eyes=rgbd"),
        Variant("ahead", "the same as stereo, without the pairs at the flanks", world="&flanks=0"),
        Variant("narrow", "as ahead, with cameras 77 degrees wide instead of 110", world="&lens=narrow&flanks=0"),
        Variant("camera", "fast in slow, depth as the camera gives it: as the robot's file says"),
        Variant("exact", "the same, but with depth that is exact and has no holes", world="&depth=exact"),
        Variant(
            "fast-only", "no plan is revised under way: the reasoner is asked when the last one is done with or held",
            planner={"period_s": NEVER_S, "valid_for_s": 900.0},
        ),
        Variant(
            "slow-only", "what was decided when a plan came is done open loop until the next one comes",
            policy={"horizon": _OPEN_LOOP_ROWS, "latency_s": 0.002, "on_map": False}, open_loop=True,
        ),
        Variant(
            "unchecked", "a gate that looks at no map: it limits speeds and rates, and lets the robot run into things",
            gate={"required": {"chunk": 0.3, "odom": 0.2}},
        ),
        Variant(
            "learned-motion", "the tool is moved by a network instead of inverse kinematics",
            grasp={"mover": "reach-ur5e"},
        ),
        Variant("learned", "the fast policy that was learned by imitation, on a base", policy={"travel": "learned"}),
        *(Variant(name, f"chunks joined by {name}", executor={"scheduler": name}) for name in _SCHEDULERS),
    )
}  # fmt: skip


def variant_of(text: str, slow_latency_s: float | None = None, of: Collection[str] = VARIANTS) -> Variant:
    """A variant by `NAME`, one `of` these, or `NAME@SECONDS`, with a reasoner that takes so long for each plan.

    `slow_latency_s` is for those that do not say. ConfigError says what is valid.
    """
    name, at, wanted = text.partition("@")
    if name not in of:
        raise ConfigError(f"no variant {name!r}; {choices(name, of)}")
    if at:
        try:
            slow_latency_s = float(wanted)
        except ValueError:
            slow_latency_s = math.nan
    variant = replace(VARIANTS[name], name=text)
    if slow_latency_s is None:
        return variant
    if not 0.0 <= slow_latency_s <= _SLOWEST_S:
        raise ConfigError(f"variant {text!r}: expected a reasoner that takes 0 to {_SLOWEST_S:g} s, as in {name}@3")
    slow = {"latency_s": slow_latency_s}
    if "valid_for_s" not in variant.planner:  # a plan must live until the next one comes, see SlowHalf.short_lived
        slow["valid_for_s"] = max(4.0, 2.5 * slow_latency_s + 1.0)
    return replace(variant, planner={**variant.planner, **slow})


def episode_nodes(robot: str, variant: Variant) -> list[Node]:
    """The robot's nodes as on virtual time, changed by the variant; without point clouds. The gate is the last one."""
    path = robot_file(robot)
    vla = params.load(VlaParams, path, "vla_node")
    vla = replace(
        vla, planner=replace(vla.planner, worker="modelled", **variant.planner),
        policy=replace(vla.policy, **variant.policy), executor=replace(vla.executor, **variant.executor),
        arm=replace(vla.arm, grasp=replace(vla.arm.grasp, **variant.grasp)),
    )  # fmt: skip
    policy = OpenLoop(default_policy(vla, body_of(vla))) if variant.open_loop else None
    gate = SafetyNode(replace(params.load(SafetyParams, path, "safety_node"), **variant.gate))
    return [*seeing_nodes(robot, points=False), VlaNode(vla, policy=policy), gate]


class OpenLoop:
    """The rows of another policy at the moment a plan came, whatever is seen later: a slow half without a fast one."""

    def __init__(self, inner: FastPolicy) -> None:
        self._inner = inner
        self._plan_id, self._t0_ns = -1, 0
        self._rows: F64 = np.zeros((0, 0))

    @property
    def spec(self) -> PolicySpec:
        """See `FastPolicy.spec`."""
        return self._inner.spec

    def begin(self, epoch: int) -> None:
        """See `FastPolicy.begin`."""
        self._plan_id = -1
        self._inner.begin(epoch)

    def act(self, look: Look, timeout_ns: int) -> F64:
        """See `FastPolicy.act`."""
        if look.plan.id != self._plan_id:
            self._rows = self._inner.act(look, timeout_ns)
            self._plan_id, self._t0_ns = look.plan.id, look.stamp_ns
        gone = min(len(self._rows), max(0, look.stamp_ns - self._t0_ns) // self.spec.dt_ns)
        last = self._rows[-1:] if self.spec.kind is ActionKind.JOINT_POSITION else np.zeros_like(self._rows[-1:])
        return np.concatenate([self._rows[gone:], np.repeat(last, gone, axis=0)])

    def close(self) -> None:
        """See `FastPolicy.close`."""
        self._inner.close()
