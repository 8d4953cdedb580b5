"""A larger network begins as the smaller one it is made of, and all of it learns; skips without torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network's definition needs torch")

from training import net as nets  # noqa: E402
from training import widen  # noqa: E402
from training.losses import Truth, loss_of  # noqa: E402
from training.net import SIZES, StereoNet  # noqa: E402
from training.sample import sample  # noqa: E402
from training.ship import ENGINES  # noqa: E402
from training.weights import fold, load, unfold  # noqa: E402
from training.widen import widened  # noqa: E402

SHIPPED = ENGINES / "models" / "stereo-s.onnx"
Pair = list["torch.Tensor"]


@pytest.fixture
def shown() -> Pair:
    torch.manual_seed(0)
    base = torch.nn.functional.interpolate(255 * torch.rand(4, 3, 32, 64), (64, 128), mode="bilinear")
    return [base[..., 16:112], base[..., 8:104]]


@pytest.fixture
def small(shown: Pair) -> StereoNet:
    """A network as `unfold` gives it, whose every weight is something else than at its initialisation."""
    net = StereoNet("s", 64).train()
    with torch.no_grad():
        for value in net.parameters():
            value += 0.05 * torch.randn_like(value)
        net(*shown)
    return unfold(fold(net), *shown)


def test_old_channels_compute_what_they_did(small: StereoNet, shown: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = replace(SIZES["m"], blocks=SIZES["s"].blocks, rounds=SIZES["s"].rounds)
    monkeypatch.setitem(nets.SIZES, "wide", wide)
    monkeypatch.setattr(widen, "FAINT", 0.0)
    large = widened(small, "wide", *shown)
    with torch.no_grad():
        one, two = small.eval().steps(*shown), large.steps(*shown)
    assert torch.allclose(one.scores, two.scores, atol=1e-3)
    assert torch.allclose(one.sure, two.sure, atol=1e-2)
    assert (one.disparity - two.disparity).abs().median() < 0.01  # beside a tie between two peaks it may be far off


def test_a_larger_network_answers_nearly_as_the_smaller_one_that_ships() -> None:
    torch.manual_seed(0)
    made = [sample(seed, (128, 96), 32, scene="table", effects=()) for seed in range(4)]
    left, right = (
        torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
        for pictures in ([s.left for s in made], [s.right for s in made])
    )
    small = unfold(load(SHIPPED), left, right)
    with torch.no_grad():
        before, after = (net(left, right)[0] for net in (small, widened(small, "m", left, right)))
    truth = torch.from_numpy(np.stack([s.disparity for s in made]))[:, None]
    first, then = ((answer - truth).abs().mean() for answer in (before, after))
    assert (after - before).abs().median() < 0.5
    assert then < 1.3 * first


def test_all_of_the_larger_network_learns(small: StereoNet, shown: Pair) -> None:
    net = widened(small, "m", *shown).train()
    begun = {name: value.clone() for name, value in net.named_parameters()}
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    truth = Truth(torch.full((4, 1, 64, 96), 8.0), torch.rand(4, 1, 64, 96) > 0.1, torch.ones(4, 1, 64, 96))
    for _ in range(3):
        optimiser.zero_grad()
        loss_of(net.steps(*shown), truth)[0].backward()
        optimiser.step()
    still = [name for name, value in net.named_parameters() if torch.equal(value, begun[name])]
    assert still == []


def test_normalisation_of_old_channels_stays_and_that_of_new_ones_has_seen_what_was_shown(
    small: StereoNet, shown: Pair
) -> None:
    net = widened(small, "m", *shown)
    conv, norm = net.features.stem[0][0], net.features.stem[0][1]
    seen = torch.nn.functional.conv2d(shown[1] / 255.0, conv.weight, None, 2, 1).mean((0, 2, 3))
    old = torch.tensor([*range(8), *range(16, 24)])  # of 16 channels that became 32, group by group
    new = torch.tensor([*range(8, 16), *range(24, 32)])
    assert torch.equal(norm.running_mean[old], small.features.stem[0][1].running_mean)
    assert torch.allclose(norm.running_mean[new], seen[new], atol=1e-4)  # the right picture goes through last
    assert norm.momentum == 0.1


def test_old_channels_do_not_listen_to_new_ones_which_listen_to_all(small: StereoNet, shown: Pair) -> None:
    conv = widened(small, "m", *shown).features.stem[1][0].weight  # 16 channels to 32, now 32 to 48
    heard, new_heard = [*range(8), *range(16, 24)], [*range(8, 16), *range(24, 32)]
    old, new = [*range(16), *range(24, 40)], [*range(16, 24), *range(40, 48)]
    assert torch.equal(conv[old][:, heard], small.features.stem[1][0].weight)
    assert not conv[old][:, new_heard].any()
    assert conv[new][:, heard].all()
    assert conv[new][:, new_heard].all()


def test_a_smaller_network_is_not_made(shown: Pair) -> None:
    with pytest.raises(ValueError, match="can only begin as a smaller one"):
        widened(StereoNet("m", 64), "s", *shown)
