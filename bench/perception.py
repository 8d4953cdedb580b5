"""Stereo engines against true disparity, and where the perception node's time goes.

Dense numbers fill holes from the background side, as OpenCV's baselines in docs do; `kept` numbers count only what the
engine itself gives. `sure` is the error of the more confident half of these pixels, `unsure` that of the other half.
Node times are of a healthy synthetic rig; overhead is everything but Engine.infer.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bench.__main__ import ROOT, save
from engines.card import load_card
from engines.open import open_engine
from engines.stereo import StereoMatcher
from perception_node.node import PerceptionNode
from saccade.clock import MS, SEC, perf_ns
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.node import Sample
from saccade.types import CameraModel, Image, RobotState
from saccade.wire.convert import encode_camera, encode_odom, encode_transforms
from saccade.wire.images import encode_image

STEREO = ROOT.parent / "shared" / "data" / "stereo"
ENGINES: dict[str, tuple[str, dict[str, object]]] = {
    "sgbm": ("sgbm", {}),
    "sgbm-full": ("sgbm-full", {}),
    "sgbm-full, mode hh": ("sgbm-full", {"mode": "hh"}),
}
_KITTI_SIDES = ("image_0", "image_1")
NODE_SIZES = ((320, 240), (640, 480))
F32 = npt.NDArray[np.float32]
Pair = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], F32]


def main() -> int:
    """Score every engine on the data sets that are there, then time the node."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=["stereo", "node"], help="half of the bench")
    args = parser.parse_args()
    numbers: dict[str, object] = {"opencv threads": cv2.getNumThreads()}
    if args.only != "node":
        for name, pairs in (("kitti2012", kitti), ("middlebury", middlebury)):
            if (STEREO / name).is_dir():
                numbers[name] = _score_all(name, list(pairs(STEREO / name)))
            else:
                print(f"{name}: not found at {STEREO / name}")
    if args.only != "stereo":
        numbers["node"] = {f"{w}x{h}": _time_node(w, h) for w, h in NODE_SIZES}
    save(numbers, args.json)
    return 0


def kitti(folder: Path) -> Iterator[Pair]:
    """KITTI 2012: uint16/256 px, 0 unknown, non-occluded."""
    for path in sorted((folder / "disp_noc").iterdir()):
        left, right = (cv2.imread(str(folder / side / path.name), cv2.IMREAD_GRAYSCALE) for side in _KITTI_SIDES)
        yield left, right, cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / 256


def middlebury(folder: Path) -> Iterator[Pair]:
    """Middlebury 2003-2006: value / 3 px, Cones value / 4, 0 unknown."""
    for scene in sorted(folder.iterdir()):
        cones = (scene / "imL.png").exists()
        names = ("imL.png", "imR.png", "disp2.png") if cones else ("view1.png", "view5.png", "disp1.png")
        left, right, truth = (cv2.imread(str(scene / name), cv2.IMREAD_GRAYSCALE) for name in names)
        yield left, right, truth.astype(np.float32) / (4 if cones else 3)


def filled(disparity: F32) -> F32:
    """The same with every hole filled by the smaller, that is farther, of its neighbours in the row."""
    known = np.isfinite(disparity)
    columns = np.arange(disparity.shape[1])
    before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, columns, columns.size)[:, ::-1], axis=1)[:, ::-1]
    wide = np.pad(np.nan_to_num(disparity), ((0, 0), (1, 1)), constant_values=np.inf)
    rows = np.arange(disparity.shape[0])[:, None]
    out = np.minimum(wide[rows, before + 1], wide[rows, after + 1])
    return np.where(np.isfinite(out), out, 0).astype(np.float32)


def _score_all(data: str, pairs: list[Pair]) -> dict[str, dict[str, float]]:
    print(f"{data}, {len(pairs)} pairs")
    columns = ("EPE dense", "bad-2 dense %", "EPE kept", "bad-2 kept %", "density %", "sure px", "unsure px", "ms")
    print(f"    {'':<20}" + "".join(f"{column:>15}" for column in columns))
    scores = {}
    for name, (card, options) in ENGINES.items():
        scores[name] = dict(zip(columns, _score(card, options, pairs), strict=True))
        print(f"    {name:<20}" + "".join(f"{scores[name][column]:>15.2f}" for column in columns), flush=True)
    return scores


