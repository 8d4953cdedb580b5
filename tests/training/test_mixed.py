"""Training in bfloat16 rounds no disparity and keeps float32 weights; skips where torch is not installed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from training.losses import Truth, loss_of  # noqa: E402
from training.mixed import mixed  # noqa: E402
from training.net import Steps, StereoNet  # noqa: E402
from training.ship import ENGINES  # noqa: E402
from training.stereo import Plan, Run  # noqa: E402
from training.weights import load  # noqa: E402

CPU = torch.device("cpu")


def steps(net: StereoNet, pair: tuple[torch.Tensor, torch.Tensor]) -> Steps:
    with torch.no_grad():
        return net.steps(*pair)


@pytest.fixture(scope="module")
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(3)) * 255 for _ in "lr")


def test_answers_are_those_of_float32_but_for_the_rounding_of_features(
    pair: tuple[torch.Tensor, torch.Tensor],
) -> None:
    whole, short = (load(ENGINES / "models" / "stereo-s.onnx") for _ in range(2))
    mixed(short, CPU)
    one, two = steps(whole, pair), steps(short, pair)
    assert not torch.equal(one.disparity, two.disparity)
    assert float((one.scores - two.scores).abs().mean()) < 0.1 * float(one.scores.std())


def test_nothing_that_is_told_in_pixels_is_rounded(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    net = load(ENGINES / "models" / "stereo-s.onnx").eval()  # an untrained one may say 0 everywhere
    mixed(net, CPU)
    told = steps(net, pair)
    for name, x in (("disparity", told.disparity), ("scores", told.scores), *(("coarse", c) for c in told.coarse)):
        assert x.dtype == torch.float32, name
        assert not torch.equal(x, x.bfloat16().float()), name


def test_only_convolutions_that_are_normalised_are_rounded(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    net = load(ENGINES / "models" / "stereo-s.onnx").eval()
    mixed(net, CPU)
    exact = set()

    def note(name: str, out: torch.Tensor) -> None:
        if not torch.equal(out.float(), out.bfloat16().float()):
            exact.add(name)

    for name, module in net.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _m, _i, out, name=name: note(name, out))
    steps(net, pair)
    assert exact == {
        "aggregation.cost", "aggregation.raw", "rise.weights", "rounds.0.step", "rounds.1.step", "carry.asks",
        "carry.knows", "finish.weights", "sure",
    }  # fmt: skip


@pytest.mark.parametrize(("asked", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_run_calculates_as_it_was_asked_to(
    asked: bool, dtype: torch.dtype, pair: tuple[torch.Tensor, torch.Tensor]
) -> None:
    run = Run(Plan(steps=1, mixed=asked), CPU)
    seen = []
    run.net.features.stem[0][0].register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    steps(run.net, pair)
    assert set(seen) == {dtype}


def test_weights_and_their_gradients_stay_float32(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    net = StereoNet("s")
    mixed(net, CPU)
    seen = torch.ones(1, 1, 64, 128, dtype=torch.bool)
    loss, _ = loss_of(net.steps(*pair), Truth(torch.full((1, 1, 64, 128), 9.0), seen, seen.float()))
    loss.backward()
    assert all(p.dtype == torch.float32 and p.grad.dtype == torch.float32 for p in net.parameters())
