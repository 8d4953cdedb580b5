"""The mean of networks: what it is, which shares are chosen, and what ships of it; skips without torch."""

from __future__ import annotations

from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("onnx")

from engines.card import load_card  # noqa: E402
from training import judge as judging  # noqa: E402
from training import ship as shipping  # noqa: E402
from training.judge import JUDGED_FIRST, judge, judged_pairs  # noqa: E402
from training.net import StereoNet  # noqa: E402
from training.pairs import file_of, make  # noqa: E402
from training.soup import CHOSEN_FIRST, choose, main, mean, told_once  # noqa: E402
from training.weights import WeightsError, export, fold, load, notes_of, story_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter traces, and says so
SHIPPED = shipping.ENGINES / "models" / "stereo-s.onnx"
FAR = 0.3
"""So far from a network's weights that it errs more, also on the few small pairs here."""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What shares are chosen and judged on, made small."""
    folder = tmp_path_factory.mktemp("pairs")
    for name, first in (("chosen", CHOSEN_FIRST), ("judged", JUDGED_FIRST)):
        (folder / name).mkdir()
        for seed in range(first, first + 2):
            np.save(file_of(folder / name, seed), make(seed, (128, 96)))
    return folder


def moved(net: StereoNet, by: float) -> StereoNet:
    """A network some way off in a direction that is always the same."""
    torch.manual_seed(1)
    state = {name: value * (1.0 + by * torch.randn_like(value)) for name, value in net.state_dict().items()}
    other = fold(StereoNet(net.size, 8 * net.disparities))
    other.load_state_dict(state)
    return other.eval()


def test_a_mean_is_weighted_by_shares() -> None:
    net = load(SHIPPED).eval()
    there, back = moved(net, 0.1), moved(net, -0.3)
    between = mean([there, back], [0.75, 0.25]).state_dict()
    assert all(torch.allclose(between[name], value, atol=1e-5) for name, value in net.state_dict().items())
    assert not torch.allclose(there.sure.weight, net.sure.weight, atol=1e-5)


def test_networks_of_different_kinds_have_no_mean() -> None:
    nets = [fold(StereoNet("s", 64)), fold(StereoNet("s", 128))]
    with pytest.raises(WeightsError, match="s with 64 px, s with 128 px"):
        mean(nets, [0.5, 0.5])


def test_shares_are_those_whose_mean_errs_least(pairs: Path) -> None:
    net, files = load(SHIPPED).eval(), judged_pairs(pairs / "chosen", CHOSEN_FIRST, 2)
    there, back = moved(net, FAR), moved(net, -FAR)
    shares = choose([moved(net, 0.8), there, back], files)
    assert shares == [0.0, 0.5, 0.5]
    assert judge(net, files)["bad2"] < min(judge(there, files)["bad2"], judge(back, files)["bad2"])


def test_a_member_that_helps_nothing_is_left_out(pairs: Path) -> None:
    net = load(SHIPPED).eval()
    assert choose([moved(net, 2.0), net], judged_pairs(pairs / "chosen", CHOSEN_FIRST, 2)) == [0.0, 1.0]


def test_a_story_is_told_once() -> None:
    first = "a run of 9 steps, from nothing (of old)"
    second = f"the mean of 0.5 of ({first}) and 0.5 of (a run of 5 steps, from {first})"
    third = f"the mean of 0.25 of ({second}) and 0.75 of (a run of 7 steps, from {second})"
    assert told_once(third) == (
        f"the mean of 0.25 of (the mean of 0.5 of ({first}) and 0.5 of (a run of 5 steps, from the former)) "
        "and 0.75 of (a run of 7 steps, from the former)"
    )
    apart = "the mean of 0.5 of (a run of 9 steps, from nothing) and 0.5 of (a run of 5 steps, from s made wider)"
    assert told_once(apart) == apart


def test_what_ships_of_a_mean_names_its_members(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    net, story = load(SHIPPED).eval(), str({"steps": 3, "minutes": 1, "started": "from nothing"})
    export(moved(net, FAR), tmp_path / "there.onnx", {"saccade.training": story})
    export(moved(net, -FAR), tmp_path / "back.onnx", {"saccade.training": story})
    monkeypatch.setattr(shipping, "CALIBRATION", 1)
    main([*(str(tmp_path / name) for name in ("there.onnx", "back.onnx")),
          "--pairs", str(pairs), "--judged", "2", "--engines", str(tmp_path / "engines")])  # fmt: skip
    said = capsys.readouterr().out
    assert "0.5 of " in said
    made = tmp_path / "engines" / "models" / "stereo-s.onnx"
    part = "0.5 of (a run of 3 steps in 1 minutes, from nothing)"
    assert story_of(made) == f"the mean of {part} and {part}"
    assert all(torch.allclose(a, b, atol=1e-5)
               for a, b in zip(load(made).state_dict().values(), net.state_dict().values(), strict=True))  # fmt: skip
    card = load_card(tmp_path / "engines" / "cards" / "stereo-s.yaml")
    assert card.trained["judged"] in said
    assert literal_eval(notes_of(made)["saccade.training"])["judged"] == card.trained["judged"]


def test_members_that_cannot_be_read_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(SHIPPED), str(tmp_path / "none.onnx")])
    assert "none.onnx" in capsys.readouterr().err


def test_no_pairs_to_judge_on_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(SHIPPED), "--judged", "0"])
    assert "--judged is 0; expected 1 or more" in capsys.readouterr().err


def test_pairs_to_judge_on_are_made_where_they_are_lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, tuple[int, int]]] = []
    monkeypatch.setattr(
        judging, "fill", lambda folder, first, count, workers, size: asked.append((first, count, size)) or []
    )
    folder = tmp_path / "judged"
    assert judged_pairs(folder, 7, 2) == [file_of(folder, 7), file_of(folder, 8)]
    np.save(file_of(tmp_path, 3), make(3, (96, 64)))  # those to train on, beside it
    judged_pairs(folder, 7, 2)
    assert asked == [(7, 2, (384, 256)), (7, 2, (96, 64))]