def _score(card_name: str, options: dict[str, object], pairs: list[Pair]) -> list[float]:
    card = load_card(card_name, **options)
    rows, times = [], []
    with open_engine(card) as engine:
        match = StereoMatcher(engine, card)
        match(*pairs[0][:2])  # buffers of the first size
        for left, right, truth in pairs:
            begin = perf_ns()
            disparity, confidence = match(left, right)
            times.append((perf_ns() - begin) / MS)
            known, kept = truth > 0, (truth > 0) & np.isfinite(disparity)
            dense, error = np.abs(filled(disparity) - truth)[known], np.abs(disparity - truth)[kept]
            sure = confidence[kept] > np.median(confidence[kept])
            rows.append([
                dense.mean(), 100 * (dense > 2).mean(), error.mean(), 100 * (error > 2).mean(),
                100 * kept.sum() / known.sum(), error[sure].mean(), error[~sure].mean(),
            ])  # fmt: skip
    return [*np.mean(rows, axis=0).tolist(), float(np.median(times))]


def _time_node(width: int, height: int, frames: int = 60) -> dict[str, dict[str, float]]:
    """Stage times of the node on a textured wall two metres ahead, decoded from plain mono8 pictures."""
    fx, baseline_m = 200.0 * width / 320, 0.12
    disparity = round(fx * baseline_m / 2.0)
    node, overhead_ms = PerceptionNode(), []
    for sample in _rig(width, height, fx, baseline_m):
        list(node.on_sample(sample, sample.stamp_ns))
    noise = np.random.default_rng(0)
    for i in range(frames):
        now_ns = SEC + i * 100 * MS
        scene = cv2.GaussianBlur(noise.integers(0, 256, (height, width + disparity), np.uint8), (0, 0), 1.5)
        scene = cv2.normalize(scene, scene, 0, 255, cv2.NORM_MINMAX)
        state = RobotState(now_ns, "odom", SE3.from_rpy(0, 0, 0.01 * i, (0.02 * i, 0, 0)), np.zeros(6))
        pictures = {"left": scene[:, :width], "right": scene[:, disparity:]}
        samples = [Sample("odom", now_ns, encode_odom(state))]
        for side, data in pictures.items():
            image = Image(now_ns, "left_optical", np.ascontiguousarray(data))
            samples.append(Sample(f"{side}/image_rect", now_ns, encode_image(image)))
        begin = perf_ns()
        sent = [out for sample in samples for out in node.on_sample(sample, now_ns)]
        ns = perf_ns() - begin - sum(end - start for stage, start, end in node.stages.frame if stage == "engine")
        node.stages.frame.clear()
        assert any(out.topic == "local_map" for out in sent)
        overhead_ms.append(ns / MS)
    stages = node.stages.summary()
    node.close()
    print(f"perception_node {width}x{height}, {frames} frames, sgbm")
    for stage, s in stages.items():
        print(f"    {stage:<10} p50 {s['p50_ms']:7.3f}  p95 {s['p95_ms']:7.3f}  p99 {s['p99_ms']:7.3f} ms")
    p50, p95 = np.percentile(overhead_ms[1:], [50, 95])
    print(f"    overhead   p50 {p50:7.3f}  p95 {p95:7.3f} ms", flush=True)
    return {**stages, "overhead": {"p50_ms": float(p50), "p95_ms": float(p95)}}


def _rig(width: int, height: int, fx: float, baseline_m: float) -> Iterator[Sample]:
    K = np.array([[fx, 0, width / 2 - 0.5], [0, fx, height / 2 - 0.5], [0, 0, 1]])
    for side, tx in (("left", 0.0), ("right", -fx * baseline_m)):
        P = np.hstack([K, [[tx], [0], [0]]])
        model = CameraModel("left_optical", width, height, "plumb_bob", np.zeros(5), K, np.eye(3), P)
        yield Sample(f"{side}/camera_info", SEC, encode_camera(SEC, model))
    T_base_from_cam = SE3(R_BODY_FROM_OPTICAL, np.array([0.1, 0.0, 0.35]))
    yield Sample("tf_static", SEC, encode_transforms(SEC, [("base_link", "left_optical", T_base_from_cam)]))


if __name__ == "__main__":
    raise SystemExit(main())
