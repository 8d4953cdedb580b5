"""A round of aggregation ships what the runtime opens, a stopped run goes on, and the graph is the network."""

from __future__ import annotations

import math
from dataclasses import replace
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
from sim.yard.layout import furnish  # noqa: E402
from training.policy.__main__ import FIRST_SEED, SEEDS, Plan, main  # noqa: E402
from training.policy.drawn import Pencil, manoeuvres  # noqa: E402
from training.policy.expert import Truth  # noqa: E402
from training.policy.fit import Fit, fit, gathered, judge  # noqa: E402
from training.policy.net import INPUTS, Said, TravelNet, mirrored, nearness, spoiled  # noqa: E402
from training.policy.ship import ship  # noqa: E402
from vla_node.params import VlaParams  # noqa: E402
from vla_node.policies.learned.card import SHIPPED, LearnedCard, load_card  # noqa: E402
from vla_node.policies.learned.manoeuvres import PLACES, WAYS  # noqa: E402
from vla_node.policies.learned.scan import ANGLES, BEARINGS, FAR_M  # noqa: E402
from vla_node.policies.learned.sight import SCANS  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
NEED_M = 0.69


def examples(n: int, seed: int = 0) -> dict[str, Any]:
    """Made ones: a post or a person 2 to 3 m away somewhere ahead. The person comes 0.4 m nearer in half a second.

    One of the manoeuvres stands, and another one drives up to where that is now.
    """
    rng = np.random.default_rng(seed)
    scan, who = np.full((n, SCANS, BEARINGS), FAR_M), np.zeros((n, SCANS - 1, BEARINGS))
    going, people_m = np.zeros((*who.shape, 2)), np.full((n, 2, PLACES), FAR_M)
    ways = np.zeros((n, 2, PLACES, 2))
    after_s = 0.2 * np.arange(1, PLACES + 1)
    for i in range(n):
        at, range_m, comes = int(rng.integers(20, 50)), rng.uniform(2.0, 3.0), i % 2 == 0
        for k in range(SCANS):
            scan[i, k, at - 1 : at + 2] = range_m + (0.4 * k if comes else 0.0)
        towards = np.array([math.cos(ANGLES[at]), math.sin(ANGLES[at])])
        ways[i, 1] = np.minimum(0.5 * after_s, 1.5)[:, None] * towards
        if comes:
            who[i, :, at - 1 : at + 2] = 1.0
            going[i, :, at - 1 : at + 2] = -0.8 * towards
            middle = (range_m + 0.25 - 0.8 * after_s)[:, None] * towards
            people_m[i] = np.minimum(FAR_M, np.linalg.norm(ways[i] - middle, axis=-1) - 0.25)
    mapped = np.zeros((n, 2))
    people = 8.0 * np.maximum(0.0, 0.69 - people_m.min(axis=-1))
    made = {
        "scan": scan, "view": np.ones(scan.shape), "age": np.tile(0.5 * np.arange(SCANS), (n, 1)),
        "ways": ways[:, ::-1], "who": who, "going": going, "people_m": people_m[:, ::-1],
        "things": mapped, "people": people[:, ::-1], "mapped": mapped, "course": np.tile([-1.5, 0.0], (n, 1)),
    }  # fmt: skip
    return {name: torch.tensor(array.copy(), dtype=torch.float32) for name, array in made.items()}


def inputs(n: int, seed: int = 0) -> list[Any]:
    """What the graph is shown of such examples, with as many manoeuvres as it is shown."""
    made = examples(n, seed)
    made["ways"] = made["ways"].repeat(1, WAYS, 1, 1)[:, :WAYS]
    return [made[name] for name in INPUTS]


def shaken(seed: int = 0) -> Any:
    """A network that has learned nothing and says something."""
    torch.manual_seed(seed)
    net = TravelNet(NEED_M)
    torch.nn.init.normal_(net.think[-1].weight, std=2.0)
    return net.eval()


