"""Depth Anything 3, metric (github.com/ByteDance-Seed/Depth-Anything-3) to ONNX: image, normalised -> canonical depth.

The clone sets the sky's depth from a random sample of the rest; that step is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training.export.base import Pair, command, imports_from, job, load, parser, told, write


def main(argv: Sequence[str] | None = None) -> None:
    """Run the helper; the checkpoint is a state dict saved by torch, names with or without `model.` in front."""
    arguments = parser(__doc__ or "", "378x504", 14)
    arguments.add_argument("--model", default="da3metric-large", help="a name of the clone's registry")
    asked = job(arguments.parse_args(argv))
    with imports_from(asked.repo / "src"):
        from depth_anything_3.cfg import create_object, load_config  # type: ignore[import-not-found]
        from depth_anything_3.registry import MODEL_REGISTRY  # type: ignore[import-not-found]

        model = load(create_object(load_config(MODEL_REGISTRY[asked.options.model])), asked.checkpoint, "model.")
        model._process_mono_sky_estimation = lambda output: output
        graph = Pair(model, lambda m, image: m(image[:, None])["depth"][:, 0])
        inputs = {"image": torch.randn(1, 3, *asked.size, generator=torch.Generator().manual_seed(0))}
        told(asked, write(graph, inputs, ["depth"], asked.out), "da3metric-large")


if __name__ == "__main__":
    command(main)
