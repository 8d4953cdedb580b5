"""What adaptation does to the true error on generated dives: `python -m bench.adapt --dives 2 --minutes 5`.

Truth judges here and nothing else: the adaptation gets the pictures alone. Each dive is one water and one pair of
cameras, in many places, with seeds that no network was trained on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from engines.card import load_card
from saccade.geometry import F32
from saccade.types import U8
from training import gate
from training.adapt import Plan, adapt
from training.camera import expose, exposure_for, sensors_for
from training.pool import Net, Pair, look
from training.render import render
from training.sample import Bool, stream, through
from training.scenes import make_world, rig_for
from training.weights import load

FIRST_SEED = 10_000_000
SIZE, MAX_DISPARITY = (512, 384), 96


class Dived(NamedTuple):
    """left, right (H, W, 3) RGB uint8; disparity (H, W) px; occluded (H, W)."""

    left: U8
    right: U8
    disparity: F32
    occluded: Bool


def dive(seed: int, count: int, scene: str = "seabed", effects: Sequence[str] = ("water",)) -> list[Dived]:
    """`count` pairs through one water with one pair of cameras, each of another place."""
    rig = rig_for(stream(seed, "world"), *SIZE, MAX_DISPARITY)
    sensors = sensors_for(stream(seed, "sensor"), False)
    bright = stream(seed, "exposure").uniform(0.6, 1.4)
    out = []
    for place in range(seed + 1, seed + 1 + count):
        world = make_world(place, stream(place, "place"), rig, scene)
        pair = render(world, rig)
        left, right, _ = through(seed, tuple(effects), world, rig, pair)
        noise, exposure = stream(place, "noise"), exposure_for(left, bright)
        one, other = (expose(p, exposure, s, noise) for p, s in zip((left, right), sensors, strict=True))
        with np.errstate(divide="ignore"):
            disparity = (rig.focal_px * rig.baseline_m / pair.left.z_m).astype(np.float32)
        out.append(Dived(one, other, disparity, pair.occluded))
    return out


def truth(net: Net, dived: Sequence[Dived]) -> dict[str, float]:
    """Errors over what both cameras see: of everything, and of things (open water has disparity 0)."""
    found: dict[str, list[float]] = {name: [] for name in ("EPE", "bad-2 %", "EPE of things", "bad-2 % of things")}
    for one in dived:
        error = np.abs(look(net, Pair(one.left, one.right))[0].left - one.disparity)
        for suffix, mask in (("", ~one.occluded), (" of things", ~one.occluded & (one.disparity >= 1.0))):
            found[f"EPE{suffix}"].append(float(error[mask].mean()))
            found[f"bad-2 %{suffix}"].append(100 * float((error[mask] > 2.0).mean()))
    return {name: round(float(np.mean(values)), 3) for name, values in found.items()}


def panel(net: Net, one: Dived) -> U8:
    """Error of the disparity as a picture (H, W, 3) BGR: black none, white 8 px."""
    error = np.abs(look(net, Pair(one.left, one.right))[0].left - one.disparity) / 8.0
    return np.asarray(cv2.applyColorMap(np.uint8(np.clip(error, 0, 1) * 255), cv2.COLORMAP_INFERNO), np.uint8)


def main() -> None:
    """Adapt to each dive, judge by truth, and write the figures and a picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--card", default="stereo-s")
    parser.add_argument("--dives", type=int, default=2)
    parser.add_argument("--count", type=int, default=40, help="pairs in a dive")
    parser.add_argument("--dry", action="store_true", help="control: tables in clear air")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="of the first dive")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    card, rows, results = load_card(args.card), [], []
    for seed in range(args.seed, args.seed + 10_000 * args.dives, 10_000):
        dived = dive(seed, args.count, *(("table", ()) if args.dry else ()))
        net = load(card.beside(card.onnx))
        judged = [dived[i] for i in gate.hold_out(len(dived)).judge]
        before, errors = truth(net, judged), [panel(net, one) for one in judged[:2]]
        plan = Plan(minutes=args.minutes, steps=args.steps)
        outcome = adapt(net, [Pair(one.left, one.right) for one in dived], plan)
        after = truth(net, judged)
        print(f"dive {seed}: {outcome.steps} steps; {outcome.refusal or 'would be installed'}")
        for change in outcome.changes:
            print(f"  {change}")
        print(f"  generated pairs {outcome.dry[0]:.3f} -> {outcome.dry[1]:.3f} px")
        for name, was in before.items():
            print(f"  true {name}: {was} -> {after[name]}")
        results.append({"seed": seed, "steps": outcome.steps, "refusal": outcome.refusal, "before": before,
                        "after": after, "figures": [str(change) for change in outcome.changes]})  # fmt: skip
        for one, error in zip(judged, errors, strict=False):
            colours = cv2.applyColorMap(
                np.uint8(np.clip(one.disparity / MAX_DISPARITY, 0, 1) * 255), cv2.COLORMAP_TURBO
            )
            rows.append(np.hstack([one.left[..., ::-1], colours, error, panel(net, one)]))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    if args.picture:
        cv2.imwrite(str(args.picture), cv2.resize(np.vstack(rows), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


if __name__ == "__main__":
    main()
