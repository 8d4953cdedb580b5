"""`python -m training.preview`: a contact sheet of generated pairs with their truth."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from saccade.types import U8
from training.sample import EFFECTS, StereoSample, sample
from training.scenes import SCENES


def panel(s: StereoSample) -> U8:
    """Left, right, disparity (warm is near, hidden parts dark) and confidence side by side, (H, 4W, 3) uint8 BGR."""
    depth = cv2.applyColorMap(np.uint8(np.clip(s.disparity / s.rig.max_disparity, 0, 1) * 255), cv2.COLORMAP_TURBO)
    depth[s.occluded] //= 4
    sure = np.repeat((s.confidence[..., None] * 255).astype(np.uint8), 3, axis=2)
    row = np.hstack([s.left[..., ::-1], s.right[..., ::-1], depth, sure])
    words = f"{s.seed} {s.scene}: {', '.join(s.effects) or 'clean'}"
    for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(row, words, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, thick, cv2.LINE_AA)
    return np.asarray(row, np.uint8)


def main(argv: list[str] | None = None) -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(prog="python -m training.preview", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/preview.png"))
    parser.add_argument("--seed", type=int, default=0, help="of the first pair")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--columns", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240), metavar=("W", "H"))
    parser.add_argument("--max-disparity", type=int, default=64)
    parser.add_argument("--scene", choices=list(SCENES))
    parser.add_argument("--effects", nargs="*", choices=EFFECTS, help="these and no others; none: clean pictures")
    args = parser.parse_args(argv)
    seeds = iter(range(args.seed, args.seed + args.rows * args.columns))
    size = (args.size[0], args.size[1])
    sheet = np.vstack([
        np.hstack([panel(sample(next(seeds), size, args.max_disparity, args.effects, args.scene))
                   for _ in range(args.columns)])
        for _ in range(args.rows)
    ])  # fmt: skip
    args.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(args.out), sheet)
    print(f"{args.out}: {sheet.shape[1]}x{sheet.shape[0]}")


if __name__ == "__main__":
    main()
