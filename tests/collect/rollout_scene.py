"""Rollouts made by hand: a body that drives in a world of a few things, seen by a camera that is told what to show."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from saccade.cli.collect.beside import Beside
from saccade.cli.collect.film import Film, Truth
from saccade.cli.collect.rollout import Assignment, Rollout, Thought
from saccade.clock import SEC
from saccade.geometry import SE3, Pinhole
from saccade.types import Decision, Image, Plan, PlanKind, RobotState, Verdict
from saccade.wire.images import encode_image
from sim.things import Thing
from vla_node.embodiments.arm import ArmParams
from vla_node.planner import Observation

HZ = 10
CAMERA = Pinhole(60.0, 60.0, 31.5, 23.5, 64, 48)
BOX = Thing("red box", "box", (0.4, 0.4, 0.5), (205, 38, 34), 4.0, 0.0)
QUIET = {"collisions": 0, "hit": [], "fallen_s": None, "from_start_m": 0.0, "reached": False, "returned": False}


def ns(at_s: float) -> int:
    """Seconds as nanoseconds."""
    return round(at_s * SEC)


def picture(at_s: float, size: tuple[int, int] = (48, 64)) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture (h, w, 3) that no other instant has: a smooth ramp that moves."""
    v, u = np.mgrid[: size[0], : size[1]]
    return np.stack([u * 3, v * 4, np.full_like(u, int(at_s * 20) % 250)], axis=-1).astype(np.uint8)


def film(seconds: float, speed: float = 0.5, missing: Sequence[float] = ()) -> Film:
    """Of a body that drives along x from the origin at this speed; pictures of some instants are missing."""
    made = Film(SimpleNamespace(start_ns=0, truth=SE3.identity, judge=dict), ())
    stamps = [ns(i / HZ) for i in range(int(seconds * HZ) + 1)]
    for stamp in stamps:
        x = speed * stamp / SEC
        pose = SE3.from_rpy(0.0, 0.0, 0.0, (x, 0.0, 0.0))
        made.odom.append(RobotState(stamp, "odom", pose, np.array([speed, 0, 0, 0, 0, 0.1])))
        made.truth.append(Truth(stamp, x, 0.0, 0.0, {**QUIET, "from_start_m": x}))
        if stamp / SEC not in missing:
            shot = Image(stamp, "camera", picture(stamp / SEC))
            made.pictures.setdefault("left/image_rect", []).append((stamp, bytes(encode_image(shot))))
        granted = np.array([speed, stamp / SEC])
        made.verdicts.append(
            Verdict(stamp, Decision.PASS, "", ("vx", "wz"), granted, granted, 1.0, 1.0, stamp, 1, 1)
        )  # fmt: skip
    return made


def observation(at_s: float, x: float = 0.0, rgb: Any = None, depth_m: Any = None) -> Observation:
    """From a camera at the body's middle that looks along x."""
    pose = SE3.from_rpy(0.0, 0.0, 0.0, (x, 0.0, 0.0))
    T_body_from_cam = SE3(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([0.0, 0.0, 0.3]))
    return Observation(
        stamp_ns=ns(at_s), epoch=1, instruction="go to the red box", start=SE3.identity(),
        state=RobotState(ns(at_s), "odom", pose, np.zeros(6)), image=None if rgb is None else Image(ns(at_s), "c", rgb),
        depth_m=depth_m, camera=CAMERA, T_odom_from_cam=pose @ T_body_from_cam, grid=None, blind="", held_ns=0,
    )  # fmt: skip


def plan(text: str, kind: PlanKind = PlanKind.WAYPOINTS, way_m: float = 3.0, **more: Any) -> Plan:
    """A plan with a straight way of this length."""
    values: dict[str, Any] = {"final": False, "progress": 0.0, **more}
    return Plan(
        id=0, epoch=1, instruction="", kind=kind, obs_stamp_ns=0, obs_pose=SE3.identity(), inference_ns=0,
        valid_for_ns=SEC, frame_id="odom", waypoints=np.array([[way_m, 0.0, 0.0]]), values=np.zeros(0),
        confidence=1.0, text=text, **values,
    )  # fmt: skip


def done(text: str = "done") -> Plan:
    """The plan after the last step."""
    return plan(text, PlanKind.STOP, final=True, progress=1.0)


def rollout(
    shot: Film, thoughts: Sequence[tuple[Observation, Plan]], words: str = "go to the red box",
    things: tuple[Thing, ...] = (BOX,), arm: ArmParams | None = None,
) -> Rollout:  # fmt: skip
    """A rollout of an errand in these words."""
    end_ns = shot.truth[-1].stamp_ns
    made = [Thought(seen, said) for seen, said in thoughts]
    return Rollout(Assignment("yard", 1, "red box", words), 0, end_ns, shot, made, "done", True, things, arm)


def beside(at_s: float, left_m: float, right_m: float, wall_m: float = 0.0) -> Beside:
    """What a map shows left and right."""
    return Beside(ns(at_s), left_m, right_m, wall_m)


def drive() -> Rollout:
    """Six seconds: it looks round, drives, arrives; a door stands on the way from 2.5 s to 3.1 s."""
    shot = film(6.0)
    wide = [beside(i / HZ, np.inf, np.inf) for i in range(61)]
    shot.beside.extend(beside(b.stamp_ns / SEC, 0.8, 0.9, 3.0) if 25 <= i <= 31 else b for i, b in enumerate(wide))
    step = "step 1 of 1, go to the red box"
    thoughts = [
        (observation(0.2), plan(f"{step}: looking for it, turned 0 degrees so far")),
        (observation(1.0, 0.5), plan(step)),
        (observation(2.0, 1.0), plan(step)),
        (observation(3.0, 1.5), plan(f"{step}: no way", PlanKind.STOP)),
        (observation(5.0, 2.5), plan(step, way_m=1.0)),
        (observation(5.8, 2.9), done()),
    ]
    return rollout(shot, thoughts)
