"""CREStereo (github.com/ibaiGorordo/CREStereo-Pytorch) to ONNX: two graphs, for half size and for full size.

Writes OUT for the second graph, and OUT with `_without_flow` for the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from training.export.base import Pair, command, imports_from, job, load, parser, pictures, told, write


def main(argv: Sequence[str] | None = None) -> None:
    """Run the helper."""
    arguments = parser(__doc__ or "", "480x640", 32)
    arguments.add_argument("--iterations", type=int, default=10, help="refinements (default 10; test_model.py has 20)")
    asked = job(arguments.parse_args(argv))

    def matched(model: Any, left: Any, right: Any, flow: Any = None) -> Any:
        return model(left, right, iters=asked.options.iterations, flow_init=flow)

    with imports_from(asked.repo):
        from nets import Model  # type: ignore[import-not-found]

        graph = Pair(load(Model(max_disp=256, mixed_precision=False, test_mode=True), asked.checkpoint), matched)
        left, right = (picture.flip(1) for picture in pictures(asked.size))  # it was trained on BGR
        halves = {name: F.avg_pool2d(p, 2) for name, p in (("left", left), ("right", right))}
        first = asked.out.with_stem(f"{asked.out.stem}_without_flow")
        difference = write(graph, halves, ["output"], first)
        with torch.no_grad():
            start = graph(*halves.values())
        full = {"left": left, "right": right, "flow_init": start}
        told(asked, max(difference, write(graph, full, ["output"], asked.out)), "crestereo", first, asked.out)


if __name__ == "__main__":
    command(main)
