"""Visual odometry on the real recordings beside the checkout, against OpenCV's PnP from picture to picture.

Asked for: kitti_drive (60 m) drift at most 1.5 % and no frame lost; euroc_v101_start (a drone that stands) apparent
motion at most 1 cm; rgbd_7scenes drift at most 2 %. Drift is the position's error at the end over the path, the first
pose being the true one and nothing fitted after; `worst` the largest error on the way over the path.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.__main__ import ROOT, save
from bench.plain_odometry import PlainOdometry, sgbm_depth
from perception_node.calibration import depth_camera, stereo_rig
from perception_node.odometry.estimate import State
from perception_node.odometry.view import View, rgbd_view, stereo_view
from perception_node.odometry.visual import VisualOdometry
from perception_node.rectify import Rectifier
from saccade.clock import perf_ns
from saccade.geometry import SE3
from saccade.tf import TfBuffer, TransformError
from saccade.types import Depth, Image, StereoPair
from saccade.wire.bag import open_recording
from saccade.wire.convert import decode_camera, decode_odom, decode_transforms
from saccade.wire.images import decode_depth, decode_image

RECORDINGS = ROOT.parent / "shared" / "data" / "recordings"
WANTED = {"kitti_drive": "1.5 %", "euroc_v101_start": "1 cm", "rgbd_7scenes": "2 %"}


class Frame(NamedTuple):
    """One instant of a recording, rectified and decoded, with its dense depth made when asked for."""

    frame_id: str
    view: View
    depth: Any


def main() -> int:
    """Run both odometries over every recording."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    numbers = {}
    for name, wanted in WANTED.items():
        if (RECORDINGS / name).is_dir():
            numbers[name] = _compare(name, wanted)
        else:
            print(f"{name}: not found at {RECORDINGS / name}")
    save(numbers, args.json)
    return 0


def _compare(name: str, wanted: str) -> dict[str, dict[str, float]]:
    frames, tf, odom = read(RECORDINGS / name)
    truth = [_truth(tf, odom, frame) for frame in frames]
    known = [i for i, T in enumerate(truth) if T is not None]
    path_m = float(sum(np.linalg.norm(truth[b].t - truth[a].t) for a, b in pairwise(known)))
    print(f"{name}: {len(frames)} frames, {path_m:.2f} m (asked for {wanted})")
    figures = {}
    for who, run in (("saccade", _ours), ("plain OpenCV", _plain)):
        poses, ms, lost, standing = run(frames)
        start = truth[known[0]]
        first = poses[known[0]]
        errors = [
            np.linalg.norm((start @ first.inverse() @ poses[i]).t - truth[i].t) for i in known if poses[i] is not None
        ]
        apart = max(float(np.linalg.norm(T.t - first.t)) for T in poses if T is not None)
        figures[who] = {
            "drift_percent": 100 * errors[-1] / path_m, "worst_percent": 100 * max(errors) / path_m,
            "end_error_m": float(errors[-1]), "apparent_m": apart, "lost": lost, "standing": standing,
            "p50_ms": float(np.median(ms)), "p95_ms": float(np.percentile(ms, 95)),
        }  # fmt: skip
        f = figures[who]
        print(f"    {who:<13} drift {f['drift_percent']:6.2f} %  worst {f['worst_percent']:6.2f} %  end "
              f"{errors[-1]:.4f} m  farthest from start {apart:.4f} m  lost {lost}  standing {standing}  "
              f"p50 {f['p50_ms']:.1f}  p95 {f['p95_ms']:.1f} ms")  # fmt: skip
    return figures


def _ours(frames: list[Frame]) -> tuple[list[SE3 | None], list[float], int, int]:
    odometry, estimates, ms = VisualOdometry(), [], []
    for frame in frames:
        begin = perf_ns()
        estimates.append(odometry.update(frame.view))
        ms.append((perf_ns() - begin) / 1e6)
    lost = sum(e.state is State.LOST or e.segment > 0 for e in estimates)
    return [e.T_start_from_camera for e in estimates], ms, lost, sum(e.state is State.STANDING for e in estimates)


def _plain(frames: list[Frame]) -> tuple[list[SE3 | None], list[float], int, int]:
    lens = frames[0].view.camera
    odometry = PlainOdometry(np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1.0]]))
    poses: list[SE3 | None] = []
    ms = []
    for frame in frames:
        begin = perf_ns()
        poses.append(SE3(*odometry(frame.view.grey, frame.depth())))
        ms.append((perf_ns() - begin) / 1e6)
    return poses, ms, 0, 0


def _truth(tf: TfBuffer, odom: str, frame: Frame) -> SE3 | None:
    try:
        return tf.lookup(odom, frame.frame_id, frame.view.stamp_ns)
    except TransformError:
        return None


def read(path: Path) -> tuple[list[Frame], TfBuffer, str]:
    """All frames of a recording, the transforms with its odometry, and the odometry's frame."""
    tf, odom, held = TfBuffer(keep_ns=10**12), "", {}
    frames: list[Frame] = []
    source = open_recording(path).source()
    models: dict[str, Any] = {}
    while source.next_ns() is not None:
        topic, _, cdr = source.take()
        if topic == "tf_static":
            for _, parent, child, T in decode_transforms(cdr):
                tf.set_static(parent, child, T)
        elif topic == "odom":
            state, child = decode_odom(cdr)
            tf.add(state.frame_id, child, state.stamp_ns, state.T_odom_from_body)
            odom = state.frame_id
        elif topic.endswith("camera_info"):
            models[topic.rsplit("/", 1)[0]] = decode_camera(cdr)[1]
            frames.extend(_frames(held, models))
        elif "/image" in topic:
            which = topic.split("/image", 1)[0]
            held[which] = (topic, cdr)
            frames.extend(_frames(held, models))
    source.close()
    return frames, tf, odom


def _frames(held: dict[str, Any], models: dict[str, Any]) -> Iterator[Frame]:
    if {"left", "right"} <= held.keys() and {"left", "right"} <= models.keys():
        left, right = (decode_image(*held[side]) for side in ("left", "right"))
        if left.stamp_ns != right.stamp_ns:
            return
        rectified = "image_rect" in held["left"][0]
        rig = stereo_rig(models["left"], models["right"], rectified=rectified)
        greys = [p.data if rectified else Rectifier(models[s])(p.data) for s, p in (("left", left), ("right", right))]
        pair = StereoPair(left.stamp_ns, models["left"].frame_id, *greys, rig.camera, rig.cx_right, rig.baseline_m)
        view = stereo_view(pair)
        offset_px = rig.cx_right - rig.camera.cx
        yield Frame(pair.frame_id, view, lambda: sgbm_depth(pair.left, pair.right, view.fB, offset_px))
        held.clear()
    if {"rgbd/color", "rgbd/depth"} <= held.keys() and "rgbd/depth" in models:
        picture = decode_image(*held["rgbd/color"])
        stamp_ns, frame_id, depth_m = decode_depth(*held["rgbd/depth"])
        if stamp_ns != picture.stamp_ns:
            return
        sure = np.full(depth_m.shape, 255, np.uint8)
        depth = Depth(stamp_ns, frame_id, depth_m, sure, depth_camera("rgbd/depth/camera_info", models["rgbd/depth"]))
        yield Frame(frame_id, rgbd_view(Image(stamp_ns, frame_id, picture.data), depth), lambda: depth_m)
        held.clear()


if __name__ == "__main__":
    raise SystemExit(main())
