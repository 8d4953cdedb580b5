"""Depth Anything 3 for several views (github.com/ByteDance-Seed/Depth-Anything-3) to ONNX.

Pictures, normalised -> extrinsics, intrinsics, depth and its confidence. The first picture is the reference, where the
clone would choose one by what it sees: a choice that cannot be part of a graph.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.export.base import Pair, command, imports_from, job, load, told, write
from training.export.views import fix_what_depends_on_the_size, parser_of_views, views_of_a_room

_OUTPUTS = ["extrinsics", "intrinsics", "depth", "depth_conf"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the helper; the checkpoint is a state dict saved by torch, names with or without `model.` in front."""
    arguments = parser_of_views(__doc__ or "", "378x504")
    arguments.add_argument("--model", default="da3-base", help="a name of the clone's registry (default da3-base)")
    asked = job(arguments.parse_args(argv))
    with imports_from(asked.repo / "src"):
        from depth_anything_3.cfg import create_object, load_config  # type: ignore[import-not-found]
        from depth_anything_3.registry import MODEL_REGISTRY  # type: ignore[import-not-found]

        model = load(create_object(load_config(MODEL_REGISTRY[asked.options.model])), asked.checkpoint, "model.")
        names = ("interpolate_pos_encoding", "position_getter")
        fix_what_depends_on_the_size(model.backbone.pretrained, *names)
        images = views_of_a_room(asked.size, asked.options.views, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

        def said(m, images):  # type: ignore[no-untyped-def]
            found = m(images, ref_view_strategy="first")
            return tuple(found[name] for name in _OUTPUTS)

        told(asked, write(Pair(model, said), {"images": images}, _OUTPUTS, asked.out), "da3")


if __name__ == "__main__":
    command(main)
