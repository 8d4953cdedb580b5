"""What the worker of learned reconstruction has to itself: the engine, and a volume of what was learned."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from engines.card import Card, load_card
from engines.engine import Engine, EngineError
from engines.open import open_engine
from engines.verdict import require_verdict
from engines.views.reconstruct import Reconstruction, Reconstructor, views_of
from map_node.gaussians.base import Gaussians
from map_node.learned.align import Alignment, Limits, NotAligned, View, align, at_pixels_of, gaussians_in_odom
from map_node.learned.fill import KNOWN
from map_node.learned.params import LearnedParams
from map_node.volume.base import Blocks, VolumeParams
from map_node.volume.cpu import CpuVolume
from saccade.errors import ConfigError
from saccade.types import Depth

_NICE = 10
"""How much the thread stands back where cores are scarce (Linux)."""


class Learned(NamedTuple):
    """What came of one run: `refused` says why nothing did, or is empty. `blocks`: all that was learned so far."""

    stamp_ns: int
    views: int
    refused: str
    alignment: Alignment | None = None
    blocks: Blocks | None = None
    gaussians: Gaussians | None = None


class Job(NamedTuple):
    """`era` changes when all is forgotten; `wanted` tells, from another thread, whether anybody waits for it still."""

    views: tuple[View, ...]
    centre_m: tuple[float, float, float]
    era: int
    wanted: Callable[[], bool]


class Model:
    """Runs one set of keyframes after the other. ConfigError or EngineError for a card that cannot be used."""

    def __init__(self, params: LearnedParams, volume: VolumeParams) -> None:
        self.card: Card = load_card(params.card)
        views_of(self.card)
        require_verdict(self.card)
        self.least, self.most = views_of(self.card).least, views_of(self.card).most
        self._params = params
        self._volume = CpuVolume(replace(volume, min_weight=KNOWN, device="cpu"))
        self._engine: Engine | None = None
        self._filled: set[int] = set()
        self._era = 0

    def run(self, job: Job) -> Learned:
        """Never raises."""
        newest_ns = max(view.stamp_ns for view in job.views)
        try:
            said, found = self._reconstruct(job.views)
            if not job.wanted():
                raise NotAligned("nobody waits for it any more")
            self._integrate(job, said, found, newest_ns)
        except (EngineError, ConfigError, NotAligned, ValueError) as error:
            return Learned(newest_ns, len(job.views), str(error))
        splats = gaussians_in_odom(said.gaussians, found) if said.gaussians else None
        return Learned(newest_ns, len(job.views), "", found, self._volume.blocks(), splats)

    def close(self) -> None:
        """Release the engine."""
        if self._engine is not None:
            self._engine.close()

    def _reconstruct(self, views: Sequence[View]) -> tuple[Reconstruction, Alignment]:
        if self._engine is None:
            self._engine = open_engine(self.card, intra_threads=self._params.threads)
        if len({view.camera for view in views}) != 1:
            raise NotAligned("the keyframes are of cameras that differ; expected one camera")
        first = views[0].T_odom_from_cam.inverse()
        model = Reconstructor(self._engine, self.card)
        said = model([v.picture for v in views], views[0].camera, [first @ v.T_odom_from_cam for v in views])
        limits = Limits(self._params.spread, self._params.turn_deg, self._params.way)
        found = align(said, views, limits, self._params.least_confidence)
        if views_of(self.card).told.poses and not abs(np.log(found.scale)) <= np.log1p(limits.spread):
            raise NotAligned(f"it was told the poses in metres, and its depth must be multiplied by {found.scale:.2f}")
        return said, found

    def _integrate(self, job: Job, said: Reconstruction, found: Alignment, newest_ns: int) -> None:
        """Add each keyframe, once while it stays among those chosen, and only pixels where nothing was measured."""
        if job.era != self._era or newest_ns < self._volume.stamp_ns:
            self._era, self._filled = job.era, set()
            self._volume.clear()
        self._volume.centre(job.centre_m)
        for depth, sure, view in zip(said.depth, said.confidence, job.views, strict=True):
            if view.stamp_ns in self._filled:
                continue
            depth_m = np.asarray(depth * np.float32(found.scale), np.float32)
            depth_m[sure < self._params.least_confidence] = np.nan
            if view.depth is not None:
                depth_m[np.isfinite(at_pixels_of(view.depth, said.camera)[0])] = np.nan
            size = said.camera.width, said.camera.height
            rgb = np.asarray(cv2.resize(view.picture, size, interpolation=cv2.INTER_AREA), np.uint8)
            learned = Depth(newest_ns, "", depth_m, np.asarray(255 * sure, np.uint8), said.camera)
            self._volume.integrate(learned, view.T_odom_from_cam, rgb)
        self._filled = {view.stamp_ns for view in job.views}


def stand_back() -> None:
    """Let the calling thread, and those that the engine makes in it, have the processor when others do not want it."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))
