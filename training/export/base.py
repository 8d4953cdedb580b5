"""What all export helpers share: finding the clone, loading the checkpoint, writing one file, and checking it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn

from engines.onnx_file import check_graph
from engines.probe.scenes import slanted
from saccade.errors import ConfigError, DataError, SaccadeError

OPSET = 17
_SAME, _SHARE = 0.05, 0.01
"""ONNX Runtime may be off torch by more than this, relative to the output's spread, in this share of the values."""


@dataclass(frozen=True, slots=True)
class Job:
    """What an export helper was asked for: the clone, the checkpoint (None = random weights), (H, W), the file."""

    repo: Path
    checkpoint: Path | None
    size: tuple[int, int]
    out: Path
    options: argparse.Namespace


def command(main: Callable[[], None]) -> None:
    """Run a helper as a command: what a person may see of its errors is told as it reads, with exit code 2."""
    try:
        main()
    except SaccadeError as error:
        print(f"{Path(sys.argv[0]).stem}: error: {error}", file=sys.stderr)
        sys.exit(2)


def parser(about: str, size: str, stride: int) -> argparse.ArgumentParser:
    """The arguments that every helper takes; `size` is the default, `stride` what both sides must be multiples of."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--repo", type=Path, required=True, help="your clone of the model's repository")
    made.add_argument("--checkpoint", type=Path, help="the weights")
    made.add_argument("--untrained", action="store_true", help="random weights, to try the export without a checkpoint")
    made.add_argument("--size", default=size, help=f"HEIGHTxWIDTH, multiples of {stride} (default {size})")
    made.add_argument("--out", type=Path, required=True, help="ONNX file to write")
    made.set_defaults(stride=stride)
    return made


def job(args: argparse.Namespace) -> Job:
    """The arguments, checked; ConfigError says what is wrong."""
    if not args.repo.is_dir():
        raise ConfigError(f"--repo {args.repo} is no folder; expected a clone of the model's repository")
    if (args.checkpoint is None) != args.untrained:
        raise ConfigError("expected either --checkpoint FILE, or --untrained to try the export with random weights")
    if args.checkpoint is not None and not args.checkpoint.is_file():
        raise ConfigError(f"--checkpoint {args.checkpoint} is no file")
    sides = str(args.size).lower().split("x")
    if len(sides) != 2 or not all(side.isdigit() and int(side) and int(side) % args.stride == 0 for side in sides):
        raise ConfigError(f"--size is {args.size}; expected HEIGHTxWIDTH, both multiples of {args.stride}")
    return Job(args.repo, args.checkpoint, (int(sides[0]), int(sides[1])), args.out, args)


@contextmanager
def imports_from(*folders: Path) -> Iterator[None]:
    """Modules of a clone can be imported within."""
    added = [str(folder.resolve()) for folder in folders]
    sys.path[:0] = added
    try:
        yield
    finally:
        for folder in added:
            sys.path.remove(folder)


def load(model: nn.Module, checkpoint: Path | None, prefix: str = "module.", key: str = "") -> nn.Module:
    """The model for inference with a checkpoint's weights, `prefix` cut off their names; only tensors are unpickled.

    DataError where they are not this model's.
    """
    torch.manual_seed(0)
    if checkpoint is not None:
        weights: Mapping[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
        weights = weights[key] if key and key in weights else weights
        try:
            model.load_state_dict({name.removeprefix(prefix): value for name, value in weights.items()})
        except RuntimeError as error:
            raise DataError(f"{checkpoint} does not fit the model of this clone: {error}") from error
    return model.eval()


class Pair(nn.Module):  # type: ignore[misc]  # torch is not installed where mypy runs
    """A stereo model as a graph of two pictures: `forward(left, right)` is what `call` makes of it."""

    def __init__(self, model: nn.Module, call: Any) -> None:
        super().__init__()
        self.model, self.call = model, call

    def forward(self, *pictures: torch.Tensor) -> torch.Tensor:
        """Pictures (1, 3, H, W) float32 to the output that is exported."""
        made: torch.Tensor = self.call(self.model, *pictures)
        return made


def pictures(size: tuple[int, int], white: float = 255.0) -> list[torch.Tensor]:
    """A left and a right picture (1, 3, H, W) float32 of something to match."""
    scene = slanted(size, size[1] / 8)
    return [torch.from_numpy(p.transpose(2, 0, 1)[None] * np.float32(white / 255)) for p in (scene.left, scene.right)]


def write(
    model: nn.Module, inputs: Mapping[str, torch.Tensor], outputs: Sequence[str], out: Path, fold: bool = True
) -> float:
    """Export a model with fixed sizes into one file, and hold ONNX Runtime to torch; the largest difference.

    Without `fold` what can be worked out of weights is left to whoever loads the graph.
    DataError when the graph does something else than the model.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        expected = model(*inputs.values())
        torch.onnx.export(
            model, tuple(inputs.values()), str(out), dynamo=False, opset_version=OPSET, do_constant_folding=fold,
            input_names=list(inputs), output_names=list(outputs),
        )  # fmt: skip
    check_graph(out)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    found = session.run(list(outputs), {name: value.numpy() for name, value in inputs.items()})
    wanted = [expected] if isinstance(expected, torch.Tensor) else list(expected)
    return max(_compared(out, name, a, b.numpy()) for name, a, b in zip(outputs, found, wanted, strict=True))


def _compared(out: Path, name: str, found: Any, wanted: Any) -> float:
    off = np.abs(found - wanted)
    spread = float(np.std(wanted)) or 1.0
    share = float((off > _SAME * spread).mean())
    if found.shape != wanted.shape or not share <= _SHARE:
        raise DataError(
            f"{out}: {name} differs from torch in {100 * share:.1f} % of its values; do not use this export"
        )
    return float(off.max())


def told(job: Job, difference: float, card: str, *files: Path) -> None:
    """Say what was written, and what to do with it."""
    names = " ".join(str(file) for file in files or (job.out,))
    print(f"wrote {names} for {job.size[1]} x {job.size[0]}; ONNX Runtime is within {difference:.2g} of torch")
    print(f"next: saccade engine add --card {card} --onnx {names}")
