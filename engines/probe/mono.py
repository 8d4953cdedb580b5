"""The probe of a monocular model: of one picture less is known, so only sense, steadiness and finiteness are asked."""

from __future__ import annotations

import cv2
import numpy as np

from engines.card import Card
from engines.depth import DepthEstimator
from engines.engine import Engine, EngineError
from engines.probe import Report
from engines.probe.finding import Finding
from engines.probe.run import Judged, Progress
from engines.probe.scenes import dots
from saccade.geometry import F32
from saccade.types import U8

_SHAPE, _FOCAL_PX = (378, 504), 400.0
_FOLLOWS = 0.6
"""Least correlation of ranks with the truth: true of any model that knows ground, wall and haze."""
_EXPORT = "check the checkpoint and the export"


def scene(mirrored: bool = False) -> tuple[U8, F32]:
    """A hazy yard with two walls under the sky: picture (H, W, 3) uint8 RGB and depth (H, W) float32 m, NaN = sky."""
    height, width = _SHAPE
    y, x = np.indices(_SHAPE, np.float32)
    horizon, above_ground_m = 0.4 * height, 1.2
    with np.errstate(divide="ignore"):
        depth = np.where(y > horizon, _FOCAL_PX * above_ground_m / (y - horizon), np.inf).astype(np.float32)
    for left, right, top, distance_m in ((0.08, 0.4, 0.05, 6.0), (0.6, 0.8, 0.2, 14.0)):
        foot = horizon + _FOCAL_PX * above_ground_m / distance_m
        depth[(x > left * width) & (x < right * width) & (y > top * height) & (y < foot)] = distance_m
    nearness = np.where(np.isfinite(depth), np.exp(-depth / 25), 0.0)[..., None]
    surface = dots((2 * height, 2 * width), 8)
    reach = np.clip(2.5 / np.maximum(depth, 0.1), 0, 1)
    seen = cv2.remap(
        surface, width + (x - width / 2) * (0.4 + 0.6 * reach), y * (0.4 + 0.6 * reach) + 20, cv2.INTER_AREA
    )
    haze = np.array([196, 208, 222], np.float32)
    picture = np.asarray(nearness * seen + (1 - nearness) * haze, np.uint8)
    depth[~np.isfinite(depth) | (depth > 60)] = np.nan
    if mirrored:
        return np.ascontiguousarray(picture[:, ::-1]), np.ascontiguousarray(depth[:, ::-1])
    return picture, depth


def probe_depth(engine: Engine, card: Card, progress: Progress = lambda what: None) -> Report:
    """Show an open monocular engine a hazy yard, its mirror image, and the yard again."""
    findings: list[Finding] = []
    try:
        findings = _findings(DepthEstimator(engine, card), card, progress)
    except EngineError as error:
        findings = [Finding("interface", str(error), advice="see the error")]
    note = "depth from one picture is judged by its order only; its scale is not"
    return Report(tuple(findings), () if findings else (Judged("yard", 0.0, 0.0, True),), (note,))


def _findings(estimate: DepthEstimator, card: Card, progress: Progress) -> list[Finding]:
    results, truths = [], []
    for name, mirrored in (("yard", False), ("yard, mirrored", True), ("yard again", False)):
        progress(name)
        picture, depth = scene(mirrored)
        results.append(estimate(picture, _FOCAL_PX))
        truths.append(depth)
    known = np.isfinite(results[0])
    if known.mean() < 0.5:
        return [Finding("NaN", f"{100 * (1 - known.mean()):.0f} % of the output is no number", advice=_EXPORT)]
    if float(np.ptp(results[0][known])) <= 1e-6 * float(np.abs(results[0][known]).max()):
        return [Finding("constant", f"the output is {results[0][known][0]:.4g} everywhere", advice=_EXPORT)]
    if not np.allclose(results[0], results[2], rtol=1e-3, atol=1e-3, equal_nan=True):
        return [
            Finding("not repeatable", "the same picture gave another output", advice="take out what is random in it")
        ]
    order = [_rank_correlation(result, depth) for result, depth in zip(results[:2], truths[:2], strict=True)]
    expected = 1.0 if estimate.kind == "metric" else -1.0
    agreement = expected * float(np.mean(order))
    if agreement >= _FOLLOWS:
        return []
    measured = f"its order agrees with the true one to {agreement:+.2f} (rank correlation), expected {_FOLLOWS} or more"
    if agreement <= -_FOLLOWS and estimate.kind == "relative_inverse":
        sign = "positive" if card.output.sign == "negative" else "negative"
        return [Finding("sense", f"the output falls as things come nearer: {measured}", {"output": {"sign": sign}})]
    return [Finding("no match", measured, advice=f"{_EXPORT}, and colour and size in the card")]


def _rank_correlation(values: F32, depth: F32) -> float:
    """Spearman's, over the pixels where both are known, every seventh."""
    both = np.isfinite(values) & np.isfinite(depth)
    a, b = (np.argsort(np.argsort(plane[both][::7])).astype(np.float64) for plane in (values, depth))
    return float(np.corrcoef(a, b)[0, 1])
