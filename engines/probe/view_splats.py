"""Whether confidence and Gaussians are in the range, and where, the card says."""

from __future__ import annotations

import numpy as np

from engines.card import Card
from engines.probe.finding import Finding
from engines.probe.room import Walk
from engines.probe.view_runs import ViewRuns, relate, truth_of
from engines.views.geometry import matrices
from engines.views.reconstruct import views_of

_TINY, _HUGE = 1e-5, 0.3
"""Sizes that Gaussians have, in depths of what they show."""


def confidence_fault(runs: ViewRuns, card: Card, shown: Walk) -> Finding | None:
    """Numbers that cannot be what the card says they are."""
    views = views_of(card)
    if not views.confidence:
        return None
    values = runs.outputs(card, shown)[views.confidence]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    fits = {"unit": low >= 0 and high <= 1, "above_one": low >= 1, "logit": True}
    if fits[views.confidence_is]:
        return None
    to = next(kind for kind, possible in fits.items() if possible)
    return Finding(
        "confidence", f"it lies in {low:.3g} to {high:.3g}, the card says {views.confidence_is}",
        {"views": {"confidence_is": to}},
    )  # fmt: skip


def gaussians_fault(runs: ViewRuns, card: Card, shown: Walk) -> Finding | None:
    """Numbers that cannot be what the card says, and Gaussians that are not on what the first picture shows."""
    how = views_of(card).gaussians
    if how is None:
        return None
    outputs = runs.outputs(card, shown)
    said, scales, opacities = runs.read(card, shown), outputs[how.scales], outputs[how.opacities]
    assert said.gaussians is not None
    if how.opacity_is == "unit" and not (np.nanmin(opacities) >= 0 and np.nanmax(opacities) <= 1):
        text = f"opacities lie in {np.nanmin(opacities):.3g} to {np.nanmax(opacities):.3g}"
        return Finding("gaussians", text, {"views": {"gaussians": {"opacity_is": "logit"}}})
    middle = float(np.nanmedian(said.depth))
    for kind in (how.scale_is, "log" if how.scale_is == "linear" else "linear"):
        size = float(np.median(np.exp(scales) if kind == "log" else scales)) / middle
        if (kind == "log" or np.nanmin(scales) >= 0) and _TINY < size < _HUGE:
            if kind == how.scale_is:
                break
            text = f"scales lie in {np.nanmin(scales):.3g} to {np.nanmax(scales):.3g}, the card says {how.scale_is}"
            return Finding("gaussians", text, {"views": {"gaussians": {"scale_is": kind}}})
    else:
        return Finding("gaussians", "their sizes are none that could be seen", advice="check what is exported")
    off = _off_surface(runs, card, shown)
    if off > 2 * views_of(card).probe.depth:
        text = f"they are off what the first picture shows by {100 * off:.0f} % of its depth (median)"
        return Finding("gaussians", text, advice="export their means in the world of the poses")
    return None


def _off_surface(runs: ViewRuns, card: Card, shown: Walk) -> float:
    """Median relative error in depth of the Gaussians that fall into the first picture, where they lie in front."""
    said = runs.read(card, shown)
    assert said.gaussians is not None
    T = said.T_world_from_cam
    first = matrices(shown.poses[:1])[0] @ np.linalg.inv(matrices(shown.poses[:1])[0]) if T is None else T[0]
    at = (said.gaussians.at - first[:3, 3]) @ first[:3, :3]
    u, v = np.rint(np.nan_to_num(said.camera.project(at.astype(np.float64)), nan=-1)).T
    inside = (u >= 0) & (u < said.camera.width) & (v >= 0) & (v < said.camera.height) & (at[:, 2] > 0)
    if inside.sum() < 20:
        return np.inf
    truth = truth_of(said, shown)[0][v[inside].astype(int), u[inside].astype(int)]
    error = at[inside, 2] * relate(said, shown).scale / truth - 1
    return float(np.median(np.abs(error[error < 0.5]))) if (error < 0.5).any() else np.inf
