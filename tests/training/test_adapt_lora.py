"""Adapters: nothing at first, a low-rank change once trained, merged without a trace; ranks where they are needed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="adaptation needs torch")

from torch import nn  # noqa: E402

from training.lora import Adapters, choose  # noqa: E402


class Toy(nn.Module):
    """Two convolutions that take a pair and give two pictures, as a stereo network does."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(6, 8, 3, padding=1)
        self.two = nn.Conv2d(8, 2, 1)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.two(torch.relu(self.one(torch.cat([left, right], 1))))
        return x[:, :1], x[:, 1:]


@pytest.fixture
def net() -> Toy:
    torch.manual_seed(0)
    return Toy().requires_grad_(False)


def pairs() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)


def test_untrained_adapters_change_nothing_and_trained_ones_change_by_their_rank(net: Toy) -> None:
    left, right = pairs()
    adapters = Adapters(net, {"one.weight": torch.randn(2, 54)})
    assert adapters.ranks == {"one.weight": 2}
    assert torch.equal(adapters(left, right)[0], net(left, right)[0])
    frozen = net.one.weight.clone()
    optimiser = torch.optim.Adam(adapters.groups(0.1))
    for _ in range(5):
        optimiser.zero_grad()
        (adapters(left, right)[0] - 1.0).square().mean().backward()
        optimiser.step()
    assert torch.equal(net.one.weight, frozen)
    assert torch.linalg.matrix_rank((adapters.weights()["one.weight"] - frozen).flatten(1)) == 2
    assert set(adapters.weights()) == {"one.weight", "one.bias"}


def test_a_merged_network_is_the_adapted_one(net: Toy) -> None:
    left, right = pairs()
    adapters = Adapters(net, {"one.weight": torch.randn(3, 54), "two.weight": torch.randn(1, 8)})
    with torch.no_grad():
        for parameter in adapters.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    before, adapted = net(left, right)[0], adapters(left, right)[0]
    names = set(net.state_dict())
    adapters.merge()
    assert not torch.allclose(before, adapted)
    assert torch.equal(net(left, right)[0], adapted)
    assert set(net.state_dict()) == names


def test_ranks_go_to_the_layer_and_the_direction_that_the_loss_asks_for(net: Toy) -> None:
    """The second output does not matter, so only one direction of the last layer has any gain."""

    def losses(n: int) -> object:
        return (lambda: net(*pairs())[0].square().mean() for _ in range(n))

    rows = choose(net, losses(6), budget=10_000, max_rank=4)
    assert len(rows["two.weight"]) == 1
    assert 1 <= len(rows["one.weight"]) <= 4
    assert all(torch.allclose(r @ r.T, torch.eye(len(r)), atol=1e-4) for r in rows.values())
    assert not net.one.weight.requires_grad


def test_the_budget_and_the_layers_left_alone_are_kept_to(net: Toy) -> None:
    def losses() -> object:
        return (lambda: net(*pairs())[0].square().mean() for _ in range(4))

    rows = choose(net, losses(), budget=130, max_rank=4)
    assert 0 < sum(r.shape[0] * (r.shape[1] + len(net.get_parameter(n))) for n, r in rows.items()) <= 130
    assert set(choose(net, losses(), budget=10_000, max_rank=4, leave=("two",))) == {"one.weight"}


def test_directions_that_only_one_half_of_the_batches_wants_get_no_rank(net: Toy) -> None:
    signs = iter([1.0, -1.0])
    fixed = pairs()
    rows = choose(net, (lambda: next(signs) * net(*fixed)[0].sum() for _ in range(2)), budget=10_000, max_rank=4)
    assert rows == {}
