"""From messages to views: decoded, rectified, and copied, because the odometry keeps some of them for seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from perception_node.cameras import Cameras, MissingCalibration
from perception_node.inputs import Message
from perception_node.odometry.view import View, rgbd_view, stereo_view
from perception_node.sync import Pair
from saccade.errors import CalibrationError, DataError
from saccade.stages import Stages
from saccade.types import Depth, Image
from saccade.wire.diagnostics import Level
from saccade.wire.health import Refused
from saccade.wire.images import decode_depth, decode_image


class Seen(NamedTuple):
    """A view and the frame of its camera."""

    view: View
    frame_id: str


class Views:
    """Makes views of pairs of messages; raises Refused and nothing else."""

    def __init__(self, stages: Stages) -> None:
        self.cameras = Cameras()
        self._stages = stages

    def stereo(self, pair: Pair[Message]) -> Seen:
        """The view of a stereo pair, raw or rectified."""
        if pair.left.rectified != pair.right.rectified:
            text = f"{pair.left.topic} comes with {pair.right.topic}; expected both raw or both rectified"
            raise Refused("calibration", "mixed pair", text)
        with self._stages.timed("decode"):
            left, right = _picture(pair.left), _picture(pair.right)
        with self._stages.timed("rectify"):
            try:
                both = self.cameras.pair(left, right, rectified=pair.left.rectified)
                copied = replace(both, left=both.left.copy(), right=both.right.copy())
                return Seen(stereo_view(copied), both.frame_id)
            except DataError as error:
                raise _uncalibrated(error) from error

    def rgbd(self, pair: Pair[Message]) -> Seen:
        """The view of a colour picture (the pair's left) and the depth registered to it (its right)."""
        with self._stages.timed("decode"):
            picture = _picture(pair.left)
            try:
                _, frame_id, depth_m = decode_depth(*pair.right)
            except DataError as error:
                raise _corrupt(error) from error
        try:
            camera = self.cameras.depth(pair.right.topic, depth_m.shape)
            sure = np.full(depth_m.shape, 255, np.uint8)
            depth = Depth(picture.stamp_ns, frame_id, depth_m.copy(), sure, camera)
            return Seen(rgbd_view(replace(picture, data=picture.data.copy()), depth), frame_id)
        except DataError as error:
            raise _uncalibrated(error) from error


def _picture(message: Message) -> Image:
    try:
        return decode_image(*message)
    except DataError as error:
        raise _corrupt(error) from error


def _corrupt(error: DataError) -> Refused:
    return Refused("images", "corrupt picture", str(error))


def _uncalibrated(error: DataError) -> Refused:
    if isinstance(error, MissingCalibration):
        return Refused("calibration", "missing calibration", str(error), Level.WARN)
    name = "unusable calibration" if isinstance(error, CalibrationError) else "sizes differ"
    return Refused("calibration", name, str(error))
