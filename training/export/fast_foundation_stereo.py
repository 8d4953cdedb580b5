"""Fast-FoundationStereo (github.com/NVlabs/Fast-FoundationStereo, research only) to ONNX, on a CPU: two graphs.

Writes feature_runner.onnx and post_runner.onnx into the folder of OUT; the step between them is the runtime's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from engines.two_graphs import unit_groups
from saccade.errors import ConfigError
from training.export.base import Pair, command, imports_from, job, parser, pictures, told, write

FEATURES = (
    "features_left_04", "features_left_08", "features_left_16", "features_left_32", "features_right_04", "stem_2x",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Run the helper; the checkpoint is a pickled model, so that loading it runs whatever its maker put into it."""
    arguments = parser(__doc__ or "", "448x640", 32)
    arguments.add_argument("--trust-checkpoint", action="store_true", help="unpickle it: that runs code it may hold")
    arguments.add_argument("--iterations", type=int, default=8, help="refinements (default 8)")
    arguments.add_argument("--max-disparity", type=int, default=192)
    asked = job(arguments.parse_args(argv))
    if asked.checkpoint is None or not asked.options.trust_checkpoint:
        raise ConfigError(
            "the model is a pickle: expected --checkpoint FILE, whose source you trust, and --trust-checkpoint"
        )
    with imports_from(asked.repo):
        from core.foundation_stereo import TrtFeatureRunner, TrtPostRunner  # type: ignore[import-not-found]

        torch._dynamo.config.disable = True  # the clone compiles a function that export has to trace
        model: Any = torch.load(asked.checkpoint, map_location="cpu", weights_only=False)
        model.args.max_disp, model.args.valid_iters = asked.options.max_disparity, asked.options.iterations
        model.args.mixed_precision = False
        first = Pair(TrtFeatureRunner(model).eval(), lambda m, left, right: m(left, right))
        inputs = dict(zip(("left", "right"), pictures(asked.size), strict=True))
        files = [asked.out.with_name(f"{name}_runner.onnx") for name in ("feature", "post")]
        differences = [write(first, inputs, FEATURES, files[0])]
        with torch.no_grad():
            features = dict(zip(FEATURES, first(*inputs.values()), strict=True))
        volume = correlated(features, model.args.max_disp // 4, model.cv_group)
        second = Pair(TrtPostRunner(model).eval(), lambda m, *features: m(*features))
        differences.append(write(second, {**features, "gwc_volume": volume}, ["disp"], files[1]))
        told(asked, max(differences), "fast-foundation-stereo", *files)


def correlated(features: dict[str, torch.Tensor], disparities: int, groups: int) -> torch.Tensor:
    """The volume (1, groups, disparities, H, W), as the runtime makes it of normalised features."""
    left, right = (
        torch.from_numpy(unit_groups(features[f"features_{s}_04"].numpy(), groups)) for s in ("left", "right")
    )
    product = [
        torch.nn.functional.pad(left[..., d:] * right[..., : right.shape[-1] - d], (d, 0)) for d in range(disparities)
    ]
    return torch.stack([p.unflatten(1, (groups, -1)).sum(2) for p in product], dim=2)


if __name__ == "__main__":
    command(main)
