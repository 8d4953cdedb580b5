"""Low-rank adapters on a frozen network, their rank chosen layer by layer.

W + s B A with A (r, inputs) and B (outputs, r) trained and W frozen: LoRA, Hu et al., ICLR 2022; a convolution's weight
counts as a matrix (outputs, inputs x kernel). StereoAdapter (Wu et al. 2025) learns each layer's rank with gates that
are driven to zero while training runs (CoDyRA, Lu et al. 2024); AdaLoRA (Zhang et al., ICLR 2023) shares one budget of
ranks among the layers by importance. A few minutes on a CPU leave no time for learning gates, so the ranks are chosen
before the first step, from the gradients: those of two halves of some batches are compared, and a direction (u, v) of
one half counts as far as the other half wants it too, (u' G1 v) (u' G2 v). That is an estimate of how much the loss
would fall along it which noise does not inflate. Directions are taken from all layers, best gain per parameter first,
until the budget is spent. A starts as the directions found (LoRA-GA, Wang et al., NeurIPS 2024) and B as zero, so that
the adapted network is at first the frozen one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """One rank of one layer: the row of A, and the gain for its cost in parameters."""

    layer: str
    row: Tensor
    gain: float
    cost: int


class Adapters(nn.Module):
    """Adapters of the layers {name of a weight: rows of A}. The network itself is not touched before `merge`.

    Biases of adapted layers are trained too: with batch normalisation folded they hold what a new water shifts.
    """

    def __init__(self, net: nn.Module, rows: dict[str, Tensor]) -> None:
        super().__init__()
        self._frozen = {name: p.detach() for name, p in net.named_parameters()}
        self._net = [net]  # in a list, so that its parameters are not this module's
        self._names = list(rows)
        biases = [name for name in (bias_of(weight) for weight in rows) if name in self._frozen]
        self.a = nn.ParameterList([row.clone() for row in rows.values()])
        self.b = nn.ParameterList([torch.zeros(len(self._frozen[name]), len(row)) for name, row in rows.items()])
        self._biases = biases
        self.c = nn.ParameterList([torch.zeros_like(self._frozen[name]) for name in biases])

    @property
    def ranks(self) -> dict[str, int]:
        """{name of the weight: rank}."""
        return {name: len(a) for name, a in zip(self._names, self.a, strict=True)}

    def weights(self) -> dict[str, Tensor]:
        """The adapted parameters by name."""
        out: dict[str, Tensor] = {}
        for name, a, b in zip(self._names, self.a, self.b, strict=True):
            frozen = self._frozen[name]
            out[name] = frozen + scale(frozen) * (b @ a).view_as(frozen)
        for name, c in zip(self._biases, self.c, strict=True):
            out[name] = self._frozen[name] + (scale(self._frozen[name]) or 1.0) * c
        return out

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """What the adapted network says."""
        said: tuple[Tensor, Tensor] = functional_call(self._net[0], self.weights(), (left, right))
        return said

    def groups(self, rate: float) -> list[dict[str, object]]:
        """Parameters for an optimiser. A learns more slowly than B (LoRA+, Hayou et al., ICML 2024)."""
        return [
            {"params": list(parameters), "lr": rate * factor, "most": rate * factor}
            for parameters, factor in ((self.a, 0.05), (self.b, 1.0), (self.c, 1.0)) if len(parameters)
        ]  # fmt: skip

    def merge(self) -> None:
        """Write the adapted weights into the network, which then is an ordinary one again."""
        with torch.no_grad():
            for name, weight in self.weights().items():
                self._net[0].get_parameter(name).copy_(weight)


def bias_of(weight: str) -> str:
    """Name of the bias beside a weight."""
    return f"{weight.removesuffix('weight')}bias"


def scale(weight: Tensor) -> float:
    """How large an entry of a weight or bias is, as root mean square: an adapter's step is relative to it."""
    return float(weight.square().mean().sqrt())


def choose(
    net: nn.Module, losses: Iterable[Callable[[], Tensor]], budget: int, max_rank: int, leave: Iterable[str] = ()
) -> dict[str, Tensor]:
    """{weight: rows of A (rank, inputs)} for at most `budget` parameters, from the gradients of `losses`.

    Layers named in `leave` (beginnings of names) stay as they are. See the module for the method.
    """
    names = adaptable(net, leave)
    even, odd = gradients(net, names, losses)
    found = sorted(
        (d for name in names for d in directions(name, net.get_parameter(name), even[name], odd[name], max_rank)),
        key=lambda d: (-d.gain / d.cost, d.layer),
    )
    rows: dict[str, list[Tensor]] = {}
    spent = 0
    for d in found:
        if spent + d.cost <= budget:
            rows.setdefault(d.layer, []).append(d.row)
            spent += d.cost
    return {name: torch.stack(rows[name]) for name in names if name in rows}


def adaptable(net: nn.Module, leave: Iterable[str] = ()) -> list[str]:
    """Names of the weights that can have an adapter, but for those that begin as one in `leave`."""
    return [n for n, p in net.named_parameters() if p.ndim == 4 and not n.startswith(tuple(leave))]


def least(net: nn.Module, leave: Iterable[str] = ()) -> int:
    """Parameters of the smallest adapter: one rank of the layer where it costs least."""
    weights = (net.get_parameter(name) for name in adaptable(net, leave))
    return int(min(len(weight) + weight[0].numel() for weight in weights))


def gradients(
    net: nn.Module, names: list[str], losses: Iterable[Callable[[], Tensor]]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Mean gradients as matrices (outputs, inputs), of the even and of the odd losses."""
    parameters = [net.get_parameter(name) for name in names]
    for parameter in parameters:
        parameter.requires_grad_(True)
    even, odd = (
        {name: torch.zeros(len(p), p[0].numel()) for name, p in zip(names, parameters, strict=True)} for _ in range(2)
    )
    for i, loss in enumerate(losses):
        for name, grad in zip(names, torch.autograd.grad(loss(), parameters, allow_unused=True), strict=True):
            if grad is not None:
                (odd if i % 2 else even)[name] += grad.flatten(1)
    for parameter in parameters:
        parameter.requires_grad_(False)
    return even, odd


def directions(name: str, weight: Tensor, one: Tensor, other: Tensor, max_rank: int) -> list[Direction]:
    """The singular directions of one half's gradient that the other half confirms, largest first."""
    u, s, v = torch.linalg.svd(one, full_matrices=False)
    gains = s * torch.einsum("or,oi,ri->r", u, other, v) * scale(weight) ** 2
    outputs, inputs = one.shape
    rank = min(max_rank, outputs, inputs)
    return [Direction(name, v[i], float(gains[i]), outputs + inputs) for i in range(rank) if gains[i] > 0]
