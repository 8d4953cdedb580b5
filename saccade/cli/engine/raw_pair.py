"""A raw pair to metric depth, as `perception_node` makes it: what an engine costs with all that is around it."""

from __future__ import annotations

import numpy as np

from engines.card import Card
from engines.engine import ClosesItself
from engines.kernels.pair import Rig
from perception_node.cameras import Sources
from perception_node.matching import Matching
from perception_node.params import DepthParams
from perception_node.rectify import Rectifier
from saccade.geometry import Pinhole
from saccade.stages import Stages
from saccade.types import U8, CameraModel, Depth, StereoPair

BASELINE_M = 0.12
LENS = np.array([-0.2, 0.03, 1e-4, -1e-4, 0.0])
_FRAME = "left_optical"


def camera_model(width: int, height: int) -> CameraModel:
    """A camera of 77 degrees with a lens that bends lines (plumb_bob)."""
    focal = width / 1.6
    K = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return CameraModel(_FRAME, width, height, "plumb_bob", LENS, K, np.eye(3), np.hstack([K, np.zeros((3, 1))]))


class PairToDepth(ClosesItself):
    """The node's own steps for one raw pair after another; EngineError as `open_engine`, Refused as the engine.

    Both pictures are rectified on the CPU even where the engine's device does so too, since the node looks at them.
    """

    def __init__(self, card: Card, width: int, height: int, stages: Stages | None = None) -> None:
        self.stages = stages or Stages()
        self.matching = Matching(card, DepthParams(), self.stages)
        model = camera_model(width, height)
        fx, cx, fy, cy = model.K[[0, 0, 1, 1], [0, 2, 1, 2]]
        self._rectify = Rectifier(model), Rectifier(model)
        camera = Pinhole(fx, fy, cx, cy, width, height)
        self._rig = Rig(camera, cx, BASELINE_M, (self._rectify[0].maps, self._rectify[1].maps))

    @property
    def prepared(self) -> str:
        """Where pictures become what the model takes: "on <device>", or "on the CPU", and why if a device runs it."""
        return self.matching.running().get("pictures", "on the CPU")

    def __call__(self, left: U8, right: U8) -> tuple[StereoPair, Depth]:
        """Two raw pictures (H, W, 3) RGB uint8, rectified, and their depth; valid until the next call."""
        rig = self._rig
        self.matching.begin(Sources(0, _FRAME, left, right, rig))
        with self.stages.timed("rectify"):
            left, right = self._rectify[0](left), self._rectify[1](right)
        pair = StereoPair(0, _FRAME, left, right, rig.camera, rig.cx_right, rig.baseline_m)
        found = self.matching.disparity(pair)
        with self.stages.timed("depth"):
            return pair, self.matching.depth(pair, found)

    def close(self) -> None:
        """Release the engine."""
        self.matching.close()
