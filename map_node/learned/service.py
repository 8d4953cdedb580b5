"""A learned reconstruction of keyframes, now and then, in a thread of its own: it fills what is shown.

**Nothing that moves a robot reads it.** It has a volume of its own; the volume that distances and clearance are read
from is never written here. What it says is put beside what was measured only in copies that are shown (`fill.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from map_node.learned.align import View
from map_node.learned.model import Job, Learned, Model, stand_back
from map_node.learned.params import LearnedParams
from map_node.volume.base import BLOCK, Blocks, Volume, VolumeParams
from saccade.clock import nanoseconds, seconds
from saccade.geometry import SE3
from saccade.keyframes import Keyframes
from saccade.types import U8, Depth
from saccade.worker import ModelledWorker, ThreadWorker, Worker


class LearnedMap:
    """Runs the model when it is due, on the newest keyframes, and keeps what it learned in a volume of its own.

    ConfigError or EngineError for a card that cannot be used. `see`, `offer` and `poll` return at once: the model is
    loaded and run, and its depth integrated, in the worker: a thread, or, on virtual time, a model of one that takes
    `modelled_s`.
    """

    def __init__(self, params: LearnedParams, volume: VolumeParams, modelled_s: float | None = None) -> None:
        self.params = params
        self.newest: Learned | None = None
        """The last run that came to something."""
        self.counts = {"runs": 0, "used": 0, "refused": 0, "too slow": 0}
        self._last = "not run yet"
        self._begun_ns: int | None = None
        self._asked: frozenset[int] = frozenset()
        self._late = False
        self._era = 0
        self._keyframes: Keyframes[View] = Keyframes(params.keyframes)
        self._model = model = Model(params, volume)
        self._most = max(model.least, min(filter(None, (params.views, model.most))))
        self._worker: Worker[Job, Learned] = (
            ThreadWorker(model.run, "learned", prepare=lambda job: stand_back())
            if modelled_s is None
            else ModelledWorker(model.run, nanoseconds(modelled_s))
        )

    def see(self, depth: Depth, T_odom_from_cam: SE3, rgb: U8 | None, volume: Volume, now_ns: int) -> None:
        """Take a depth image that went into the measured volume, and the colours of its pixels, for a keyframe."""

        def view() -> View:
            assert rgb is not None
            kept = replace(depth, depth_m=depth.depth_m.copy(), confidence=depth.confidence.copy())
            return View(depth.stamp_ns, T_odom_from_cam, rgb.copy(), depth.camera, kept)

        if rgb is None:
            self._last = "not run: no pictures"
            return
        self._keyframes.put(depth.stamp_ns, T_odom_from_cam, view)
        x, y, z = (
            (np.array(volume.corner) + np.array(volume.params.shape) / 2) * BLOCK * volume.params.voxel_m
        ).tolist()
        self.offer([anchor.payload for anchor in self._keyframes.anchors()], (x, y, z), now_ns)

    def offer(self, views: Sequence[View], centre_m: tuple[float, float, float], now_ns: int) -> bool:
        """Begin a run on the newest keyframe and those nearest to it, if one is due and there is a new one.

        `centre_m`: the middle of the window, as of the measured volume. Whether it was begun.
        """
        if self._worker.busy or (self._begun_ns is not None and self._waits(now_ns)):
            return False
        if len(views) < self._model.least:
            self._last = f"not run: {len(views)} keyframes; the model needs {self._model.least}"
            return False
        chosen = self._chosen(views)
        stamps = frozenset(view.stamp_ns for view in chosen)
        if stamps == self._asked:
            return False
        self._asked, self._begun_ns, self._late = stamps, now_ns, False
        self.counts["runs"] += 1
        era = self._era
        job = Job(chosen, centre_m, era, lambda: era == self._era and not self._late)
        self._worker.offer(job, now_ns)
        return True

    def poll(self, now_ns: int) -> Learned | None:
        """What came of a run that has ended, once; also one that was refused."""
        done = self._worker.poll(now_ns)
        begun_ns = self._begun_ns or 0
        if done is None:
            if self._worker.busy and not self._late and now_ns - begun_ns > nanoseconds(self.params.budget_s):
                self._late = True
                self._worker.cancel()
                return self._refused("too slow", f"no answer within {self.params.budget_s:g} s")
            return None
        found, took_ns = done
        if took_ns > nanoseconds(self.params.budget_s):
            took = f"{seconds(took_ns):.1f} s, expected {self.params.budget_s:g} s or less"
            return self._refused("too slow", f"an answer took {took}")
        if found.refused:
            return self._refused("refused", found.refused)
        assert found.alignment is not None
        self.newest = found
        self.counts["used"] += 1
        a = found.alignment
        self._last = f"{found.views} views, scale {a.scale:.3g} +- {100 * a.spread:.0f} % of {a.points} pixels"
        if np.isfinite(a.turn_deg):
            self._last += f", poses within {a.turn_deg:.1f} deg"
        if np.isfinite(a.way):
            self._last += f" and {100 * a.way:.0f} %"
        return found

    @property
    def blocks(self) -> Blocks | None:
        """What was learned, for `fill`: to be shown and nothing else."""
        return self.newest.blocks if self.newest else None

    def forget(self) -> None:
        """Begin anew, as after a jump of odometry: what is under way is not used."""
        self._worker.cancel()
        self._keyframes.clear()
        self.newest, self._asked, self._last = None, frozenset(), "begun anew"
        self._era += 1

    def told(self) -> dict[str, str]:
        """For diagnostics: what it did, how it fitted, and why it was refused."""
        return {"model": self._model.card.name, "last run": self._last, **{k: str(n) for k, n in self.counts.items()}}

    def close(self) -> None:
        """Stop; a run that is under way is waited for aside, for no longer than a second here.

        The interpreter would abort if it ended while a thread is inside of the engine: it waits for that thread.
        """
        self._worker.close()
        if self._worker.busy:
            threading.Thread(target=self._end, name="learned ends", daemon=False).start()
        else:
            self._model.close()

    def _end(self) -> None:
        pause = threading.Event()
        while self._worker.busy:
            pause.wait(0.05)
        self._model.close()

    def _waits(self, now_ns: int) -> bool:
        return 0 <= now_ns - (self._begun_ns or 0) < nanoseconds(self.params.every_s)

    def _chosen(self, views: Sequence[View]) -> tuple[View, ...]:
        """The newest, and those that are the least apart from it as keyframes are, in the order of their stamps."""
        newest = max(views, key=lambda view: view.stamp_ns)

        def apart(view: View) -> float:
            return self._keyframes.apart(newest.T_odom_from_cam, view.T_odom_from_cam)

        return tuple(sorted(sorted(views, key=apart)[: self._most], key=lambda view: view.stamp_ns))

    def _refused(self, kind: str, why: str) -> Learned:
        self.counts[kind] += 1
        self._last = f"not used: {why}"
        if kind == "too slow":  # perhaps because it was being loaded
            self._asked = frozenset()
        return Learned(0, 0, why)
