"""A larger network that begins with what a smaller one has learned (after Net2Net, Chen et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.correlation import RADIUS
from training.net import GROUPS, SIZES, StereoNet

FAINT = 0.1
"""What normalisation scales a channel by that the smaller network lacks: little is added to what is correlated."""


def widened(net: StereoNet, size: str, left: Tensor, right: Tensor) -> StereoNet:
    """A network of a larger size, to be trained on, that answers nearly as `net`, unfolded, does.

    Old channels compute what they did: they listen to new ones with weight 0. New ones listen to all, at random, so
    that each learns something else. A block that is new adds nothing yet; a look-up that is new repeats the last one.
    Of new channels batch normalisation is measured on `left` and `right`, RGB pictures 0..255 (B, 3, H, W). ValueError
    for a size that is smaller.
    """
    old, rounds = net.state_dict(), SIZES[net.size].rounds
    new = StereoNet(size, 8 * net.disparities)
    norms = {name for name, module in new.named_modules() if isinstance(module, nn.BatchNorm2d)}
    state = new.state_dict()
    for name, value in state.items():
        source = _named_before(name, rounds)
        if source in old:
            _embed(old[source], value, FAINT if name.rpartition(".")[0] in norms and name.endswith(".weight") else 1.0)
        elif name.endswith("body.2.1.weight"):
            value.zero_()  # the last normalisation of a block that is added to what went in
    _rescale(state, old)
    new.load_state_dict(state)
    _measure(new, left, right)
    for name, value in new.state_dict().items():
        if name in old and "running" in name:
            _embed(old[name], value, 1.0)
    return new


def _named_before(name: str, rounds: int) -> str:
    """Of a parameter, the name of the one in a network with `rounds` look-ups that it begins as."""
    if not name.startswith("rounds."):
        return name
    _, k, rest = name.split(".", 2)
    return f"rounds.{min(int(k), rounds - 1)}.{rest}"


def _embed(old: Tensor, new: Tensor, new_scale: float) -> None:
    """Write a smaller tensor into a larger one: old channels listen to no new one, and new ones are scaled."""
    if old.dim() == 0:
        new.copy_(old)
        return
    places = [_places(m, n) for m, n in zip(old.shape, new.shape, strict=True)]
    kept = torch.zeros(new.shape[0], dtype=torch.bool)
    kept[places[0]] = True
    new[kept] = 0.0
    new[~kept] *= new_scale
    new[torch.meshgrid(*places, indexing="ij")] = old


def _places(old: int, new: int) -> Tensor:
    """Where old channels stand among new ones: those of a group that is correlated apart stay in that group."""
    if old > new or (old < new and (old % GROUPS or new % GROUPS)):
        raise ValueError(f"{old} channels cannot become {new}: a network can only begin as a smaller one of its kind")
    each, room = (old, new) if old == new else (old // GROUPS, new // GROUPS)
    return torch.cat([torch.arange(each) + k * room for k in range(old // each)])


def _rescale(state: dict[str, Tensor], old: dict[str, Tensor]) -> None:
    """Correlations grow with the root of the channels that are correlated: what reads them takes that back."""
    fine, coarse = (
        (old[f"features.{at}.body.2.1.weight"].shape[0] / state[f"features.{at}.body.2.1.weight"].shape[0]) ** 0.5
        for at in ("at4", "at8")
    )
    state["aggregation.raw.weight"] *= coarse
    state["aggregation.enter.first.0.weight"] *= coarse
    for name, value in state.items():
        if name.startswith("rounds.") and name.endswith("looked.first.0.weight"):
            value[:, : 2 * RADIUS + 1] *= fine


def _measure(net: StereoNet, left: Tensor, right: Tensor) -> None:
    """Have batch normalisation have seen these pictures, and no others; the network is then in evaluation."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        net.train()(left, right)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    net.eval()
