"""The loss is zero where the answer is right and counts what it says it counts; skips where torch is not installed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the loss needs torch; the data do not")

from training.losses import HIDDEN, Truth, class_loss, loss_of  # noqa: E402
from training.net import RANGE, Steps  # noqa: E402

COUNT = RANGE // 8


def truth_at(disparity: float, shape: tuple[int, int] = (32, 64)) -> Truth:
    d = torch.full((1, 1, *shape), disparity)
    return Truth(d, torch.ones_like(d, dtype=torch.bool), torch.ones_like(d))


def steps_at(disparity: float, sure: float = 30.0, shape: tuple[int, int] = (32, 64)) -> Steps:
    h, w = shape
    scores = torch.full((1, COUNT, h // 8, w // 8), -60.0)
    scores[:, COUNT - 1 - round(disparity / 8)] = 0.0
    coarse = torch.full((1, 1, h // 4, w // 4), disparity / 4.0)
    return Steps(scores, [coarse, coarse], torch.full((1, 1, h, w), disparity), torch.full((1, 1, h, w), sure))


def test_a_right_and_sure_answer_costs_nothing() -> None:
    loss, _ = loss_of(steps_at(40.0), truth_at(40.0))
    assert float(loss) < 1e-4


@pytest.mark.parametrize("term", ["class", "coarse", "final", "sure"])
def test_a_wrong_answer_costs_in_every_term(term: str) -> None:
    _, right = loss_of(steps_at(40.0), truth_at(40.0))
    _, wrong = loss_of(steps_at(56.0), truth_at(40.0))
    assert float(wrong[term]) > float(right[term]) + 0.5


def test_a_hidden_pixel_counts_less_than_a_visible_one() -> None:
    truth = truth_at(40.0)
    truth.visible[..., :32] = False
    steps = steps_at(40.0)
    steps.disparity[..., :32] = 50.0
    _, left_wrong = loss_of(steps, truth)
    steps = steps_at(40.0)
    steps.disparity[..., 32:] = 50.0
    _, right_wrong = loss_of(steps, truth)
    assert float(left_wrong["final"]) == pytest.approx(HIDDEN * float(right_wrong["final"]), rel=1e-4)


def test_disparities_beyond_the_range_do_not_count() -> None:
    truth = truth_at(40.0)
    truth.disparity[..., :32] = RANGE + 10.0
    steps = steps_at(40.0)
    steps.disparity[..., :32] = 0.0
    loss, _ = loss_of(steps, truth)
    assert float(loss) < 0.2


def test_a_cell_at_an_edge_has_two_right_classes_and_none_between() -> None:
    disparity = torch.full((1, 1, 8, 8), 16.0)
    disparity[..., 4:] = 80.0
    weight = torch.ones_like(disparity)

    def cost(*classes: int) -> float:
        scores = torch.full((1, COUNT, 1, 1), -10.0)
        for k in classes:
            scores[:, COUNT - 1 - k] = 0.0
        return float(class_loss(scores, disparity, weight))

    assert cost(2, 10) < cost(2) < cost(6)


def test_confidence_is_taught_where_the_answer_is_right_and_seen_by_both() -> None:
    truth = truth_at(40.0)
    truth.visible[..., :32] = False
    steps = steps_at(40.0, sure=0.0).sure.requires_grad_()
    at = steps_at(40.0)
    loss, _ = loss_of(Steps(at.scores, at.coarse, at.disparity, steps), truth)
    loss.backward()
    assert (steps.grad[..., :32] > 0).all()  # less sure
    assert (steps.grad[..., 32:] < 0).all()  # more sure
