"""From what a model of several views made of the probe's walks to the first thing that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from engines.card import Card
from engines.engine import EngineError
from engines.probe.edit import edited
from engines.probe.finding import Finding
from engines.probe.inputs import range_edits
from engines.probe.room import Walk
from engines.probe.view_interface import interface_fault
from engines.probe.view_runs import Relation, ViewRuns, place, relate, truth_of, walks
from engines.probe.view_splats import confidence_fault, gaussians_fault
from engines.views.reconstruct import views_of

_EXPORT = "check the checkpoint and the export: weights that are missing or random look like this"
_SAME = 0.05


def diagnose(runs: ViewRuns, card: Card) -> Finding | None:
    """What has to be mended first, None where nothing has to be."""
    if fault := interface_fault(runs.engine.spec, card):
        return fault
    shown = walks(card)
    steps: list[Callable[[], Finding | None]] = [
        lambda: _depth_fault(runs, card, shown), lambda: _pose_fault(runs, card, shown)
    ]  # fmt: skip
    if not views_of(card).depth:  # points become depth with the poses
        steps.reverse()
    try:
        for step in steps:
            if fault := step():
                return fault
        return (
            _intrinsics_fault(runs, card, shown)
            or _scale_fault(runs, card, shown)
            or confidence_fault(runs, card, shown[0])
            or gaussians_fault(runs, card, shown[0])
        )
    except EngineError as error:
        return Finding("interface", str(error), advice="see the error")


def _depth_fault(runs: ViewRuns, card: Card, shown: Sequence[Walk]) -> Finding | None:
    said = [runs.depth(card, walk) for walk in shown]
    again = runs.depth(card, shown[0], fresh=True).depth
    if not np.allclose(said[0].depth, again, rtol=1e-2, equal_nan=True):
        text = "the same pictures twice gave another depth"
        return Finding("not repeatable", text, advice="take out what is random in it and export anew")
    known = float(np.mean([np.isfinite(one.depth).mean() for one in said]))
    if known < 0.5:
        return Finding("NaN", f"{100 * (1 - known):.0f} % of the depth is no positive number", advice=_EXPORT)
    counts = {len(one.depth) for one in said}
    if counts != {len(shown[0].pictures)}:
        text = f"it gives {counts.pop()} planes of depth for {len(shown[0].pictures)} pictures"
        return Finding("output", text, advice="export it so that it gives one plane a picture")
    relations = [relate(one, walk) for one, walk in zip(said, shown, strict=True)]
    limit = views_of(card).probe.depth
    if all(_straight(r) and max(r.off, r.apart) <= limit for r in relations):
        return None
    worst = max(relations, key=lambda r: max(r.off, r.apart))
    if max(r.off for r in relations) > limit or not all(map(_straight, relations)):
        return _of_another_kind(card, relations) or _unmatched(runs, card, shown, worst)
    text = f"the scale of its depth differs from view to view by {100 * worst.apart:.0f} %"
    return Finding("scale", text, advice="it says depth of single pictures; a model of several views has one scale")


def _straight(relation: Relation) -> bool:
    return abs(relation.power - 1) < 0.25 and abs(relation.bent) < 0.5


def _of_another_kind(card: Card, relations: Sequence[Relation]) -> Finding | None:
    """The finding for depth that is along the ray, or inverse, where the card says otherwise."""
    now = views_of(card).depth_is
    power, bent = (float(np.mean([getattr(r, name) for r in relations])) for name in ("power", "bent"))
    if abs(abs(power) - 1) > 0.25:
        return None
    if power < 0:
        to = "z" if now == "inverse_z" else "inverse_z"
        text = f"what it says falls as things are farther, with the power {power:.2f} of the depth"
        return Finding("depth", text, {"views": {"depth_is": to}})
    if abs(bent) > 0.5:
        to = "z" if now == "ray" else "ray"
        text = f"what it says grows with the length of the ray to the power {bent:+.2f}, beside depth"
        return Finding("depth", text, {"views": {"depth_is": to}})
    return None


def _unmatched(runs: ViewRuns, card: Card, shown: Sequence[Walk], worst: Relation) -> Finding:
    """The finding for depth that has nothing to do with the truth as the model is fed now."""
    if order := _order(runs, card, shown[0]):
        return order
    limit = views_of(card).probe.depth
    best: tuple[float, Finding] | None = None
    for name, edit in _other_inputs(card):
        try:
            other = edited(card, edit)
            found = relate(runs.depth(other, shown[0]), shown[0])
        except EngineError:
            continue
        if _straight(found) and found.known > 0.5 and found.off <= limit and (best is None or found.off < best[0]):
            text = "its depth is wrong as it is fed now, and right when fed so"
            best = found.off, Finding(name, text, edit)
    if best:
        return best[1]
    text = f"its depth is off by {100 * worst.off:.0f} % (median, with the best scale), however it is fed"
    return Finding("no match", f"{text}; allowed are {100 * limit:.0f} %", advice=_EXPORT)


def _order(runs: ViewRuns, card: Card, shown: Walk) -> Finding | None:
    """The finding for views that come out in another order."""
    said = runs.depth(card, shown)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = [np.log(planes)[:, ::5, ::5] for planes in (truth_of(said, shown), said.depth)]
    middles = [plane - np.nanmedian(plane, axis=(1, 2), keepdims=True) for plane in logs]
    apart = np.nanmedian(np.abs(middles[0][None] - middles[1][:, None]), axis=(2, 3))
    order = [int(i) for i in apart.argmin(axis=1)]
    if order == sorted(order) or sorted(order) != list(range(len(order))) or apart.min(axis=1).max() > 0.1:
        return None
    text = f"it says the views in the order {', '.join(str(i + 1) for i in order)}"
    return Finding("order", text, advice="export it so that what it says of a picture stands where the picture did")


def _other_inputs(card: Card) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ways to feed the model, those that change least first."""
    views = views_of(card)
    turned = {"rgb": "bgr", "bgr": "rgb"}[card.colour.order] if card.colour.order != "grey" else ""
    if views.told.poses:
        for direction, axes, unit in product(
            ("camera_from_world", "world_from_camera"), ("opencv", "opengl"), ("pixels", "normalised")
        ):
            told = {"direction": direction, "axes": axes, "unit": unit}
            if any(getattr(views.told, key) != value for key, value in told.items()):
                yield "told cameras", {"views": {"told": told}}
    for scaled in range_edits(card):
        yield "value range", {"colour": scaled}
    if turned:
        yield "colour order", {"colour": {"order": turned}}
        for scaled in range_edits(card):
            yield "value range, colour order", {"colour": {**scaled, "order": turned}}


