"""FoundationStereo (github.com/NVlabs/FoundationStereo, non-commercial) to ONNX, on a CPU: left, right -> disp.

The clone's own scripts/make_onnx.py does the same where there is CUDA.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from saccade.errors import ConfigError
from training.export.base import Pair, command, imports_from, job, load, parser, pictures, told, write


def main(argv: Sequence[str] | None = None) -> None:
    """Run the helper; cfg.yaml is the file that comes with the checkpoint."""
    arguments = parser(__doc__ or "", "448x672", 32)
    arguments.add_argument("--config", type=Path, help="cfg.yaml (default: beside the checkpoint)")
    arguments.add_argument("--iterations", type=int, default=16, help="refinements (default 16)")
    asked = job(arguments.parse_args(argv))
    config = asked.options.config or (asked.checkpoint.parent / "cfg.yaml" if asked.checkpoint else None)
    if config is None or not config.is_file():
        raise ConfigError(f"no cfg.yaml ({config}); expected --config FILE, it comes with the checkpoint")
    with imports_from(asked.repo):
        from core.foundation_stereo import FoundationStereo  # type: ignore[import-not-found]
        from omegaconf import OmegaConf  # type: ignore[import-not-found]

        options = OmegaConf.load(config)
        options.setdefault("vit_size", "vitl")
        options.mixed_precision = False  # half precision has no convolutions on a CPU
        model = load(FoundationStereo(options), asked.checkpoint, key="model")
        graph = Pair(model, lambda m, left, right: m(left, right, iters=asked.options.iterations, test_mode=True))
        inputs = dict(zip(("left", "right"), pictures(asked.size), strict=True))
        told(asked, write(graph, inputs, ["disp"], asked.out), "foundation-stereo")


if __name__ == "__main__":
    command(main)
