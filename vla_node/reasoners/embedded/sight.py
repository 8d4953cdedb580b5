"""What the robot has seen of the things it was told about, remembered in odom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from saccade.geometry import F64
from vla_node.planner import Observation
from vla_node.reasoners.embedded.doors import find_doors
from vla_node.reasoners.embedded.grounding import Sighting, View, find
from vla_node.reasoners.embedded.steps import GoTo

MIN_CONFIDENCE = 0.2
SAME_M, SAME_SHARE = 0.8, 0.4
"""Two sightings are taken for one thing when they are this near to each other: metres, or share of the first one's
range if that is more, for stereo ranges are poor far away."""
SLIVER = 0.6
"""Of how wide it was known to be: what looks narrower than this is partly hidden."""
EMPTY_M = 0.5
"""Where the picture shows only what is so much further, a thing is not."""
UNJUDGED = 0.5
"""Up to this sure of a thing, its shape has not been seen: the picture's edge cut it, or it was too far away."""
NEARER = 0.5
"""What is seen at less than this share of its range is believed before a thing of which no more is known."""
GREY_SPREAD = 3
"""A picture whose channels never differ by more than this shows no colour; a single one may just face a grey wall."""


class Memory:
    """The best sighting of each named thing: the choice among several stands, or is left for a `nearer` one."""

    def __init__(self, nearer: bool = False) -> None:
        self.mono = False
        self._nearer = nearer
        self._saw_colour = False
        self._known: dict[GoTo, Sighting] = {}
        self._notes: dict[GoTo, str] = {}
        self._refuted: dict[GoTo, list[F64]] = {}
        """Where something of the right colour stands whose shape was seen to be another."""

    def look(self, observation: Observation, targets: Iterable[GoTo], floor_z_m: float | None = None) -> None:
        """Search the observation's picture for each target, unless it is blind; `mono` says whether it was grey.

        The floor is where the robot stands, or at `floor_z_m` in odom below one that flies.
        """
        image, camera, T = observation.image, observation.camera, observation.T_odom_from_cam
        if image is None or camera is None or T is None:
            return
        self.mono = image.data.ndim == 2
        if self.mono:
            return
        sparse = image.data[::4, ::4].astype(np.int16)
        self._saw_colour |= bool((sparse.max(axis=2) - sparse.min(axis=2)).max() > GREY_SPREAD)
        # The odometry's origin is on the ground under the robot (REP 105), so its height is the floor's.
        floor_z_m = float(observation.state.T_odom_from_body.t[2]) if floor_z_m is None else floor_z_m
        view = View(image.data, observation.depth_m, camera, T, floor_z_m)
        for target in dict.fromkeys(targets):
            known = self._known.get(target)
            gone = known is not None and shows_nothing(view, known)
            self._remember(target, _find(view, target), T.t, gone)

    def recall(self, target: GoTo) -> Sighting | None:
        """Where the target is as far as is known, or None."""
        return self._known.get(target)

    def describe(self, target: GoTo) -> str:
        """How the target was chosen, for the plan's text."""
        nothing = f"no {target.name} was seen"
        return self._notes.get(target, nothing if self._saw_colour else f"{nothing}, nor any colour at all")

    def _remember(self, target: GoTo, sightings: list[Sighting], eye: F64, gone: bool) -> None:
        self._refute(target, sightings)
        fitting = [s for s in sightings if s.confidence >= MIN_CONFIDENCE and not self._is_refuted(target, s)]
        known = self._known.get(target)
        if not fitting:
            if sightings and known is None:
                self._notes[target] = f"a {target.colour} thing is in sight, but it does not look like a {target.shape}"
            return
        best = min(fitting, key=lambda s: _far(s, eye)) if self._nearer else fitting[0]
        surer = (
            known is not None
            and known.confidence <= UNJUDGED
            and (best.confidence > UNJUDGED or best.range_m < NEARER * known.range_m)
        )
        if known is not None and not gone and not surer:
            same = [s for s in fitting if _same(s, known)]
            if not self._nearer or best in same or _far(best, eye) >= _far(known, eye):
                if not same or not _better(same[0], known):
                    return  # another thing, or the same one seen worse: keep what is known
                best = replace(same[0], confidence=max(same[0].confidence, known.confidence))
        self._known[target] = best
        choice = "nearness" if self._nearer else "likeness, then nearness"
        others = f", chosen among {len(fitting)} by {choice}" if len(fitting) > 1 else ""
        shape = "" if target.shape in (None, "door") else f", {target.shape} {best.confidence:.0%} sure"
        self._notes[target] = f"ranged by {best.ranged_by}{shape}{others}"

    def _refute(self, target: GoTo, sightings: list[Sighting]) -> None:
        """Note where the shape is seen to be another; what was taken for the target unjudged is no longer."""
        others = [s for s in sightings if s.confidence < MIN_CONFIDENCE and s.whole and s.ranged_by == "depth"]
        known = self._known.get(target)
        if known is not None and known.confidence <= UNJUDGED and any(_same(s, known) for s in others):
            del self._known[target]
        places = self._refuted.setdefault(target, [])
        places += [s.centre for s in others if not any(np.linalg.norm(s.centre - place) < SAME_M for place in places)]

    def _is_refuted(self, target: GoTo, sighting: Sighting) -> bool:
        """Whether what cannot be judged here was seen to be something else from elsewhere."""
        places = self._refuted.get(target, ())
        return sighting.confidence <= UNJUDGED and any(np.linalg.norm(sighting.centre - at) < SAME_M for at in places)


def shows_nothing(view: View, known: Sighting) -> bool:
    """Whether a view shows that a thing is not where it was seen: in the picture, only what is behind that place."""
    if view.depth_m is None:
        return False
    place = view.T_odom_from_cam.inverse().apply(known.centre)
    u, v = (round(float(at)) for at in view.camera.project(place)) if place[2] > 0 else (-1, -1)
    if not (2 <= u < view.camera.width - 2 and 2 <= v < view.camera.height - 2):
        return False
    patch = view.depth_m[v - 2 : v + 3, u - 2 : u + 3]
    return bool(np.isfinite(patch).all() and patch.min() > place[2] + known.radius_m + EMPTY_M)


def _find(view: View, target: GoTo) -> list[Sighting]:
    if target.shape == "door":
        return find_doors(view, target.colour)
    assert target.colour is not None  # the language lets nothing else pass without
    return find(view, target.colour, target.shape)


def _better(sighting: Sighting, known: Sighting) -> bool:
    """Whether a thing is seen as well as before, or wholly and from nearer: from there its place is surer.

    Its likeness may be less: a cube whose corner comes into view looks rounder than from afar. A sliver of it is no
    better however near: what hides the rest lends it its own depth.
    """
    if sighting.radius_m < SLIVER * known.radius_m:
        return False
    nearer = sighting.whole and sighting.ranged_by == known.ranged_by and sighting.range_m < known.range_m
    return nearer or sighting.confidence >= 0.8 * known.confidence


def _same(sighting: Sighting, known: Sighting) -> bool:
    """Whether two sightings are taken for one thing."""
    near_m = max(SAME_M, SAME_SHARE * known.range_m)
    return bool(np.linalg.norm(sighting.centre - known.centre) < near_m)


def _far(sighting: Sighting, eye: F64) -> float:
    return float(np.hypot(*(sighting.centre - eye)[:2]))
