"""What is decided on the way to a command: plans, chunks of actions, verdicts."""

from __future__ import annotations

import numpy as np

from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.types import ActionChunk, Decision, Plan, PlanKind, Verdict
from saccade.wire.codec import codec
from saccade.wire.convert.basic import Cdr, duration_msg, header, point_msg, pose_msg, se3, stamp_ns, time_msg

MOST_CHUNK_BYTES = 4 << 20
MOST_AXES = 256
"""A larger chunk is refused: it is looked through at every tick of the gate."""


def encode_plan(plan: Plan) -> Cdr:
    """saccade_msgs/Plan."""
    msg = codec().new(
        "saccade_msgs/msg/Plan", TEXT=0, WAYPOINTS=1, PIXEL_GOAL=2, LATENT=3, VELOCITY=4, STOP=5,
        header=header(plan.obs_stamp_ns, plan.frame_id), id=plan.id, epoch=plan.epoch, instruction=plan.instruction,
        kind=int(plan.kind), obs_pose=pose_msg(plan.obs_pose), inference=duration_msg(plan.inference_ns),
        valid_for=duration_msg(plan.valid_for_ns), waypoints=[point_msg(p) for p in plan.waypoints],
        values=np.asarray(plan.values, np.float64), confidence=plan.confidence, final=plan.final, text=plan.text,
        progress=plan.progress,
    )  # fmt: skip
    return codec().encode(msg)


def decode_plan(cdr: Cdr) -> Plan:
    """saccade_msgs/Plan; DataError on an unknown kind."""
    msg = codec().decode("saccade_msgs/msg/Plan", cdr)
    if msg.kind not in set(PlanKind):
        raise DataError(
            f"plan {msg.id} has kind {msg.kind}; valid: {', '.join(f'{k.value} {k.name}' for k in PlanKind)}"
        )
    return Plan(
        id=int(msg.id), epoch=int(msg.epoch), instruction=msg.instruction, kind=PlanKind(msg.kind),
        obs_stamp_ns=stamp_ns(msg.header.stamp), obs_pose=se3(msg.obs_pose.position, msg.obs_pose.orientation),
        inference_ns=stamp_ns(msg.inference), valid_for_ns=stamp_ns(msg.valid_for), frame_id=msg.header.frame_id,
        waypoints=np.array([(p.x, p.y, p.z) for p in msg.waypoints], np.float64).reshape(-1, 3),
        values=np.array(msg.values, np.float64), confidence=float(msg.confidence), final=bool(msg.final), text=msg.text,
        progress=float(msg.progress),
    )  # fmt: skip


def encode_path(plan: Plan) -> Cdr:
    """nav_msgs/Path of a plan's waypoints, for RViz; empty when the plan has none."""
    new = codec().new
    head = header(plan.obs_stamp_ns, plan.frame_id)
    poses = [
        new("geometry_msgs/msg/PoseStamped", header=head, pose=pose_msg(SE3(np.eye(3), p))) for p in plan.waypoints
    ]
    return codec().encode(new("nav_msgs/msg/Path", header=head, poses=poses))


def encode_chunk(chunk: ActionChunk, frame_id: str = "base_link") -> Cdr:
    """saccade_msgs/ActionChunk."""
    msg = codec().new(
        "saccade_msgs/msg/ActionChunk", header=header(chunk.obs_stamp_ns, frame_id), t0=time_msg(chunk.t0_ns),
        dt=duration_msg(chunk.dt_ns), plan_id=chunk.plan_id, epoch=chunk.epoch, axes=list(chunk.axes),
        actions=np.ascontiguousarray(chunk.actions, np.float64).reshape(-1),
    )  # fmt: skip
    return codec().encode(msg)


def decode_chunk(cdr: Cdr) -> ActionChunk:
    """saccade_msgs/ActionChunk; DataError when it is too large, its actions are not whole or dt is not positive."""
    if len(cdr) > MOST_CHUNK_BYTES:
        raise DataError(f"chunk of {len(cdr)} bytes; at most {MOST_CHUNK_BYTES} are read: send fewer rows")
    msg = codec().decode("saccade_msgs/msg/ActionChunk", cdr)
    d, dt = len(msg.axes), stamp_ns(msg.dt)
    if d > MOST_AXES:
        raise DataError(f"chunk with {d} axes; at most {MOST_AXES} are read")
    if d == 0 or len(msg.actions) % d or dt <= 0:
        raise DataError(
            f"chunk with {len(msg.actions)} numbers for {d} axes and dt {dt} ns; expected whole actions and dt > 0"
        )
    return ActionChunk(
        obs_stamp_ns=stamp_ns(msg.header.stamp), t0_ns=stamp_ns(msg.t0), dt_ns=dt, axes=tuple(msg.axes),
        actions=np.array(msg.actions, np.float64).reshape(-1, d), plan_id=int(msg.plan_id), epoch=int(msg.epoch),
    )  # fmt: skip


def encode_verdict(verdict: Verdict, frame_id: str = "base_link") -> Cdr:
    """saccade_msgs/Verdict."""
    msg = codec().new(
        "saccade_msgs/msg/Verdict", PASS=0, LIMITED=1, STOP=2, header=header(verdict.stamp_ns, frame_id),
        decision=int(verdict.decision), reason=verdict.reason, axes=list(verdict.axes),
        requested=np.asarray(verdict.requested, np.float64), granted=np.asarray(verdict.granted, np.float64),
        ratio=verdict.ratio, clearance_m=verdict.clearance_m, obs_stamp=time_msg(verdict.obs_stamp_ns),
        plan_id=verdict.plan_id, epoch=verdict.epoch,
    )  # fmt: skip
    return codec().encode(msg)


def decode_verdict(cdr: Cdr) -> Verdict:
    """saccade_msgs/Verdict."""
    msg = codec().decode("saccade_msgs/msg/Verdict", cdr)
    return Verdict(
        stamp_ns=stamp_ns(msg.header.stamp), decision=Decision(msg.decision), reason=msg.reason, axes=tuple(msg.axes),
        requested=np.array(msg.requested), granted=np.array(msg.granted), ratio=float(msg.ratio),
        clearance_m=float(msg.clearance_m), obs_stamp_ns=stamp_ns(msg.obs_stamp), plan_id=int(msg.plan_id),
        epoch=int(msg.epoch),
    )  # fmt: skip
