"""How disparities reach other pixels: propagation along rows, convex upsampling."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from training.spreading import OFFSETS, REACH, Propagation, Upsampling  # noqa: E402


def made(asked: dict[int, float], sure: list[float]) -> tuple[Propagation, torch.Tensor]:
    """A propagation that asks for these offsets (logits) whatever it sees, and a state of one row that is this sure."""
    carry = Propagation(1)
    with torch.no_grad():
        carry.asks.weight.zero_()
        carry.asks.bias.copy_(torch.tensor([asked.get(offset, -30.0) for offset in OFFSETS]))
        carry.knows.weight.fill_(1.0)
        carry.knows.bias.zero_()
    return carry, torch.tensor(sure).view(1, 1, 1, -1)


@pytest.mark.parametrize("offset", OFFSETS)
def test_propagation_takes_the_column_that_it_asks_for(offset: int) -> None:
    width = 3 * REACH
    carry, state = made({offset: 10.0}, [10.0] * width)
    with torch.no_grad():
        got = carry(torch.arange(float(width)).view(1, 1, 1, width), state)[0, 0, 0]
    wanted = torch.arange(float(width)) + offset
    inside = (wanted >= 0) & (wanted < width)
    assert torch.allclose(got[inside], wanted[inside], atol=1e-2)


def test_propagation_takes_nothing_from_a_pixel_that_knows_nothing() -> None:
    carry, state = made({-1: 10.0, 1: 10.0}, [10.0, -30.0, -30.0, 10.0])
    with torch.no_grad():
        got = carry(torch.tensor([[[[5.0, 90.0, 70.0, 8.0]]]]), state)[0, 0, 0]
    assert float(got[1]) == pytest.approx(5.0, abs=1e-2)  # not 70
    assert float(got[2]) == pytest.approx(8.0, abs=1e-2)  # not 90


def test_propagation_takes_nothing_from_outside_of_the_picture() -> None:
    carry, state = made({-1: 10.0, 1: 10.0}, [10.0] * 3)
    with torch.no_grad():
        got = carry(torch.tensor([[[[5.0, 6.0, 9.0]]]]), state)[0, 0, 0]
    assert [float(x) for x in got] == pytest.approx([6.0, 7.0, 6.0], abs=1e-2)


def test_propagation_stays_in_the_row() -> None:
    carry = Propagation(4)
    x, state = torch.rand(1, 1, 5, 40), torch.randn(1, 4, 5, 40)
    with torch.no_grad():
        before = carry(x, state)
        x[:, :, 2] += 7.0
        moved = (carry(x, state) - before).abs().amax(3)[0, 0]
    assert float(moved[2]) > 6.0
    assert float(moved[[0, 1, 3, 4]].max()) < 1e-5


def test_propagation_gives_a_number_where_nothing_is_known_or_asked_for() -> None:
    carry, state = made({}, [-200.0] * 4)
    with torch.no_grad():
        got = carry(torch.full((1, 1, 1, 4), 3.0), state)
    assert torch.allclose(got, torch.full((1, 1, 1, 4), 3.0))


def test_an_untrained_propagation_hardly_moves_anything() -> None:
    carry = Propagation(8)
    x = torch.cat([torch.full((1, 1, 1, 40), 4.0), torch.full((1, 1, 1, 40), 24.0)], 3)  # an edge
    with torch.no_grad():
        got = carry(x, torch.zeros(1, 8, 1, 80))
    assert float((got - x).abs().max()) < 0.25


@pytest.mark.parametrize("factor", [2, 4])
def test_upsampling_with_equal_weights_is_the_mean_of_the_four_coarse_values_around_each_fine_one(factor: int) -> None:
    up = Upsampling(3, factor)
    with torch.no_grad():
        up.weights.weight.zero_()
        up.weights.bias.zero_()
        fine = up(torch.arange(6.0).view(1, 1, 2, 3), torch.zeros(1, 3, 2, 3))[0, 0]
    half = factor // 2
    assert fine.shape == (2 * factor, 3 * factor)
    assert (fine[half:-half, half : half + factor] == 2.0).all()  # between 0, 1, 3 and 4
    assert (fine[:half, :half] == 0.0).all()  # the corner has no other neighbour
    assert (fine[:half, half : half + factor] == 0.5).all()


def test_upsampling_gives_a_number_where_no_neighbour_is_wanted() -> None:
    up = Upsampling(1, 2)
    with torch.no_grad():
        up.weights.weight.zero_()
        up.weights.bias.fill_(-200.0)
        fine = up(torch.full((1, 1, 2, 2), 3.0), torch.zeros(1, 1, 2, 2))
    assert torch.allclose(fine, torch.full((1, 1, 4, 4), 3.0))


def test_upsampling_takes_the_neighbour_that_it_is_told_to() -> None:
    up = Upsampling(1, 4)
    with torch.no_grad():
        up.weights.weight.zero_()
        up.weights.bias.copy_(
            torch.tensor([-30.0, -30.0, -30.0, 30.0]).repeat_interleave(16)
        )  # lower right of the four
        fine = up(torch.arange(6.0).view(1, 1, 2, 3), torch.zeros(1, 1, 2, 3))[0, 0]
    assert float(fine[0, 0]) == pytest.approx(0.0, abs=1e-4)
    assert float(fine[3, 3]) == pytest.approx(4.0, abs=1e-4)  # this fine pixel's four are 0, 1, 3 and 4
    assert float(fine[3, 0]) == pytest.approx(3.0, abs=1e-4)
