"""A stage as a clip: equally spaced frames of pictures, state and action, on disk until a dataset is made of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saccade.cli.collect import stats
from saccade.cli.collect.rollout import Rollout
from saccade.cli.collect.stages import Stage
from saccade.cli.collect.video import write_video
from saccade.clock import MS, SEC, seconds
from saccade.errors import DataError
from saccade.geometry import F64
from saccade.types import U8
from saccade.wire.images import decode_image

LEAST_FRAMES = 5
_JITTER_NS = 2 * MS


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """n frames at `fps`: pictures by camera, state (n, s) and action (n, a) float64 with their names.

    An action is what was done from a frame until the next: the last command sent before that.
    """

    fps: int
    stamps: np.ndarray[Any, np.dtype[np.int64]]
    pictures: Mapping[str, Sequence[U8]]
    state_names: tuple[str, ...]
    state: F64
    action_names: tuple[str, ...]
    action: F64


def frames(rollout: Rollout, stage: Stage) -> Frames:
    """The frames of a stage. DataError where pictures are missing or too few."""
    film = rollout.film
    shown = film.shown()
    if not shown:
        raise DataError("no camera showed anything")
    first = next(iter(shown))
    taken_ns = sorted({stamp for stamp, _ in shown[first]})  # a frozen camera shows one picture again and again
    period_ns = int(np.median(np.diff(taken_ns))) if len(taken_ns) > 1 else SEC
    wanted = [stamp for stamp in taken_ns if stage.begin_ns <= stamp < stage.end_ns]
    if len(wanted) < LEAST_FRAMES:
        raise DataError(f"{len(wanted)} pictures, fewer than {LEAST_FRAMES}")
    stamps = np.array(wanted, np.int64)
    if (np.abs(np.diff(stamps) - period_ns) > _JITTER_NS).any():
        raise DataError("pictures are missing on the way")
    pictures = {}
    for name, taken in shown.items():
        by_stamp = dict(taken)
        lost = [stamp for stamp in wanted if stamp not in by_stamp]
        if lost:
            raise DataError(f"{len(lost)} pictures of the {name} camera are missing")
        pictures[name] = [decode_image("left/image_rect", by_stamp[stamp]).data for stamp in wanted]
    (state_names, felt), (action_names, sent) = film.state(), film.action()
    for what, track in (("state", felt), ("action", sent)):
        if not len(track.stamps):
            raise DataError(f"no {what} was heard")
    state = felt.between(stamps)
    if not film.joints:
        state[:, :3] = _from_the_start(state[:, :3])
    action = sent.held(stamps + period_ns - 1)
    return Frames(round(SEC / period_ns), stamps, pictures, state_names, state, action_names, action)


def _from_the_start(poses: F64) -> F64:
    """Poses (n, 3) x y yaw, in the frame of the first."""
    x, y, yaw = poses[0]
    R = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    out: F64 = np.column_stack([(poses[:, :2] - (x, y)) @ R.T, poses[:, 2] - yaw])
    return out


def save_clip(folder: Path, rollout: Rollout, stage: Stage, shot: Frames, more: Mapping[str, Any]) -> None:
    """Write `clip.json`, `frames.npz` and a video for each camera in place of what was there; `more` is kept too."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, pictures in shot.pictures.items():
        write_video(folder / f"{name}.mp4", pictures, shot.fps)
    np.savez_compressed(folder / "frames.npz", state=shot.state, action=shot.action)
    height, width = next(iter(shot.pictures.values()))[0].shape[:2]
    about = {
        "task": stage.task, "kind": stage.kind, "thing": stage.thing, "fps": shot.fps, "length": len(shot.stamps),
        "begin_s": seconds(stage.begin_ns - rollout.start_ns), "end_s": seconds(stage.end_ns - rollout.start_ns),
        "cameras": {name: [height, width] for name in shot.pictures},
        "state_names": shot.state_names, "action_names": shot.action_names,
        "pictures": {name: stats.of_pictures(pictures) for name, pictures in shot.pictures.items()},
        "plans": _plans(rollout, stage), "gate": _gate(rollout, stage), **more,
    }  # fmt: skip
    (folder / "clip.json").write_text(json.dumps(about, indent=1) + "\n")


def _plans(rollout: Rollout, stage: Stage) -> list[dict[str, Any]]:
    """The plans that were made in a stage, waypoints in the frame of odometry."""
    return [
        {
            "timestamp": seconds(seen.stamp_ns - stage.begin_ns), "kind": plan.kind.name.lower(), "text": plan.text,
            "instruction": plan.instruction, "waypoints": plan.waypoints.round(4).tolist(),
            "values": plan.values.round(4).tolist(), "confidence": plan.confidence, "progress": plan.progress,
            "final": plan.final,
        }
        for seen, plan in rollout.thoughts_in(stage.begin_ns, stage.end_ns - 1)
    ]  # fmt: skip


def _gate(rollout: Rollout, stage: Stage) -> list[dict[str, Any]]:
    """The gate's verdicts in a stage, the first of each run of equal ones."""
    out: list[dict[str, Any]] = []
    for verdict in rollout.film.verdicts:
        if stage.begin_ns <= verdict.stamp_ns < stage.end_ns:
            row = {"decision": verdict.decision.name.lower(), "reason": verdict.reason}
            if not out or any(out[-1][key] != row[key] for key in row):
                at_s = seconds(verdict.stamp_ns - stage.begin_ns)
                out.append({"timestamp": at_s, **row, "ratio": round(float(verdict.ratio), 4)})
    return out
