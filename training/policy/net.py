"""The network: what stands around and the way ahead in, what to do otherwise than a plain pursuit out.

A residual policy (Silver et al. 2018; Johannink et al. 2019): with weights of zero it is pure pursuit. Scans go through
convolutions around the circle. Everything that is scaled is scaled within, so that the graph takes SI and gives SI.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vla_node.policies.learned.scan import FAR_M
from vla_node.policies.learned.sight import FACES_LEFT, SCANS, STATE

INPUTS, OUTPUT = ("scan", "state", "nominal"), "rows"
KNOTS = 6
"""What is added is linear between so many rows: speeds that do not tremble."""
MOST = (0.9, 1.4)
"""Of what is added, m/s and rad/s."""
_CHANNELS, _WIDTH = 32, 128


class Round(nn.Module):
    """A convolution around the circle, which halves it."""

    def __init__(self, into: int, out: int, size: int) -> None:
        super().__init__()
        self._rim = size // 2
        self.conv = nn.Conv1d(into, out, size, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(n, into, b) to (n, out, b / 2)."""
        return functional.relu(self.conv(torch.cat([x[..., -self._rim :], x, x[..., : self._rim]], dim=-1)))


class TravelNet(nn.Module):
    """scan (n, SCANS, BEARINGS) m, state (n, STATE) SI, nominal (n, k, 2) to rows (n, k, 2), m/s and rad/s."""

    def __init__(self, horizon: int, bearings: int) -> None:
        super().__init__()
        self.around = nn.Sequential(Round(SCANS, 24, 5), Round(24, _CHANNELS, 5), Round(_CHANNELS, _CHANNELS, 3))
        seen = _CHANNELS * (bearings // 8)
        self.think = nn.Sequential(
            nn.Linear(seen + STATE + 2 * KNOTS, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(),
            nn.Linear(_WIDTH, 2 * KNOTS),
        )  # fmt: skip
        last = self.think[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        at = np.linspace(0.0, KNOTS - 1.0, horizon)
        between = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(KNOTS)))
        self.register_buffer("between", torch.tensor(between, dtype=torch.float32))
        self.register_buffer("rows", torch.tensor(np.rint(np.linspace(0, horizon - 1, KNOTS)).astype(np.int64)))
        self.register_buffer("most", torch.tensor(MOST))

    def forward(self, scan: Tensor, state: Tensor, nominal: Tensor) -> Tensor:
        """See the class."""
        near = (FAR_M - scan) / (FAR_M * (1.0 + scan))  # 1 at the robot, 0 far away
        seen = self.around(near).flatten(1)
        knots = self.think(torch.cat([seen, state / 2.0, nominal[:, self.rows].flatten(1)], dim=1))
        added = torch.tanh(knots).reshape(-1, KNOTS, 2) * self.most
        return nominal + self.between @ added


def mirrored(examples: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same in a mirror: left is right."""
    state = examples["state"].clone()
    state[:, list(FACES_LEFT)] *= -1.0
    turned = torch.tensor([1.0, -1.0])
    out = {"scan": examples["scan"].flip(-1), "state": state, "nominal": examples["nominal"] * turned}
    return {**out, "rows": examples["rows"] * turned} if "rows" in examples else out


def spoiled(scan: Tensor, generator: torch.Generator) -> Tensor:
    """Scans as stereo gives them: of the camera's, sectors are missing and ranges are wrong by a share that grows."""
    seen, mapped = scan[:, :2], scan[:, 2:]
    noise = 1.0 + 0.012 * seen * torch.randn(seen.shape, generator=generator)
    missing = torch.rand(seen.shape, generator=generator) < 0.06
    seen = torch.where((seen < FAR_M) & ~missing, (seen * noise).clamp(0.0, FAR_M), torch.full_like(seen, FAR_M))
    return torch.cat([seen, mapped], dim=1)