def _pose_fault(runs: ViewRuns, card: Card, shown: Sequence[Walk]) -> Finding | None:
    said, limits = views_of(card).said, views_of(card).probe
    if not said.poses:
        return None
    turns = ("xyzw", "wxyz") if said.form == "encoding" else (said.quaternion,)
    tried: list[tuple[float, float, dict[str, Any]]] = []
    for direction, axes, quaternion in product(("camera_from_world", "world_from_camera"), ("opencv", "opengl"), turns):
        edit = {"direction": direction, "axes": axes, "quaternion": quaternion}
        other = _read_as(card, **edit)
        try:
            placed = [place(T, walk) for walk in shown if (T := runs.read(other, walk).T_world_from_cam) is not None]
        except EngineError as error:
            tried.append((np.inf, np.inf, {"why": str(error)}))
            continue
        turn, way = max(p.turn_deg for p in placed), max(p.way for p in placed)
        right = turn <= limits.turn_deg and way <= limits.way
        if right and all(getattr(said, key) == value for key, value in edit.items()):
            return None
        tried.append((turn, way, edit))
    turn, way, edit = min(tried, key=lambda t: t[0] / limits.turn_deg + t[1] / limits.way)
    if turn <= limits.turn_deg and way <= limits.way:
        text = f"poses are wrong as they are read now, and right (turns within {turn:.1f} deg) when read so"
        return Finding("poses", text, {"views": {"said": edit}})
    if "why" in edit:
        return Finding("poses", str(edit["why"]), advice="export matrices of rotation, or unit quaternions")
    text = f"in no convention are its poses right; at best turns are off by {turn:.1f} deg, ways by {100 * way:.0f} %"
    return Finding("poses", text, advice="leave said.poses empty if depth is all that is needed, or " + _EXPORT)


def _read_as(card: Card, **said: Any) -> Card:
    """The card with another convention of what the model says of cameras: quicker than `edited`, which checks it."""
    views = views_of(card)
    return replace(card, views=replace(views, said=replace(views.said, **said)))


def _intrinsics_fault(runs: ViewRuns, card: Card, shown: Sequence[Walk]) -> Finding | None:
    views = views_of(card)
    key, choices = ("fov", ("height_width", "width_height")) if views.said.form == "encoding" else (
        "unit", ("pixels", "normalised")
    )  # fmt: skip
    found: dict[str, float] = {}
    for choice in choices:
        other = _read_as(card, **{key: choice})
        off = [_camera_off(runs, other, walk) for walk in shown]
        if None in off:
            return None
        found[choice] = max(o for o in off if o is not None)
    now, best = getattr(views.said, key), min(found, key=lambda choice: found[choice])
    if found[now] <= views.probe.intrinsics:
        return None
    if found[best] <= views.probe.intrinsics:
        return Finding("intrinsics", f"they are {best}, the card says {now}", {"views": {"said": {key: best}}})
    text = f"focal lengths and centre are off by {100 * found[best]:.0f} % of them"
    return Finding("intrinsics", text, advice="leave said.intrinsics empty: the robot's own calibration is used anyway")


def _camera_off(runs: ViewRuns, card: Card, shown: Walk) -> float | None:
    said, camera = runs.read(card, shown).intrinsics, shown.camera
    if said is None:
        return None
    truth = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    return float(np.nan_to_num(np.abs(said / truth - 1), nan=np.inf).max())


def _scale_fault(runs: ViewRuns, card: Card, shown: Sequence[Walk]) -> Finding | None:
    """Whether depth is in the unit of the poses, said or told; of any other scale nothing is asked."""
    views, factors = views_of(card), []
    for walk in shown:
        said = runs.read(card, walk)
        depth = relate(said, walk).scale
        if said.T_world_from_cam is not None:
            factors.append(depth / place(said.T_world_from_cam, walk).scale)
        elif views.told.poses:
            factors.append(depth)
    if not factors or max(abs(f - 1) for f in factors) <= views.probe.depth:
        return None
    shown_factors = " and ".join(f"{f:.3g}" for f in factors)
    text = f"depth must be multiplied by {shown_factors} (in two rooms) to fit the poses"
    if max(factors) / min(factors) - 1 > _SAME:
        return Finding("scale", text, advice="depth and poses have scales of their own, so neither can be trusted")
    return Finding("scale", text, {"views": {"scale": float(f"{views.scale * float(np.mean(factors)):.4g}")}})
