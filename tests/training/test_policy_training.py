"""A round of aggregation ships what the runtime opens, a stopped run goes on, and the graph is the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
onnx = pytest.importorskip("onnx")

from engines.options import OrtOptions  # noqa: E402
from engines.ort import OrtEngine  # noqa: E402
from saccade import params  # noqa: E402
from saccade.robots import robot_file  # noqa: E402
from training.policy.__main__ import FIRST_SEED, SEEDS, Plan, main  # noqa: E402
from training.policy.fit import Fit, fit, gathered, judge, loss_of  # noqa: E402
from training.policy.net import INPUTS, TravelNet, mirrored, spoiled  # noqa: E402
from training.policy.ship import ship  # noqa: E402
from vla_node.params import VlaParams  # noqa: E402
from vla_node.policies.learned.card import SHIPPED, load_card  # noqa: E402
from vla_node.policies.learned.scan import BEARINGS, FAR_M  # noqa: E402
from vla_node.policies.learned.sight import SCANS, STATE  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = 20


def examples(n: int, seed: int = 0) -> dict[str, Any]:
    """Made ones: where something is near on the left, the expert turns right."""
    rng = np.random.default_rng(seed)
    scan = rng.uniform(0.5, FAR_M, (n, SCANS, BEARINGS))
    nominal = np.repeat(rng.uniform((0.0, -1.0), (0.7, 1.0), (n, 1, 2)), ROWS, axis=1)
    near = rng.uniform(size=n) < 0.5
    scan[near, 0, 40:50] = 0.5
    turn = np.where(near, -0.6, 0.0)
    rows = nominal + np.stack([np.zeros_like(turn), turn], axis=1)[:, None]
    made = {"scan": scan, "state": rng.normal(0.0, 1.0, (n, STATE)), "nominal": nominal, "rows": rows}
    return {name: torch.tensor(array, dtype=torch.float32) for name, array in made.items()}


def shaken(seed: int = 0) -> Any:
    """A network with weights that are not zero at the end."""
    torch.manual_seed(seed)
    net = TravelNet(ROWS, BEARINGS)
    torch.nn.init.normal_(net.think[-1].weight, std=0.3)
    return net.eval()


def test_without_training_it_is_the_plain_pursuit() -> None:
    made = examples(3)
    rows = TravelNet(ROWS, BEARINGS)(*(made[name] for name in INPUTS))
    assert torch.equal(rows, made["nominal"])


def test_the_graph_that_ships_is_the_network_with_its_weights() -> None:
    card = load_card()
    stored = {i.name: onnx.numpy_helper.to_array(i).copy() for i in onnx.load(card.graph).graph.initializer}
    net = TravelNet(card.horizon, BEARINGS).eval()
    learned = [name for name, _ in net.named_parameters()]
    net.load_state_dict({**net.state_dict(), **{name: torch.from_numpy(stored[name]) for name in learned}})
    made = examples(1, seed=3)
    with OrtEngine(card.name, card.graph, card.sha256, OrtOptions(intra_threads=1)) as engine, torch.no_grad():
        rows = engine.infer({name: made[name].numpy() for name in INPUTS})["rows"]
        expected = net(*(made[name] for name in INPUTS)).numpy()
    assert np.abs(rows - expected).max() < 1e-4
    assert np.abs(rows - made["nominal"].numpy()).max() > 1e-3


def test_what_is_shipped_answers_as_the_network_does(tmp_path: Path) -> None:
    net, made = shaken(), examples(1)
    robot = params.load(VlaParams, robot_file("yard"), "vla_node")
    card = load_card(ship(net, robot, {"seed": "0"}, tmp_path))
    with OrtEngine(card.name, card.graph, card.sha256, OrtOptions(intra_threads=1)) as engine, torch.no_grad():
        rows = engine.infer({name: made[name].numpy() for name in INPUTS})["rows"]
        assert np.abs(rows - net(*(made[name] for name in INPUTS)).numpy()).max() < 1e-5


def test_a_mirror_twice_is_no_mirror_and_once_turns_left_to_right() -> None:
    made = examples(2)
    twice = mirrored(mirrored(made))
    assert all(torch.equal(twice[name], made[name]) for name in made)
    once = mirrored(made)
    assert torch.equal(once["rows"][..., 1], -made["rows"][..., 1])
    assert torch.equal(once["rows"][..., 0], made["rows"][..., 0])
    assert torch.equal(once["scan"][0, 0, 0], made["scan"][0, 0, -1])


def test_only_what_the_camera_sees_is_spoiled() -> None:
    scan = examples(8)["scan"]
    worse = spoiled(scan, torch.Generator().manual_seed(0))
    assert torch.equal(worse[:, 2:], scan[:, 2:])
    missing = (worse[:, :2] == FAR_M) & (scan[:, :2] < FAR_M)
    assert 0.02 < float(missing.float().mean()) < 0.12
    assert float(worse.max()) <= FAR_M


def test_fitting_learns_and_is_repeatable() -> None:
    torch.set_num_threads(1)
    train, other = examples(128), examples(64, seed=1)
    nets = []
    for _ in range(2):
        torch.manual_seed(0)
        nets.append(TravelNet(ROWS, BEARINGS))
        fit(nets[-1], train, Fit(100, batch=32, rate=1e-2, seed=5))
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)
    loss, pursuit = judge(nets[0], train)
    assert loss < 0.3 * pursuit
    assert judge(nets[0], other)[1] == pytest.approx(float(loss_of(other["nominal"], other)))


def test_every_eighth_episode_is_never_trained_on(tmp_path: Path) -> None:
    for i in range(8):
        made = {name: array.numpy() + i for name, array in examples(2).items()}
        np.savez(tmp_path / f"{i}.npz", **made)
    np.savez(tmp_path / "9.npz")  # of an episode in which nothing was driven
    train, judged = gathered(sorted(tmp_path.glob("*.npz")))
    assert len(train["rows"]) == 14
    assert torch.equal(judged["rows"], examples(2)["rows"] + 7)


def test_no_round_drives_in_yards_for_tuning_or_held_out() -> None:
    plan = Plan(rounds=3, episodes=300)
    seeds = [drive.seed for number in range(3) for drive in plan.drives(number, Path())]
    assert FIRST_SEED == min(seeds) >= 300
    assert max(seeds) < FIRST_SEED + SEEDS <= 1000
    assert [plan.drives(number, Path())[0].beta for number in range(3)] == [1.0, 0.5, 0.25]


@pytest.mark.slow
def test_a_small_run_ships_goes_on_and_tells_of_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--episodes", "1", "--steps", "3", "--limit", "10", "--out", str(tmp_path)]
    main([*command, "--rounds", "1"])
    assert "round 0 seed" in capsys.readouterr().out
    main([*command, "--rounds", "2"])
    out = capsys.readouterr().out
    assert "round 0 was done before" in out
    assert "round 0 seed" not in out
    card = load_card(tmp_path / "travel.yaml")
    assert {"data", "method", "steps", "minutes", "seed", "judged"} <= set(card.trained)
    assert card.path != str(SHIPPED)
