"""Train the stereo network: `python -m training.stereo --size s --minutes 120`.

Takes generated pairs from a folder that may still fill (`python -m training.pairs`). A run that was stopped goes on
from its last checkpoint. Every few minutes it measures the averaged weights on pairs that are never trained on, adds a
line to `log.csv` and draws `curves.svg`; `python -m training.ship` makes ONNX files and cards of a checkpoint.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor
from torch.utils.data import DataLoader

from training.batches import Crops, truth_of
from training.curves import curves
from training.judge import JUDGED_FIRST, judge, judged_pairs
from training.losses import loss_of
from training.mixed import mixed
from training.net import SIZES, StereoNet
from training.optimiser import Optimiser
from training.pairs import SIZE, size_of
from training.weights import WeightsError, checkpoint, load, story_of, unfold
from training.widen import widened

WARM_UP = 0.03
"""Share of the run in which the learning rate rises."""
KEEP = 0.998
"""Of the averaged weights, a step."""
MEASURED = 32
"""Crops that batch normalisation is measured on where a run starts from an ONNX file."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is: all of it goes into the checkpoint and from there into the card."""

    size: str = "s"
    steps: int = 0
    minutes: float = 60.0
    batch: int = 8
    width: int = 320
    height: int = 192
    rate: float = 2e-3
    seed: int = 0
    judged: int = 64
    mixed: bool = False
    pairs: tuple[int, int] = SIZE

    def share(self, step: int, seconds: float) -> float:
        """How much of the run is over, 0..1: by steps where they are given, else by the clock."""
        return min(1.0, step / self.steps if self.steps else seconds / 60.0 / self.minutes)

    def rate_at(self, share: float) -> float:
        """Learning rate: a short rise, then a half cosine (Loshchilov and Hutter 2017)."""
        rise = min(1.0, share / WARM_UP) if share < WARM_UP else 1.0
        return self.rate * rise * (0.5 + 0.5 * math.cos(math.pi * share)) + 1e-6


