"""Visual odometry on the real recordings, beside OpenCV's PnP from picture to picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from perception_node.calibration import depth_camera, stereo_rig
from perception_node.odometry.estimate import Estimate, State
from perception_node.odometry.view import View, rgbd_view, stereo_view
from perception_node.odometry.visual import VisualOdometry
from perception_node.rectify import Rectifier
from saccade.cli.bench.plain_odometry import PlainOdometry, sgbm_depth
from saccade.cli.bench.sections import Section, Settings, Table, spans, told
from saccade.geometry import F32, SE3
from saccade.tf import TfBuffer, TransformError
from saccade.types import CameraModel, Depth, StereoPair
from saccade.wire.bag import open_recording
from saccade.wire.convert import Cdr, decode_camera, decode_odom, decode_transforms
from saccade.wire.images import decode_depth, decode_image


class Asked(NamedTuple):
    """What is asked of a recording: a figure that may be so large at most, and in words."""

    figure: str
    most: float
    words: str


_ASKED = {
    "kitti_drive": Asked("drift_percent", 1.5, "1.5 %, none lost"),
    "euroc_v101_start": Asked("apparent_m", 0.01, "1 cm apart"),
    "rgbd_7scenes": Asked("drift_percent", 2.0, "2 %"),
}
_ABOUT = """Drift is the position's error at the end over the path, the first pose being the true one and nothing fitted
after; worst the largest on the way; apart how far a pose is from the first at most. The plain baseline follows corners
from each picture to the next; on stereo it matches densely (SGBM), which its time includes."""


class Frame(NamedTuple):
    """One instant, rectified and decoded, with its dense depth made when asked for."""

    frame_id: str
    view: View
    depth: Callable[[], F32]


class Followed(NamedTuple):
    """Poses by frame, milliseconds by frame, and how many were lost and standing."""

    poses: list[SE3 | None]
    ms: list[float]
    lost: int
    standing: int


def odometry(settings: Settings) -> Section:
    """Both odometries over every recording that is there."""
    figures: dict[str, Any] = {}
    rows, missed, absent = [], [], []
    for name, asked in _ASKED.items():
        if not (settings.data / name).is_dir():
            absent.append(f"{name} is not in {settings.data}")
            continue
        frames, tf, odom = read(settings.data / name)
        truth = [_truth(tf, odom, frame) for frame in frames]
        figures[name] = {who: _figures(follow(frames), truth) for who, follow in _ENTRANTS.items()}
        rows += [[name, who, asked.words, *_row(found)] for who, found in figures[name].items()]
        ours = figures[name]["Saccade"]
        if ours[asked.figure] > asked.most or ours["lost"]:
            missed.append(f"{name}: {asked.words}")
    columns = (
        "recording",
        "",
        "asked for",
        "drift %",
        "worst %",
        "apart m",
        "lost",
        "standing",
        "ms p50",
        "p95",
        "worst",
    )
    return Section(figures, [Table("Odometry", _ABOUT, columns, rows)] if rows else [], missed, absent)


def _figures(followed: Followed, truth: list[SE3 | None]) -> dict[str, Any]:
    known = [(T, seen) for T, seen in zip(truth, followed.poses, strict=True) if T is not None]
    path_m = sum(float(np.linalg.norm(b.t - a.t)) for (a, _), (b, _) in pairwise(known))
    poses = [T for T in followed.poses if T is not None]
    start = next(T @ seen.inverse() for T, seen in known if seen is not None)
    errors_m = [float(np.linalg.norm((start @ seen).t - T.t)) for T, seen in known if seen is not None]
    return {
        "frames": len(truth), "path_m": path_m, "drift_percent": 100 * errors_m[-1] / path_m,
        "worst_percent": 100 * max(errors_m) / path_m, "end_error_m": errors_m[-1],
        "apparent_m": max(float(np.linalg.norm(T.t - poses[0].t)) for T in poses),
        "lost": followed.lost, "standing": followed.standing, "ms": spans(followed.ms),
    }  # fmt: skip


def _row(found: dict[str, Any]) -> list[str]:
    return [
        f"{found['drift_percent']:.2f}", f"{found['worst_percent']:.2f}", f"{found['apparent_m']:.4f}",
        str(found["lost"]), str(found["standing"]), *told(found["ms"]),
    ]  # fmt: skip


def _ours(frames: list[Frame]) -> Followed:
    following, estimates, ms = VisualOdometry(), list[Estimate](), []
    for frame in frames:
        begin = time.perf_counter()
        estimates.append(following.update(frame.view))
        ms.append((time.perf_counter() - begin) * 1e3)
    lost = sum(e.state is State.LOST or e.segment > 0 for e in estimates)
    standing = sum(e.state is State.STANDING for e in estimates)
    return Followed([e.T_start_from_camera for e in estimates], ms, lost, standing)


def _plain(frames: list[Frame]) -> Followed:
    lens = frames[0].view.camera
    following = PlainOdometry(np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1.0]]))
    poses, ms = list[SE3 | None](), []
    for frame in frames:
        begin = time.perf_counter()
        poses.append(following(frame.view.grey, frame.depth()))
        ms.append((time.perf_counter() - begin) * 1e3)
    return Followed(poses, ms, 0, 0)


_ENTRANTS: dict[str, Callable[[list[Frame]], Followed]] = {"Saccade": _ours, "plain OpenCV": _plain}


def _truth(tf: TfBuffer, odom: str, frame: Frame) -> SE3 | None:
    try:
        return tf.lookup(odom, frame.frame_id, frame.view.stamp_ns)
    except TransformError:
        return None


def read(path: Path) -> tuple[list[Frame], TfBuffer, str]:
    """All frames of a recording, the transforms with its odometry, and the odometry's frame."""
    tf, odom = TfBuffer(keep_ns=10**12), ""
    frames: list[Frame] = []
    held: dict[str, tuple[str, Cdr]] = {}
    models: dict[str, CameraModel] = {}
    recording = open_recording(path)
    source = recording.source()
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
        elif "/image" in topic:
            held[topic.split("/image", 1)[0]] = (topic, cdr)
        else:
            continue
        for frame in _frames(held, models):
            held.clear()
            frames.append(frame)
    source.close()
    recording.close()
    return frames, tf, odom


