"""Train a network that moves an arm's tool to points: `python -m training.reach --out vla_node/arms/cards`.

It imitates `training.reach.expert`, first on what the expert meets, then, round by round, on what the network itself
meets on its own ways, labelled by the expert (DAgger: Ross, Gordon and Bagnell 2011). Nothing but the arm's model and
its limits is needed: no pictures, no contacts. Writes NAME.onnx, NAME.yaml (its card) and NAME.csv (its course).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from pathlib import Path

import numpy as np
import torch
import yaml

from saccade import params
from saccade.clock import SEC, perf_ns
from saccade.geometry import F64
from saccade.params import plain
from saccade.robots import robot_file
from training.reach.chain import Chain
from training.reach.expert import Expert
from training.reach.net import ReachNet, export
from training.reach.rollouts import HIGH, LOW, Act, Seen, arrivals, rollouts
from vla_node.arms.mover import MoverCard
from vla_node.params import VlaParams

BATCH = 1024
JUDGED, JUDGED_S, JUDGED_SEED = 300, 5.0, 900
_FLOOR, _SHARE = 0.02, 0.2
"""Errors count by speed: rad/s that count as one where the arm stands, and more by a share where it is fast."""


def main(argv: list[str] | None = None) -> None:
    """Train and write."""
    args = _arguments().parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    vla = params.load(VlaParams, robot_file(args.robot), "vla_node")
    arm, count = vla.arm, len(vla.arm.joints)
    limits, home = arm.by_axis(), np.array(arm.home)
    speed, accel = arm.grasp.pace * limits.speed[:count], arm.grasp.pace * limits.accel[:count]
    dt_s = 1.0 / vla.policy.rate_hz
    expert = Expert(Chain(arm), speed, accel, arm.grasp.turn_rad, dt_s)
    net = ReachNet(tuple(speed.tolist()), args.horizon, args.width)
    course, seen, begin_ns = list[dict[str, float]](), list[Seen](), perf_ns()
    for round_ in range(args.rounds + 1):
        act = teacher(expert) if round_ == 0 else student(net)
        arms = args.arms * (2 if round_ == 0 else 1)
        seen.append(rollouts(expert, home, act, args.horizon, arms, args.steps, 1000 * args.seed + round_))
        loss = fit(net, seen, args.epochs, args.seed + round_)
        came, after_s = arrivals(expert, home, student(net), JUDGED, JUDGED_S, JUDGED_SEED)
        row = {
            "round": round_, "states": sum(len(part.joints) for part in seen), "loss": round(loss, 5),
            "arrived": round(came, 4), "after_s": round(after_s, 2),
            "minutes": round((perf_ns() - begin_ns) / 60 / SEC, 1),
        }  # fmt: skip
        course.append(row)
        torch.save(net.state_dict(), args.out / f"{args.name}.pt")
        print(row, flush=True)
    write(net, args, expert, arm.model, arm.joints, course)


def teacher(expert: Expert) -> Act:
    """The expert as what acts: it is told the goal by how far the tool is off it."""

    def act(q: F64, v: F64, off: F64) -> F64:
        t, _, _ = expert.chain.tool(q)
        bearing, far = np.arctan2(t[:, 1], t[:, 0]), np.hypot(t[:, 0], t[:, 1])
        bearing, far = bearing + off[:, 1] / far, far + off[:, 0]
        return expert.step(q, v, np.stack([far * np.cos(bearing), far * np.sin(bearing), t[:, 2] + off[:, 2]], axis=1))

    return act


def student(net: ReachNet) -> Act:
    """The network as what acts: the first of its rows."""

    def act(q: F64, v: F64, off: F64) -> F64:
        with torch.no_grad():
            rows: F64 = net(*(torch.from_numpy(x.astype(np.float32)) for x in (q, v, off))).numpy().astype(np.float64)
        return rows[:, 0]

    return act


def fit(net: ReachNet, seen: list[Seen], epochs: int, seed: int) -> float:
    """Go on with the training over all that was seen so far; the mean loss of the last epoch."""
    shown = [
        torch.from_numpy(np.concatenate([getattr(part, name) for part in seen]).astype(np.float32))
        for name in ("joints", "speeds", "off", "rows")
    ]
    count, draw = len(shown[0]), torch.Generator().manual_seed(seed)
    batch = min(BATCH, count)
    steps = epochs * (count // batch)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps, pct_start=0.1)
    mean = 0.0
    for _ in range(epochs):
        order, losses = torch.randperm(count, generator=draw), []
        for i in range(count // batch):
            joints, speeds, off, rows = (part[order[i * batch : (i + 1) * batch]] for part in shown)
            counts = _FLOOR + _SHARE * rows.abs().amax(dim=2, keepdim=True)
            error = (net(joints, speeds, off) - rows) / counts
            loss = nn_loss(error)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        mean = float(np.mean(losses))
    return mean


def nn_loss(error: torch.Tensor) -> torch.Tensor:
    """Huber's, with the first row, which is what is done, counted as much as all others together."""
    huber = torch.nn.functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none")
    return huber[:, 0].mean() + huber[:, 1:].mean()


def write(
    net: ReachNet, args: argparse.Namespace, expert: Expert, model: str, joints: tuple[str, ...],
    course: list[dict[str, float]],
) -> None:  # fmt: skip
    """The graph, its card and the course of its training."""
    graph = args.out / f"{args.name}.onnx"
    export(net, graph)
    made = {
        "imitates": "training/reach/expert.py: resolved rates by the true Jacobian",
        "rounds": args.rounds, "states": int(course[-1]["states"]), "minutes": course[-1]["minutes"],
        "seed": args.seed, "parameters": sum(p.numel() for p in net.parameters()),
        "judged": f"{JUDGED} ways of seed {JUDGED_SEED}, without a body: {100 * course[-1]['arrived']:.1f} % "
                  f"came within 3 mm and stood, after {course[-1]['after_s']:g} s (median)",
    }  # fmt: skip
    card = MoverCard(
        args.name, "Saccade: training/reach", "Apache-2.0", graph.name, hashlib.sha256(graph.read_bytes()).hexdigest(),
        model, joints, expert.turn_rad, tuple(expert.speed.tolist()), tuple(expert.accel.tolist()), tuple(LOW.tolist()),
        tuple(HIGH.tolist()), expert.dt_s, net.horizon, {key: str(value) for key, value in made.items()},
    )  # fmt: skip
    text = yaml.safe_dump(plain(card), sort_keys=False, width=120)
    (args.out / f"{args.name}.yaml").write_text(f"# Written by python -m training.reach.\n{text}")
    with (args.out / f"{args.name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(course[0]))
        writer.writeheader()
        writer.writerows(course)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.reach", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/reach"), help="folder to write into")
    parser.add_argument("--name", default="reach-ur5e", help="name of the card and its files")
    parser.add_argument("--robot", default="table", help="whose arm: a robot's file")
    parser.add_argument("--rounds", type=int, default=3, help="of aggregation, after the first")
    parser.add_argument("--arms", type=int, default=250, help="ways in a round")
    parser.add_argument("--steps", type=int, default=80, help="rows in a way")
    parser.add_argument("--epochs", type=int, default=16, help="over all states, in each round")
    parser.add_argument("--width", type=int, default=192, help="of the layers")
    parser.add_argument("--horizon", type=int, default=8, help="rows that it answers with")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
