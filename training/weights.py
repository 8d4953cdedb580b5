"""Weights between PyTorch and ONNX.

The ONNX file is the weights: batch normalisation is folded into the convolutions, every initialiser is named as its
parameter, and `load` gives the network back, to be checked against the graph or adapted.
"""

from __future__ import annotations

import copy
import hashlib
from ast import literal_eval
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from saccade.errors import SaccadeError
from training.net import STRIDE, StereoNet

INPUTS, OUTPUTS = ("left", "right"), ("disparity", "confidence")
OPSET = 17
FRESH = 3.0**-0.5
"""Length of one output channel's weights as PyTorch initialises a convolution."""


class WeightsError(SaccadeError):
    """An ONNX file that does not hold this project's network."""


def fold(net: StereoNet) -> StereoNet:
    """A copy for inference with batch normalisation and the scaling of the picture inside of the convolutions."""
    net = copy.deepcopy(net).eval()
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            for k in range(len(module) - 1):
                if isinstance(module[k], nn.Conv2d) and isinstance(module[k + 1], nn.BatchNorm2d):
                    module[k], module[k + 1] = fuse_conv_bn_eval(module[k], module[k + 1]), nn.Identity()
    if net.features.white != 1.0:
        first = next(m for m in net.features.stem.modules() if isinstance(m, nn.Conv2d))
        with torch.no_grad():
            first.weight.div_(net.features.white)
        net.features.white = 1.0
    return net


def unfold(net: StereoNet, left: Tensor, right: Tensor) -> StereoNet:
    """A copy of a folded network that can be trained on: batch normalisation is back, and undoes itself so far.

    What it normalises by is measured on `left` and `right`, some dozen RGB pictures 0..255 (B, 3, H, W). Before
    normalisation a convolution has no scale of its own, so each of its channels gets the length that a fresh one has,
    for which learning rates are chosen.
    """
    new, stored = StereoNet(net.size, 8 * net.disparities), net.state_dict()
    new.load_state_dict({name: stored.get(name, value) for name, value in new.state_dict().items()})
    modules = dict(new.named_modules())
    with torch.no_grad():
        if net.features.white == 1.0:
            modules["features.stem.0.0"].weight.mul_(new.features.white)
        for name, norm in modules.items():
            if isinstance(norm, nn.BatchNorm2d):
                before, _, place = name.rpartition(".")
                conv = f"{before}.{int(place) - 1}"
                weight = modules[conv].weight
                scale = FRESH / weight.flatten(1).norm(dim=1).clamp_min(1e-6)
                weight.mul_(scale[:, None, None, None])
                _undo_at_first(norm, scale, stored[f"{conv}.bias"])
        new.eval()(left, right)
    return new


def _undo_at_first(norm: nn.BatchNorm2d, scale: Tensor, bias: Tensor) -> None:
    """Have a normalisation measure the first batch it sees, and give back what a convolution of that bias would."""

    def measure(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        norm.running_mean, norm.running_var = mean, variance
        norm.weight.copy_((variance + norm.eps).sqrt() / scale)
        norm.bias.copy_(bias + mean / scale)
        once.remove()

    once = norm.register_forward_pre_hook(measure)


def export(net: StereoNet, path: Path, notes: dict[str, str] | None = None) -> str:
    """Write a network, folded or not, as ONNX with free height and width; returns the file's sha256.

    `notes` go into the file's metadata, beside size and largest disparity, which `load` needs.
    """
    net = fold(net)
    pair = tuple(torch.zeros(1, 3, 2 * STRIDE, 3 * STRIDE) for _ in INPUTS)
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = {name: {2: "H", 3: "W"} for name in (*INPUTS, *OUTPUTS)}
    torch.onnx.export(
        net, pair, str(path), dynamo=False, opset_version=OPSET, input_names=list(INPUTS), output_names=list(OUTPUTS),
        dynamic_axes=axes,
    )  # fmt: skip
    model = onnx.load(path)
    own = {"saccade.size": net.size, "saccade.max_disparity": str(8 * net.disparities)}
    for key, value in {**own, **(notes or {})}.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return digest(path)


def load(path: Path) -> StereoNet:
    """The network of an ONNX file that `export` wrote, folded, for inference. WeightsError for any other file."""
    notes, model = notes_of(path), onnx.load(path)
    net = fold(StereoNet(notes["saccade.size"], int(notes["saccade.max_disparity"])))
    stored = {i.name: torch.from_numpy(np.array(numpy_helper.to_array(i))) for i in model.graph.initializer}
    wanted = net.state_dict()
    if missing := sorted(name for name in wanted if name not in stored):
        raise WeightsError(
            f"{path} lacks {len(missing)} of the network's {len(wanted)} parameters, such as {missing[0]}"
        )
    net.load_state_dict({name: stored[name] for name in wanted})
    return net


def checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What `training.stereo` saved of a run, from a file that may be anyone's. WeightsError for any other file."""
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise WeightsError(f"{path} is not a checkpoint of training.stereo") from error
    if not isinstance(state, dict) or not {"plan", "average", "seconds"} <= set(state):
        raise WeightsError(f"{path} is no checkpoint of training.stereo: it lacks the run's plan and averaged weights")
    return state


def notes_of(path: Path) -> dict[str, str]:
    """What `export` wrote about an ONNX file's network. WeightsError for any other file."""
    try:
        notes = {p.key: p.value for p in onnx.load(path).metadata_props}
    except DecodeError as error:
        raise WeightsError(f"{path} is not an ONNX file: {error}") from error
    if "saccade.size" not in notes:
        raise WeightsError(f"{path} was not written by training.weights: it names no saccade.size; use a shipped model")
    return notes


def story_of(path: Path) -> str:
    """How the network of an ONNX file came to be, in words for the card of what starts from it."""
    notes = notes_of(path)
    if "saccade.training" not in notes:
        return f"{path.name}, sha256 {digest(path)}, which does not say how it was trained"
    made = literal_eval(notes["saccade.training"])
    run = f"a run of {made['steps']} steps in {made['minutes']} minutes, " if "steps" in made else ""
    return f"{run}{made['started']}"


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