def _frames(held: dict[str, tuple[str, Cdr]], models: dict[str, CameraModel]) -> Iterator[Frame]:
    """The frame of what is held, once it is whole."""
    if {"left", "right"} <= held.keys() and {"left", "right"} <= models.keys():
        left, right = (decode_image(*held[side]) for side in ("left", "right"))
        if left.stamp_ns == right.stamp_ns:
            rectified = "image_rect" in held["left"][0]
            rig = stereo_rig(models["left"], models["right"], rectified=rectified)
            a, b = (
                picture.data if rectified else Rectifier(models[side])(picture.data)
                for side, picture in (("left", left), ("right", right))
            )  # fmt: skip
            pair = StereoPair(left.stamp_ns, left.frame_id, a, b, rig.camera, rig.cx_right, rig.baseline_m)
            fB, offset_px = rig.camera.fx * rig.baseline_m, rig.cx_right - rig.camera.cx
            yield Frame(left.frame_id, stereo_view(pair), lambda: sgbm_depth(pair.left, pair.right, fB, offset_px))
    elif {"rgbd/color", "rgbd/depth"} <= held.keys() and "rgbd/depth" in models:
        picture = decode_image(*held["rgbd/color"])
        stamp_ns, frame_id, depth_m = decode_depth(*held["rgbd/depth"])
        if stamp_ns == picture.stamp_ns:
            sure = np.full(depth_m.shape, 255, np.uint8)
            camera = depth_camera("rgbd/depth/camera_info", models["rgbd/depth"])
            view = rgbd_view(picture, Depth(stamp_ns, frame_id, depth_m, sure, camera))
            yield Frame(frame_id, view, lambda: depth_m)