class Run:
    """A network in training with its optimiser, its averaged copy and its place in the plan."""

    def __init__(self, plan: Plan, device: torch.device) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.device, self.step, self.seconds = plan, device, 0, 0.0
        self.net = StereoNet(plan.size).to(device, memory_format=torch.channels_last)
        self.optimiser = Optimiser(self.net, plan.rate)
        if plan.mixed:
            mixed(self.net, device)
        self.average = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.log: list[dict[str, float]] = []
        self.before = "nothing"

    def train(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """One step; returns the terms of the loss. A step whose gradient is not finite changes nothing."""
        begun = time.monotonic()
        share = self.plan.share(self.step, self.seconds)
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(share)
        batch = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
        self.net.train()
        measured = [buffer.clone() for buffer in self.net.buffers()]  # batch normalisation's, which looking changes
        left, right = (batch[k].to(memory_format=torch.channels_last) for k in ("left", "right"))
        loss, terms = loss_of(self.net.steps(left, right), truth_of(batch))
        self.net.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        else:
            for buffer, before in zip(self.net.buffers(), measured, strict=True):
                buffer.copy_(before)
        keep = min(KEEP, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for k, v in self.net.state_dict().items():
                if v.dtype.is_floating_point:
                    self.average[k].lerp_(v, 1.0 - keep)
                else:
                    self.average[k].copy_(v)
        self.step += 1
        self.seconds += time.monotonic() - begun
        return {"loss": float(loss.detach()), **{k: float(v.detach()) for k, v in terms.items()}}

    def judge(self, files: list[Path]) -> dict[str, float]:
        """Of the averaged weights."""
        net = StereoNet(self.plan.size).to(self.device)
        net.load_state_dict(self.average)
        return judge(net.eval(), files, self.device)

    def save(self, path: Path) -> None:
        """Write a checkpoint; whatever happens, the file is whole."""
        state = {"plan": asdict(self.plan), "step": self.step, "seconds": self.seconds, "net": self.net.state_dict(),
                 "average": self.average, "optimiser": self.optimiser.state_dict(), "log": self.log,
                 "before": self.before, "device": name_of(self.device)}  # fmt: skip
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint; WeightsError for one of a run that had AdamW alone."""
        state = self._stored(path)
        if not isinstance(state["optimiser"], list):
            told = f"a new --out with --start {path} takes its weights"
            raise WeightsError(f"{path} was trained by another optimiser; {told}")
        self.average, self.before, self.log = state["average"], state["before"], state["log"]
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    def start_from(self, path: Path, batch: dict[str, Tensor]) -> None:
        """Begin the plan with the averaged weights of another run's checkpoint, or of an ONNX file of this project's.

        `batch` is what an ONNX file's batch normalisation is measured on. A larger network begins as a smaller one's;
        WeightsError for a network of a larger size than is trained.
        """
        if path.suffix == ".onnx":
            folded, size, shown = load(path), self.plan.size, (batch["left"], batch["right"])
            order = list(SIZES)
            if order.index(folded.size) > order.index(size):
                raise WeightsError(f"{path} is of size {folded.size!r}, to be trained is the smaller {size!r}")
            net = unfold(folded, *shown)
            self.net.load_state_dict((net if folded.size == size else widened(net, size, *shown)).state_dict())
            self.before = ("" if folded.size == size else f"{folded.size} made wider, ") + story_of(path)
        else:
            state = self._stored(path)
            self.net.load_state_dict(state["average"])
            minutes = state["seconds"] / 60
            self.before = f"a run of {state['step']} steps in {minutes:.0f} minutes, from {state['before']}"
        self.average = {k: v.clone() for k, v in self.net.state_dict().items()}

    def _stored(self, path: Path) -> dict[str, Any]:
        state = checkpoint(path, self.device)
        if (size := state["plan"]["size"]) != self.plan.size:
            raise WeightsError(f"{path} is of size {size!r}, to be trained is {self.plan.size!r}")
        return state


def name_of(device: torch.device) -> str:
    """What a run was trained on, for its card: the GPU's own name, or "cpu"."""
    return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else device.type


def train(run: Run, batches: Iterator[dict[str, Tensor]], judged: list[Path], out: Path, every_s: float) -> None:
    """Train until the plan is fulfilled, with a progress bar; judge and save every so many seconds and at the end."""
    console, last = Console(), time.monotonic()
    smooth: dict[str, float] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.1f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=1.0)
        while (share := run.plan.share(run.step, run.seconds)) < 1.0:
            for k, v in run.train(next(batches)).items():
                smooth[k] = 0.98 * smooth.get(k, v) + 0.02 * v if math.isfinite(v) else smooth.get(k, 0.0)
            progress.update(task, completed=share, description=f"step {run.step} loss {smooth['loss']:.2f}")
            if time.monotonic() - last > every_s or run.plan.share(run.step, run.seconds) >= 1.0:
                run.log.append({"step": run.step, "minutes": run.seconds / 60.0, **smooth, **run.judge(judged)})
                run.save(out / "checkpoint.pt")
                curves(run.log, out)
                console.print("  ".join(f"{k} {v:.3g}" for k, v in run.log[-1].items()))
                last = time.monotonic()


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    plan = Plan()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default=plan.size)
    parser.add_argument("--pairs", type=Path, default=Path("out/pairs"), help="folder of training.pairs")
    parser.add_argument("--out", type=Path, default=Path("out/training"), help="checkpoint, log and curves")
    parser.add_argument("--minutes", type=float, default=plan.minutes, help="of training, judging apart")
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes, so that a run can be repeated")
    parser.add_argument("--batch", type=int, default=plan.batch)
    parser.add_argument("--crop", type=int, nargs=2, default=(plan.width, plan.height), metavar=("W", "H"))
    parser.add_argument("--rate", type=float, default=plan.rate, help="largest learning rate")
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--judged", type=int, default=plan.judged, help="pairs to judge on")
    parser.add_argument("--mixed", action="store_true", help="bfloat16 where it rounds no disparity: quicker")
    parser.add_argument("--every", type=float, default=300.0, help="seconds between judging and saving")
    parser.add_argument("--start", type=Path, help="checkpoint or ONNX file of ours that a new run starts from")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare batches; 0: where cores train")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args(arguments)
    if not any(args.pairs.glob("*.npy")):
        parser.error(f"no pairs in {args.pairs}; make some: python -m training.pairs --out {args.pairs}")
    pairs = size_of(args.pairs)
    if any(crop % 32 or not 0 < crop <= most for crop, most in zip(args.crop, pairs, strict=True)):
        parser.error(f"--crop is {args.crop}; expected multiples of 32, at most {pairs[0]} {pairs[1]}")
    for name, least in (("minutes", 1e-3), ("steps", 0), ("batch", 1), ("judged", 1), ("workers", 0), ("threads", 1)):
        if not (given := getattr(args, name)) >= least:
            parser.error(f"--{name} is {given}; expected {least} or more")
    torch.set_num_threads(args.threads)
    torch.backends.cudnn.allow_tf32 = False  # convolutions carry disparities, which ten bits would round to 1/8 px
    args.out.mkdir(parents=True, exist_ok=True)
    judged = judged_pairs(args.pairs / "judged", JUDGED_FIRST, args.judged)
    width, height = args.crop
    plan = Plan(
        args.size, args.steps, args.minutes, args.batch, width, height, args.rate, args.seed, args.judged, args.mixed,
        pairs,
    )  # fmt: skip
    run = Run(plan, torch.device(args.device))
    stored = args.out / "checkpoint.pt"
    try:
        if stored.exists():
            run.load(stored)
            print(f"going on from step {run.step} of {stored}")
        elif args.start:
            shown = next(iter(DataLoader(Crops(args.pairs, tuple(args.crop), args.seed), MEASURED)))
            run.start_from(args.start, shown)
    except (OSError, WeightsError) as error:
        parser.error(f"{'--out' if stored.exists() else '--start'}: {error}")
    crops = Crops(args.pairs, tuple(args.crop), args.seed + run.step)
    loader = DataLoader(crops, args.batch, num_workers=args.workers, pin_memory=args.device != "cpu")
    train(run, iter(loader), judged, args.out, args.every)


if __name__ == "__main__":
    main()
