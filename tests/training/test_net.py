"""The stereo network's parts are what they are named after; skips where torch is not installed."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network's definition needs torch; the data do not")

from training.net import RADIUS, SIZES, StereoNet, band, convex, look_up, rows  # noqa: E402


@pytest.fixture(autouse=True)
def still() -> None:
    torch.manual_seed(0)


def test_the_band_of_the_rows_is_the_correlation_at_each_disparity() -> None:
    left, right = torch.randn(2, 6, 3, 11), torch.randn(2, 6, 3, 11)
    volume = band(rows(left, right, 5), 5)
    one, two = (torch.nn.functional.normalize(x, dim=1) for x in (left, right))
    for d in range(5):
        for x in range(11):
            expected = (one[..., x] * two[..., x - d]).sum(1) * 6**0.5 if x >= d else torch.zeros(2, 3)
            assert torch.allclose(volume[:, 4 - d, :, x], expected, atol=1e-5)


def test_a_look_up_reads_the_correlations_around_a_disparity_between_columns() -> None:
    left, right = torch.randn(1, 4, 2, 16), torch.randn(1, 4, 2, 16)
    table = rows(left, right, 1)
    found = look_up(table, torch.full((1, 1, 2, 16), 2.25))
    assert found.shape == (1, 2 * RADIUS + 1, 2, 16)
    x = 8  # the middle tap lies at 8 - 2.25 = 5.75; the taps go on to the right from there
    middle = 0.25 * table[..., x, 5] + 0.75 * table[..., x, 6]
    assert torch.allclose(found[:, RADIUS, :, x], middle, atol=1e-5)
    assert torch.allclose(found[:, RADIUS + 1, :, x], 0.25 * table[..., x, 6] + 0.75 * table[..., x, 7], atol=1e-5)
    assert (found[:, 0, :, 0] == 0).all()  # outside the right picture


def test_convex_upsampling_keeps_a_plane_and_puts_pixels_in_order() -> None:
    coarse = torch.arange(6.0).view(1, 1, 2, 3)
    weights = torch.zeros(1, 9, 16, 2, 3)
    weights[:, 4] = 1.0
    assert torch.equal(convex(coarse, weights), coarse.repeat_interleave(4, 2).repeat_interleave(4, 3))


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


def test_both_sizes_leave_room_for_the_weights_in_the_repository() -> None:
    """fp32 and int8 of both within 12 MB."""
    assert sum(5 * p.numel() for size in SIZES for p in StereoNet(size).parameters()) < 12e6


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
