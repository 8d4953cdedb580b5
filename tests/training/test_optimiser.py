"""Muon takes the matrices of convolutions, AdamW the rest, and a run that was stopped goes on as if it had not been."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from torch import Tensor, nn  # noqa: E402

from training.net import StereoNet  # noqa: E402
from training.optimiser import Optimiser, worth  # noqa: E402

pytestmark = pytest.mark.slow

RATE = 1e-2


def network() -> nn.Sequential:
    torch.manual_seed(0)
    deep, last = nn.Conv2d(64, 64, 3, groups=64), nn.Conv2d(32, 8, 1)
    net = nn.Sequential(nn.Conv2d(8, 64, 3), deep, nn.Conv2d(64, 32, 1), nn.BatchNorm2d(32), last)
    return net.to(memory_format=torch.channels_last)


def learn(net: nn.Module, optimiser: Optimiser, seed: int) -> list[Tensor]:
    """Give every weight a gradient, go a step; the gradients."""
    torch.manual_seed(seed)
    for weight in net.parameters():
        weight.grad = torch.randn_like(weight)
    optimiser.step()
    return [weight.grad for weight in net.parameters()]


def test_matrices_that_mix_channels_are_worth_it() -> None:
    named = dict(network().named_parameters())
    assert {name for name, weight in named.items() if worth(weight)} == {"0.weight", "2.weight"}


def test_a_matrix_is_moved_as_far_in_every_direction_against_its_gradient() -> None:
    net = network()
    before = [weight.detach().clone() for weight in net.parameters()]
    gradients = learn(net, Optimiser(net, RATE), 1)
    for weight, was, gradient in zip(net.parameters(), before, gradients, strict=True):
        moved = (weight.detach() - was) / RATE
        if worth(weight):
            lengths = torch.linalg.svdvals(moved.flatten(1))
            assert lengths.max() / lengths.min() < 2.0
            assert float(moved.square().mean().sqrt()) == pytest.approx(0.2, rel=0.25)
            furthest = 0.2 * max(moved.flatten(1).shape) ** 0.5 * float(torch.linalg.svdvals(gradient.flatten(1)).sum())
            assert -float((moved * gradient).sum()) > 0.75 * furthest  # of what orthogonal steps can win
        else:
            assert moved == pytest.approx(-gradient.sign(), abs=0.01)


def test_a_run_goes_on_from_its_state() -> None:
    whole, stopped = network(), network()
    one, two = Optimiser(whole, RATE), Optimiser(stopped, RATE)
    for net, optimiser in ((whole, one), (stopped, two)):
        learn(net, optimiser, 1)
    again = network()
    again.load_state_dict(stopped.state_dict())
    three = Optimiser(again, RATE)
    three.load_state_dict(two.state_dict())
    for group in one.param_groups + three.param_groups:
        group["lr"] = RATE / 2
    for net, optimiser in ((whole, one), (again, three)):
        learn(net, optimiser, 2)
    for a, b, c in zip(whole.parameters(), again.parameters(), stopped.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_weights_loaded_later_are_the_ones_that_learn() -> None:
    net = network()
    optimiser = Optimiser(net, RATE)
    net.load_state_dict({name: torch.zeros_like(value) for name, value in net.state_dict().items()})
    learn(net, optimiser, 1)
    for weight in net.parameters():
        assert 0.0 < float(weight.detach().abs().max()) < 0.05


def test_one_rate_is_set_for_both() -> None:
    net = network()
    before = [weight.detach().clone() for weight in net.parameters()]
    optimiser = Optimiser(net, RATE)
    for group in optimiser.param_groups:
        group["lr"] = 0.0
    learn(net, optimiser, 1)
    assert all(torch.equal(weight, was) for weight, was in zip(net.parameters(), before, strict=True))


def test_most_of_a_stereo_network_is_matrices() -> None:
    for size in ("s", "m"):
        weights = list(StereoNet(size).parameters())
        assert sum(w.numel() for w in weights if worth(w)) > 0.9 * sum(w.numel() for w in weights)


def test_other_memory_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(16, 8, 3, 3\) are not channels_last; convert"):
        Optimiser(nn.Conv2d(8, 16, 3), RATE)
