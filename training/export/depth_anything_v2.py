"""Depth Anything V2 (github.com/DepthAnything/Depth-Anything-V2) to ONNX: image -> relative inverse depth."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training.export.base import command, imports_from, job, load, parser, told, write

_SIZES: dict[str, tuple[int, list[int]]] = {
    "vits": (64, [48, 96, 192, 384]), "vitb": (128, [96, 192, 384, 768]), "vitl": (256, [256, 512, 1024, 1024]),
}  # fmt: skip
"""Features and channels of each encoder, as the clone's run.py has them."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the helper."""
    arguments = parser(__doc__ or "", "518x686", 14)
    arguments.add_argument("--encoder", choices=_SIZES, default="vits", help="default vits, the one under Apache-2.0")
    asked = job(arguments.parse_args(argv))
    features, channels = _SIZES[asked.options.encoder]
    with imports_from(asked.repo):
        from depth_anything_v2.dpt import DepthAnythingV2  # type: ignore[import-not-found]

        model = load(
            DepthAnythingV2(encoder=asked.options.encoder, features=features, out_channels=channels), asked.checkpoint
        )
        inputs = {"image": torch.randn(1, 3, *asked.size, generator=torch.Generator().manual_seed(0))}
        told(asked, write(model, inputs, ["depth"], asked.out), "depth-anything-v2")


if __name__ == "__main__":
    command(main)
