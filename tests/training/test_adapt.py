"""Adaptation as a whole, small: it repeats, it never installs what did not help, and a child is a model like others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="adaptation needs torch")
pytest.importorskip("onnx", reason="adaptation writes ONNX")

from engines.card import card_names, load_card  # noqa: E402

if "stereo-s" not in card_names():
    pytest.skip("the shipped network is not here", allow_module_level=True)

from engines.engine import EngineError  # noqa: E402
from engines.open import open_unproven  # noqa: E402
from engines.probe import Report  # noqa: E402
from engines.probe.finding import Finding  # noqa: E402
from engines.stereo import StereoMatcher  # noqa: E402
from saccade.errors import ConfigError, DataError  # noqa: E402
from saccade.params import plain  # noqa: E402
from training import adapt as adapting  # noqa: E402
from training import child, lora  # noqa: E402
from training.adapt import Outcome, Plan, adapt, thin  # noqa: E402
from training.course import Weights  # noqa: E402
from training.gate import Change, Split  # noqa: E402
from training.net import StereoNet  # noqa: E402
from training.pool import Pair, crop_size, dressed, generated, look  # noqa: E402
from training.sample import sample  # noqa: E402
from training.weights import load  # noqa: E402

QUICK = Plan(steps=2, pixels=64 * 96, batch=1, generated=1, max_rank=2)
PARENT = load_card("stereo-s")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    for name, value in (("PROBES", 2), ("FORGOTTEN", 1), ("LOOKS", 1)):
        monkeypatch.setattr(adapting, name, value)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    made = (sample(10_000_000 + i, (96, 64), 32, effects=("water",), scene="seabed") for i in range(4))
    return [Pair(s.left, s.right) for s in made]


def shipped() -> StereoNet:
    return load(PARENT.beside(PARENT.onnx))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_figures(pairs: list[Pair]) -> None:
    nets = [shipped(), shipped()]
    first, again = (adapt(net, pairs, QUICK) for net in nets)
    assert plain(first) == plain(again)
    assert all(torch.equal(a, b) for a, b in zip(*(net.parameters() for net in nets), strict=True))
    assert first.split == Split((0, 1, 2), (0, 1, 2), (3,))


def test_learning_the_wrong_way_round_is_refused_and_changes_nothing(pairs: list[Pair]) -> None:
    net, before = shipped(), shipped()
    against = Weights(*(-weight for weight in plain(Weights()).values()))
    outcome = adapt(net, pairs, replace(QUICK, steps=4, rate=0.1, weights=against))
    assert "not better" in outcome.refusal
    assert outcome.steps == 0
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), before.parameters(), strict=True))


def test_ctrl_c_ends_the_learning_and_judges_what_is_there(pairs: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def tell(what: str, done: float, loss: float, change: float) -> None:
        told.append(what)
        if what == "learning":
            raise KeyboardInterrupt

    outcome = adapt(shipped(), pairs, replace(QUICK, steps=50), tell)
    assert told.count("learning") == 1
    assert told[-1] == "judging"
    assert outcome.refusal


def test_crops_fit_and_generated_pairs_take_the_colours_of_the_recording() -> None:
    grey = np.zeros((100, 400, 3), np.uint8)
    assert crop_size([Pair(grey, grey)], 160 * 1000) == (96, 384)
    assert crop_size([Pair(grey, grey)], 64 * 64) == (64, 64)
    blue = np.random.default_rng(0).normal((20, 60, 120), 8, (64, 96, 3)).clip(0, 255).astype(np.uint8)
    made = sample(3, (96, 64), 32, effects=())
    left, right = dressed(made.left, made.right, blue, 1.0)
    assert np.abs(left.mean(axis=(0, 1)) - blue.mean(axis=(0, 1))).max() < 6
    assert np.array_equal(dressed(made.left, made.right, blue, 0.0)[1], made.right)
    truth = generated([5], (64, 96), 32, [Pair(blue, blue)], np.random.default_rng(0))[0]
    assert np.array_equal(truth.disparity, sample(5, (96, 64), 32, effects=("motion", "sensor")).disparity)
    assert right.shape == (64, 96, 3)


def outcome() -> Outcome:
    changes = [Change(name, 1.0, 0.9, -0.12, -0.08) for name in ("photometric error", "disagreement px", "density")]
    return Outcome(7, {"step.weight": 1}, Split((0, 1), (0, 1), (3,)), changes, (2.0, 2.0), "")


@pytest.fixture
def facts() -> child.Facts:
    return child.Facts(PARENT, "reef", "dive.mcap", 4, QUICK)


def passed(card: object) -> Report:
    return Report((), ())


@pytest.mark.slow
def test_a_child_is_a_model_that_tells_whence_it_came(
    tmp_path: Path, pairs: list[Pair], facts: child.Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "prove", passed)
    monkeypatch.setattr(child, "_NEAR_PX", 100.0)
    monkeypatch.setattr(child, "calibration", lambda: pairs[:1])
    net = shipped()
    with torch.no_grad():
        net.rounds[-1].step.bias += 0.25
    written, missing = child.install(net, outcome(), facts, pairs, tmp_path)
    assert not missing
    assert [card.name for card in written] == ["reef", "reef-int8"]
    card = load_card(tmp_path / "reef.yaml")
    assert card.adapted is not None
    assert (card.adapted.parent, card.adapted.parent_sha256) == ("stereo-s", PARENT.sha256)
    assert card.adapted.after["photometric error"] == 0.9
    assert card.golden is None
    assert card.colour == PARENT.colour
    with open_unproven(card) as engine:
        seen = StereoMatcher(engine, card)(*pairs[3]).disparity
    assert np.abs(np.nan_to_num(seen) - look(net, pairs[3])[0].left).max() < 0.05
    again = load(tmp_path / "reef.onnx")
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), net.parameters(), strict=True))


@pytest.mark.slow
def test_an_int8_twin_that_is_far_off_is_left_out_and_told(
    tmp_path: Path, pairs: list[Pair], facts: child.Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "prove", passed)
    monkeypatch.setattr(child, "_NEAR_PX", 0.0)
    monkeypatch.setattr(child, "calibration", list)
    written, missing = child.install(shipped(), outcome(), facts, pairs, tmp_path)
    assert [card.name for card in written] == ["reef"]
    assert "reef-int8: ONNX Runtime is" in missing
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reef.onnx", "reef.yaml"]


@pytest.mark.parametrize("fault", ["probe", "torch"])
def test_a_child_that_the_probe_refuses_or_that_differs_from_torch_leaves_everything_as_it_was(
    fault: str, tmp_path: Path, pairs: list[Pair], facts: child.Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Report((Finding("sign", "is negative", advice="none"),), ())
    monkeypatch.setattr(child, "prove", lambda card: refused)
    before = {f"reef{end}": f"a model of that name{end}" for end in (".onnx", ".yaml", ".verdict.json")}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    net = shipped()
    if fault == "torch":
        monkeypatch.setattr(child, "look", lambda other, pair: look(StereoNet("s").eval(), pair))
    with pytest.raises(EngineError, match="refused by the probe.*is negative" if fault == "probe" else "from torch"):
        child.install(net, outcome(), facts, pairs, tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def staged(folder: Path) -> list[Path]:
    """Cards of a child and its twin, with all their files."""
    cards = [folder / f"{name}.yaml" for name in ("reef", "reef-int8")]
    folder.mkdir()
    for path in cards:
        path.with_suffix(".verdict.json").write_text("{}")
        path.with_suffix(".onnx").write_text(path.stem)
        path.write_text(Path(PARENT.path).read_text().replace("../models/", "").replace("stereo-s", path.stem))
    return cards


def test_a_child_moves_into_its_place_with_its_twin_and_verdicts(tmp_path: Path) -> None:
    cards = child.move(staged(tmp_path / "staged"), tmp_path)
    assert [card.beside(card.onnx).read_text() for card in cards] == ["reef", "reef-int8"]
    assert [Path(card.path) for card in cards] == [tmp_path / "reef.yaml", tmp_path / "reef-int8.yaml"]
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == 6


@pytest.mark.parametrize("there", ["reef.onnx", "reef-int8.yaml"])
def test_a_child_does_not_take_the_place_of_another_model(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("installed meanwhile")
    with pytest.raises(EngineError, match=f"holds {there} already.*another --name"):
        child.move(staged(tmp_path / "staged"), tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir() if path.is_file()] == [
        (there, "installed meanwhile")
    ]


def test_a_child_that_cannot_be_moved_whole_is_not_moved_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards, move_one = staged(tmp_path / "staged"), Path.replace

    def full(self: Path, target: Path) -> Path:
        if self.name == "reef-int8.yaml":
            raise OSError(28, "No space left on device")
        return move_one(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        child.move(cards, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["staged"]


def test_a_budget_below_the_smallest_adapter_is_told_before_anything_is_looked_at(pairs: list[Pair]) -> None:
    looked: list[str] = []
    with pytest.raises(
        ConfigError, match=r"--budget 0\.001 is 6 of .* parameters, .* expected at least 0\.\d+"
    ) as told:
        adapt(shipped(), pairs, replace(QUICK, share=0.00001), lambda what, *_: looked.append(what))
    assert looked == []
    enough = float(str(told.value).split("at least ")[1].split(",")[0])
    assert adapting._budget(shipped(), enough / 100) >= lora.least(shipped(), adapting.LEFT_ALONE)


def test_gradients_that_agree_on_nothing_are_told(pairs: list[Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora, "directions", lambda *_: [])
    with pytest.raises(DataError, match=r"no adapter .* promises to help.*--budget, more pairs"):
        adapt(shipped(), pairs, QUICK)


def test_at_most_so_many_are_taken_evenly() -> None:
    assert thin(range(10), 3) == [0, 4, 9]
    assert thin((4, 5), 9) == [4, 5]
