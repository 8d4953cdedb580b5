"""The map in three dimensions: the picture from above that the map node sent last, and its surface from all around."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from saccade.errors import SaccadeError
from saccade.geometry import Pinhole
from saccade.report.pictures import data_uri
from saccade.report.run import Run, messages
from saccade.wire.convert import Cdr
from saccade.wire.images import decode_image

SHOWN = ("map/birdseye", "map/mesh")
_VIEWS = 6
_CAMERA = Pinhole(280.0, 280.0, 159.5, 119.5, 320, 240)


@dataclass(slots=True)
class Scene:
    """Pictures as data URIs: from above, empty where the recording has none; and from around, none without a mesh."""

    above: str = ""
    around: list[str] = field(default_factory=list)


def scene(run: Run, recording: Path) -> Scene:
    """What the recording has of the map; what cannot be decoded is added to `run.problems`."""
    made, last = Scene(), {}
    if not run.heard.keys() & set(SHOWN):
        return made
    for sample in messages(recording, [], SHOWN):
        last[sample.topic] = sample.cdr
    try:
        if "map/birdseye" in last:
            rgb = decode_image("map/birdseye", last["map/birdseye"]).data
            made.above = data_uri(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8), ".png")
        if "map/mesh" in last:
            made.around = _around(last["map/mesh"])
    except SaccadeError as error:
        run.problems.append(str(error))
    return made


def _around(cdr: Cdr) -> list[str]:
    from map_node.gaussians.pictures import around, of_mesh, turntable  # compiled where a report has a map
    from map_node.messages import decode_mesh

    mesh = decode_mesh(cdr)
    if not len(mesh.triangles):
        return []
    middle, radius_m = around(mesh.vertices)
    views = turntable(of_mesh(mesh), _CAMERA, middle, radius_m, _VIEWS)
    return [data_uri(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8), ".jpg") for rgb in views]
