"""Keyframes of the probe's walk, and a small graph that knows them."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

sys.path.append(str(Path(__file__).parents[1] / "engines"))  # the small graphs

from stand_ins import approved
from view_stand_ins import fields_of, looking_up, right, small

from engines.probe.view_runs import walks
from map_node.learned.align import View
from map_node.learned.params import LearnedParams
from map_node.learned.service import LearnedMap
from map_node.volume.base import Snapshot, VolumeParams
from map_node.volume.cpu import CpuVolume
from saccade.clock import MS, SEC
from saccade.params import plain
from saccade.types import Depth

DA3 = {"views": {"said": {"poses": "extrinsics", "intrinsics": "intrinsics"}}}
TOLD = {"views": {"told": {"poses": "extrinsics", "intrinsics": "intrinsics"}}}
UNIT = 3.0
"""Metres in the unit of the model."""


def card_at(folder, said=None, fields=DA3, unit=UNIT):
    """The path of an added model's card; it says what is right in units of its own, changed by `said(outputs)`."""
    card = small(fields)
    known = right(card)

    def in_units(depth, camera, T):
        T = T.copy()
        T[:, :3, 3] /= unit
        outputs = known(depth / unit, camera, T)
        return said(outputs) if said else outputs

    data = looking_up(card, in_units).SerializeToString()
    (folder / "m.onnx").write_bytes(data)
    path = folder / "knows.yaml"
    path.write_text(yaml.safe_dump(plain(fields_of(replace(card, sha256=hashlib.sha256(data).hexdigest())))))
    return str(approved(path))


def keyframes(hole=True, first_ns=SEC):
    """The walk's views in odometry's frame; where `hole`, the right half has no measured depth."""
    shown = walks(small(DA3))[0]
    made = []
    for i, (picture, depth_m, pose) in enumerate(zip(shown.pictures, shown.depth_m, shown.poses, strict=True)):
        stamp_ns = first_ns + i * SEC
        measured = depth_m.copy()
        if hole:
            measured[:, depth_m.shape[1] // 2 :] = np.nan
        sure = np.full(depth_m.shape, 255, np.uint8)
        made.append(View(stamp_ns, pose, picture, shown.camera, Depth(stamp_ns, "cam", measured, sure, shown.camera)))
    return made


def changed(output, how):
    """One output of what is right, changed."""
    return lambda outputs: {**outputs, output: how(outputs[output])}


VOLUME = VolumeParams(voxel_m=0.1, size_m=(8.0, 6.0, 4.0))
CENTRE = (0.0, 0.0, 1.2)


def learned_map(card, takes_s=1.0, **params):
    return LearnedMap(LearnedParams(card=card, **params), VOLUME, takes_s)


def answer(made, views=None, now_ns=10 * SEC):
    """What comes of one run on virtual time."""
    assert made.offer(keyframes() if views is None else views, CENTRE, now_ns)
    assert made.poll(now_ns + 999 * MS) is None
    return made.poll(now_ns + SEC)


def measured(views):
    volume = CpuVolume(VOLUME)
    for view in views:
        volume.centre(CENTRE)
        volume.integrate(view.depth, view.T_odom_from_cam, view.picture)
    return volume


def snapshot(volume):
    return Snapshot(volume.params, volume.corner, volume.stamp_ns, volume.blocks())