def answered(card: LearnedCard, shown: list[Any]) -> Any:
    with OrtEngine(card.name, card.graph, card.sha256, OrtOptions(intra_threads=1)) as engine:
        return engine.infer({name: array.numpy() for name, array in zip(INPUTS, shown, strict=True)})["near"]


def test_the_graph_that_ships_is_the_network_with_its_weights() -> None:
    card = load_card()
    stored = [onnx.numpy_helper.to_array(i).copy() for i in onnx.load(card.graph).graph.initializer]
    net = TravelNet(NEED_M).eval()
    with torch.no_grad():
        for learned in net.parameters():  # each of a shape of its own, or both biases of one; matrices are turned
            at = next(i for i, one in enumerate(stored) if one.T.shape == tuple(learned.shape))
            learned.copy_(torch.from_numpy(stored.pop(at).T.copy()))
    shown = inputs(1, seed=3)
    with torch.no_grad():
        expected = net(*shown).numpy()
    assert np.abs(answered(card, shown) - expected).max() < 1e-4
    assert expected.max() > 0.1


def test_what_is_shipped_answers_as_the_network_does(tmp_path: Path) -> None:
    net, shown = shaken(), inputs(1)
    robot = params.load(VlaParams, robot_file("yard"), "vla_node")
    card = load_card(ship(net, robot, {"seed": "0"}, tmp_path))
    with torch.no_grad():
        assert np.abs(answered(card, shown) - net(*shown).numpy()).max() < 1e-5


def test_a_mirror_twice_is_no_mirror_and_once_turns_left_to_right() -> None:
    made = examples(2)
    twice = mirrored(mirrored(made))
    assert all(torch.equal(twice[name], made[name]) for name in made)
    once = mirrored(made)
    assert torch.equal(once["scan"][0, 0, 0], made["scan"][0, 0, -1])
    assert torch.equal(once["ways"][..., 1], -made["ways"][..., 1])
    at = int(made["who"][0, 0].argmax())
    assert float(once["who"][0, 0, BEARINGS - 1 - at]) == 1.0
    assert torch.equal(once["going"][0, 0, BEARINGS - 1 - at], made["going"][0, 0, at] * torch.tensor([1.0, -1.0]))


def test_scans_are_spoiled_a_little() -> None:
    scan = torch.rand(8, SCANS, BEARINGS, generator=torch.Generator().manual_seed(1)) * FAR_M
    worse = spoiled(scan, torch.Generator().manual_seed(0))
    missing = (worse == FAR_M) & (scan < 4.5)
    assert 0.02 < float(missing.float().mean()) < 0.12
    assert float(worse.max()) <= FAR_M


def test_what_comes_is_followed_from_when_it_was_seen() -> None:
    """A person 2 m ahead who comes at 1 m/s, and a robot that stands: as near at 1 s as an older sight of it says."""
    net = TravelNet(NEED_M)
    middle, going = torch.tensor([[[[2.0, 0.0]] * 40]]), torch.tensor([[[[-1.0, 0.0]] * 40]])
    sure, stand = torch.full((1, 1, 40), 20.0), torch.zeros(1, 1, 5, 2)
    for age in (0.0, 0.6):
        said = Said(sure, going, middle, torch.ones(1, 1, 40), torch.full((1, 1, 40), age))
        near = nearness(said, stand, net.after_s[:5], 1.2)
        assert near[0, 0].item() == pytest.approx(1.2 - (2.0 - 1.0 - age - 0.25), abs=1e-3)  # after 1 s


def test_older_scans_count_only_where_no_newer_one_looked() -> None:
    net, (scan, view, age, _) = shaken(), inputs(1)
    at = int(scan[0, 0].argmin())
    shown = net.said(scan, view, age).shown[0]
    assert shown[:, at].tolist() == [1.0, 0.0, 0.0]
    view[0, 0] = 0.0
    scan[0, 0] = FAR_M
    assert net.said(scan, view, age).shown[0][:, at].tolist() == [0.0, 1.0, 0.0]


