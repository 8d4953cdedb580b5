"""Between what the runtime thinks in and what the protocol says: questions, observations and plans."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from saccade.clock import SEC
from saccade.geometry import F64, Pinhole
from saccade.types import U8, Image, Plan, PlanKind, RobotState
from vla_node.dialects.base import Question
from vla_node.planner import Keyframe, Observation, make_plan
from vla_node.reasoners.chat import jpeg
from vla_node.reasoners.protocol import (
    Part,
    ProtocolError,
    Request,
    Shot,
    Turn,
    WireObservation,
    WirePlan,
    WireQuestion,
    depth,
    depth_png,
    picture,
    pose,
    se3,
)

MOST_POINTS = 1000
MOST_VALUES = 65_536
FAR_M = 1e5
_COUNTS = {
    PlanKind.TEXT: (0, 0, 0, 0), PlanKind.WAYPOINTS: (1, MOST_POINTS, 0, 0), PlanKind.PIXEL_GOAL: (0, 0, 2, 2),
    PlanKind.LATENT: (0, 0, 1, MOST_VALUES), PlanKind.VELOCITY: (0, 0, 3, 3), PlanKind.STOP: (0, 0, 0, 0),
}  # fmt: skip
"""Fewest and most waypoints, fewest and most values of each kind of plan."""


def send_question(question: Question, quality: int) -> WireQuestion:
    """A dialect's question as it is sent, its pictures as JPEG of this quality."""
    part = partial(_part, quality=quality)
    before = tuple(Turn(tuple(map(part, parts)), answer) for parts, answer in question.before)
    return WireQuestion(
        question.system, tuple(map(part, question.parts)), question.temperature, question.max_tokens, before,
        question.ends,
    )  # fmt: skip


def question_of(sent: WireQuestion) -> Question:
    """A question as it came; ProtocolError where a picture is none."""
    before = tuple((tuple(map(_shown, turn.parts)), turn.answer) for turn in sent.before)
    return Question(
        sent.system, tuple(map(_shown, sent.parts)), sent.temperature, sent.max_tokens, before, sent.ends
    )  # fmt: skip


def _part(part: str | U8, quality: int) -> Part:
    return Part(text=part) if isinstance(part, str) else Part(jpeg=jpeg(part, quality))


def _shown(part: Part) -> str | U8:
    return picture(part.jpeg) if part.jpeg else part.text


def send_observation(seen: Observation, quality: int, *, with_depth: bool) -> WireObservation:
    """An observation as it is sent: its pictures as JPEG of this quality, its depth, if wanted, as PNG."""
    here = pose(seen.state.T_odom_from_body)

    def shot(image: Image, at: tuple[float, ...]) -> Shot:
        return Shot(image.stamp_ns, image.frame_id, jpeg(image.data, quality), at)  # type: ignore[arg-type]

    camera = seen.camera
    vx, vy, vz, wx, wy, wz = map(float, seen.state.twist)
    return WireObservation(
        stamp_ns=seen.stamp_ns, instruction=seen.instruction, frame_id=seen.state.frame_id, pose=here,
        twist=(vx, vy, vz, wx, wy, wz), start=pose(seen.start), held_ns=seen.held_ns, valid_for_ns=seen.valid_for_ns,
        blind=seen.blind, event=seen.event, feedback=seen.feedback,
        image=None if seen.image is None else shot(seen.image, here),
        history=tuple(shot(frame.image, pose(frame.T_odom_from_body)) for frame in seen.history),
        depth_png=depth_png(seen.depth_m) if with_depth and seen.depth_m is not None else b"",
        camera=(camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height) if camera else None,
        camera_pose=None if seen.T_odom_from_cam is None else pose(seen.T_odom_from_cam),
        lead=tuple((float(x), float(y), float(z), float(yaw)) for x, y, z, yaw in seen.lead),
    )  # fmt: skip


