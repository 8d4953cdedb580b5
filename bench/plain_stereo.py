"""Stereo from a raw pair to points as one writes it in an afternoon, with OpenCV and ONNX Runtime or PyTorch alone.

Nothing here is slow on purpose: it is what the libraries' own examples do. It is what `bench.perception_stages` and
`bench.perception_backends` measure Saccade against; it checks nothing, knows no confidence beyond the model's, and
cannot tell no depth from far.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

Mark = Callable[[str], None]
"""Called with a stage's name when it is over."""


Network = Callable[[Any, Any], tuple[Any, Any]]
"""Both pictures (1, 3, H, W) float32 RGB 0..255 to disparity px and confidence 0..1, (1, 1, H, W) in host memory."""


def onnx_runtime(model: Path, threads: int, provider: str = "CPUExecutionProvider") -> Network:
    """One of our networks as ONNX Runtime runs it; RuntimeError where it has no such provider, or falls back."""
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():
        raise RuntimeError(f"this ONNX Runtime has no {provider}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=[provider])
    if (got := session.get_providers()[0]) != provider:
        raise RuntimeError(f"ONNX Runtime fell back from {provider} to {got}")
    return lambda left, right: tuple(session.run(["disparity", "confidence"], {"left": left, "right": right}))


def pytorch(model: Path, threads: int, device: str = "cpu") -> Network:
    """The same network in plain PyTorch; RuntimeError without PyTorch or the device."""
    try:
        import torch

        from training.weights import load
    except ImportError as error:
        raise RuntimeError(f"{error}; pip install 'saccade[train]'") from error
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("PyTorch finds no CUDA device")
    torch.set_num_threads(threads)
    net = load(model).to(device).eval()

    def run(left: Any, right: Any) -> tuple[Any, Any]:
        with torch.inference_mode():
            found = net(*(torch.from_numpy(picture).to(device) for picture in (left, right)))
            return found[0].cpu().numpy(), found[1].cpu().numpy()

    return run


class PlainStereo:
    """rectify, to the model's input, model, points; without a network, OpenCV's SGBM."""

    def __init__(self, network: Network | None, K: Any, D: Any, size: tuple[int, int], baseline_m: float):
        R, T = np.eye(3), np.array([[-baseline_m], [0], [0]])
        R1, R2, P1, P2, self.Q, _, _ = cv2.stereoRectify(K, D, K, D, size, R, T, alpha=0)
        self.maps = [
            cv2.initUndistortRectifyMap(K, D, rotation, P, size, cv2.CV_32FC1) for rotation, P in ((R1, P1), (R2, P2))
        ]
        self.network = network
        self.matcher = cv2.StereoSGBM.create(
            numDisparities=64, blockSize=5, P1=200, P2=800, disp12MaxDiff=1, preFilterCap=31, uniquenessRatio=10,
            speckleWindowSize=60, speckleRange=1, mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
        )  # fmt: skip

    def __call__(self, left: Any, right: Any, mark: Mark) -> Any:
        """Points (H, W, 3) of raw pictures (H, W, 3), which OpenCV gives in BGR."""
        left, right = (
            cv2.remap(picture, *maps, cv2.INTER_LINEAR) for picture, maps in zip((left, right), self.maps, strict=True)
        )
        mark("rectify")
        if self.network is None:
            greys = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (left, right)]
            mark("prepare")
            disparity = self.matcher.compute(*greys)
            mark("engine")
            disparity = disparity.astype(np.float32) / 16
        else:
            rgb = [cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) for picture in (left, right)]
            tensors = [picture.astype(np.float32).transpose(2, 0, 1)[None] for picture in rgb]
            mark("prepare")
            found = self.network(*tensors)
            mark("engine")
            disparity, confidence = found[0].squeeze(), found[1].squeeze()
            disparity[confidence < 0.5] = 0
        mark("finish")
        points = cv2.reprojectImageTo3D(disparity, self.Q)
        points[disparity <= 0] = np.nan
        mark("points")
        return points
