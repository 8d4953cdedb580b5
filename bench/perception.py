"""Where the perception node's time goes, on a healthy synthetic rig; overhead is everything but Engine.infer.

How exact its stereo engines are: `saccade bench stereo`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from bench.__main__ import save
from perception_node.node import PerceptionNode
from saccade.clock import MS, SEC, perf_ns
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.node import Sample
from saccade.types import CameraModel, Image, RobotState
from saccade.wire.convert import encode_camera, encode_odom, encode_transforms
from saccade.wire.images import encode_image

NODE_SIZES = ((320, 240), (640, 480))


def main() -> int:
    """Time the node at each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    save({f"{w}x{h}": _time_node(w, h) for w, h in NODE_SIZES}, args.json)
    return 0


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