def fitted(train: dict[str, Any], steps: int) -> Any:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = TravelNet(NEED_M)
    fit(net, train, Fit(steps, batch=16, rate=5e-3, seed=5))
    return net


def test_fitting_is_repeatable() -> None:
    train = examples(4)
    for a, b in zip(fitted(train, 4).parameters(), fitted(train, 4).parameters(), strict=True):
        assert torch.equal(a, b)


def test_fitting_learns_who_comes() -> None:
    net, other = fitted(examples(64), 400), examples(32, seed=1)
    score = judge(net, other)
    assert score.judged == 32
    assert 0.2 < score.others < 0.5  # the expert stands for people who come near, and not for posts
    assert score.pursuit == score.map > 0.5  # neither knows of people
    assert score.learned < 0.3 * score.map


def test_every_fourth_episode_is_never_trained_on(tmp_path: Path) -> None:
    for i in range(8):
        made = {name: array.numpy() + i for name, array in examples(2).items()}
        np.savez(tmp_path / f"{i}.npz", **made)
    np.savez(tmp_path / "9.npz")  # of an episode in which nothing was driven
    drawn = {name: array.numpy() for name, array in examples(5).items()}
    train, judged = gathered(sorted(tmp_path.glob("*.npz")), drawn)
    assert len(train["who"]) == 12 + 5
    assert torch.equal(judged["course"], torch.cat([examples(2)["course"] + i for i in (3, 7)]))


def test_examples_that_are_drawn_are_like_those_that_are_driven() -> None:
    robot = params.load(VlaParams, robot_file("yard"), "vla_node")
    rng = np.random.default_rng(0)
    layout = furnish(300, 6)
    pencil = Pencil(manoeuvres(robot, 2, rng), Truth.of(layout.things, layout.walkers), rng)
    made = [pencil.example() for _ in range(12)]
    assert {name: array.shape for name, array in made[0].items()} == {
        "scan": (SCANS, BEARINGS), "view": (SCANS, BEARINGS), "age": (SCANS,), "ways": (WAYS, PLACES, 2),
        "people_m": (WAYS, PLACES), "who": (SCANS - 1, BEARINGS), "going": (SCANS - 1, BEARINGS, 2),
    }  # fmt: skip
    met = [one for one in made if one["who"][0].any()]
    assert len(met) > 3
    for one in met:  # who is seen at a place is as near to a way that leads there
        assert (one["scan"][0][one["who"][0] > 0] < FAR_M).all()
        assert 0.1 < np.linalg.norm(one["going"][one["who"] > 0], axis=-1).max() < 1.3


def test_no_round_drives_in_yards_for_tuning_or_held_out() -> None:
    plan = Plan(rounds=3, episodes=300)
    seeds = [drive.seed for number in range(3) for drive in plan.drives(number, Path())]
    assert FIRST_SEED == min(seeds) >= 300
    assert max(seeds) < FIRST_SEED + SEEDS <= 1000
    assert [plan.drives(number, Path())[0].beta for number in range(3)] == [1.0, 0.5, 0.25]
    drawn_in = replace(plan, episodes=20).yards_drawn_in()
    assert len(drawn_in) == plan.drawn
    driven_in = {drive.seed for number in range(3) for drive in replace(plan, episodes=20).drives(number, Path())}
    assert not driven_in & set(drawn_in)
    assert FIRST_SEED <= min(drawn_in) <= max(drawn_in) < FIRST_SEED + SEEDS


@pytest.mark.slow
def test_a_small_run_ships_goes_on_and_tells_of_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--episodes", "1", "--steps", "3", "--limit", "10", "--drawn", "1", "--out", str(tmp_path)]
    main([*command, "--rounds", "1"])
    assert "round 0 seed" in capsys.readouterr().out
    main([*command, "--rounds", "2"])
    out = capsys.readouterr().out
    assert "round 0 was done before" in out
    assert "round 0 seed" not in out
    card = load_card(tmp_path / "travel.yaml")
    assert {"data", "method", "steps", "minutes", "seed", "judged"} <= set(card.trained)
    assert card.path != str(SHIPPED)
