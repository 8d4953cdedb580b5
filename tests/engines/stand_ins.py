"""Small ONNX graphs that match blocks, right or with one fault built in, and cards for them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from engines.card import load_card
from engines.probe import Report
from engines.verdict import write_verdict

ITU = (0.299, 0.587, 0.114)


class Graph:
    """ONNX nodes in the order they are asked for; every method returns the name of its result."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def const(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def ints(self, *values):
        return self.const(values, np.int64)

    def __call__(self, op, *inputs, out=None, **attributes):
        out = out or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [out], **attributes))
        return out

    def mul(self, x, factor):
        return self("Mul", x, self.const(factor))

    def slice(self, x, begin, end, axis):
        return self("Slice", x, self.ints(begin), self.ints(end), self.ints(axis))

    def pad(self, x, left=0, top=0, right=0, bottom=0, value=0.0, mode="constant"):
        pads = self.ints(0, 0, top, left, 0, 0, bottom, right)
        return self("Pad", x, pads, *([self.const(np.float32(value))] if mode == "constant" else []), mode=mode)

    def grey(self, x, weights=ITU):
        """(1, 3, H, W) -> (1, 1, H, W)."""
        return self("Conv", x, self.const(np.reshape(weights, (1, 3, 1, 1))))

    def volume(self, left, right, disparities, both_ways=False):
        """(1, n, H, W) of absolute differences, averaged over 7 x 7; first the disparities 0, 1, ..."""
        far = self.pad(right, left=disparities, right=disparities, value=1e4)
        slices = []
        for d in range(-disparities + 1 if both_ways else 0, disparities):
            end = -disparities - d
            slices.append(self.slice(far, disparities - d, end if end < 0 else 2**31, 3))
        stack = self("Abs", self("Sub", left, self("Concat", *slices, axis=1)))
        return self("AveragePool", stack, kernel_shape=[7, 7], pads=[3, 3, 3, 3])

    def best(self, volume, first=0):
        """Index of the smallest cost: (1, 1, H, W) float32."""
        found = self("Cast", self("ArgMin", volume, axis=1, keepdims=1), to=TensorProto.FLOAT)
        return self("Add", found, self.const(np.float32(first))) if first else found

    def disparity(self, left, right, disparities=20, both_ways=False):
        volume = self.volume(left, right, disparities, both_ways)
        return self.best(volume, 1 - disparities if both_ways else 0)

    def model(self, inputs, outputs, opset=17):
        """inputs {name: shape}, outputs {name: (node, shape)}; float32 all."""
        for name, (node, _) in outputs.items():
            self("Identity", node, out=name)
        values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()]
        results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, (_, s) in outputs.items()]
        graph = helper.make_graph(self.nodes, "stand_in", values, results, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.checker.check_model(model)
        return model


PICTURE = [1, 3, "H", "W"]
PLANE = [1, 1, "h", "w"]


def matcher(prepare=None, finish=None, weights=ITU, swapped=False, disparities=20, both_ways=False, shape=None):
    """left, right (1, 3, H, W) RGB 0..255 -> disparity (1, 1, H, W) px; `prepare(graph, picture)` and
    `finish(graph, disparity, left)` build a fault in."""
    g = Graph()
    greys = [g.grey(prepare(g, name) if prepare else name, weights) for name in ("left", "right")]
    if swapped:
        greys.reverse()
    found = g.disparity(*greys, disparities, both_ways)
    picture = [1, 3, *shape] if shape else PICTURE
    return g.model({"left": picture, "right": picture}, {"disparity": (finish(g, found) if finish else found, PLANE)})


def card_fields(**changed):
    """A card for `matcher`, right if the graph is."""
    fields = {
        "name": "stand-in", "kind": "stereo", "backend": "onnx", "source": "tests/engines/stand_ins.py",
        "licence": "Apache-2.0", "onnx": "stand-in.onnx", "sha256": "0" * 64,
        "colour": {"order": "rgb", "dtype": "float32", "layout": "nchw"},
        "size": {"rule": "as_is"}, "probe": {"max_disparity": 16}, "ort": {"intra_threads": 1},
    }  # fmt: skip
    return {**fields, **changed}


def written(folder: Path, model: onnx.ModelProto, **changed) -> Path:
    """The card's path, its model beside it."""
    data = model.SerializeToString()
    folder.mkdir(parents=True, exist_ok=True)
    fields = card_fields(**{"sha256": hashlib.sha256(data).hexdigest(), **changed})
    (folder / fields["onnx"]).write_bytes(data)
    path = folder / f"{fields['name']}.yaml"
    path.write_text(yaml.safe_dump(fields, sort_keys=False))
    return path


def approved(path: Path) -> Path:
    """The same card with a verdict beside it that lets it be opened, for tests of other things."""
    write_verdict(load_card(path), Report((), ()))
    return path
