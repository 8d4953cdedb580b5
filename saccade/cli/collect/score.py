"""Which good clips are worth keeping: how good each is, and how much it adds to those that are kept already.

After DC-Scene (data-centric scene understanding: a quality filter of two indicators, the best first): one indicator is
how surely the verifiers agree that the pictures show what the words say, the other how well it was done, by the gate's
verdicts, by the smoothness of the commands and by the pace. Coverage is ours: clips are taken one by one, the best sum
of quality and of distance to the nearest one taken, by kind of stage, goal, motion and first picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from saccade.cli.collect.clip import Frames
from saccade.cli.collect.rollout import Rollout
from saccade.cli.collect.stages import KINDS, Stage
from saccade.cli.collect.verify import Opinion
from saccade.geometry import F64
from saccade.types import Decision

COVERAGE = 0.5
"""Weight of coverage beside quality; both are 0 to 1."""
_THUMB = (8, 6)
_SHAKE = 10.0
"""Mean change of the commands' change a second, in units of the largest command, at which smoothness is a half."""


def quality(rollout: Rollout, stage: Stage, shot: Frames, opinions: Mapping[str, Opinion]) -> dict[str, float]:
    """`agreed` and `done`, the two indicators, and their mean `quality`; each 0 to 1, 1 is best."""
    told = [o.sure if o.good else 0.0 for o in opinions.values() if o.good is not None]
    agreed = float(np.mean(told)) if told else 0.0
    decisions = [v.decision for v in rollout.film.verdicts if stage.begin_ns <= v.stamp_ns < stage.end_ns]
    passed = float(np.mean([d is Decision.PASS for d in decisions])) if decisions else 0.0
    scale = float(np.abs(shot.action - shot.action.mean(axis=0)).max()) or 1.0
    shake = np.abs(np.diff(shot.action, n=2, axis=0)).mean() * shot.fps**2 / scale if len(shot.action) > 2 else 0.0
    moving = float((np.abs(np.diff(shot.state, axis=0)).max(axis=1) > 1e-3).mean())
    done = float(np.mean([passed, 1.0 / (1.0 + float(shake) / _SHAKE), moving]))
    return {name: round(v, 4) for name, v in (("agreed", agreed), ("done", done), ("quality", (agreed + done) / 2))}


def signature(stage: Stage, shot: Frames) -> list[float]:
    """What is compared for coverage: kind, goal, motion from first to last frame, and a thumbnail, (n,)."""
    kind = [float(stage.kind == k) for k in KINDS]
    name = np.frombuffer(stage.thing.encode().ljust(24, b" ")[:24], np.uint8) / 255.0
    moved = np.tanh(shot.state[-1] - shot.state[0])
    picture = next(iter(shot.pictures.values()))[0]
    thumb = cv2.resize(picture, _THUMB, interpolation=cv2.INTER_AREA).astype(np.float64).ravel() / 255.0
    parts = [np.array(kind) / np.sqrt(2.0), name - name.mean(), 0.5 * moved, thumb - thumb.mean()]
    return [round(float(v), 3) for part in parts for v in part]


def keep(scored: Sequence[tuple[float, Sequence[float]]], most: int | None) -> list[int]:
    """Which of (quality, signature) are kept, best first: all in that order, or the first `most`."""
    if not scored:
        return []
    good = np.array([q for q, _ in scored], np.float64)
    signs: F64 = np.array([s for _, s in scored], np.float64)
    nearest = np.ones(len(scored))
    chosen: list[int] = []
    while len(chosen) < min(len(scored), most if most is not None else len(scored)):
        worth = np.where(np.isin(np.arange(len(good)), chosen), -np.inf, good + COVERAGE * nearest)
        chosen.append(int(worth.argmax()))
        away = np.sqrt(((signs - signs[chosen[-1]]) ** 2).sum(axis=1))
        nearest = np.minimum(nearest, away / (1.0 + away))
    return chosen
