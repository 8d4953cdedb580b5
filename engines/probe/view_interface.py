"""What a model's own description says against the card of a model of several views, before anything is run."""

from __future__ import annotations

from typing import Any

from engines.card import Card
from engines.engine import EngineSpec, TensorSpec
from engines.pictures import fitted_shape
from engines.probe.finding import Finding
from engines.views.reconstruct import views_of


def interface_fault(spec: EngineSpec, card: Card) -> Finding | None:
    """The first thing in which the card does not fit the model's tensors."""
    return _inputs(spec, card) or _outputs(spec, card) or _fixed(spec, card)


def fixed_by_graph(spec: EngineSpec, card: Card) -> dict[str, Any]:
    """The card's keys that a graph of one size, or of one number of pictures, leaves no choice about."""
    edit: dict[str, Any] = {}
    shape = next((t.shape for t in spec.inputs if t.name == views_of(card).pictures), ())
    if len(shape) < 4:
        return edit
    count, height, width = shape[-4], shape[-2], shape[-1]
    if isinstance(count, int) and count > 0:
        edit["views"] = {"least": count, "most": count}
    if isinstance(height, int) and isinstance(width, int) and min(height, width) > 0:
        edit["size"] = {"rule": "resize", "width": width, "height": height, "max_pixels": 0, "short_side": 0}
    return edit


def _inputs(spec: EngineSpec, card: Card) -> Finding | None:
    views, names = views_of(card), [t.name for t in spec.inputs]
    if views.pictures not in names:
        likely = [t.name for t in spec.inputs if _of_pictures(t)]
        text = f"the model takes {', '.join(names)}, the card names {views.pictures} for the pictures"
        if len(likely) == 1:
            return Finding("inputs", text, {"views": {"pictures": likely[0]}})
        return Finding("inputs", text, advice="export it with one input (1, n, 3, H, W) for all pictures")
    wanted = {views.pictures, views.told.poses, views.told.intrinsics, views.near, views.far} - {""}
    if wanted != set(names):
        text = f"the model takes {', '.join(sorted(names))}, the card gives {', '.join(sorted(wanted))}"
        return Finding("inputs", text, advice="name them in views: told.poses, told.intrinsics, near and far")
    tensor = next(t for t in spec.inputs if t.name == views.pictures)
    if not _of_pictures(tensor) or tensor.dtype != card.colour.dtype:
        text = f"the model's pictures are {tensor}; expected {card.colour.dtype} (1, n, 3, H, W) or (n, 3, H, W)"
        return Finding("layout", text, advice="export it so")
    return None


def _of_pictures(tensor: TensorSpec) -> bool:
    return len(tensor.shape) in (4, 5) and tensor.shape[-3] == 3


def _outputs(spec: EngineSpec, card: Card) -> Finding | None:
    views, names = views_of(card), [t.name for t in spec.outputs]
    text = f"the model gives {', '.join(names)}, the card names"
    if views.depth and views.depth not in names:
        likely = [name for name in names if "depth" in name.lower() and "conf" not in name.lower()]
        edit = {"views": {"depth": likely[0]}} if len(likely) == 1 else {}
        return Finding("output", f"{text} {views.depth} for depth", edit, "name the output that is depth")
    splats = views.gaussians
    of_splats = (splats.means, splats.scales, splats.rotations, splats.opacities, splats.colours) if splats else ()
    for name in (views.said.poses, views.said.intrinsics, views.points, views.confidence, *of_splats):
        if name and name not in names:
            return Finding("output", f"{text} {name}", advice="export it too, or leave that key empty")
    return None


def _fixed(spec: EngineSpec, card: Card) -> Finding | None:
    edit, views = fixed_by_graph(spec, card), views_of(card)
    if "size" in edit:
        size = edit["size"]["height"], edit["size"]["width"]
        if fitted_shape(card.size, (251, 333)) != size or fitted_shape(card.size, (480, 640)) != size:
            return Finding("size", f"the model takes {size[1]} x {size[0]} and no other size", {"size": edit["size"]})
    if "views" in edit and edit["views"] != {"least": views.least, "most": views.most}:
        count = edit["views"]["least"]
        return Finding("inputs", f"the model takes {count} pictures, no more and no less", {"views": edit["views"]})
    return None
