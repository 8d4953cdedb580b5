"""The photometric loss: least at the true disparity, blind to what one eye alone sees differently."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="adaptation needs torch")

from training.photometric import agreed, normalised, photometric, smoothness, visible, warp  # noqa: E402


def pair(shift: int) -> tuple[torch.Tensor, torch.Tensor]:
    wide = torch.rand(1, 3, 24, 80, generator=torch.Generator().manual_seed(0)) * 255
    return wide[..., 10:74], wide[..., 10 + shift : 74 + shift]


def plane(disparity: float) -> torch.Tensor:
    return torch.full((1, 1, 24, 64), disparity)


def error(left: torch.Tensor, right: torch.Tensor, disparity: float) -> float:
    moved = warp(normalised(right)[0], plane(disparity))
    return float(photometric(normalised(left)[0], moved)[..., 12:-12].mean())


def test_the_error_is_least_at_the_true_disparity() -> None:
    left, right = pair(4)
    found = {d: error(left, right, d) for d in (3.0, 3.5, 4.0, 4.5, 5.0)}
    assert min(found, key=lambda d: found[d]) == 4.0
    assert found[4.0] < 0.05
    assert found[3.0] > 0.2


def test_a_veil_and_another_exposure_of_one_eye_hardly_count() -> None:
    left, right = pair(4)
    murky = 0.5 * right + torch.tensor([10.0, 60.0, 90.0]).view(1, 3, 1, 1)
    assert error(left, murky, 4.0) < 0.06
    assert error(left, murky, 3.0) > 0.2


def test_the_gradient_points_to_the_true_disparity() -> None:
    ramp = torch.arange(64.0).view(1, 1, 1, 64).expand(1, 3, 24, 64)
    wave = 127 + 80 * torch.sin(ramp / 5)
    other = 127 + 80 * torch.sin((ramp + 2) / 5)
    for start, sign in ((1.0, -1.0), (3.0, 1.0)):
        disparity = plane(start).requires_grad_()
        photometric(normalised(wave)[0], warp(normalised(other)[0], disparity))[..., 16:48].sum().backward()
        assert disparity.grad is not None
        assert sign * float(disparity.grad.sum()) > 0


def test_what_the_nearer_object_hides_is_left_out_and_a_mistake_is_not() -> None:
    """Left of an object at 8 px before a wall at 2 px, six columns of the wall are seen by the left eye only."""
    left, right = plane(2.0), plane(2.0)
    left[..., 30:40] = 8.0
    right[..., 22:32] = 8.0
    seen = visible(left, right)[0, 0, 12]
    assert not seen[24:30].any()
    assert seen[12:22].all()
    assert seen[30:40].all()
    assert not seen[:2].any()
    wrong = left.clone()
    wrong[..., 50:54] = 6.0
    assert visible(wrong, right)[0, 0, 12, 50:54].all()
    assert not agreed(wrong, right)[0, 0, 12, 50:54].any()


def test_steps_cost_less_where_the_picture_has_an_edge() -> None:
    step, flat, edge = plane(2.0), torch.full((1, 3, 24, 64), 90.0), torch.full((1, 3, 24, 64), 90.0)
    step[..., 32:] = 4.0
    edge[..., 32:] = 200.0
    assert float(smoothness(plane(3.0), flat)) == 0.0
    assert float(smoothness(step, edge)) < 0.01 * float(smoothness(step, flat))
