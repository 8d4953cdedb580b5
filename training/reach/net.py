"""The network: three layers over joints, speeds and what the tool is off, the latter at three scales."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

INPUTS, OUTPUT = ("joints", "speeds", "off"), "rows"
OPSET = 17
_SCALES = ((0.4, 0.8), (0.05, 0.1), (0.008, 0.02))
"""Metres and radians: far, near and almost there; what is off by millimetres must still be seen."""


class ReachNet(nn.Module):
    """Speeds of the next rows, as changes of the present ones."""

    def __init__(self, speed: tuple[float, ...], horizon: int, width: int = 192) -> None:
        """`speed` (d,) are the limits by joint, rad/s."""
        super().__init__()
        self.horizon = horizon
        joints = len(speed)
        self.register_buffer("speed", torch.tensor(speed, dtype=torch.float32))
        scales = [[metres] * 3 + [radians] * 3 for metres, radians in _SCALES]
        self.register_buffer("scales", torch.tensor(scales, dtype=torch.float32))
        self.layers = nn.Sequential(
            nn.Linear(3 * joints + 6 * len(_SCALES), width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, horizon * joints),
        )  # fmt: skip

    def forward(self, joints: Tensor, speeds: Tensor, off: Tensor) -> Tensor:
        """(n, d) rad, (n, d) rad/s, (n, 6) as `off_by` -> (n, horizon, d) rad/s."""
        bent = [torch.tanh(off / self.scales[i]) for i in range(len(_SCALES))]
        shown = torch.cat([torch.sin(joints), torch.cos(joints), speeds / self.speed, *bent], dim=1)
        change = self.layers(shown).reshape(-1, self.horizon, joints.shape[1])
        return speeds[:, None] + self.speed * change


def export(net: ReachNet, path: Path) -> None:
    """Write it as ONNX for one arm at a time."""
    count = len(net.speed)
    blank = (torch.zeros(1, count), torch.zeros(1, count), torch.zeros(1, 6))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        net.eval(), blank, str(path), dynamo=False, opset_version=OPSET, input_names=list(INPUTS),
        output_names=[OUTPUT],
    )  # fmt: skip
