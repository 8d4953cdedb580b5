"""What a slow reasoner is given and what it must answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from saccade.clearance import ClearanceField
from saccade.clock import SEC
from saccade.errors import SaccadeError
from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.types import Image, LocalMap, Plan, PlanKind, RobotState
from saccade.wire.convert import utf8
from vla_node.reasoners.embedded.language import says_stop

NO_POINTS: F64 = np.zeros((0, 3))
NO_VALUES: F64 = np.zeros(0)
NO_LEAD: F64 = np.zeros((0, 4))
LEAD_S = 0.1
"""Between two poses of a lead."""
VALID_FOR_NS = 4 * SEC
"""How long a plan may be acted on without a newer one, unless told otherwise."""


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A picture worth remembering, and where the robot was then."""

    image: Image
    T_odom_from_body: SE3


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What the robot saw and where it was at one instant.

    `history` holds earlier pictures, oldest first, without this one's; `event` says what there was to think about again
    besides the passing of time, and `feedback` what the operator has said since the instruction, in order. `birdseye`
    is the map from above where it is to be shown and known. `space` is the clearance around a robot that flies.
    `lead` (n, 4) are the poses, x, y, z in metres and yaw, that the robot will go through while this is thought about,
    by the plan that it follows, the last one being where the new plan finds it; none where it stands, or where nobody
    knows yet how long thinking takes.
    A plan from it may be acted on for `valid_for_ns`.
    `state` is the odometry interpolated at `stamp_ns`; `start` the pose in the same frame where the instruction was
    given. image, depth_m (h, w) metres, camera (of the depth's size) and T_odom_from_cam are None where missing, and
    `blind` then says why. `held_ns` is how long the robot has been
    held at a standstill, by the gate or for lack of known free floor, against the plan.
    """

    stamp_ns: int
    epoch: int
    instruction: str
    state: RobotState
    start: SE3
    image: Image | None
    depth_m: F32 | None
    camera: Pinhole | None
    T_odom_from_cam: SE3 | None
    grid: LocalMap | None
    blind: str
    held_ns: int
    valid_for_ns: int = VALID_FOR_NS
    history: tuple[Keyframe, ...] = ()
    event: str = ""
    feedback: tuple[str, ...] = ()
    birdseye: Image | None = None
    space: ClearanceField | None = None
    lead: F64 = field(default_factory=lambda: NO_LEAD)

    @property
    def yaw_then(self) -> float:
        """The heading in odom that the robot will have when the plan comes."""
        return float(self.lead[-1, 3]) if len(self.lead) else self.state.T_odom_from_body.yaw


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A plan with what was asked and answered in words, for the record; empty where there were no words."""

    plan: Plan
    asked: str = ""
    answered: str = ""


class Reasoner(Protocol):
    """A slow planner: a model, a server, or the embedded one."""

    def refuses(self, instruction: str) -> str:
        """Why this instruction will not be acted on, or "" when it will be; quick, may be called at any time."""

    def plan(self, observation: Observation) -> Answer:
        """The plan from this observation; may take seconds. Its id and inference time are set by who asked.

        A SaccadeError becomes a STOP plan that says so.
        """

    def cancel(self) -> None:
        """Have a `plan` that is under way in another thread end soon, however it ends."""

    def close(self) -> None:
        """Let go of what it holds; closing twice is allowed."""


def make_plan(
    observation: Observation,
    kind: PlanKind,
    text: str,
    *,
    waypoints: F64 = NO_POINTS,
    values: F64 = NO_VALUES,
    confidence: float = 1.0,
    final: bool = False,
    progress: float = 0.0,
    valid_for_ns: int | None = None,
) -> Plan:
    """A plan tied to its observation's stamp, pose, frame and epoch; valid as long as that allows, or less."""
    valid_ns = observation.valid_for_ns if valid_for_ns is None else min(valid_for_ns, observation.valid_for_ns)
    return Plan(
        id=0, epoch=observation.epoch, instruction=observation.instruction, kind=kind,
        obs_stamp_ns=observation.stamp_ns, obs_pose=observation.state.T_odom_from_body, inference_ns=0,
        valid_for_ns=valid_ns, frame_id=observation.state.frame_id, waypoints=waypoints, values=values,
        confidence=confidence, final=final, text=text, progress=progress,
    )  # fmt: skip


class Job:
    """One observation to think about, decoded in the worker."""

    def __init__(self, epoch: int, observe: Callable[[], Observation]) -> None:
        self.epoch, self._observe = epoch, observe
        self._observation: Observation | None = None

    def decode(self) -> None:
        """Make the observation; it takes as long as its pictures take."""
        self._observation = self._observe()

    def observation(self) -> Observation:
        """The observation."""
        if self._observation is None:
            self.decode()
        assert self._observation is not None
        return self._observation


def think(reasoner: Reasoner, job: Job) -> Answer:
    """The reasoner's answer; whatever goes wrong becomes a STOP plan that says so, for a robot must not drive on."""
    answer = _thought(reasoner, job.observation())
    return replace(answer, plan=replace(answer.plan, text=utf8(answer.plan.text)))


def _thought(reasoner: Reasoner, observation: Observation) -> Answer:
    if says_stop(observation.instruction):  # no model is asked whether it agrees
        why = f"told to stop: {observation.instruction!r}"
        return Answer(make_plan(observation, PlanKind.STOP, why, final=True, progress=1.0))
    try:
        return reasoner.plan(observation)
    except SaccadeError as error:
        why = str(error)
    except Exception as error:  # a reasoner may be any model; its bugs stop the robot, not the process
        why = f"{type(error).__name__}: {error}"
    return Answer(make_plan(observation, PlanKind.STOP, f"planner failed: {why}"))