def observation_of(request: Request, sent: WireObservation) -> Observation:
    """An observation as it came, without a map; ProtocolError where a picture or a pose is none."""
    camera = Pinhole(*sent.camera) if sent.camera else None
    depth_m = depth(sent.depth_png) if sent.depth_png else None
    if camera and depth_m is not None and depth_m.shape != (camera.height, camera.width):
        raise ProtocolError(f"depth of {depth_m.shape}, and a camera of {(camera.height, camera.width)}")
    state = RobotState(sent.stamp_ns, sent.frame_id, se3(sent.pose, "pose"), np.array(sent.twist))
    return Observation(
        stamp_ns=sent.stamp_ns, epoch=request.epoch, instruction=sent.instruction, state=state,
        start=se3(sent.start, "start"), image=_image(sent.image) if sent.image else None, depth_m=depth_m,
        camera=camera, T_odom_from_cam=se3(sent.camera_pose, "camera_pose") if sent.camera_pose else None, grid=None,
        blind=sent.blind, held_ns=sent.held_ns, valid_for_ns=sent.valid_for_ns,
        history=tuple(Keyframe(_image(shot), se3(shot.pose, "history")) for shot in sent.history),
        event=sent.event, feedback=sent.feedback, lead=_lead(sent.lead),
    )  # fmt: skip


def _lead(sent: tuple[tuple[float, float, float, float], ...]) -> F64:
    """Poses (n, 4) as they came; ProtocolError where they are none, or too many."""
    lead = np.array(sent, np.float64).reshape(-1, 4)
    if len(lead) > MOST_POINTS or not (np.abs(lead) < FAR_M).all():
        raise ProtocolError(
            f"a lead of {len(lead)} poses; expected at most {MOST_POINTS}, finite and within {FAR_M:g} m"
        )
    return lead


def _image(shot: Shot) -> Image:
    return Image(shot.stamp_ns, shot.frame_id, picture(shot.jpeg))


def send_plan(plan: Plan) -> WirePlan:
    """A plan as it is sent; what ties it to its observation, the robot knows."""
    points = tuple((float(x), float(y), float(z)) for x, y, z in plan.waypoints)
    return WirePlan(
        kind=plan.kind.name.lower(),  # type: ignore[arg-type]
        text=plan.text, waypoints=points, values=tuple(map(float, plan.values)), confidence=float(plan.confidence),
        final=bool(plan.final), progress=float(plan.progress), valid_for_ns=int(plan.valid_for_ns),
    )  # fmt: skip


def plan_of(sent: WirePlan, observation: Observation) -> Plan:
    """A plan from this observation, as it came; ProtocolError where the robot must not act on it."""
    kind = PlanKind[sent.kind.upper()]
    least, most, fewest, greatest = _COUNTS[kind]
    if not least <= len(sent.waypoints) <= most or not fewest <= len(sent.values) <= greatest:
        raise ProtocolError(
            f"a plan of kind {sent.kind} with {len(sent.waypoints)} waypoints and {len(sent.values)} values; "
            f"expected {least} to {most} and {fewest} to {greatest}"
        )
    waypoints, values = np.array(sent.waypoints, np.float64).reshape(-1, 3), np.array(sent.values, np.float64)
    if not (np.abs(waypoints) < FAR_M).all() or not np.isfinite(values).all():
        raise ProtocolError(f"a plan with numbers that are not finite, or waypoints beyond {FAR_M:g} m")
    for name, share in (("confidence", sent.confidence), ("progress", sent.progress)):
        if not (math.isfinite(share) and 0.0 <= share <= 1.0):
            raise ProtocolError(f"a plan with {name} {share}; expected 0 to 1")
    if not 0 < sent.valid_for_ns <= 3600 * SEC:
        raise ProtocolError(f"a plan that is valid for {sent.valid_for_ns} ns; expected 1 to {3600 * SEC}")
    return make_plan(
        observation, kind, sent.text[:4000], waypoints=waypoints, values=values, confidence=sent.confidence,
        final=sent.final, progress=sent.progress, valid_for_ns=sent.valid_for_ns,
    )  # fmt: skip
