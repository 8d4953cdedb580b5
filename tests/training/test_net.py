"""The stereo network's parts are what they are named after; skips where torch is not installed."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network's definition needs torch; the data do not")

from engines.card import CARDS  # noqa: E402
from training.correlation import EMPTY, RADIUS, band, best, look_up, rows  # noqa: E402
from training.net import GROUPS, SIZES, StereoNet  # noqa: E402


@pytest.fixture(autouse=True)
def still() -> None:
    torch.manual_seed(0)


def test_the_band_of_the_rows_is_the_correlation_at_each_disparity_group_by_group() -> None:
    left, right = torch.randn(2, 6, 3, 11), torch.randn(2, 6, 3, 11)
    volume = band(rows(left, right, (4, 0), 2), 5).unflatten(1, (2, 5))
    one, two = (torch.nn.functional.normalize(x.unflatten(1, (2, 3)), dim=2) for x in (left, right))
    for d in range(5):
        for x in range(11):
            expected = (one[..., x] * two[..., x - d]).sum(2) * 3**0.5 if x >= d else torch.zeros(2, 2, 3)
            assert torch.allclose(volume[:, :, 4 - d, :, x], expected, atol=1e-5)


def test_the_best_disparity_is_the_mean_around_the_highest_peak_and_ignores_another_peak() -> None:
    scores = torch.full((1, 24, 1, 2), -20.0)
    for column, (high, low) in enumerate(((5, 20), (0, 9))):
        scores[0, 23 - high, 0, column], scores[0, 23 - low, 0, column] = 3.0, 2.9
    scores[0, 23 - 6, 0, 0] = 3.0 - math.log(3)  # a third as likely as its neighbour: a quarter of the way
    assert torch.allclose(best(scores), torch.tensor([[[[5.25, 0.0]]]]), atol=1e-4)


def test_an_untrained_aggregation_scores_what_correlates_highest() -> None:
    torch.manual_seed(1)
    net = StereoNet("s", 64).eval()
    with torch.no_grad():
        net.aggregation.cost.weight.zero_()
        net.aggregation.cost.bias.zero_()
        volume = torch.randn(1, GROUPS * 8, 4, 4)
        scores, _ = net.aggregation(volume, torch.randn(1, 48, 4, 4))
    assert torch.allclose(scores, volume.unflatten(1, (GROUPS, 8)).sum(1), atol=1e-5)


def test_a_look_up_reads_the_correlations_around_a_disparity_between_columns() -> None:
    left, right = torch.randn(1, 4, 2, 16), torch.randn(1, 4, 2, 16)
    table = rows(left, right, EMPTY)
    found = look_up(table, torch.full((1, 1, 2, 16), 2.25))
    assert found.shape == (1, 2 * RADIUS + 1, 2, 16)
    of = table[:, 0, :, :, EMPTY[0] :]  # of the right picture's columns
    x = 8  # the middle tap lies at 8 - 2.25 = 5.75; the taps go on to the right from there
    middle = 0.25 * of[:, :, x, 5] + 0.75 * of[:, :, x, 6]
    assert torch.allclose(found[:, RADIUS, :, x], middle, atol=1e-5)
    assert torch.allclose(found[:, RADIUS + 1, :, x], 0.25 * of[:, :, x, 6] + 0.75 * of[:, :, x, 7], atol=1e-5)


def test_a_look_up_in_bfloat16_counts_columns_exactly() -> None:
    """Above column 256 bfloat16 has no odd ones; the disparity, all that is rounded, is exact here."""
    table = rows(torch.randn(1, 4, 1, 600), torch.randn(1, 4, 1, 600), EMPTY)
    disparity = torch.randint(0, 48, (1, 1, 1, 600)) + 0.25 * torch.randint(0, 4, (1, 1, 1, 600))
    assert torch.equal(look_up(table, disparity.bfloat16()), look_up(table, disparity))


@pytest.mark.parametrize(("disparity", "seen"), [(0.0, 5), (15.5, 4), (19.0, 1), (300.25, 0)])
def test_a_look_up_finds_nothing_outside_of_the_right_picture(disparity: float, seen: int) -> None:
    left = right = torch.ones(1, 4, 1, 16)
    found = look_up(rows(left, right, EMPTY), torch.full((1, 1, 1, 16), disparity))[0, :, 0, 15]
    inside = [0 <= 15 - disparity + tap <= 15 for tap in range(-RADIUS, RADIUS + 1)]
    assert [bool(v > 0.99 * found.max()) and v > 0 for v in found] == inside
    assert sum(inside) == seen


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(32, 64), (96, 32)])
def test_any_size_divisible_by_32_gives_disparity_and_confidence(size: str, shape: tuple[int, int]) -> None:
    net = StereoNet(size, 64).eval()
    left, right = (255 * torch.rand(1, 3, *shape) for _ in range(2))
    with torch.no_grad():
        disparity, confidence = net(left, right)
    assert disparity.shape == confidence.shape == (1, 1, *shape)
    assert torch.isfinite(disparity).all()
    assert (disparity >= 0).all()
    assert ((confidence >= 0) & (confidence <= 1)).all()


def test_both_sizes_ship_within_12_mb() -> None:
    files = {path.stem: path.stat().st_size for path in (CARDS.parent / "models").glob("stereo-*.onnx")}
    assert set(files) == {"stereo-s", "stereo-s-int8", "stereo-m"}
    assert sum(files.values()) <= 12e6


def test_the_parts_are_trained_by_one_loss() -> None:
    net = StereoNet("s", 64)
    disparity, confidence = net(*(255 * torch.rand(2, 3, 64, 64) for _ in range(2)))
    (disparity.mean() + confidence.mean()).backward()
    assert all(p.grad is not None and math.isfinite(float(p.grad.abs().sum())) for p in net.parameters())


def test_the_exported_graph_gives_what_the_definition_gives(tmp_path: object) -> None:
    ort = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    net, path = StereoNet("s", 64).eval(), f"{tmp_path}/s.onnx"
    pair = [255 * torch.rand(1, 3, 64, 96) for _ in range(2)]
    names = ["left", "right", "disparity", "confidence"]
    torch.onnx.export(net, tuple(pair), path, dynamo=False, opset_version=17, input_names=names[:2],
                      output_names=names[2:], dynamic_axes={n: {2: "h", 3: "w"} for n in names})  # fmt: skip
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in ((64, 96), (96, 128)):
        left, right = (255 * torch.rand(1, 3, *shape) for _ in range(2))
        with torch.no_grad():
            expected = net(left, right)
        got = session.run(None, {"left": left.numpy(), "right": right.numpy()})
        for e, g in zip(expected, got, strict=True):
            assert np.allclose(e.numpy(), g, atol=1e-3)
