"""A training of a few steps goes on where it stopped and ships what the runtime can open; skips without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
onnx = pytest.importorskip("onnx")

from engines.card import load_card  # noqa: E402
from engines.open import open_unproven  # noqa: E402
from engines.parity import check_golden  # noqa: E402
from training import ship as shipping  # noqa: E402
from training.net import StereoNet  # noqa: E402
from training.pairs import file_of, make  # noqa: E402
from training.stereo import Plan, Run, main  # noqa: E402
from training.weights import digest, export, load, story_of  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SHIPPED = shipping.ENGINES / "models" / "stereo-s.onnx"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for seed in range(2):
        np.save(file_of(folder, seed), make(seed))
    return folder


def command(pairs: Path, out: Path, steps: int) -> list[str]:
    return [
        "--pairs", str(pairs), "--out", str(out), "--steps", str(steps), "--batch", "2", "--crop", "64", "64",
        "--judged", "1", "--workers", "0", "--threads", "1", "--device", "cpu", "--rate", "1e-6",
    ]  # fmt: skip


def test_a_stopped_run_goes_on_and_what_it_gives_is_shipped(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    main([*command(pairs, out, 2), "--start", str(SHIPPED)])  # an untrained one would not pass its own control
    main(command(pairs, out, 4))
    assert "going on from step 2" in capsys.readouterr().out
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    assert state["step"] == 4
    assert [row["step"] for row in state["log"]] == [2, 4]
    assert (out / "log.csv").read_text().count("\n") == 3
    assert "<svg" in (out / "curves.svg").read_text()

    monkeypatch.setattr(shipping, "CALIBRATION", 1)
    (tmp_path / "engines" / "cards").mkdir(parents=True)
    for path in shipping.ship(out / "checkpoint.pt", tmp_path / "engines"):
        card = load_card(path)
        assert card.licence == "Apache-2.0"
        with open_unproven(card) as engine:
            assert check_golden(card, engine).passed


def test_the_larger_network_ships_in_fp32_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "CALIBRATION", 1)
    (card,) = shipping.place(StereoNet("m").eval(), {"judged": "never"}, tmp_path)
    assert card == tmp_path / "cards" / "stereo-m.yaml"
    assert {path.name for path in (tmp_path / "models").iterdir()} == {
        "stereo-m.onnx", "stereo-m-golden.npz", "golden-pair.npz",
    }  # fmt: skip
    assert load_card(card).trained == {"judged": "never", "parameters": "1663241"}


@pytest.mark.parametrize(
    ("name", "says"),
    [("missing.pt", "No such file"), ("words.pt", "not a checkpoint"), ("other.pt", "lacks the run's plan")],
)
def test_what_is_no_checkpoint_is_not_shipped(
    name: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.pt").write_text("no checkpoint")
    torch.save({"epoch": 3}, tmp_path / "other.pt")
    with pytest.raises(SystemExit, match="2"):
        shipping.main(["--checkpoint", str(tmp_path / name), "--engines", str(tmp_path / "engines")])
    assert says in capsys.readouterr().err
    assert not (tmp_path / "engines").exists()


def test_a_run_starts_from_what_ships_and_says_so(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*command(pairs, tmp_path / "new", 1)])
    main([*command(pairs, tmp_path / "on", 1), "--start", str(SHIPPED)])
    new, on = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("new", "on"))
    assert new["before"] == "nothing"
    assert on["before"] == story_of(SHIPPED)
    assert "a run of " in on["before"]
    assert "from nothing" in on["before"]  # all the way back
    assert on["log"][-1]["bad2_visible"] < 0.7 * new["log"][-1]["bad2_visible"]


def test_a_run_in_mixed_precision_goes_on_and_its_card_says_so(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    main([*command(pairs, out, 1), "--start", str(SHIPPED), "--mixed"])
    main([*command(pairs, out, 2), "--mixed"])
    monkeypatch.setattr(shipping, "TWINS", ())
    (card,) = shipping.ship(out / "checkpoint.pt", tmp_path / "engines")
    assert load_card(card).trained["precision"].startswith("bfloat16 between normalisations")


def test_a_card_says_which_device_a_network_was_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    monkeypatch.setattr(shipping, "TWINS", ())
    run, file = Run(Plan(steps=1), torch.device("cpu")), tmp_path / "checkpoint.pt"
    run.log = [{"epe": 1.0, "bad2": 0.1, "bad2_visible": 0.1}]
    run.device = torch.device("cuda", 1)
    run.save(file)
    (card,) = shipping.ship(file, tmp_path / "engines")
    assert load_card(card).trained["device"] == "GPU 1"
    run.device = torch.device("cpu")
    run.save(file)
    state = torch.load(file, weights_only=True)
    assert state.pop("device") == "cpu"
    torch.save(state, file)  # as it was before devices were saved
    run.load(file)
    (card,) = shipping.ship(file, tmp_path / "engines")
    assert load_card(card).trained["device"] == "cpu"


def test_a_larger_network_starts_from_a_smaller_one_and_says_so(pairs: Path, tmp_path: Path) -> None:
    main([*command(pairs, tmp_path / "on", 1), "--start", str(SHIPPED)])
    main([*command(pairs, tmp_path / "wide", 1), "--start", str(SHIPPED), "--size", "m"])
    on, wide = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("on", "wide"))
    assert wide["before"] == f"s made wider, {on['before']}"
    assert wide["log"][-1]["epe"] < 1.5 * on["log"][-1]["epe"]


def test_what_a_run_cannot_start_from_is_refused_with_the_reason(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], [])), tmp_path / "other.onnx")
    for name in ("torn.onnx", "torn.pt"):
        (tmp_path / name).write_text("name: stereo-s")
    larger = StereoNet("m")
    for value in larger.parameters():  # the exporter makes one of two that are equal
        value.data += 0.01 * torch.randn_like(value)
    export(larger, tmp_path / "larger.onnx")
    small = tmp_path / "small" / "checkpoint.pt"
    main(command(pairs, small.parent, 1))
    for start, size, told in (
        (tmp_path / "torn.onnx", "s", "is not an ONNX file"),
        (tmp_path / "torn.pt", "s", "torn.pt is not a checkpoint"),
        (tmp_path / "larger.onnx", "s", "of size 'm', to be trained is the smaller 's'"),
        (tmp_path / "other.onnx", "s", "it names no saccade.size"),
        (tmp_path / "none.onnx", "s", "No such file"),
        (tmp_path / "none.pt", "s", "No such file"),
        (small, "m", "of size 's', to be trained is 'm'"),
    ):
        with pytest.raises(SystemExit):
            main([*command(pairs, tmp_path / "out", 1), "--size", size, "--start", str(start)])
        assert told in capsys.readouterr().err
    assert not (tmp_path / "out" / "checkpoint.pt").exists()
    with pytest.raises(SystemExit):
        main([*command(pairs, small.parent, 2), "--size", "m"])
    assert "--out: " in capsys.readouterr().err


def test_a_run_with_another_optimiser_is_not_gone_on_with_but_started_from(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old" / "checkpoint.pt"
    main(command(pairs, old.parent, 1))
    state = torch.load(old, weights_only=True)
    state["optimiser"] = torch.optim.AdamW(StereoNet("s").parameters()).state_dict()
    torch.save(state, old)
    with pytest.raises(SystemExit):
        main(command(pairs, old.parent, 2))
    assert f"by another optimiser; a new --out with --start {old} takes its weights" in capsys.readouterr().err
    main([*command(pairs, tmp_path / "new", 1), "--start", str(old)])


def test_an_onnx_file_that_does_not_say_how_it_was_trained_is_named(pairs: Path, tmp_path: Path) -> None:
    export(load(SHIPPED), tmp_path / "mine.onnx")
    main([*command(pairs, tmp_path / "out", 1), "--start", str(tmp_path / "mine.onnx")])
    before = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)["before"]
    assert before == f"mine.onnx, sha256 {digest(tmp_path / 'mine.onnx')}, which does not say how it was trained"


def test_training_lowers_the_loss_on_one_batch() -> None:
    torch.manual_seed(0)
    run = Run(Plan(steps=40, batch=1, rate=2e-3), torch.device("cpu"))
    base = torch.rand(1, 3, 64, 160) * 255
    disparity = torch.full((1, 1, 64, 96), 24.0)
    batch = {"left": base[..., 40:136], "right": base[..., 64:160], "disparity": disparity,
             "visible": torch.ones(1, 1, 64, 96, dtype=torch.bool), "clear": torch.ones(1, 1, 64, 96)}  # fmt: skip
    losses = [run.train(batch)["final"] for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


@pytest.mark.parametrize(("light", "disparity"), [(0.0, torch.nan), (torch.inf, 3.0)])
def test_a_gradient_that_is_not_finite_changes_nothing(light: float, disparity: float) -> None:
    """Nor what batch normalisation has measured, which would be NaN for the rest of the run, and in its checkpoint."""
    run = Run(Plan(steps=4), torch.device("cpu"))
    before = {k: v.clone() for k, v in run.net.state_dict().items()}
    batch = {"left": torch.full((1, 3, 32, 64), light), "right": torch.zeros(1, 3, 32, 64),
             "disparity": torch.full((1, 1, 32, 64), disparity), "clear": torch.ones(1, 1, 32, 64),
             "visible": torch.ones(1, 1, 32, 64, dtype=torch.bool)}  # fmt: skip
    run.train(batch)
    for state in (run.net.state_dict(), run.average):
        assert all(torch.equal(v, before[k]) for k, v in state.items())


def test_the_learning_rate_rises_and_falls() -> None:
    plan = Plan(steps=100, rate=1e-3)
    rates = [plan.rate_at(plan.share(k, 0.0)) for k in range(101)]
    assert rates[0] < 0.1 * max(rates)
    assert max(rates) == pytest.approx(1e-3, rel=0.02)
    assert rates[-1] < 0.01 * max(rates)


def test_bad_arguments_say_what_to_do(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, told in (
        (["--pairs", str(pairs), "--crop", "100", "64"], "multiples of 32, at most 384 256"),
        (["--pairs", str(tmp_path)], "training.pairs"),
        (["--pairs", str(pairs), "--crop", "0", "64"], "multiples of 32, at most 384 256"),
        (["--pairs", str(pairs), "--crop", "384", "288"], "multiples of 32, at most 384 256"),
        (["--pairs", str(pairs), "--workers", "-1"], "--workers is -1; expected 0 or more"),
        (["--pairs", str(pairs), "--judged", "0"], "--judged is 0; expected 1 or more"),
        (["--pairs", str(pairs), "--minutes", "0"], "--minutes is 0.0; expected 0.001 or more"),
        (["--pairs", str(pairs), "--batch", "0"], "--batch is 0; expected 1 or more"),
    ):
        with pytest.raises(SystemExit):
            main([*arguments, "--out", str(tmp_path / "out")])
        assert told in capsys.readouterr().err
