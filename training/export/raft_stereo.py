"""RAFT-Stereo (github.com/princeton-vl/RAFT-Stereo, MIT) to ONNX: left, right -> flow, minus the disparity."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from training.export.base import Pair, command, imports_from, job, load, parser, pictures, told, write


def main(argv: Sequence[str] | None = None) -> None:
    """Run the helper; the architecture options are those of the clone's demo.py, with its defaults."""
    arguments = parser(__doc__ or "", "480x640", 32)
    arguments.add_argument("--iterations", type=int, default=16, help="refinements (default 16; the paper has 32)")
    arguments.add_argument("--n-gru-layers", type=int, default=3)
    arguments.add_argument("--n-downsample", type=int, default=2)
    arguments.add_argument("--context-norm", default="batch", choices=["group", "batch", "instance", "none"])
    arguments.add_argument("--shared-backbone", action="store_true")
    arguments.add_argument("--slow-fast-gru", action="store_true")
    asked = job(arguments.parse_args(argv))
    options = asked.options
    with imports_from(asked.repo, asked.repo / "core"):
        from core.raft_stereo import RAFTStereo  # type: ignore[import-not-found]

        shape = argparse.Namespace(
            hidden_dims=[128] * 3, corr_implementation="reg", corr_levels=4, corr_radius=4, mixed_precision=False,
            shared_backbone=options.shared_backbone, n_downsample=options.n_downsample,
            context_norm=options.context_norm, slow_fast_gru=options.slow_fast_gru, n_gru_layers=options.n_gru_layers,
        )  # fmt: skip
        model = load(RAFTStereo(shape), asked.checkpoint)
        graph = Pair(model, lambda m, left, right: m(left, right, iters=options.iterations, test_mode=True)[1])
        inputs = dict(zip(("left", "right"), pictures(asked.size), strict=True))
        told(asked, write(graph, inputs, ["flow"], asked.out), "raft-stereo")


if __name__ == "__main__":
    command(main)
