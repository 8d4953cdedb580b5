"""Train the learned policy: `python -m training.policy --rounds 3 --episodes 6 --out out/policy`.

DAgger (Ross, Gordon and Bagnell, AISTATS 2011): in each round the robot drives errands in the yard, the expert and the
network of the round before by turns, and the network is fitted to what the expert would have done wherever that led.
Every episode and every round is kept in `--out`: a run that was stopped goes on there. At the end the graph and its
card lie there, too; `--ship` puts them where the runtime takes them from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console

from saccade import params
from saccade.robots import robot_file
from training.policy.collect import PEOPLE, ROBOT, Drive, collect
from training.policy.drawn import draw
from training.policy.fit import BATCH, Fit, fit, gathered, judge
from training.policy.net import TravelNet
from training.policy.ship import ship
from vla_node.params import VlaParams
from vla_node.policies.learned.card import SHIPPED
from vla_node.policies.learned.manoeuvres import PERSON_M

FIRST_SEED, SEEDS = 300, 700
"""Yards that are trained in: below are those for tuning, from 10000 on those that are held out."""
DRAWN_EACH = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is: all of it goes into the card.

    `steps` of fitting a round; the last round has twice as many. `drawn`: in so many yards, DRAWN_EACH examples each.
    """

    rounds: int = 3
    episodes: int = 6
    steps: int = 500
    seed: int = 0
    limit_s: float = 0.0
    drawn: int = 40

    def command(self) -> str:
        """What it is asked for with."""
        return (
            f"python -m training.policy --rounds {self.rounds} --episodes {self.episodes} --limit {self.limit_s:g} "
            f"--steps {self.steps} --drawn {self.drawn} --seed {self.seed} --ship"
        )

    def yards_drawn_in(self) -> list[int]:
        """Seeds of the yards of the drawn examples: the last ones of those that errands are driven in."""
        return [int(seed) for seed in self._order()[: -1 - self.drawn : -1]]

    def _order(self) -> npt.NDArray[np.int64]:
        return np.random.default_rng(self.seed).permutation(SEEDS) + FIRST_SEED

    def drives(self, number: int, card: Path) -> list[Drive]:
        """The episodes of a round: the expert drives all of the first one, and half as much in each that follows."""
        order = self._order()
        seeds = [int(order[(number * self.episodes + i) % SEEDS]) for i in range(self.episodes)]
        return [Drive(seed, 0.5**number, card, self.limit_s) for seed in seeds]


def run_round(plan: Plan, number: int, net: TravelNet, out: Path, jobs: int, console: Console) -> dict[str, Any]:
    """Drive, gather, fit; returns what is to be known of the round, which is kept, too."""
    robot = params.load(VlaParams, robot_file(ROBOT), "vla_node")
    card = ship(net, robot, {}, out / f"before-{number}")
    outcomes = list(driven(plan.drives(number, card), out / "episodes", number, jobs, console))
    train, judged = gathered(sorted((out / "episodes").glob("*.npz")), drawn(plan, robot, out / "drawn.npz"))
    took_s = fit(net, train, Fit(plan.steps * (2 if number + 1 == plan.rounds else 1), seed=plan.seed + number))
    score = judge(net, judged)
    done = {
        "round": number, "examples": len(train["who"]) - DRAWN_EACH * plan.drawn, **asdict(score),
        "reached": float(np.mean([o["success"] for o in outcomes])),
        "collided": float(np.mean([o["collisions"] > 0 for o in outcomes])),
        "drove_s": sum(o["seconds"] for o in outcomes), "fitted_s": took_s,
    }  # fmt: skip
    console.print("  ".join(f"{k} {v:.3g}" for k, v in done.items()))
    state = {"plan": asdict(plan), "net": net.state_dict(), "done": done}
    torch.save(state, out / f"round-{number}.tmp")
    (out / f"round-{number}.tmp").replace(out / f"round-{number}.pt")
    return done


