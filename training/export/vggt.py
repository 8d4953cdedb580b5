"""VGGT (github.com/facebookresearch/vggt) to ONNX: pictures 0..1 -> pose encoding, depth and its confidence.

The heads for points and tracks are left out. With weights in float32 the model is larger than an ONNX file may be,
2 GB; so they are stored in eight bits, and unpacked when the graph is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training.export.base import Pair, command, imports_from, job, load, told, write
from training.export.views import fix_what_depends_on_the_size, in_eight_bits, parser_of_views, views_of_a_room

_OUTPUTS = ["pose_enc", "depth", "depth_conf"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the helper; the checkpoint is the repository's `model.pt`."""
    arguments = parser_of_views(__doc__ or "", "392x518")
    arguments.add_argument("--weights", choices=["int8", "float32"], default="int8", help="as stored (default int8)")
    asked = job(arguments.parse_args(argv))
    eight = asked.options.weights == "int8"
    with imports_from(asked.repo):
        from vggt.heads import dpt_head  # type: ignore[import-not-found]
        from vggt.models.vggt import VGGT  # type: ignore[import-not-found]

        model = load(VGGT(), asked.checkpoint)
        model.point_head = model.track_head = None
        fix_what_depends_on_the_size(model.aggregator.patch_embed, "interpolate_pos_encoding")
        fix_what_depends_on_the_size(model.aggregator, "position_getter")
        fix_what_depends_on_the_size(dpt_head, "create_uv_grid", "position_grid_to_embed")
        images = views_of_a_room(asked.size, asked.options.views)
        if eight:
            with torch.no_grad():
                before = model(images)
                in_eight_bits(model)
                _tell_difference(before, model(images))
        graph = Pair(model, lambda m, images: tuple(m(images)[name] for name in _OUTPUTS))
        told(asked, write(graph, {"images": images}, _OUTPUTS, asked.out, fold=not eight), "vggt")


def _tell_difference(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> None:
    """Say what eight bits cost on views of a room."""
    off = (after["depth"] / before["depth"] - 1).abs().median()
    turn = (after["pose_enc"] - before["pose_enc"]).abs().max()
    print(
        f"eight bits a weight: depth differs by {100 * float(off):.2g} % (median), pose encodings by {float(turn):.2g}"
    )


if __name__ == "__main__":
    command(main)