def drawn(plan: Plan, robot: VlaParams, file: Path) -> dict[str, Any]:
    """Examples that are drawn, which are made once."""
    if not file.is_file():
        np.savez_compressed(file, allow_pickle=False, **draw(robot, plan.yards_drawn_in(), DRAWN_EACH, plan.seed))
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def driven(drives: list[Drive], folder: Path, number: int, jobs: int, console: Console) -> Iterator[dict[str, Any]]:
    """What became of the episodes; those that are there already are not driven again."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number}-{drive.seed}.json" for drive in drives]
    todo = [(drive, file) for drive, file in zip(drives, files, strict=True) if not file.is_file()]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        made = pool.map(collect, [drive for drive, _ in todo]) if jobs > 1 else map(collect, [d for d, _ in todo])
        for (drive, file), (examples, outcome) in zip(todo, made, strict=True):
            np.savez_compressed(file.with_suffix(".npz"), allow_pickle=False, **examples)
            file.write_text(json.dumps(outcome))
            spl, hits = outcome["spl"], outcome["collisions"]
            console.print(f"round {number} seed {drive.seed}: {len(examples.get('who', ()))} examples, {spl=} {hits=}")
    for file in files:
        yield json.loads(file.read_text())


def train(plan: Plan, out: Path, jobs: int, console: Console) -> Path:
    """All rounds that are not done yet; returns the card."""
    torch.manual_seed(plan.seed)
    robot = params.load(VlaParams, robot_file(ROBOT), "vla_node")
    net = TravelNet(robot.limits.radius_m + PERSON_M)
    history = []
    for number in range(plan.rounds):
        kept = out / f"round-{number}.pt"
        if kept.is_file():
            state: dict[str, Any] = torch.load(kept, map_location="cpu", weights_only=True)
            net.load_state_dict(state["net"])
            history.append(state["done"])
            console.print(f"round {number} was done before")
            continue
        history.append(run_round(plan, number, net, out, jobs, console))
    return ship(net, robot, _trained(plan, history, net), out)


def _trained(plan: Plan, history: list[dict[str, Any]], net: TravelNet) -> dict[str, str]:
    last = history[-1]
    return {
        "command": plan.command(),
        "data": f"{plan.rounds * plan.episodes} errands in the world `yard`, seeds {FIRST_SEED} to "
                f"{FIRST_SEED + SEEDS - 1}, {PEOPLE[0]} to {PEOPLE[1] - 1} people, seen with true depth and with the "
                f"stereo pair by turns: {last['examples']} examples; and {DRAWN_EACH * plan.drawn} drawn in "
                f"{plan.drawn} more of these yards",
        "method": f"DAgger, {plan.rounds} rounds, the expert at the wheel for a share of 1, 1/2, 1/4 ...",
        "steps": f"{plan.steps} a round of {BATCH} sectors, the last round {2 * plan.steps}",
        "minutes": f"{sum(h['drove_s'] for h in history) / 60:.0f} of driving, "
                   f"{sum(h['fitted_s'] for h in history) / 60:.0f} of fitting, on a CPU",
        "seed": str(plan.seed),
        "judged": f"regret on {last['judged']} examples never trained on: {last['learned']:.4f} m of progress, by the "
                  f"map alone {last['map']:.4f}, of a plain pursuit {last['pursuit']:.4f}",
        "parameters": str(sum(p.numel() for p in net.parameters())),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    plan = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=plan.rounds)
    parser.add_argument("--episodes", type=int, default=plan.episodes, help="of each round")
    parser.add_argument("--steps", type=int, default=plan.steps, help="of fitting, a round; the last has twice as many")
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--limit", type=float, default=0.0, metavar="S", help="end every episode after so long")
    parser.add_argument("--drawn", type=int, default=plan.drawn, help="yards in which examples are drawn")
    parser.add_argument("--jobs", type=int, default=1, help="processes that drive")
    parser.add_argument("--threads", type=int, default=1, help="of fitting")
    parser.add_argument("--out", type=Path, default=Path("out/policy"), help="episodes, rounds, the graph, its card")
    parser.add_argument("--ship", action="store_true", help=f"write the graph and its card into {SHIPPED.parent}")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    console = Console()
    card = train(
        Plan(args.rounds, args.episodes, args.steps, args.seed, args.limit, args.drawn), args.out, args.jobs, console
    )
    if args.ship:
        for file in (card, card.with_suffix(".onnx")):
            (SHIPPED.parent / file.name).write_bytes(file.read_bytes())
        card = SHIPPED
    console.print(f"{card}: {card.with_suffix('.onnx').stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
